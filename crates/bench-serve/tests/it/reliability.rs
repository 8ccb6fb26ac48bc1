//! What is left of a run that ends before its time, and when a run counts as failed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use bench_core::datasets::Tokenizer;
use bench_core::report::Destination;
use bench_core::report::record_log::RecordLog;
use bench_sim::{SimConfig, SimHandle};
use tempfile::TempDir;

use crate::support::{
    assert_fails, faulty, result, server, server_with, small, start, stderr, stdout, succeeded,
    text,
};

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A server that takes this long to begin an answer.
fn paced(ttft_ms: f64) -> SimHandle {
    server_with(SimConfig {
        ttft_ms: Some(ttft_ms),
        itl_ms: Some(2.0),
        ..SimConfig::default()
    })
}

/// A run against a server that outlasts the test, and the folder that it writes into.
struct Endless {
    child: Child,
    folder: TempDir,
}

impl Endless {
    fn start(server: &SimHandle) -> Endless {
        let folder = tempfile::tempdir().unwrap();
        let (url, dir) = (server.url(), text(folder.path()));
        let log = folder.path().join("r.log");
        let load = ["--num-prompts", "5000", "--max-concurrency", "4"];
        let size = ["--random-input-len", "8", "--random-output-len", "8"];
        let save = ["--save-result", "--result-dir", dir, "--record-log"];
        let server = ["--base-url", &url, "--tokenizer", "builtin"];
        let page = folder.path().join("r.html");
        let page = ["--report", text(&page)];
        let arguments = [&server[..], &load, &size, &page, &save, &[text(&log)]].concat();
        let child = start(&arguments);
        Endless { child, folder }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("r.log")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the log has the header and `count` requests.
    fn wait_for_records(&self, server: &SimHandle, count: usize) {
        let log = self.log();
        let logged = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
        // The server goes on counting as long as the run goes on.
        assert!(server.wait_until(LONG, |_| logged() > count));
    }
}

/// What `bench-aggregate rebuild` makes of a log: the result in `dir`.
fn rebuild(log: &Path, dir: &Path) -> PathBuf {
    let log = RecordLog::read(log).expect("a log");
    let tokenizer = log.needs_counting().then(|| Tokenizer::load("builtin"));
    let tokenizer = tokenizer.transpose().expect("it comes with the tool");
    let detailed = log.header.detailed;
    let report = log.report(&|text| tokenizer.as_ref()?.token_ends(text).ok());
    let destination = Destination {
        dir: dir.to_owned(),
        file_name: "rebuilt.json".to_owned(),
        append: false,
        overwrite: false,
    };
    destination.write(&report, detailed).expect("written")
}

#[test]
fn a_killed_run_leaves_a_log_of_all_that_had_ended() {
    // Long before the next answers end, those that have ended are in the log.
    let server = paced(250.0);
    let mut run = Endless::start(&server);
    run.wait_for_records(&server, 8);
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    // What was under way is given up once the connections are seen to be closed.
    assert!(server.wait_until(LONG, |stats| stats.open_connections == 0
        && stats.running + stats.waiting == 0));
    let log = RecordLog::read(&run.log()).unwrap();
    assert!(log.end.is_none());
    let (logged, stats) = (log.records.len() as u64, server.stats());
    assert!(logged >= 8);
    // An answer that the server had sent may not have been read, for each of the four slots.
    let answered = stats.completed;
    assert!(
        (answered.saturating_sub(4)..=answered).contains(&logged),
        "{logged} of {answered}"
    );
    // No result was written, and one can be made of the log.
    let results = fs::read_dir(run.folder.path()).unwrap();
    let results = results.filter(|e| text(&e.as_ref().unwrap().path()).ends_with(".json"));
    assert_eq!(results.count(), 0);
    let result = result(&rebuild(&run.log(), run.folder.path()));
    assert_eq!(result["completed"], logged);
    assert_eq!(result["total_output_tokens"], logged * 8);
    assert!(result["mean_ttft_ms"].as_f64().unwrap() > 0.0);
    let warnings = result["bench"]["warnings"].to_string();
    assert!(warnings.contains("was killed"), "{warnings}");
}

#[test]
fn ctrl_c_stops_sending_and_reports_what_was_measured() {
    let server = paced(20.0);
    let mut run = Endless::start(&server);
    run.wait_for_records(&server, 4);
    run.signal("-INT");
    let mut lines = BufReader::new(run.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Stopping")));
    let mut page = String::new();
    let mut out = run.child.stdout.take().unwrap();
    out.read_to_string(&mut page).unwrap();
    // The pipe is read to its end, so that nothing hinders the child.
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(run.child.wait().unwrap().success(), "{rest:?}");
    assert!(page.to_lowercase().contains("partial"), "{page}");
    let html = fs::read_to_string(run.folder.path().join("r.html")).unwrap();
    assert!(html.contains("<strong>PARTIAL</strong>"));
    // The log came to its end, and all that the server answered is in it.
    let log = RecordLog::read(&run.log()).unwrap();
    assert!(log.end.is_some() && log.dropped.is_none());
    assert_eq!(log.records.len() as u64, server.stats().completed);
    let told = rest.iter().find(|line| line.contains("Result written to"));
    let path = told
        .and_then(|line| line.split_once("to "))
        .expect("told")
        .1;
    let rebuilt = rebuild(&run.log(), run.folder.path());
    assert_eq!(fs::read(path).unwrap(), fs::read(rebuilt).unwrap());
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let server = server_with(SimConfig {
        faults: vec!["mute@always".parse().unwrap()],
        ..SimConfig::default()
    });
    let mut run = Endless::start(&server);
    assert!(server.wait_until(LONG, |stats| stats.requests > 0));
    run.signal("-INT");
    let mut lines = BufReader::new(run.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C again to quit")));
    run.signal("-INT");
    assert_eq!(run.child.wait().unwrap().code(), Some(130));
    // Nothing had ended, which is what the log says.
    let log = RecordLog::read(&run.log()).unwrap();
    assert_eq!((log.records.len(), log.end), (0, None));
}

/// That a result made of the log is the one that was written.
fn same_from_the_log(server: &SimHandle, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let save = ["--save-result", "--result-dir", text(folder.path())];
    let name = ["--result-filename", "r.json"];
    let goodput = ["--goodput", "ttft:60000", "--metadata", "note=x y"];
    succeeded(&small(server, &[&save, &name[..], &goodput, more].concat()));
    let rebuilt = rebuild(&folder.path().join("r.records.jsonl"), folder.path());
    let written = fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert_eq!(written, fs::read_to_string(rebuilt).unwrap());
    let result = result(&folder.path().join("r.json"));
    assert_eq!(result["total_output_tokens"], 8 * 4);
    assert_eq!(
        result.get("generated_texts").is_some(),
        more.contains(&"--save-detailed")
    );
}

#[test]
fn the_log_makes_the_same_result() {
    let server = server();
    same_from_the_log(&server, &[]);
    same_from_the_log(&server, &["--save-detailed"]);
}

#[test]
fn the_log_makes_the_same_result_where_the_client_has_to_count() {
    let server = faulty(&["no-usage"]);
    same_from_the_log(&server, &[]);
    same_from_the_log(&server, &["--save-detailed"]);
}

#[test]
fn more_failures_than_demanded_are_an_exit_code_of_their_own() {
    let server = faulty(&["status:500@every:4"]);
    let limited = |limit| small(&server, &["--max-failure-rate", limit]);
    let missed = limited("0.1");
    assert_fails(
        &missed,
        3,
        &["0.2500 of the requests failed", "--max-failure-rate 0.1"],
    );
    // The report is there all the same.
    let failed = "Failed requests:                         2";
    assert!(stdout(&missed).contains(failed), "{}", stdout(&missed));
    assert!(succeeded(&limited("0.25")).contains(failed));
    assert!(!stderr(&limited("0.25")).contains("error"));
    assert!(succeeded(&small(&server, &[])).contains(failed));
    assert_fails(&limited("25"), 2, &["--max-failure-rate", "25"]);
}

#[test]
fn without_a_demand_a_run_fails_if_nothing_succeeded() {
    let server = faulty(&["status:500@always"]);
    let output = small(&server, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("NO DATA"), "{}", stdout(&output));
    let strict = small(&server, &["--max-failure-rate", "0.5"]);
    assert_fails(&strict, 3, &["1.0000 of the requests failed"]);
}
