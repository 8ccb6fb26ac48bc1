//! See the library of this package for the command line.
#![allow(clippy::print_stderr)]

mod program;

use std::process::ExitCode;

use bench_serve::Cli;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::start(async move {
        match program::once(&cli.run).await {
            Ok(code) => code,
            Err(error) => error.tell(),
        }
    })
}
