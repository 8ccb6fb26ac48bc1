#![doc = include_str!("../README.md")]

mod chart;
mod cli;
mod command;
mod compare;
mod error;
mod input;
mod options;
mod plot;
mod plotted;
mod sheet;

pub use cli::{Cli, Command};
pub use command::{FileOptions, ParetoOptions, SweepOptions};
pub use compare::CompareOptions;
pub use error::PlotError;
pub use options::{ImageFormat, OutputOptions, PlotOptions, ThemeChoice};
pub use plot::plot;
pub use plotted::Plotted;
