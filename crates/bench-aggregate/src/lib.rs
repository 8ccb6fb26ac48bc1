#![doc = include_str!("../README.md")]

mod cli;
mod error;
mod rebuild;

pub use cli::{Cli, Command};
pub use error::AggregateError;
pub use rebuild::{RebuildOptions, Rebuilt, rebuild};
