//! Which files are read, in which order, and what is said of the others.

use std::fs;
use std::path::Path;

use bench_aggregate::{AggregateError, Found, ReadOptions, read_all};

use crate::corpus::fixture;
use crate::make;

fn put(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn put_fixture(dir: &Path, name: &str, as_name: &str) {
    put(dir, as_name, fs::read(fixture(name)).expect("a fixture"));
}

fn read(dir: &Path) -> Found {
    read_all(&[dir.to_owned()], &ReadOptions::default()).expect("readable")
}

fn names(found: &Found, dir: &Path) -> Vec<String> {
    let name = |run: &bench_report::RunResult| {
        let path = run.origin.path.strip_prefix(dir).expect("within");
        let line = run.origin.entry.map(|entry| format!(":{entry}"));
        format!("{}{}", path.display(), line.unwrap_or_default())
    };
    found.runs.iter().map(name).collect()
}

fn reasons(found: &Found, dir: &Path) -> Vec<String> {
    let reason = |skipped: &bench_aggregate::Skipped| {
        let path = skipped.path.strip_prefix(dir).expect("within");
        format!("{} {}", path.display(), skipped.reason)
    };
    found.skipped.iter().map(reason).collect()
}

#[test]
fn folders_are_read_with_all_folders_in_them_in_the_order_of_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put_fixture(dir, "vllm-bench-rust.json", "b/2.json");
    put_fixture(dir, "vllm-bench-rust.json", "b/1.json");
    put_fixture(dir, "vllm-bench-rust.json", "a.json");
    put_fixture(
        dir,
        "vllm-bench-rust.json",
        "c/bench_io256x64_mc8_np80.json",
    );
    put_fixture(dir, "vllm-bench-rust.json", ".hidden.json");
    put(dir, "chart.png", b"\x89PNG");
    put(dir, "b/report.html", "<html>");
    put(dir, "b/requests.csv", "a,b\n1,2\n");
    let found = read(dir);
    assert_eq!(
        names(&found, dir),
        [
            "a.json",
            "b/1.json",
            "b/2.json",
            "c/bench_io256x64_mc8_np80.json"
        ]
    );
    assert_eq!(found.skipped, []);
    assert_eq!(found.runs[3].input_len, Some(256));
    assert_eq!(found.runs[3].output_len, Some(64));
    // Named twice and in a folder besides, a file is one run.
    let again = [dir.join("a.json"), dir.to_owned(), dir.join("a.json")];
    let again = read_all(&again, &ReadOptions::default()).expect("readable");
    assert_eq!(again.runs.len(), 4);
}

#[test]
fn what_is_no_result_is_listed_with_the_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put_fixture(dir, "vllm-bench-rust.json", "good.json");
    let whole = fs::read(fixture("vllm-bench-rust.json")).expect("a fixture");
    put(dir, "cut.json", &whole[..100]);
    put(dir, "empty.json", "\n");
    put(dir, "foreign.json", r#"{"a": 1, "b": [2]}"#);
    put(dir, "latin.json", b"{\"a\": \"\xe9\"}");
    put(dir, "list.json", "[1, 2]");
    put(dir, "text.jsonl", "hello");
    put(
        dir,
        "typed.json",
        r#"{"endpoint_type": 1, "model_id": 2, "request_throughput": 3}"#,
    );
    let found = read(dir);
    assert_eq!(names(&found, dir), ["good.json"]);
    let reasons = reasons(&found, dir);
    let expected = [
        "cut.json is no whole object in JSON: EOF",
        "empty.json is empty",
        "foreign.json is no result of a tool that this program knows (its keys: a, b)",
        "latin.json is no text in UTF-8",
        "list.json is a list in JSON",
        "text.jsonl is neither JSON nor a .csv file",
        "typed.json is not as its tool writes it: invalid type",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.starts_with(expected), "{reason}");
    }
    let strict = ReadOptions {
        strict: true,
        ..ReadOptions::default()
    };
    let error = read_all(&[dir.to_owned()], &strict).expect_err("strict");
    assert!(
        error.to_string().contains("cut.json is no whole"),
        "{error}"
    );
    assert!(!error.is_usage());
}

#[test]
fn a_path_that_leads_nowhere_is_an_error() {
    let error = read_all(&["no/such".into()], &ReadOptions::default()).expect_err("nothing");
    assert!(matches!(error, AggregateError::NoSuchPath { .. }) && error.is_usage());
}

#[test]
fn each_line_of_a_file_may_be_a_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let vllm = fs::read_to_string(fixture("vllm-bench-rust.json")).expect("a fixture");
    let sglang = fs::read_to_string(fixture("sglang-bench-0.5.23-random.jsonl")).expect("one");
    let (vllm, sglang) = (vllm.trim_end(), sglang.trim_end());
    let cut = &vllm[..50];
    put(
        dir,
        "many.jsonl",
        format!("{vllm}\n\n{{}}\n{sglang}\n{cut}"),
    );
    let found = read(dir);
    assert_eq!(names(&found, dir), ["many.jsonl:1", "many.jsonl:4"]);
    let reasons = reasons(&found, dir);
    assert_eq!(reasons[0], "many.jsonl line 3 is an empty object");
    assert!(
        reasons[1].starts_with("many.jsonl line 5 is no whole object"),
        "{reasons:?}"
    );
}

#[test]
fn json_on_many_lines_and_numbers_of_python_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let sglang = fs::read_to_string(fixture("sglang-bench-0.5.23-random.jsonl")).expect("one");
    let sglang = sglang
        .replace("\"request_rate\": 8.0", "\"request_rate\": Infinity")
        .replace("\"accept_length\": null", "\"accept_length\": NaN")
        .replace(", \"", ",\n \"");
    put(dir, "pretty.json", sglang);
    let found = read(dir);
    assert_eq!(found.skipped, []);
    assert_eq!(found.runs[0].request_rate, Some(f64::INFINITY));
    assert_eq!(found.runs[0].completed, Some(12));
}

#[test]
fn what_stands_beside_a_result_is_no_run_of_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for name in [
        "aiperf-0.13-profile_export.jsonl",
        "aiperf-0.13-profile_export_aiperf.csv",
        "aiperf-0.13-profile_export_aiperf.json",
    ] {
        put_fixture(dir, name, name);
    }
    let header = make::header();
    make::log(dir, &header, &make::records(), true);
    put(dir, "run.json", make::result(&header, make::records()));
    fs::rename(dir.join("run.jsonl"), dir.join("run.records.jsonl")).expect("renamed");
    let found = read(dir);
    assert_eq!(
        names(&found, dir),
        ["aiperf-0.13-profile_export_aiperf.json", "run.json"]
    );
    assert_eq!(found.skipped, []);
    // Alone, the log leads to a result.
    fs::remove_file(dir.join("run.json")).expect("removed");
    assert_eq!(
        reasons(&read(dir), dir),
        ["run.records.jsonl is a record log; make its result with `bench-aggregate rebuild`"]
    );
}

#[test]
fn our_own_results_tell_their_condition() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let header = make::header();
    put(dir, "ours.json", make::result(&header, make::records()));
    let details = ReadOptions {
        details: true,
        strict: true,
    };
    let found = read_all(&[dir.to_owned()], &details).expect("readable");
    let run = &found.runs[0];
    assert_eq!(run.condition.simulated, Some(false));
    assert_eq!(run.condition.partial, Some(false));
    assert_eq!(run.requests.len(), 3);
    let successes: Vec<bool> = run.requests.iter().map(|request| request.success).collect();
    assert_eq!(successes, [false, true, true]);
    assert_eq!(run.further("z"), Some(&"1".into()));
    let without = read(dir);
    let known = |run: &bench_report::RunResult| format!("{:?}", run.bench);
    assert_eq!(known(&without.runs[0]), known(run));
    assert!(without.runs[0].requests.is_empty());
}

#[test]
fn the_record_of_a_sweep_is_no_foreign_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put_fixture(dir, "vllm-bench-rust.json", "bench_mc1_np2.json");
    let record = "{\n  \"schema_version\": 1,\n  \"tool\": \"t\",\n  \"points\": []\n}";
    put(dir, "sweep.json", record);
    let strict = ReadOptions {
        strict: true,
        ..ReadOptions::default()
    };
    let found = read_all(&[dir.to_owned()], &strict).expect("readable");
    assert_eq!(names(&found, dir), ["bench_mc1_np2.json"]);
    assert_eq!(found.skipped, []);
    let named = read_all(&[dir.join("sweep.json")], &ReadOptions::default()).expect("readable");
    assert!(
        reasons(&named, dir)[0].starts_with("sweep.json is the record of a sweep"),
        "{:?}",
        named.skipped
    );
}

#[test]
fn times_that_are_not_known_leave_the_rest_of_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let details = ReadOptions {
        details: true,
        strict: true,
    };
    let change = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let text = fs::read_to_string(fixture(name)).expect("a fixture");
        let mut value = serde_json::from_str(&text).expect("JSON");
        change(&mut value);
        // As Python writes what is no number.
        put(dir, name, value.to_string().replace("\"nan\"", "NaN"));
        let found = read_all(&[dir.join(name)], &details).expect("readable");
        found.runs.into_iter().next().expect("a run")
    };
    let lists = |value: &mut serde_json::Value| {
        value["ttfts"][0] = "nan".into();
        value["itls"][1][0] = "nan".into();
    };
    for name in [
        "vllm-bench-serve-0.32-random.json",
        "sglang-bench-0.5.23-random.jsonl",
    ] {
        let requests = change(name, &lists).requests;
        assert_eq!(requests[0].ttft, None, "{name}");
        assert!(
            requests[0].success && !requests[0].gaps.is_empty(),
            "{name}"
        );
        assert!(
            requests[1].ttft.is_some() && requests[1].gaps.is_empty(),
            "{name}"
        );
        assert!(!requests[2].gaps.is_empty(), "{name}");
    }
    let run = change("vllm-bench-serve-0.32-random.json", &|value| {
        for list in ["latencies", "start_times", "queue_times"] {
            if value[list].is_array() {
                value[list][0] = "nan".into();
            }
        }
    });
    assert_eq!(
        (run.requests[0].start, run.requests[0].client_queue),
        (None, None)
    );
    let whole = change("guidellm-0.8.1.json", &|_| {});
    let run = change("guidellm-0.8.1.json", &|value| {
        let spread = &mut value["benchmarks"][0]["metrics"]["request_latency"]["successful"];
        for key in ["mean", "median", "std_dev"] {
            spread[key] = "nan".into();
        }
        spread["percentiles"]["p50"] = "nan".into();
    });
    assert_eq!(run.number("request_latency_mean"), None);
    assert!(whole.number("request_latency_mean").is_some());
    assert_eq!(run.request_throughput, whole.request_throughput);
}
