//! See the library of this package for what it does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use bench_plot::{Cli, Plotted};
use clap::Parser;

/// What was asked for could not be drawn.
const FAILED: u8 = 1;
/// The command line makes no sense, or names what cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(plotted) => tell(&plotted),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { USAGE } else { FAILED })
        }
    }
}

/// The charts and what they say on the standard output, what is missing on the other.
fn tell(plotted: &Plotted) -> ExitCode {
    for file in &plotted.skipped {
        eprintln!("not read: {file}");
    }
    for line in &plotted.lines {
        println!("{line}");
    }
    for path in &plotted.written {
        println!("Written: {}", path.display());
    }
    for reason in &plotted.missing {
        eprintln!("not drawn: {reason}");
    }
    if plotted.is_failure() {
        return ExitCode::from(FAILED);
    }
    ExitCode::SUCCESS
}
