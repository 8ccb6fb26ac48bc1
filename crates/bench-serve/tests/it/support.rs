//! The binary, servers for it, and what it said.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use bench_serve::SharedTokenizer;
use bench_sim::{SimConfig, SimHandle, SimServer};
use serde_json::Value;

/// A server that is done at once, and keeps what it is asked.
pub(crate) fn server() -> SimHandle {
    server_with(quick())
}

/// What it takes for a server to be done at once.
pub(crate) fn quick() -> SimConfig {
    SimConfig {
        step_us: 50.0,
        prefill_token_us: 0.0,
        record: true,
        ..SimConfig::default()
    }
}

/// A server that is done at once, but for these faults.
pub(crate) fn faulty(faults: &[&str]) -> SimHandle {
    server_with(SimConfig {
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        ..quick()
    })
}

/// A server that counts as the client does.
pub(crate) fn server_with(config: SimConfig) -> SimHandle {
    let tokenizer = SharedTokenizer::load("builtin").expect("it comes with the tool");
    SimServer::start_with_tokenizer(config, Arc::new(tokenizer)).expect("it starts")
}

/// The binary, without what the environment of the test says about servers.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-serve"));
    for name in ["OPENAI_API_KEY", "RUST_LOG"] {
        command.env_remove(name);
    }
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

pub(crate) fn bench_serve(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary runs")
}

/// Eight short requests.
pub(crate) const SMALL: [&str; 8] = [
    "--tokenizer",
    "builtin",
    "--num-prompts",
    "8",
    "--random-input-len",
    "16",
    "--random-output-len",
    "4",
];

/// A small run against `server` with further arguments.
pub(crate) fn small(server: &SimHandle, arguments: &[&str]) -> Output {
    small_at(&server.url(), arguments)
}

/// A small run against a server at `url`.
pub(crate) fn small_at(url: &str, arguments: &[&str]) -> Output {
    bench_serve(&[&["--base-url", url], &SMALL[..], arguments].concat())
}

/// The binary at work, with pipes to read.
pub(crate) fn start(arguments: &[&str]) -> Child {
    let mut command = command();
    command.args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// That it ended well, and what it printed.
#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    let code = output.status.code();
    assert_eq!(code, Some(0), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

/// That it failed with `code` and a message that holds all `parts`.
#[track_caller]
pub(crate) fn assert_fails(output: &Output, code: i32, parts: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

/// A result that was written.
#[track_caller]
pub(crate) fn result(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A path as an argument.
pub(crate) fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().expect("a path of this test")
}
