use bench_report::{VllmResult, console, serving_block};
use bench_types::{Failure, Nanos, RunEnd, WorkerFacts};

use crate::make;

/// What `vllm bench serve` printed between its first and its last double line.
fn printed(console: &str) -> String {
    let lines = console
        .lines()
        .skip_while(|line| !line.starts_with("======"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_block_is_that_of_vllm() {
    let chat = (
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-chat.json"),
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-chat.console.txt"),
    );
    let random = (
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-random.json"),
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-random.console.txt"),
    );
    for (json, text) in [chat, random] {
        let result: VllmResult<'_> = serde_json::from_str(json).expect("a result");
        assert_eq!(serving_block(&result), printed(text));
    }
}

#[test]
fn a_good_run() {
    insta::assert_snapshot!(console(&make::good()));
}

#[test]
fn a_run_on_which_all_conventions_agree() {
    let plain = |id| {
        let mut record = make::answered(id);
        record.timeline.sent = Some(record.timeline.scheduled);
        record.timeline.marks.retain(|mark| mark.kind.is_content());
        record
    };
    insta::assert_snapshot!(console(&make::report((0..4).map(plain).collect())));
}

#[test]
fn a_run_with_failures() {
    let status = |id| {
        let body = "the model is overloaded".to_owned();
        make::failed(id, Failure::Status { code: 503, body })
    };
    let truncated = make::failed(
        3,
        Failure::Truncated("no [DONE]\nafter 3 tokens".to_owned()),
    );
    let records = vec![make::answered(0), status(1), status(2), truncated];
    insta::assert_snapshot!(console(&make::report(records)));
}

#[test]
fn a_partial_run_against_the_simulator() {
    let mut report = make::report((0..2).map(make::answered).collect());
    report.facts.ended = RunEnd::Interrupted;
    report.facts.simulated = true;
    report.setup.max_concurrency = Some(16);
    report.setup.request_rate = f64::INFINITY;
    report
        .warnings
        .push("The dataset has only 2 prompts; they were repeated.".to_owned());
    insta::assert_snapshot!(console(&report));
}

#[test]
fn a_run_that_the_client_limited() {
    let mut records: Vec<_> = (0..4).map(make::answered).collect();
    records[1].timeline.sent = Some(Nanos::from_millis(103));
    records[2].receive.user = 6;
    let mut facts = make::facts();
    facts.clock_steps = 1;
    facts.stolen_cpu = Some(0.0312);
    facts.workers.push(WorkerFacts {
        cpu: Nanos::from_millis(490),
        ..facts.workers[0]
    });
    let report = bench_report::Report::new(make::setup(), facts, records, &make::options());
    insta::assert_snapshot!(console(&report));
}

#[test]
fn a_run_without_data() {
    let refused = || Failure::Connect("connection refused (os error 111)".to_owned());
    let records = (0..4).map(|id| make::failed(id, refused())).collect();
    insta::assert_snapshot!(console(&make::report(records)));
}
