//! The process: its output, its environment, its signals and limits.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use bench_core::cli::Surroundings;
use bench_core::{ProxyOptions, StopHandle};
use bench_serve::RunLine;

use super::exit::{FAILED, INTERRUPTED, ProgramError};

/// Sets the process up and does `work` in it.
pub(crate) fn start(work: impl Future<Output = ExitCode>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .without_time()
        .with_target(false)
        .init();
    prepare();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => ProgramError::new(FAILED, error).tell(),
    }
}

/// What the runs of `line` have to know beside their options. From here on Ctrl-C stops them.
/// `simulated` is the address of a server that was started for them.
pub(crate) fn surroundings(line: &RunLine, simulated: Option<String>) -> Surroundings {
    let stop = StopHandle::new();
    tokio::spawn(stop_on_ctrl_c(stop.clone()));
    Surroundings {
        api_key: line.api_key.clone(),
        proxy: proxies(),
        simulated,
        stop,
        tool: concat!("bench-serve ", env!("CARGO_PKG_VERSION")).to_owned(),
        commit: option_env!("BENCH_SERVE_COMMIT").map(str::to_owned),
    }
}

/// Writes `text` to standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text)
}

/// Writes `text`. That nobody wants to read all of it, as with `| head`, is no error.
fn write(out: &mut impl Write, text: &str) -> io::Result<()> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
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
fn prepare() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_go_away() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        write(&mut writer, "report").unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let mut full = std::fs::OpenOptions::new();
        let mut full = full.write(true).open("/dev/full").unwrap();
        assert!(write(&mut full, "report").is_err());
    }
}
