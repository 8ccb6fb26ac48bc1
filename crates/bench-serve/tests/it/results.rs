//! What a run writes.

use std::path::Path;

use bench_charts::Marks;
use bench_charts::figures::{cumulative, token_totals};
use bench_core::report::{RequestsFile, RunResult};
use bench_sim::SimHandle;
use serde_json::Value;

use crate::support::{assert_fails, result, server, small, stderr, text};

#[test]
fn a_result_says_what_it_takes_to_run_it_again() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let reproducibility = |name: &str, more: &[&str]| {
        let save = [
            "--save-result",
            "--result-dir",
            dir,
            "--result-filename",
            name,
        ];
        let output = small(&server, &[&save, more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = std::fs::read(folder.path().join(name)).unwrap();
        let mut result: Value = serde_json::from_slice(&text).unwrap();
        result["bench"]["reproducibility"].take()
    };
    let flags = [
        "--request-rate",
        "1000",
        "--seed",
        "7",
        "--prompt-nonce",
        "5",
    ];
    let one = reproducibility("one.json", &flags);
    assert_eq!(
        one["seeds"],
        serde_json::json!({"dataset": 7, "nonce": 5, "arrivals": 7})
    );
    for fingerprint in [
        "dataset_hash",
        "schedule_hash",
        "tokenizer_hash",
        "token_hash",
    ] {
        assert_eq!(one[fingerprint].as_str().map(str::len), Some(32), "{one}");
    }
    assert!(one["host"]["system"].is_string(), "{one}");
    assert!(
        one["server_versions"].as_object().unwrap().len() == 1,
        "{one}"
    );

    let mut again = reproducibility("again.json", &flags);
    again["epoch_unix"] = one["epoch_unix"].clone();
    assert_eq!(again, one);

    let other = reproducibility("other.json", &["--request-rate", "1000", "--seed", "8"]);
    for fingerprint in ["dataset_hash", "schedule_hash", "token_hash"] {
        assert_ne!(other[fingerprint], one[fingerprint], "{other}");
    }
    assert_eq!(other["tokenizer_hash"], one["tokenizer_hash"]);

    // Without the flag another nonce is drawn, and the same load has other prompts.
    let drawn = reproducibility("drawn.json", &flags[..4]);
    assert_ne!(drawn["seeds"]["nonce"], one["seeds"]["nonce"]);
    assert!(drawn["seeds"]["nonce"].is_u64(), "{drawn}");
    assert_ne!(drawn["dataset_hash"], one["dataset_hash"]);
    assert_eq!(drawn["schedule_hash"], one["schedule_hash"]);

    let burst = reproducibility("burst.json", &["--num-warmups", "2", "--fixed-prompts"]);
    assert_eq!(
        burst["seeds"],
        serde_json::json!({"dataset": 0, "warm_up": u64::MAX})
    );
    assert!(burst.get("schedule_hash").is_none(), "{burst}");
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

/// Runs eight requests that save their metrics, and returns the names of the files.
fn save_requests(server: &SimHandle, dir: &Path, arguments: &[&str]) -> Vec<String> {
    let save = ["--result-dir", text(dir), "--no-record-log"];
    let output = small(server, &[&save[..], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn per_request_metrics_are_saved_under_the_name_of_the_result() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let both = ["--save-result", "--save-requests", "json"];
    let ids = ["--request-id-prefix", "mine-", "--temperature", "0.25"];
    let names = save_requests(&server, folder.path(), &[&both[..], &ids].concat());
    let stem = names[0].strip_suffix(".json").expect("the result");
    assert_eq!(names[1..], [format!("{stem}.requests.json")]);

    let saved = result(&folder.path().join(&names[0]));
    let file = result(&folder.path().join(&names[1]));
    assert_eq!(file["metadata"]["total_requests"], 8);
    assert_eq!(file["metadata"]["successful_requests"], 8);
    let requests = file["requests"].as_array().unwrap();
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(request["request_id"], format!("mine-{number}"));
        assert_eq!(request["tokens"]["prompt_tokens"], 16);
        assert_eq!(request["tokens"]["completion_tokens"], 4);
        assert_eq!(request["request_params"]["model"], "sim-model");
        assert_eq!(request["request_params"]["temperature"], 0.25);
        assert_eq!(request["request_params"]["max_tokens"], 4);
        assert!(request["content"]["text_length"].as_u64() > Some(0));
        let seconds = request["client_metrics"]["e2e_latency_ms"]
            .as_f64()
            .unwrap()
            / 1e3;
        let latency = saved["latencies"][number].as_f64().unwrap();
        assert!((seconds - latency).abs() < 1e-9, "{seconds} {latency}");
    }
    let sent = server.stats().recorded;
    let sent: Vec<_> = sent
        .iter()
        .filter_map(|sent| sent.headers.get("x-request-id"))
        .collect();
    for request in requests {
        let id = request["request_id"].as_str().unwrap();
        assert!(sent.iter().any(|sent| *sent == id), "{id} of {sent:?}");
    }
}

#[test]
fn per_request_metrics_need_no_result_and_replace_nothing_unasked() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let alone = ["--save-requests", "csv", "--result-filename", "r.json"];
    let names = save_requests(&server, folder.path(), &alone);
    assert_eq!(names, ["r.requests.csv"]);
    let path = folder.path().join("r.requests.csv");
    let table = std::fs::read_to_string(&path).unwrap();
    assert_eq!(table.lines().count(), 9);
    let again = [&alone[..], &["--result-dir", text(folder.path())]].concat();
    assert_fails(
        &small(&server, &again),
        2,
        &["r.requests.csv", "--overwrite"],
    );
    assert_eq!(server.stats().requests, 8);

    std::fs::remove_file(&path).unwrap();
    let appended = ["--append-result", "--save-requests", "json"];
    let appended = [&appended[..], &["--result-filename", "all.jsonl"]].concat();
    save_requests(&server, folder.path(), &appended);
    let names = save_requests(&server, folder.path(), &appended);
    assert_eq!(
        names,
        ["all-2.requests.json", "all.jsonl", "all.requests.json"]
    );

    let unknown = small(&server, &["--save-requests", "xml"]);
    assert_fails(&unknown, 2, &["--save-requests", "json or csv"]);
}

/// Total tokens, duration and average rate of a file of per-request metrics, in the words of its
/// format: the events of a request are its timestamp plus its TTFT, and then a gap later each;
/// those of all requests are sorted by time.
fn totals(file: &Value) -> (usize, f64, f64) {
    let mut events = Vec::new();
    for request in file["requests"].as_array().unwrap() {
        let number = |value: &Value| value.as_f64().unwrap();
        let ttft = number(&request["client_metrics"]["ttft_ms"]) / 1e3;
        let mut at = number(&request["timestamp"]) + ttft;
        events.push(at);
        for gap in request["detailed_data"]["itl_list_seconds"]
            .as_array()
            .unwrap()
        {
            at += number(gap);
            events.push(at);
        }
    }
    events.sort_by(f64::total_cmp);
    let duration = events[events.len() - 1] - events[0];
    (events.len(), duration, events.len() as f64 / duration)
}

#[test]
fn the_cumulative_chart_reproduces_the_totals_of_per_request_metrics() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let options = ["--save-requests", "json", "--result-filename", "r.json"];
    let load = ["--request-rate", "200", "--max-concurrency", "4"];
    save_requests(&server, folder.path(), &[&options[..], &load].concat());
    let path = folder.path().join("r.requests.json");
    let (tokens, duration, rate) = totals(&result(&path));
    assert_eq!(tokens, 8 * 4, "each token in a chunk of its own");

    let json = std::fs::read(&path).unwrap();
    let file: RequestsFile<'_> = serde_json::from_slice(&json).unwrap();
    let run = RunResult {
        requests: file.requests.into_iter().map(Into::into).collect(),
        ..RunResult::default()
    };
    let charted = token_totals(&run).unwrap();
    assert_eq!(charted.tokens, tokens as u64);
    assert_eq!(charted.duration_s, duration);
    assert_eq!(charted.tokens_per_s, Some(rate));
    let figure = cumulative(&run).unwrap();
    let Marks::Steps(curve) = &figure.panels[0].layers[0].marks else {
        panic!("{:?}", figure.panels[0].layers[0]);
    };
    let last = curve.last().unwrap();
    assert_eq!((last.x, last.y), (duration, tokens as f64));
}
