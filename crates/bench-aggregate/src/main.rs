//! See the library of this package for what it does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::SystemTime;

use bench_aggregate::compare::{CompareOptions, tell_comparison};
use bench_aggregate::{
    AggregateError, AggregateOptions, Answer, Cli, Command, ParetoOptions, RebuildOptions,
    aggregate, rebuild, tell_pareto,
};
use clap::Parser;

/// What was asked for could not be done.
const FAILED: u8 = 1;
/// The command line makes no sense, or names what cannot be used.
const USAGE: u8 = 2;
/// A gate that the user set was missed.
const GATE: u8 = 3;

fn main() -> ExitCode {
    let done = match Cli::parse().chosen() {
        Command::Aggregate(options) => tell_aggregated(&options),
        Command::Rebuild(options) => tell_rebuilt(&options),
        Command::Compare(options) => tell_compared(&options),
        Command::Pareto(options) => tell_points(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { USAGE } else { FAILED })
        }
    }
}

fn tell_aggregated(options: &AggregateOptions) -> Result<ExitCode, AggregateError> {
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
    Ok(ExitCode::SUCCESS)
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn tell_rebuilt(options: &RebuildOptions) -> Result<ExitCode, AggregateError> {
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
    Ok(ExitCode::SUCCESS)
}

fn tell_compared(options: &CompareOptions) -> Result<ExitCode, AggregateError> {
    let (comparison, answer) = tell_comparison(options)?;
    for skipped in &comparison.skipped {
        eprintln!("passed over: {skipped}");
    }
    tell(&answer);
    for note in comparison.gate_notes() {
        eprintln!("{note}");
    }
    let missed = comparison.missed().next().is_some();
    Ok(ExitCode::from(if missed { GATE } else { 0 }))
}

fn tell_points(options: &ParetoOptions) -> Result<ExitCode, AggregateError> {
    let told = tell_pareto(options)?;
    for note in &told.notes {
        eprintln!("{note}");
    }
    tell(&told.answer);
    Ok(ExitCode::SUCCESS)
}

fn tell(answer: &Answer) {
    match answer {
        Answer::Text(text) => print!("{text}"),
        Answer::File(path) => println!("Written to {}", path.display()),
    }
}
