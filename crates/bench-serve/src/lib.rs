#![doc = include_str!("../README.md")]

mod command_line;
mod simulator;

pub use command_line::{Cli, RunLine};
pub use simulator::{SharedTokenizer, SimulatorError};
