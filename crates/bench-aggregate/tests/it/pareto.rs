//! The frontier of result files, by the program.

use std::fs;

use serde_json::Value;

use crate::bench_aggregate;
use crate::corpus::fixture;

#[test]
fn points_of_files_are_told_in_every_form() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["vllm-bench-rust.json", "vllm-bench-serve-0.32-random.json"] {
        fs::copy(fixture(name), dir.path().join(name)).expect("copied");
    }
    let failing = "vllm-bench-serve-0.32-failing.json";
    fs::copy(fixture(failing), dir.path().join(failing)).expect("copied");
    let with = |more: &[&str]| {
        let mut arguments = vec!["pareto", "."];
        arguments.extend(more);
        let done = bench_aggregate(dir.path(), &arguments);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(
            done.err.contains("failing.json has no point"),
            "{}",
            done.err
        );
        done.out
    };
    // Again, as a repeat.
    let again = fixture("vllm-bench-rust.json");
    fs::copy(again, dir.path().join("vllm-bench-rust-2.json")).expect("copied");
    let table = with(&["--slo", "ttft:100", "tpot:50"]);
    assert!(
        table.contains("*: on the frontier of its workload (model, tool, dataset, lengths)."),
        "{table}"
    );
    assert!(table.contains("mean over these repeats"), "{table}");
    assert!(
        table.contains("SLO: p99 within ttft:100 tpot:50."),
        "{table}"
    );
    assert!(table.contains("20.00 tok/s/user"), "{table}");
    assert!(
        table.contains("kept") && table.contains("missed"),
        "{table}"
    );

    let rows: Vec<Value> =
        serde_json::from_str(&with(&["--format", "json", "--gpus", "2"])).expect("JSON");
    assert_eq!(rows.len(), 2, "repeats are one");
    let rust = &rows[0];
    assert_eq!(rust["runs"], 2);
    assert_eq!(
        rust["filename"],
        "./vllm-bench-rust-2.json;./vllm-bench-rust.json"
    );
    assert_eq!(rust["user_tokens_per_s"], 1000.0 / 5.000834063492063);
    assert_eq!(rust["output_tokens_per_s"], 3047.78533787115 / 2.0);
    assert_eq!(rust["frontier"], true);
    // Slower for its user than 1000 / 3.41 ms, and with far more throughput.
    assert_eq!(rows[1]["frontier"], true);

    let csv = with(&["--format", "csv"]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("model_id,backend,"), "{csv}");

    let odd = bench_aggregate(dir.path(), &["pareto", ".", "--slo", "ttft"]);
    assert_eq!(odd.code, Some(2));
    let none = bench_aggregate(dir.path(), &["pareto", failing]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("no output throughput"), "{}", none.err);
}
