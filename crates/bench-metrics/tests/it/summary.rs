use bench_metrics::{Convention, Metric, Slo, Summary, SummaryOptions, View};
use bench_types::MarkKind::{Empty, Role, Text};
use bench_types::{Failure, Nanos, RequestRecord, RunFacts, TimeoutPhase, TokenSource};
use proptest::prelude::*;

use crate::make::{facts, failed, record};

fn options(slo: &[&str]) -> SummaryOptions {
    SummaryOptions {
        percentiles: vec![50.0, 99.0],
        slo: Some(Slo::parse(slo).expect("objectives")),
        ..SummaryOptions::default()
    }
}

fn count(view: &View, name: &str) -> Option<u64> {
    view.metrics
        .get(name)
        .map(|distribution| distribution.count)
}

#[test]
fn throughput_is_completed_work_over_the_whole_run() {
    let records = [
        record(0, &[(1000, Text, 3), (2000, Text, 5)]),
        failed(1, Failure::NoTokens),
    ];
    let summary = Summary::of(&records, &facts(&records), &SummaryOptions::default());
    assert_eq!(summary.duration_s, 2.0);
    assert_eq!((summary.requests.sent, summary.requests.failed), (2, 1));
    assert_eq!((summary.tokens.input, summary.tokens.output), (10, Some(8)));
    assert_eq!(summary.throughput.requests_per_s, 0.5);
    assert_eq!(summary.throughput.output_tokens_per_s, Some(4.0));
    assert_eq!(summary.throughput.total_tokens_per_s, 9.0);
    assert_eq!(summary.tokens.chunk_sources[0].source, TokenSource::Usage);
}

#[test]
fn goodput_has_three_answers() {
    // TTFT 98 ms by the role chunk, 198 by content, 200 from the schedule.
    let stream = record(0, &[(100, Role, 0), (200, Text, 1), (1000, Text, 1)]);
    let records = [stream, failed(1, Failure::NoTokens)];
    let good = |slo: &[&str]| {
        let summary = Summary::of(&records, &facts(&records), &options(slo));
        let views = [Convention::Vllm, Convention::Strict, Convention::Intended];
        views.map(|view| summary.view(view).goodput.expect("goodput").good)
    };
    assert_eq!(good(&["ttft:97"]), [0, 0, 0]);
    assert_eq!(good(&["ttft:98"]), [1, 0, 0]);
    assert_eq!(good(&["ttft:198"]), [1, 1, 0]);
    assert_eq!(good(&["ttft:200"]), [1, 1, 1]);
    assert_eq!(good(&["ttft:200", "tpot:799"]), [0, 0, 0]);
    assert_eq!(good(&["ttft:200", "tpot:800"]), [0, 1, 1]);
    let summary = Summary::of(&records, &facts(&records), &options(&["ttft:198"]));
    let goodput = summary.strict.goodput.expect("goodput");
    assert_eq!(
        (
            goodput.attainment,
            goodput.requests_per_s,
            goodput.tokens_per_s
        ),
        (0.5, 1.0, Some(2.0))
    );
}

#[test]
fn a_single_token_cannot_miss_a_tpot() {
    let records = [record(0, &[(100, Text, 1)])];
    let summary = Summary::of(&records, &facts(&records), &options(&["tpot:0"]));
    assert_eq!(summary.vllm.goodput.expect("goodput").good, 1);
    assert_eq!(count(&summary.vllm, "tpot"), Some(0));
}

#[test]
fn objectives_are_read_or_refused_with_a_cure() {
    let slo = Slo::parse(["ttft:200", " e2el : 5e3 "]).expect("objectives");
    assert_eq!(
        (slo.ttft, slo.tpot, slo.e2el),
        (Some(200.0), None, Some(5000.0))
    );
    assert_eq!(slo.to_string(), "TTFT <= 200 ms, E2EL <= 5000 ms");
    let error = |objectives: &[&str]| Slo::parse(objectives).expect_err("refused").to_string();
    assert_eq!(
        error(&["tfft:200"]),
        "unknown metric 'tfft', did you mean 'ttft'? Choose from ttft, tpot, e2el"
    );
    assert!(error(&["ttft"]).contains("write metric:milliseconds"));
    assert!(error(&["ttft:-1"]).contains("0 or more"));
    assert!(error(&["ttft:fast"]).contains("the limit 'fast'"));
    assert!(error(&["ttft:1", "ttft:2"]).contains("two objectives for 'ttft'"));
}

#[test]
fn failures_are_counted_by_class_with_the_first_as_example() {
    let status = |id, body: &str| {
        let body = body.to_owned();
        failed(id, Failure::Status { code: 503, body })
    };
    let mut never_sent = failed(4, Failure::Cancelled);
    never_sent.timeline.sent = None;
    let mut refused = failed(5, Failure::Connect("refused".to_owned()));
    refused.timeline.sent = None;
    let records = [
        status(3, "later"),
        failed(2, Failure::Timeout(TimeoutPhase::Idle)),
        status(1, "first"),
        never_sent,
        refused,
        record(6, &[(10, Text, 1)]),
    ];
    let summary = Summary::of(&records, &facts(&records), &SummaryOptions::default());
    let classes: Vec<(&str, u64)> = summary
        .failures
        .iter()
        .map(|failure| (failure.class.as_str(), failure.count))
        .collect();
    let expected = [
        ("status_503", 2),
        ("connect", 1),
        ("timeout_idle", 1),
        ("cancelled", 1),
    ];
    assert_eq!(classes, expected);
    assert_eq!(summary.failures[0].example, "HTTP status 503: first");
    // The request that never left is neither sent nor infinitely slow.
    assert_eq!(summary.requests.sent, 5);
    let ttft = &summary.strict.metrics["ttft"];
    assert_eq!(ttft.percentile_with_failures(99.0), Some(f64::INFINITY));
    assert_eq!(ttft.percentile(99.0), Some(8.0));
}

#[test]
fn stalls_are_gaps_over_the_threshold() {
    let records = [
        record(
            7,
            &[
                (0, Text, 1),
                (500, Text, 1),
                (1001, Text, 1),
                (1900, Text, 1),
            ],
        ),
        record(8, &[(0, Text, 1), (899, Text, 1)]),
    ];
    let stalls = Summary::of(&records, &facts(&records), &SummaryOptions::default())
        .stalls
        .expect("a run with streams");
    assert_eq!(
        (stalls.threshold_ms, stalls.gaps, stalls.requests),
        (500.0, 3, 2)
    );
    assert_eq!(
        (stalls.longest_ms, stalls.longest_request),
        (899.0, Some(7))
    );
}

#[test]
fn the_intended_view_has_only_what_depends_on_the_schedule() {
    let records = [record(0, &[(10, Text, 1), (20, Text, 1)])];
    let summary = Summary::of(&records, &facts(&records), &SummaryOptions::default());
    let names: Vec<&str> = summary
        .intended
        .metrics
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["closed", "e2el", "ttfat", "ttft"]);
    let metric = Metric::find("ttft").expect("a metric");
    let ttft = summary.intended.metric(metric).expect("a distribution");
    assert_eq!(ttft.mean, 10.0);
}

#[test]
fn a_run_without_requests_has_a_summary() {
    let summary = Summary::of(&[], &RunFacts::default(), &options(&["ttft:1"]));
    assert_eq!(summary.throughput.requests_per_s, 0.0);
    assert_eq!(summary.strict.goodput.expect("goodput").attainment, 0.0);
    assert_eq!(count(&summary.vllm, "ttft"), Some(0));
}

#[test]
fn a_summary_survives_json() {
    let records = [
        record(0, &[(10, Role, 0), (20, Text, 2), (29, Text, 1)]),
        failed(1, Failure::NoTokens),
    ];
    let summary = Summary::of(&records, &facts(&records), &options(&["ttft:15"]));
    let text = serde_json::to_string(&summary).expect("serializable");
    assert_eq!(
        serde_json::from_str::<Summary>(&text).expect("readable"),
        summary
    );
}

/// Streams of one shape: with or without a role chunk, bursts, an end chunk.
fn any_run() -> impl Strategy<Value = Vec<RequestRecord>> {
    let shape = (any::<bool>(), any::<bool>(), any::<bool>());
    let gaps = prop::collection::vec(prop::collection::vec((0..50_u64, 0..4_u16), 1..8), 1..12);
    (shape, gaps).prop_map(|((role, bursts, end), requests)| {
        let stream = |(id, gaps): (usize, Vec<(u64, u16)>)| {
            let mut at = 10;
            let mut marks = Vec::new();
            marks.extend(role.then_some((at, Role, 0)));
            for (gap, tokens) in gaps {
                at += gap;
                marks.push((at, Text, if bursts { tokens } else { 1 }));
            }
            marks.extend(end.then_some((at + 1, Empty, 0)));
            let mut made = record(id as u64, &marks);
            if id % 5 == 4 {
                made.outcome = bench_types::Outcome::Failed(Failure::Truncated("cut".to_owned()));
            }
            made.timeline.scheduled = Nanos(id as u64 * 1000);
            made
        };
        requests.into_iter().enumerate().map(stream).collect()
    })
}

proptest! {
    /// Records of many workers or machines can be merged in any order.
    #[test]
    fn the_order_of_records_does_not_matter(records in any_run(), turn in 0..12_usize) {
        let facts = facts(&records);
        let options = options(&["ttft:50", "tpot:10"]);
        let summary = Summary::of(&records, &facts, &options);
        let mut turned = records.clone();
        turned.rotate_left(turn % records.len());
        turned.reverse();
        let mut other = Summary::of(&turned, &facts, &options);
        // Sums of floats may differ in the last bits.
        let views = [
            (&summary.vllm, &mut other.vllm),
            (&summary.strict, &mut other.strict),
            (&summary.intended, &mut other.intended),
        ];
        for (view, other) in views {
            for (name, distribution) in &mut other.metrics {
                let expected = &view.metrics[name];
                prop_assert!((distribution.mean - expected.mean).abs() < 1e-9);
                prop_assert!((distribution.std - expected.std).abs() < 1e-6);
                (distribution.mean, distribution.std) = (expected.mean, expected.std);
            }
        }
        prop_assert_eq!(other, summary);
    }

    /// Samples that metrics share are read once; the result is as if each had been read.
    #[test]
    fn shared_samples_are_the_right_ones(records in any_run()) {
        let summary = Summary::of(&records, &facts(&records), &options(&["ttft:50"]));
        let completed = records.iter().filter(|record| record.outcome.is_success());
        for name in ["itl", "chunk_gap", "burst_size"] {
            let metric = Metric::find(name).expect("a metric");
            let mut samples = Vec::new();
            for record in completed.clone() {
                (metric.observe)(record, Convention::Strict, &mut samples);
            }
            let expected = bench_metrics::Distribution::of(&mut samples, &[50.0, 99.0]);
            prop_assert_eq!(&summary.strict.metrics[name], &expected);
        }
    }
}
