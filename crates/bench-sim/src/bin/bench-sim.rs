//! A simulated LLM inference server: see the crate's documentation.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use bench_sim::{SimConfig, SimServer};
use clap::Parser;

/// A simulated LLM inference server
///
/// Serves the routes of vLLM and other servers at the speed of a simulated GPU, until Ctrl-C.
/// Prints the URL it listens on.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    config: SimConfig,
}

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
