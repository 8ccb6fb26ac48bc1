//! The binary as a user meets it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use bench_sim::{SimConfig, SimHandle, SimServer};
use serde_json::Value;

/// A server that is done at once.
fn server() -> SimHandle {
    let config = SimConfig {
        step_us: 50.0,
        prefill_token_us: 0.0,
        record: true,
        ..SimConfig::default()
    };
    SimServer::start(config).expect("it starts")
}

fn bench_serve(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench-serve"))
        .args(arguments)
        .env_remove("OPENAI_API_KEY")
        .output()
        .expect("the binary runs")
}

/// A small run against `server` with further arguments.
fn small(server: &SimHandle, arguments: &[&str]) -> Output {
    let url = server.url();
    let mut all = vec![
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
        "--num-prompts",
        "8",
    ];
    all.extend(["--random-input-len", "16", "--random-output-len", "4"]);
    all.extend(arguments);
    bench_serve(&all)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// That it failed with `code` and a message that holds all `parts`.
#[track_caller]
fn assert_fails(output: &Output, code: i32, parts: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

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
fn a_result_is_what_vllm_bench_serve_writes_and_more() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("r.json");
    let dir = path.parent().unwrap().to_str().unwrap();
    let save = ["--save-result", "--save-detailed", "--result-dir", dir];
    let name = [
        "--result-filename",
        "r.json",
        "--metadata",
        "gpu=none",
        "note=x y",
    ];
    let more = [
        "--percentile-metrics",
        "ttft,e2el",
        "--metric-percentiles",
        "50,99.9",
    ];
    let goodput = ["--goodput", "ttft:60000", "e2el:60000", "--label", "mine"];
    let all = [
        &save[..],
        &name,
        &more,
        &goodput,
        &["--max-concurrency", "2"],
    ]
    .concat();
    let output = small(&server, &all);
    assert!(output.status.success(), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(result["backend"], "openai");
    assert_eq!(result["label"], "mine");
    assert_eq!(result["model_id"], "sim-model");
    assert_eq!(result["tokenizer_id"], "builtin");
    assert_eq!(result["request_rate"], "inf");
    assert_eq!(result["max_concurrency"], 2);
    assert_eq!(result["gpu"], "none");
    assert_eq!(result["note"], "x y");
    assert_eq!(result["completed"], 8);
    assert_eq!(result["input_lens"], serde_json::json!(vec![16; 8]));
    assert_eq!(result["generated_texts"].as_array().map(Vec::len), Some(8));
    assert!(result["p99.9_ttft_ms"].is_number() && result["p50_e2el_ms"].is_number());
    assert!(result.get("p99_ttft_ms").is_none() && result.get("mean_itl_ms").is_none());
    assert_eq!(result["request_goodput"], result["request_throughput"]);
    assert_eq!(result["bench"]["options"]["num-prompts"], 8);
    // The second run finds the file and would rather not begin.
    assert_fails(&small(&server, &all), 2, &["r.json", "--overwrite"]);
    assert_eq!(server.stats().requests, 8);
    let output = small(&server, &[&all[..], &["--overwrite"]].concat());
    assert!(output.status.success());
}

#[test]
fn results_are_appended_line_by_line() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let save = [
        "--append-result",
        "--result-dir",
        dir,
        "--result-filename",
        "all.jsonl",
    ];
    for _ in 0..2 {
        assert!(small(&server, &save).status.success());
    }
    let text = std::fs::read_to_string(folder.path().join("all.jsonl")).unwrap();
    let results: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len(), 2);
}

#[test]
fn the_default_file_name_tells_the_run() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let rate = ["--request-rate", "500", "--max-concurrency", "3"];
    let output = small(
        &server,
        &[&["--save-result", "--result-dir", dir], &rate[..]].concat(),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let stem = names[0].strip_suffix(".json").expect("the result");
    assert_eq!(names[1..], [format!("{stem}.records.jsonl")]);
    assert!(
        names[0].starts_with("openai-500.0qps-concurrency3-sim-model-"),
        "{names:?}"
    );
}

#[test]
fn bad_command_lines_are_explained() {
    assert_fails(
        &bench_serve(&["--num-promts", "3"]),
        2,
        &["--num-promts", "--num-prompts"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--port", "1"]),
        2,
        &["--sim", "--port"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--backend", "vlm"]),
        2,
        &["--backend", "vllm"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--request-rate", "0"]),
        2,
        &["request rate 0"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--burstiness=-1"]),
        2,
        &["burstiness -1"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--num-prompts", "0"]),
        2,
        &["--num-prompts"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--max-concurrency", "0"]),
        2,
        &["--max-concurrency"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--goodput", "tft:1"]),
        2,
        &["--goodput", "ttft"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--metric-percentiles", "101"]),
        2,
        &["101"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--extra-body", "[1]"]),
        2,
        &["--extra-body"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--header", "no-value"]),
        2,
        &["KEY=VALUE"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--metadata", "k"]),
        2,
        &["--metadata", "KEY=VALUE"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--endpoint", "v1"]),
        2,
        &["--endpoint", "slash"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--total-timeout=-1"]),
        2,
        &["--total-timeout"],
    );
    assert_fails(
        &bench_serve(&["--base-url", "localhost:1", "--model", "m"]),
        2,
        &["http://"],
    );
    let no_effect = ["--sim", "--dataset-name", "sharegpt", "--input-len", "9"];
    assert_fails(&bench_serve(&no_effect), 2, &["--input-len", "sharegpt"]);
    let no_tokenizer = ["--sim", "--tokenizer", "/no/such/tokenizer.json"];
    assert_fails(&bench_serve(&no_tokenizer), 2, &["/no/such/tokenizer.json"]);
}

#[test]
fn a_server_that_is_not_there() {
    let output = bench_serve(&["--base-url", "http://127.0.0.1:1", "--model", "m"]);
    assert_fails(&output, 1, &["http://127.0.0.1:1"]);
}

#[test]
fn a_wrong_model_name() {
    let output = small(&server(), &["--model", "nope"]);
    assert_fails(&output, 1, &["`nope`", "404", "sim-model"]);
}

#[test]
fn a_broken_line_of_a_dataset_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.jsonl");
    std::fs::write(&path, "{\"prompt\": \"fine\"}\n{\"prompt\": oops}\n").unwrap();
    let file = path.to_str().unwrap();
    let output = small(
        &server(),
        &["--dataset-name", "custom", "--dataset-path", file],
    );
    assert_fails(&output, 2, &["prompts.jsonl", "2"]);
}

#[test]
fn an_unwritable_folder_is_found_before_the_run() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    // Root may write anywhere but not into a file.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let dir = file.join("below");
    let save = ["--save-result", "--result-dir", dir.to_str().unwrap()];
    assert_fails(&small(&server, &save), 2, &[dir.to_str().unwrap()]);
    assert_eq!(server.stats().requests, 0);
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
fn keys_and_header_values_go_to_the_server_and_nowhere_else() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let secrets = [
        "--api-key",
        "s3cret-key",
        "--header",
        "X-Token=s3cret-header",
    ];
    let save = ["--save-result", "--save-detailed", "--result-dir", dir];
    let output = small(&server, &[&secrets[..], &save].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let recorded = server.stats().recorded;
    let last = &recorded.last().unwrap().headers;
    assert_eq!(last["authorization"], "Bearer s3cret-key");
    assert_eq!(last["x-token"], "s3cret-header");
    let mut told = stdout(&output) + &stderr(&output);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        told += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(told.contains("p99_ttft_ms"));
    assert!(!told.contains("s3cret"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_sending_and_reports_what_was_measured() {
    use std::io::{BufRead, BufReader, Read};
    let config = SimConfig {
        ttft_ms: Some(20.0),
        itl_ms: Some(2.0),
        ..SimConfig::default()
    };
    let server = SimServer::start(config).unwrap();
    let url = server.url();
    let arguments = [
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
        "--num-prompts",
        "5000",
    ];
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench-serve"))
        .args(arguments)
        .args(["--random-input-len", "8", "--random-output-len", "8"])
        .args(["--max-concurrency", "2"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(
        server.wait_until(std::time::Duration::from_secs(60), |stats| stats.completed
            > 3)
    );
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Stopping")));
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(text.to_lowercase().contains("partial"), "{text}");
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
