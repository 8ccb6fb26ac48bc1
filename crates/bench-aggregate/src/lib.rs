#![doc = include_str!("../README.md")]

mod cli;
mod columns;
mod error;
mod pareto;
mod read;
mod rebuild;

pub use cli::{Cli, Command};
pub use error::AggregateError;
pub use pareto::{NoPoint, Pareto, ParetoPoint, ParetoRules, SpeedSource, pareto};
pub use read::{Found, ReadOptions, Skipped, read_all, read_runs};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild};
