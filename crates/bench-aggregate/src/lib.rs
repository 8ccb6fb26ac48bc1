#![doc = include_str!("../README.md")]

mod aggregate;
mod cli;
mod columns;
pub mod compare;
mod error;
mod output;
mod pareto;
mod read;
mod rebuild;
mod table;

pub use aggregate::{AggregateOptions, Aggregated, Format, aggregate};
pub use cli::{Cli, Command};
pub use error::AggregateError;
pub use output::Answer;
pub use pareto::{
    NoPoint, Pareto, ParetoFormat, ParetoOptions, ParetoPoint, ParetoRules, ParetoTold,
    SpeedSource, Workload, pareto, tell_pareto,
};
pub use read::{Found, ReadOptions, Rereader, Skipped, read_all, read_runs};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild};
