//! See the library of this package for the command line.
#![allow(clippy::print_stderr)]

mod program;

use std::process::ExitCode;

use bench_serve::{Cli, Task};
use clap::FromArgMatches;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = bench_serve::matches(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program::start(async move {
        let ended = match &cli.command {
            None => program::once(&cli.run).await,
            Some(Task::Sweep(_)) => program::sweep(&matches).await,
            Some(Task::Search(line)) => program::search(line).await,
            Some(Task::ImportTrace(line)) => program::import(line),
        };
        ended.unwrap_or_else(|error| error.tell())
    })
}
