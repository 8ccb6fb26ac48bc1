//! Keys, values of headers and passwords go to the server and nowhere else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use bench_sim::SimConfig;

use crate::support::{SMALL, command, quick, server, server_with, small, stderr, stdout, text};
use crate::transport::proxy;

/// What all secrets here begin with.
const MARK: &str = "s3cret";

/// `me:s3cret-word` in Base64, as far as it does not depend on what follows.
const ENCODED: &str = "bWU6czNjcmV0LXdvc";

/// Everything that a run wrote: what it said, and the names and the contents of its files.
fn artefacts(output: &Output, folder: &Path) -> String {
    let mut all = stdout(output) + &stderr(output);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all += text(&path);
        all += &std::fs::read_to_string(&path).unwrap();
    }
    all
}

#[track_caller]
fn assert_silent(artefacts: &str) {
    for secret in [MARK, ENCODED] {
        let at = artefacts.find(secret);
        let around = |at: usize| artefacts[at.saturating_sub(200)..].get(..300);
        assert!(at.is_none(), "{:?}", at.map(around));
    }
}

/// A run of `command` at `url` that writes whatever can be written into `folder`.
fn write_everything(command: &mut Command, url: &str, folder: &Path) -> Output {
    command.args(SMALL).args(["--base-url", url]);
    command.args(["--save-result", "--save-detailed", "--result-dir"]);
    command.arg(folder).env("RUST_LOG", "trace");
    command.args(["--label", "mine", "--metadata", "gpu=none"]);
    command.output().unwrap()
}

#[test]
fn keys_and_header_values_reach_the_server() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let secrets = [
        "--api-key",
        "s3cret-key",
        "--header",
        "X-Token=s3cret-header",
    ];
    let mut run = command();
    let output = write_everything(run.args(secrets), &server.url(), folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let recorded = server.stats().recorded;
    let last = &recorded.last().unwrap().headers;
    assert_eq!(last["authorization"], "Bearer s3cret-key");
    assert_eq!(last["x-token"], "s3cret-header");
    let all = artefacts(&output, folder.path());
    // The result and the log are among what was searched.
    assert!(all.contains("p99_ttft_ms") && all.contains(".records.jsonl"));
    assert_silent(&all);
}

#[test]
fn a_key_that_the_server_refuses_and_quotes() {
    let server = server_with(SimConfig {
        api_key: Some("right".to_owned()),
        ..quick()
    });
    let keyed = |command: &mut Command| {
        command.env("OPENAI_API_KEY", "s3cret-key");
        command.args(["--header", "X-Token=s3cret-header"]);
    };
    // Every request fails, and says so in the report, the result and the log.
    let folder = tempfile::tempdir().unwrap();
    let mut run = command();
    keyed(run.args(["--model", "sim-model"]));
    let output = write_everything(&mut run, &server.url(), folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let all = artefacts(&output, folder.path());
    assert!(
        all.matches("Incorrect API key provided: [redacted]")
            .count()
            > 8
    );
    assert_silent(&all);
    // The run does not even begin.
    for (arguments, part) in [
        (&[][..], "give the one it was started with (--api-key)"),
        (
            &["--model", "sim-model", "--ready-check-timeout-sec", "0.1"],
            "was not ready",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = command();
        keyed(run.args(arguments));
        let output = write_everything(&mut run, &server.url(), folder.path());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_silent(&artefacts(&output, folder.path()));
        let told = stderr(&output);
        assert!(told.contains("[redacted]") && told.contains(part), "{told}");
    }
}

#[test]
fn help_and_complaints_do_not_repeat_secrets() {
    let with_key = |arguments: &[&str]| {
        let mut command = command();
        command.env("OPENAI_API_KEY", "s3cret-key").args(arguments);
        let output = command.output().unwrap();
        stdout(&output) + &stderr(&output)
    };
    assert!(with_key(&["--help"]).contains("[env: OPENAI_API_KEY]"));
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["--no-such-flag"],
        &["--sim", "--header", "s3cret"],
        &["--sim", "--header", "X-Token=s3cret\nmore"],
        &["--sim", "--header", "X-Token=s3cret\u{7f}"],
        &["--sim", "--api-key", "s3cret\n x"],
        &["--sim", "--metadata", "s3cret"],
        &["--base-url", "http://me:s3cret@127.0.0.1:1"],
        &["--base-url", "http://127.0.0.1:1/v1?key=s3cret"],
    ] {
        let told = with_key(arguments);
        assert!(!told.is_empty());
        assert_silent(&told);
    }
}

/// A run through a proxy with a password.
fn through(proxy: &str, url: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = command();
    let secret = proxy.replace("http://", "http://me:s3cret-word@");
    run.env("http_proxy", &secret).env("https_proxy", &secret);
    run.args(["--model", "sim-model"]);
    let output = write_everything(&mut run, url, folder.path());
    let all = artefacts(&output, folder.path());
    (output, all)
}

#[test]
fn a_password_reaches_the_proxy() {
    let server = server();
    let (proxy, told) = proxy();
    let url = server.url().replace("127.0.0.1", "server.test");
    let (output, all) = through(&proxy, &url);
    assert!(output.status.success(), "{}", stderr(&output));
    let first = told.recv().unwrap().to_lowercase();
    let sent = format!("proxy-authorization: basic {}", ENCODED.to_lowercase());
    assert!(first.contains(&sent), "{first}");
    assert!(all.contains("p99_ttft_ms"));
    assert_silent(&all);
}

/// What a proxy says that refuses, and quotes what it refuses.
fn refuse(mut stream: TcpStream) {
    let mut asked = vec![0; 64 * 1024];
    let length = stream.read(&mut asked).unwrap_or(0);
    let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
    let line = asked.lines().find(|line| line.contains("Basic "));
    let body = format!("{{\"error\": \"refused: {}\"}}", line.unwrap_or("nothing"));
    let head = format!("content-length: {}\r\nconnection: close", body.len());
    let status = "HTTP/1.1 407 Proxy Authentication Required";
    // Should the client be gone, nobody waits for an answer.
    let _ = write!(stream, "{status}\r\n{head}\r\n\r\n{body}");
}

#[test]
fn a_password_is_not_in_what_is_said_of_a_proxy_that_does_not_work() {
    // Nobody listens.
    let (output, all) = through("http://127.0.0.1:1", "http://server.test");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        all.contains("through the proxy http://127.0.0.1:1"),
        "{all}"
    );
    assert_silent(&all);
    // Not a proxy of a kind that can be used.
    let (output, all) = through("ftp://me:s3cret-word@127.0.0.1:1", "http://server.test");
    assert_eq!(output.status.code(), Some(2));
    assert_silent(&all);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            // Each by itself: a connection on which nothing is asked holds up no other.
            let stream = stream.unwrap();
            std::thread::spawn(move || refuse(stream));
        }
    });
    for server in ["http://server.test", "https://server.test"] {
        let (output, all) = through(&url, server);
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.contains("407"), "{all}");
        assert_silent(&all);
    }
}

#[test]
fn no_key_no_header() {
    let server = server();
    assert!(small(&server, &[]).status.success());
    let recorded = server.stats().recorded;
    assert!(
        recorded
            .iter()
            .all(|r| !r.headers.contains_key("authorization"))
    );
}
