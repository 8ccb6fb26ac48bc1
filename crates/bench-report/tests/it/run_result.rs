use bench_report::{RunResult, Statistic, Tool, VllmResult};
use bench_types::Failure;

use crate::make;

fn read(text: &str) -> RunResult {
    let result: VllmResult<'_> = serde_json::from_str(text).expect("a result");
    RunResult::from(result)
}

fn through_a_file(report: &bench_report::Report, detailed: bool) -> RunResult {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, detailed);
    read(&serde_json::to_string(&result).expect("serializable"))
}

#[test]
fn a_run_that_has_just_ended_is_told_as_its_file_tells_it() {
    let mut report = make::report(vec![
        make::answered(0),
        make::failed(1, Failure::NoTokens),
        make::answered(2),
    ]);
    report.warnings.push("look".to_owned());
    let now = RunResult::of(&report);
    let later = through_a_file(&report, true);
    assert_eq!(now.statistics, later.statistics);
    assert_eq!(now.more, later.more);
    assert_eq!(now.condition, later.condition);
    assert_eq!(now.condition.warnings, ["look"]);
    assert_eq!(now.requests.len(), 3);
    for (now, later) in now.requests.iter().zip(&later.requests) {
        assert_eq!(
            (now.success, &now.error, now.start, now.client_queue),
            (later.success, &later.error, later.start, later.client_queue)
        );
        assert_eq!(
            (now.ttft, now.e2el, &now.gaps, now.output_tokens),
            (later.ttft, later.e2el, &later.gaps, later.output_tokens)
        );
    }
    // The file has no place for the tokens of chunks.
    assert_eq!(now.requests[0].chunk_tokens, [0, 1, 1, 1, 1, 0]);
    assert!(later.requests[0].chunk_tokens.is_empty());
    assert_eq!(now.requests[0].gaps.len(), 5);
    assert!(!now.requests[1].success && now.requests[1].error.is_some());
    assert_eq!(now.requests[1].failed_after, Some(0.057));
    assert_eq!(now.requests[0].failed_after, None);
}

#[test]
fn keys_of_a_result_lead_to_its_numbers() {
    let run = read(include_str!(
        "../../../../fixtures/results/vllm-bench-serve-0.32-random.json"
    ));
    assert_eq!(run.origin.tool, Tool::VllmBenchServe);
    assert_eq!(run.date.as_deref(), Some("20261121-212154"));
    assert_eq!(run.number("request_rate"), Some(10.0));
    assert_eq!(run.number("num_prompts"), Some(20.0));
    assert_eq!(run.number("request_goodput"), Some(7.639234092708946));
    assert_eq!(run.number("p99_ttft_ms"), Some(171.525720269899));
    assert_eq!(run.number("std_itl_ms"), Some(9.677749501545518));
    assert_eq!(run.number("max_concurrent_requests"), Some(12.0));
    assert_eq!(run.number("p42_ttft_ms"), None);
    assert_eq!(run.requests.len(), 20);
    assert!(run.requests.iter().all(|request| request.success));
    assert_eq!(run.requests[0].ttft, Some(0.04160160900005394));
    assert_eq!(run.requests[0].gaps.len(), 15);
}

#[test]
fn a_run_without_an_answer_has_no_statistics_but_zeros_are_in_its_file() {
    let run = read(include_str!(
        "../../../../fixtures/results/vllm-bench-serve-0.32-failing.json"
    ));
    assert_eq!((run.completed, run.failed), (Some(0), Some(4)));
    assert_eq!(run.statistic("ttft", Statistic::Mean), None);
    assert_eq!(run.requests.len(), 4);
    let first = &run.requests[0];
    assert_eq!(first.error.as_deref(), Some("Bad Request"));
    assert_eq!(
        (first.ttft, first.e2el, first.output_tokens),
        (None, None, None)
    );
    assert_eq!(first.input_tokens, Some(5000));
}

#[test]
fn latencies_alone_are_no_details() {
    assert!(through_a_file(&make::good(), false).requests.is_empty());
}

#[test]
fn the_rust_client_is_told_by_its_keys() {
    let run = read(include_str!(
        "../../../../fixtures/results/vllm-bench-rust.json"
    ));
    assert_eq!(run.origin.tool, Tool::VllmBench);
    assert_eq!(run.number("input_throughput"), Some(761.9463344677876));
    assert!(run.request_rate.is_some_and(f64::is_infinite));
}

#[test]
fn lengths_are_those_of_the_dataset_in_use() {
    let lengths = |dataset: &str| {
        let mut report = make::good();
        report.setup.options = serde_json::json!({
            "dataset-name": dataset,
            "random-input-len": 256,
            "random-output-len": 64,
            "sharegpt-output-len": null,
        });
        let run = RunResult::of(&report);
        (run.input_len, run.output_len)
    };
    assert_eq!(lengths("random"), (Some(256), Some(64)));
    assert_eq!(lengths("random-rerank"), (Some(256), Some(64)));
    assert_eq!(lengths("sharegpt"), (None, None));
}
