#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
mod cli;
mod config;
pub mod engine;
mod error;
mod fault;
mod flavour;
mod hash;
mod metrics;
mod protocol;
mod server;
mod stats;
mod tokenizer;
mod words;

#[cfg(feature = "cli")]
pub use cli::Cli;
pub use config::SimConfig;
pub use error::SimError;
pub use fault::{FAULTS, Fault, FaultDoc, FaultError, FaultRule, When};
pub use flavour::Flavour;
pub use server::{SimHandle, SimServer};
pub use stats::{RecordedRequest, SimStats};
pub use tokenizer::{SimTokenizer, WordTokenizer};
