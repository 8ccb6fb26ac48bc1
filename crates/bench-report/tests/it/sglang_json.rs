//! The line of SGLang's `bench_serving`, with one that it wrote itself as the measure.

use bench_report::{Destination, Report, ResultFormat};
use bench_types::{Failure, Nanos, RequestRecord, RunFacts};
use serde_json::{Value, json};

use crate::make;
use crate::vllm_json::keys;

const REAL: &str = include_str!("../../../../fixtures/results/sglang-bench-0.5.23-random.jsonl");

fn line(change: impl FnOnce(&mut Report)) -> String {
    let mut report = make::report(vec![
        make::answered(0),
        make::answered(1),
        make::failed(2, Failure::NoTokens),
    ]);
    report.setup.request_rate = 4.0;
    change(&mut report);
    written(&report)
}

fn written(report: &Report) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let destination = Destination {
        dir: folder.path().to_owned(),
        file_name: "a.jsonl".to_owned(),
        append: false,
        overwrite: false,
    };
    let path = destination.write_as(ResultFormat::Sglang, report, true);
    std::fs::read_to_string(path.expect("written")).expect("readable")
}

#[test]
fn the_keys_are_those_of_sglang_in_their_order() {
    let real = REAL.lines().next().unwrap();
    assert_eq!(keys(&line(|_| {})), keys(real));
}

#[test]
fn keys_without_a_measurement_are_null() {
    let real = REAL.lines().next().unwrap();
    let text = written(&make::report(vec![make::failed(0, Failure::NoTokens)]));
    assert_eq!(keys(&text), keys(real));
    let text = text.replace("Infinity", "null");
    let value: Value = serde_json::from_str(&text).unwrap();
    for key in [
        "mean_ttft_ms",
        "p99_itl_ms",
        "std_e2e_latency_ms",
        "server_info",
    ] {
        assert_eq!(value.get(key), Some(&Value::Null), "{key}");
    }
}

#[test]
fn a_mix_is_told_by_its_parts_and_a_backend_by_the_name_it_was_given() {
    let line = line(|report| {
        report.setup.options = json!({
            "backend": "vllm-chat", "dataset-name": "sharegpt", "mix": ["random=1", "random-mm=2"],
        });
    });
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["dataset_name"], "random=1,random-mm=2");
    assert_eq!(value["backend"], "vllm-chat");
    assert_eq!(value["total_input_text_tokens"], Value::Null);
}

#[test]
fn numbers_are_those_of_the_completed_requests() {
    let mut duration = 0.0;
    let line = line(|report| {
        duration = report.summary.duration_s;
        report.setup.options = json!({"dataset-name": "random-mm", "random-range-ratio": 0.0});
        let info = json!({"server_info": {"tp_size": 2}});
        report.setup.server_info.insert("http://a".to_owned(), info);
    });
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["completed"], 2);
    assert_eq!(value["server_info"]["tp_size"], 2);
    // The ratio of the least to the greatest length.
    assert_eq!(value["random_range_ratio"], 1.0);
    // Nobody counts the tokens of pictures apart.
    assert_eq!(value["total_input_vision_tokens"], Value::Null);
    let mean = value["mean_e2e_latency_ms"].as_f64().unwrap();
    let concurrency = value["concurrency"].as_f64().unwrap();
    assert!((concurrency - 2.0 * mean / 1e3 / duration).abs() < 1e-9);
    assert_eq!(value["output_lens"][2], 0);
    assert_ne!(value["errors"][2], "");
}

/// The line of a run with these records that was limited to 110 ms.
fn limited(records: Vec<RequestRecord>) -> Value {
    let facts = RunFacts {
        window: Some(Nanos::from_millis(110)),
        ..make::facts()
    };
    let line = line(|report| {
        *report = Report::new(make::setup(), facts, records, &make::options());
    });
    serde_json::from_str(&line).expect("a line of JSON")
}

#[test]
fn of_a_run_that_is_limited_in_time_only_that_time_counts() {
    // The first was sent at 0.03 ms and was under way for 51 ms; the second was sent at
    // 100.03 ms and had nothing for 20 ms.
    let value = limited(vec![make::answered(0), make::answered(1)]);
    assert_eq!(value["duration"], 0.11);
    let concurrency = value["concurrency"].as_f64().unwrap();
    let busy = 51.0 + (110.0 - 100.03);
    assert!((concurrency - busy / 110.0).abs() < 1e-9, "{concurrency}");
    let input = value["input_throughput"].as_f64().unwrap();
    assert!((input - 16.0 / 0.11).abs() < 1e-9, "{input}");
    assert_eq!(value["total_input_tokens"], 32);
}

#[test]
fn nothing_is_under_way_in_a_run_without_an_answer() {
    let value = limited(vec![make::failed(0, Failure::NoTokens)]);
    for key in ["concurrency", "input_throughput"] {
        assert_eq!(value[key].to_string(), "0.0", "{key}");
    }
}

#[test]
fn a_rate_without_a_limit_is_the_word_of_python() {
    let unlimited = line(|report| {
        report.setup.request_rate = f64::INFINITY;
        report.setup.label = Some(r#""request_rate":"Infinity""#.to_owned());
    });
    assert!(
        unlimited.contains(r#","request_rate":Infinity,"#),
        "{unlimited}"
    );
    let tag = r#""tag":"\"request_rate\":\"Infinity\"""#;
    assert!(unlimited.starts_with(&format!("{{{tag}")), "{unlimited}");
}

#[test]
fn the_file_has_the_name_that_sglang_gives_it() {
    let mut setup = make::setup();
    setup.options = json!({"dataset-name": "random", "random-input-len": 64, "output-len": 16});
    assert_eq!(setup.sglang_file_name(), "openai-chat_1121_4_64_16.jsonl");
    setup.options = json!({"dataset-name": "sharegpt"});
    assert_eq!(
        setup.sglang_file_name(),
        "openai-chat_1121_4_sharegpt.jsonl"
    );
    // As they were given.
    setup.options = json!({
        "backend": "vllm-chat", "num-prompts": 1000, "dataset-name": "sharegpt",
        "mix": ["sharegpt:a/b.json=1"],
    });
    assert_eq!(setup.sglang_file_name(), "vllm-chat_1121_1000_mix.jsonl");
}
