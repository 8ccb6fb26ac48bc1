//! Results that this toolkit writes in the format of SGLang are read as those of SGLang are.

use bench_aggregate::{ReadOptions, read_all};
use bench_report::{Destination, ResultFormat, RunResult, Schedule, ScheduleKind, Statistic, Tool};
use serde_json::{Value, json};

use crate::make;

fn destination(dir: &tempfile::TempDir) -> Destination {
    Destination {
        dir: dir.path().to_owned(),
        file_name: "runs.jsonl".to_owned(),
        append: true,
        overwrite: false,
    }
}

#[test]
fn a_line_is_read_with_the_numbers_of_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut report = make::report(&make::header(), make::records());
    report.setup.options = json!({
        "dataset-name": "random", "random-input-len": 16, "random-output-len": 3,
        "random-range-ratio": {"from": 0.5},
    });
    report.setup.label = Some("it says \"request_rate\":\"Infinity\"".to_owned());
    let destination = destination(&dir);
    for rate in [f64::INFINITY, 2.5] {
        report.setup.request_rate = rate;
        let written = destination.write_as(ResultFormat::Sglang, &report, true);
        written.expect("written");
    }
    report.setup.schedule = Some(Schedule {
        kind: ScheduleKind::Trace,
        text: "times of the dataset".to_owned(),
        last_s: 4.0,
        mean_rps: Some(2.5),
    });
    destination
        .write_as(ResultFormat::Sglang, &report, false)
        .expect("written");
    let options = ReadOptions::default();
    let found = read_all(&[dir.path().to_owned()], &options).expect("readable");
    assert!(found.skipped.is_empty(), "{:?}", found.skipped);
    let [unlimited, rate, trace] = found.runs.as_slice() else {
        panic!("three runs: {:?}", found.runs);
    };
    let direct = RunResult::of(&report);
    for run in &found.runs {
        assert_eq!(run.origin.tool, Tool::SglangBench);
        assert_eq!(run.label, report.setup.label);
        assert_eq!(run.backend, direct.backend);
        assert_eq!(run.duration, direct.duration);
        assert_eq!(run.completed, direct.completed);
        assert_eq!(run.total_input_tokens, direct.total_input_tokens);
        assert_eq!(run.total_output_tokens, direct.total_output_tokens);
        assert_eq!(run.output_throughput, direct.output_throughput);
        assert_eq!((run.input_len, run.output_len), (Some(16), Some(3)));
        for metric in ["ttft", "e2el"] {
            let mean = |run: &RunResult| run.statistic(metric, Statistic::Mean);
            assert_eq!(mean(run), mean(&direct), "{metric}");
        }
        assert!(run.statistic("tpot", Statistic::Percentile(95.0)).is_some());
        let ratio = run.number("random_range_ratio");
        assert_eq!(ratio, Some(0.5));
    }
    assert_eq!(unlimited.request_rate, Some(f64::INFINITY));
    assert_eq!(rate.request_rate, Some(2.5));
    assert_eq!(trace.further("request_rate"), Some(&Value::from("trace")));
    assert_eq!(rate.num_prompts, direct.num_prompts);
    assert_eq!(rate.failed, direct.failed);
}
