//! See the library of this package for the command line.
#![allow(clippy::print_stderr)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bench_core::cli::{OptionsError, ProgressBar, Surroundings};
use bench_core::report::{Report, console};
use bench_core::{ProxyOptions, StopHandle};
use bench_serve::{Cli, SharedTokenizer};
use bench_sim::{SimHandle, SimServer};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The run could not be carried out, or no request succeeded.
const FAILED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// The run missed what the user demanded of it.
const MISSED: u8 = 3;
/// Ctrl-C, twice.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .without_time()
        .with_target(false)
        .init();
    prepare_process();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => fail(FAILED, &error),
    }
}

async fn run(cli: Cli) -> ExitCode {
    let simulator = match cli.sim.then(|| simulate(&cli)).transpose() {
        Ok(simulator) => simulator,
        Err(error) => return fail(USAGE, &*error),
    };
    let stop = StopHandle::new();
    tokio::spawn(stop_on_ctrl_c(stop.clone()));
    let around = Surroundings {
        api_key: cli.api_key.clone(),
        proxy: proxies(),
        simulated: simulator.as_ref().map(SimHandle::url),
        stop,
        tool: concat!("bench-serve ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let (run, saving) = match cli.options.prepare(around).await {
        Ok(prepared) => prepared,
        Err(error) => return fail(exit_code(&error), &error),
    };
    let mut progress = ProgressBar::new(cli.options.client.disable_tqdm);
    let report = match run.execute(&mut progress).await {
        Ok(report) => report,
        Err(error) => {
            let error = OptionsError::from(error);
            return fail(exit_code(&error), &error);
        }
    };
    // A reader that goes away must not cost the result.
    let saved = saving.map(|saving| saving.save(&report)).transpose();
    let printed = print(&mut io::stdout().lock(), &console(&report));
    match saved {
        Ok(Some(path)) => eprintln!("Result written to {}", path.display()),
        Ok(None) => {}
        Err(error) => return fail(FAILED, &error),
    }
    if let Err(error) = printed {
        return fail(FAILED, &format!("the report cannot be printed: {error}"));
    }
    verdict(&report, cli.options.result.max_failure_rate)
}

/// Writes `text`. That nobody wants to read all of it, as with `| head`, is no error.
fn print(out: &mut impl Write, text: &str) -> io::Result<()> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn verdict(report: &Report, max_failure_rate: Option<f64>) -> ExitCode {
    let rate = report.failure_rate();
    if let Some(limit) = max_failure_rate.filter(|limit| rate > *limit) {
        eprintln!("error: {rate:.4} of the requests failed, more than --max-failure-rate {limit}");
        return ExitCode::from(MISSED);
    }
    if report.summary.requests.completed == 0 {
        return ExitCode::from(FAILED);
    }
    ExitCode::SUCCESS
}

/// The proxies of the environment, by the names that most programs know. As in curl, the name
/// `HTTP_PROXY` counts in small letters only: a server that starts this program may have set it
/// from a header.
fn proxies() -> ProxyOptions {
    let first = |names: &[&str]| {
        let value = names.iter().find_map(|name| std::env::var(name).ok());
        value.unwrap_or_default()
    };
    ProxyOptions {
        http: first(&["http_proxy"]),
        https: first(&["https_proxy", "HTTPS_PROXY"]),
        all: first(&["all_proxy", "ALL_PROXY"]),
        no_proxy: first(&["no_proxy", "NO_PROXY"]),
    }
}

fn simulate(cli: &Cli) -> Result<SimHandle, Box<dyn std::error::Error>> {
    let mut config = cli.simulated.clone();
    if let Some(model) = &cli.options.server.served_model_name {
        config.model.clone_from(model);
    } else if let Some(model) = &cli.options.server.model {
        config.model.clone_from(model);
    }
    let spec = cli.options.server.tokenizer.as_deref().unwrap_or("builtin");
    let tokenizer = SharedTokenizer::load(spec)?;
    Ok(SimServer::start_with_tokenizer(
        config,
        Arc::new(tokenizer),
    )?)
}

/// The first Ctrl-C lets the requests under way finish, the second one ends at once.
async fn stop_on_ctrl_c(stop: StopHandle) {
    for last in [false, true] {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        if last {
            std::process::exit(INTERRUPTED);
        }
        stop.stop();
    }
}

/// Settings of the process that thousands of connections want.
fn prepare_process() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // One connection is one open file, and the usual limit of 1024 is soon reached. If it
    // stays low, opening a connection will fail and say why.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    // Clearing huge pages for small buffers costs a tenth of the CPU time of a run and
    // doubles its memory. Where this cannot be turned off, it is only slower.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

fn exit_code(error: &OptionsError) -> u8 {
    if error.is_usage() { USAGE } else { FAILED }
}

fn fail(code: u8, error: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_go_away() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        print(&mut writer, "report").unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let mut full = std::fs::OpenOptions::new();
        let mut full = full.write(true).open("/dev/full").unwrap();
        assert!(print(&mut full, "report").is_err());
    }
}
