#![doc = include_str!("../README.md")]

mod command_line;
mod simulator;

pub use command_line::{
    Cli, ImportLine, RunLine, SearchLine, SearchRunLine, SharedRunLine, SweepLine, Task,
};
pub use simulator::{SharedTokenizer, SimulatorError};
