//! See the library of this package for what it does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use bench_aggregate::{AggregateError, Cli, Command, RebuildOptions, rebuild};
use clap::Parser;

/// What was asked for could not be done.
const FAILED: u8 = 1;
/// The command line makes no sense, or names what cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Rebuild(options) => tell_rebuilt(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { USAGE } else { FAILED })
        }
    }
}

fn tell_rebuilt(options: &RebuildOptions) -> Result<(), AggregateError> {
    let rebuilt = rebuild(options)?;
    for warning in &rebuilt.warnings {
        eprintln!("warning: {warning}");
    }
    println!(
        "Result of {} of {} requests written to {}",
        rebuilt.requests,
        rebuilt.planned,
        rebuilt.path.display()
    );
    Ok(())
}
