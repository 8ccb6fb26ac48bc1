#![doc = include_str!("../README.md")]

mod command_line;
mod compat;
mod not_here;
mod parse;
mod simulator;

pub use command_line::{
    Cli, ImportLine, RunLine, SearchLine, SearchRunLine, SharedRunLine, SweepLine, Task,
};
pub use compat::{Compat, command};
pub use not_here::{NOT_HERE, NotHere};
pub use parse::matches;
pub use simulator::{SharedTokenizer, SimulatorError};
