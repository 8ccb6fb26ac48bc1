//! A simulated LLM inference server: see the crate's documentation.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use bench_sim::{Cli, SimServer};
use clap::Parser;

fn main() -> ExitCode {
    let server = match SimServer::start(Cli::parse().config) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("bench-sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", server.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let interrupted = runtime.and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
    server.shutdown();
    match interrupted {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-sim: cannot wait for Ctrl-C: {error}");
            ExitCode::FAILURE
        }
    }
}
