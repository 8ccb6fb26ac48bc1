//! See the library of this package for what it does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::SystemTime;

use bench_aggregate::{
    AggregateError, AggregateOptions, Cli, Command, RebuildOptions, aggregate, rebuild,
};
use clap::Parser;

/// What was asked for could not be done.
const FAILED: u8 = 1;
/// The command line makes no sense, or names what cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match Cli::parse().chosen() {
        Command::Aggregate(options) => tell_aggregated(&options),
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

fn tell_aggregated(options: &AggregateOptions) -> Result<(), AggregateError> {
    // A clock that stands before 1970 only spoils the name of the table.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let done = aggregate(options, now.as_secs_f64())?;
    for skipped in &done.skipped {
        eprintln!("passed over: {skipped}");
    }
    println!(
        "Wrote {} with {} for {} of {}; {} passed over",
        done.path.display(),
        counted(done.rows, "row"),
        counted(done.runs, "run"),
        counted(done.files, "file"),
        done.skipped.len()
    );
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
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
