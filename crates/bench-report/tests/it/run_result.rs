use bench_report::{Report, RequestSample, RunResult, Statistic, Tool, VllmResult};
use bench_types::{Failure, Finish, MarkKind, Outcome, RequestRecord, Task, TokenSource};

use crate::make;

fn read(text: &str) -> RunResult {
    let result: VllmResult<'_> = serde_json::from_str(text).expect("a result");
    RunResult::from(result)
}

fn written(report: &Report, detailed: bool) -> String {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, detailed);
    serde_json::to_string(&result).expect("serializable")
}

fn through_a_file(report: &Report, detailed: bool) -> RunResult {
    read(&written(report, detailed))
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
    assert_eq!(without_names(&now), later.requests);
    assert_eq!(now.requests[0].chunk_tokens, [0, 1, 1, 1, 1, 0]);
    assert_eq!(now.requests[0].gaps.len(), 5);
    assert!(!now.requests[1].success && now.requests[1].error.is_some());
    assert_eq!(now.requests[1].failed_after, Some(0.057));
    assert_eq!(now.requests[0].failed_after, None);
}

/// The requests as a file tells them, which has no names for them.
fn without_names(run: &RunResult) -> Vec<RequestSample> {
    let unnamed = |request: RequestSample| RequestSample {
        id: None,
        ..request
    };
    run.requests.iter().cloned().map(unnamed).collect()
}

/// An answer whose chunks of text had these many tokens, and nothing else.
fn bursts(id: u64, tokens: &[u16], source: TokenSource) -> RequestRecord {
    let mut record = make::answered(id);
    let marks = &mut record.timeline.marks;
    marks.retain(|mark| mark.kind == MarkKind::Text);
    marks.truncate(tokens.len());
    for (mark, tokens) in marks.iter_mut().zip(tokens) {
        mark.tokens = *tokens;
    }
    record.chunk_tokens = source;
    record.outcome = Outcome::Completed(Finish::Stop);
    record
}

#[test]
fn tokens_of_chunks_come_back_from_a_file_where_they_were_counted() {
    use TokenSource::{Chunks, TokenIds, Unknown, Usage};
    let failed = || make::failed(3, Failure::NoTokens);
    // Whether the file has the key, and what the requests have in the end.
    let cases: [(_, bool, [&[u32]; 2]); 5] = [
        (
            [(&[1, 3, 2][..], Usage), (&[1, 1], Usage)],
            true,
            [&[1, 3, 2], &[1, 1]],
        ),
        (
            [(&[1, 1, 1][..], Usage), (&[1], TokenIds)],
            false,
            [&[1, 1, 1], &[1]],
        ),
        (
            [(&[1, 1, 1][..], Chunks), (&[1, 1], Unknown)],
            false,
            [&[], &[]],
        ),
        (
            [(&[1, 1, 1][..], Usage), (&[1, 1], Chunks)],
            true,
            [&[1, 1, 1], &[]],
        ),
        (
            [(&[0, 1, 3][..], Usage), (&[2, 1], Unknown)],
            true,
            [&[0, 1, 3], &[]],
        ),
    ];
    for (answers, told, expected) in cases {
        let answers = answers.iter().zip(0..);
        let answers = answers.map(|((tokens, source), id)| bursts(id, tokens, *source));
        let report = make::report(answers.chain([failed()]).collect());
        let now = RunResult::of(&report);
        let later = through_a_file(&report, true);
        assert_eq!(without_names(&now), later.requests);
        let tokens = |at: usize| later.requests[at].chunk_tokens.as_slice();
        assert_eq!([tokens(0), tokens(1)], expected);
        assert_eq!(later.requests[2].failed_after, Some(0.067));
        assert_eq!(
            written(&report, true).contains("\"chunk_tokens\":["),
            told,
            "{expected:?}"
        );
    }
}

#[test]
fn a_file_that_does_not_tell_the_ends_of_failures_leaves_them_open() {
    let report = make::report(vec![make::answered(0), make::failed(1, Failure::NoTokens)]);
    let mut file: serde_json::Value =
        serde_json::from_str(&written(&report, true)).expect("valid JSON");
    let part = file["bench"].as_object_mut().expect("our part");
    let removed = part.remove("per_request").expect("of each request");
    assert_eq!(removed["failed_after"].to_string(), "[0.0,0.057]");
    let run = read(&file.to_string());
    assert_eq!(run.requests[1].failed_after, None);
    assert!(run.requests[0].chunk_tokens.is_empty());
    assert_eq!(run.requests[0].gaps.len(), 5);
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
    let all = |dataset: &str, over: Option<u64>| {
        let mut report = make::good();
        report.setup.options = serde_json::json!({
            "dataset-name": dataset,
            "random-input-len": 256,
            "random-output-len": 64,
            "sharegpt-output-len": null,
            "input-len": null,
            "output-len": over,
        });
        let run = RunResult::of(&report);
        (run.input_len, run.output_len)
    };
    let lengths = |dataset| all(dataset, None);
    assert_eq!(lengths("random"), (Some(256), Some(64)));
    assert_eq!(lengths("random-rerank"), (Some(256), Some(64)));
    assert_eq!(lengths("sharegpt"), (None, None));
    // The flags that hold for any dataset win.
    assert_eq!(all("random", Some(7)), (Some(256), Some(7)));
    assert_eq!(all("sharegpt", Some(7)), (None, Some(7)));
}

#[test]
fn what_is_not_generated_has_no_length_of_output() {
    for (task, output) in [
        (Task::Generate, Some(64)),
        (Task::Pool, None),
        (Task::Transcribe, None),
    ] {
        let mut report = make::good();
        report.setup.task = task;
        report.setup.options = serde_json::json!({
            "dataset-name": "random",
            "random-input-len": 256,
            "random-output-len": 64,
        });
        let run = RunResult::of(&report);
        assert_eq!((run.input_len, run.output_len), (Some(256), output));
        report.setup.options = serde_json::Value::Null;
        let mut run = RunResult::of(&report);
        run.found_at("bench_io256x64.json", None);
        assert_eq!((run.input_len, run.output_len), (Some(256), output));
    }
}
