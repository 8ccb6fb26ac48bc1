//! Runs that are limited in time, requests that are given up, and what is sent beside the load.

use bench_metrics::{Probes, Slo, Summary, SummaryOptions, WarmUp};
use bench_types::MarkKind::Text;
use bench_types::{
    Failure, HangUp, Nanos, Outcome, RequestKind, RequestRecord, RunFacts, WarmUpEnd, WarmUpFacts,
};

use crate::make::{facts, failed, record};

fn hung_up(id: u64, reason: HangUp, marks: &[u64]) -> RequestRecord {
    let marks: Vec<_> = marks.iter().map(|&ms| (ms, Text, 1)).collect();
    RequestRecord {
        outcome: Outcome::HungUp(reason),
        ..record(id, &marks)
    }
}

/// As a run that was limited to `ms`.
fn limited(records: &[RequestRecord], ms: u64) -> RunFacts {
    RunFacts {
        window: Some(Nanos::from_millis(ms)),
        ..facts(records)
    }
}

fn options() -> SummaryOptions {
    SummaryOptions {
        percentiles: vec![50.0, 99.0],
        slo: Some(Slo::parse(["e2el:10000"]).expect("objectives")),
        ..SummaryOptions::default()
    }
}

#[test]
fn throughput_is_what_was_done_before_the_limit() {
    let records = [
        // Over before the limit of 2 s.
        record(0, &[(500, Text, 2), (1000, Text, 2)]),
        // Three of four tokens came before it, in one of two chunks.
        record(1, &[(1500, Text, 3), (2500, Text, 1)]),
        // Its first token came after it.
        record(2, &[(2100, Text, 1), (2200, Text, 1)]),
        hung_up(3, HangUp::Censored, &[1900]),
    ];
    let summary = Summary::of(&records, &limited(&records, 2000), &options());
    assert_eq!(summary.duration_s, 2.0);
    assert_eq!(summary.requests.completed, 3, "all latencies count");
    assert_eq!(summary.vllm.metrics["e2el"].count, 3);
    let limit = summary.time_limit.expect("limited");
    assert_eq!((limit.completed_before, limit.completed_after), (1, 2));
    assert_eq!(summary.throughput.requests_per_s, 0.5);
    assert_eq!(summary.throughput.output_tokens_per_s, Some(3.5));
    // The prompts of the first two, 10 tokens each, had been read.
    assert_eq!(summary.throughput.total_tokens_per_s, 13.5);
    let goodput = summary.strict.goodput.expect("goodput");
    assert_eq!((goodput.good, goodput.requests_per_s), (3, 0.5));
    assert_eq!(goodput.tokens_per_s, Some(3.5));
    assert_eq!(goodput.attainment, 0.75);
    // Without the limit the run lasts until its last request.
    let whole = Summary::of(&records, &facts(&records), &options());
    assert_eq!(whole.duration_s, 2.5);
    assert_eq!(whole.time_limit, None);
    assert_eq!(whole.throughput.output_tokens_per_s, Some(4.0));
}

#[test]
fn tokens_of_unknown_chunks_are_shared_among_them() {
    let mut stream = record(0, &[(500, Text, 0), (1500, Text, 0)]);
    stream.output_tokens = 10;
    stream.chunk_tokens = bench_types::TokenSource::Chunks;
    let records = [stream];
    let summary = Summary::of(&records, &limited(&records, 1000), &options());
    assert_eq!(summary.throughput.output_tokens_per_s, Some(5.0));
}

#[test]
fn what_was_due_and_never_left_is_unsent() {
    let records = [record(0, &[(100, Text, 1)])];
    let mut facts = limited(&records, 1000);
    facts.planned = 20;
    let unsent = |facts: &_| Summary::of(&records, facts, &options()).requests.unsent;
    assert_eq!(unsent(&facts), 19);
    facts.unpaced = true;
    assert_eq!(unsent(&facts), 0, "nothing was due");
}

#[test]
fn every_request_is_one_of_five() {
    let mut never_sent = hung_up(5, HangUp::Censored, &[]);
    never_sent.timeline.sent = None;
    let mut stopped = failed(6, Failure::Cancelled);
    stopped.timeline.sent = None;
    let records = [
        record(0, &[(100, Text, 1)]),
        record(1, &[(200, Text, 1)]),
        failed(2, Failure::NoTokens),
        hung_up(3, HangUp::Cancelled, &[102]),
        hung_up(4, HangUp::Censored, &[102]),
        never_sent,
        stopped,
    ];
    let summary = Summary::of(&records, &facts(&records), &options());
    let counts = summary.requests;
    assert_eq!((counts.completed, counts.failed), (2, 2));
    assert_eq!(
        (counts.cancelled, counts.censored, counts.unsent),
        (1, 1, 1)
    );
    assert_eq!(counts.sent, 5);
    let sum = counts.completed + counts.failed + counts.cancelled + counts.censored;
    assert_eq!(sum + counts.unsent, records.len() as u64);
    assert_eq!(summary.failure_rate(), 0.2, "hanging up is no failure");
    // Of five that were sent four were to be answered; those cut off and failed were slower
    // than any other.
    let e2el = &summary.strict.metrics["e2el"];
    assert_eq!(e2el.count, 2);
    assert_eq!(e2el.percentile_with_failures(99.0), Some(f64::INFINITY));
    assert_eq!(counts.lost(), 2);
    let cancellations = summary.cancellations.expect("one");
    assert_eq!(
        (cancellations.requests, cancellations.before_first_token),
        (1, 0)
    );
    assert_eq!(cancellations.ttft.median, 100.0);
}

#[test]
fn a_warm_up_is_told_of_and_counts_for_nothing_else() {
    let of = |kind, id, ms: u64| RequestRecord {
        kind,
        ..record(id, &[(ms, Text, 1)])
    };
    let records = [
        of(RequestKind::WarmUp, 0, 900),
        of(RequestKind::WarmUp, 1, 1100),
        RequestRecord {
            kind: RequestKind::WarmUp,
            ..failed(2, Failure::NoTokens)
        },
    ];
    let facts = RunFacts {
        start: Nanos::from_millis(1000),
        warm_up: Some(WarmUpFacts {
            start: Nanos::from_millis(250),
            end: Nanos::from_millis(1000),
            ended_by: WarmUpEnd::Stable,
            became_stable: Some(true),
            apart: false,
        }),
        ..RunFacts::default()
    };
    let warm_up = WarmUp::of(&records, &facts).expect("there was one");
    assert_eq!(
        (warm_up.requests, warm_up.failed, warm_up.under_way),
        (3, 1, 1)
    );
    assert_eq!(
        (warm_up.seconds, warm_up.ended_by),
        (0.75, WarmUpEnd::Stable)
    );
    assert_eq!(WarmUp::of(&records, &RunFacts::default()), None);
}

#[test]
fn probes_count_from_the_measured_start() {
    let probe = |id, due: u64, end: u64| {
        let mut probe = record(id, &[(end, Text, 1)]);
        probe.kind = RequestKind::Probe;
        probe.timeline.scheduled = Nanos::from_millis(due);
        probe.timeline.sent = Some(Nanos::from_millis(due + 1));
        probe
    };
    let mut broken = failed(3, Failure::NoTokens);
    broken.kind = RequestKind::Probe;
    broken.timeline.scheduled = Nanos::from_millis(300);
    let records = [
        probe(0, 50, 60),
        probe(1, 100, 111),
        probe(2, 200, 231),
        broken,
        record(4, &[(500, Text, 1)]),
    ];
    let facts = RunFacts {
        start: Nanos::from_millis(100),
        ..RunFacts::default()
    };
    let probes = Probes::of(&records, &facts).expect("there are some");
    assert_eq!(
        (probes.requests, probes.completed, probes.failed),
        (3, 2, 1)
    );
    assert_eq!((probes.e2el.median, probes.e2el.max), (20.0, 30.0));
    assert_eq!(probes.max_lateness_ms, 1.0);
    assert_eq!(Probes::of(&records[4..], &facts), None);
}
