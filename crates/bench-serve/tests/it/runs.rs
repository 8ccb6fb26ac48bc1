//! Runs from the first line to the exit code.

use bench_sim::{SimConfig, SimServer};
use serde_json::Value;

use crate::support::{bench_serve, server, small, stderr, stdout};

#[test]
fn the_demo_prints_the_report_and_says_that_it_is_simulated() {
    let output = bench_serve(&["--sim", "--num-prompts", "20", "--random-output-len", "8"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in [
        "SIMULATED SERVER",
        "============ Serving Benchmark Result ============",
        "Successful requests:                     20",
        "Total input tokens:                      20480",
        "Total generated tokens:                  160",
        "Mean TTFT (ms):",
        "P99 TPOT (ms):",
        "Median ITL (ms):",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert!(stderr(&output).contains("Starting main benchmark run"));
}

#[test]
fn progress_can_be_turned_off() {
    let server = server();
    let output = small(&server, &["--disable-tqdm"]);
    assert!(output.status.success());
    assert_eq!(stderr(&output), "");
}

#[test]
fn all_requests_failing_is_a_failed_run_with_a_report() {
    let config = SimConfig {
        faults: vec!["status:500@always".parse().unwrap()],
        ..SimConfig::default()
    };
    let server = SimServer::start(config).unwrap();
    let output = small(&server, &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("Failed requests:                         8"),
        "{text}"
    );
    assert!(text.contains("status_500"), "{text}");
}

#[test]
fn custom_prompts_reach_the_server_in_their_order() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.jsonl");
    std::fs::write(&path, "{\"prompt\": \"first\"}\n{\"prompt\": \"second\"}\n").unwrap();
    let file = path.to_str().unwrap();
    let custom = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        file,
        "--disable-shuffle",
    ];
    let two = [
        "--num-prompts",
        "2",
        "--max-concurrency",
        "1",
        "--skip-tokenizer-init",
    ];
    let url = server.url();
    let output = bench_serve(&[&["--base-url", &url], &custom[..], &two].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let prompts: Vec<_> = server
        .stats()
        .recorded
        .iter()
        .filter(|request| request.path == "/v1/completions")
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["prompt"].clone())
        .collect();
    assert_eq!(prompts, ["first", "second"]);
}

#[test]
fn help_is_grouped() {
    let help = stdout(&bench_serve(&["--help"]));
    let headings = [
        "Server:", "Load:", "Dataset:", "Request:", "Client:", "Result:",
    ];
    let places: Vec<_> = headings.iter().map(|h| help.find(h).expect(h)).collect();
    assert!(places.is_sorted(), "{help}");
}
