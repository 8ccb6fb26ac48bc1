#![doc = include_str!("../README.md")]

mod cli;
mod error;
mod pareto;
mod rebuild;

pub use cli::{Cli, Command};
pub use error::AggregateError;
pub use pareto::{NoPoint, Pareto, ParetoPoint, ParetoRules, SpeedSource, pareto};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild};
