use bench_metrics::{Peak, Summary, SummaryOptions};
use bench_types::MarkKind::{Role, Text};
use bench_types::{Failure, Nanos, RequestRecord};
use proptest::prelude::*;

use crate::make::{facts, failed, record};

fn peaks(records: &[RequestRecord]) -> (Peak, Peak) {
    let summary = Summary::of(records, &facts(records), &SummaryOptions::default());
    let peak = |peak: Option<Peak>| peak.expect("a peak");
    (peak(summary.vllm.peak), peak(summary.strict.peak))
}

#[test]
fn vllm_counts_chunks_in_seconds_since_the_first_request() {
    // Sent at 2 ms, so the second bucket begins at 1002 ms.
    let first = record(
        0,
        &[
            (900, Role, 0),
            (1001, Text, 4),
            (1002, Text, 4),
            (1500, Text, 4),
        ],
    );
    let (vllm, strict) = peaks(&[first]);
    assert_eq!(
        (vllm.output_tokens_per_s, vllm.concurrent_requests),
        (Some(2.0), 1)
    );
    assert_eq!(
        (strict.output_tokens_per_s, strict.concurrent_requests),
        (Some(12.0), 1)
    );
}

#[test]
fn one_request_after_the_other_is_one_at_once() {
    let mut second = record(1, &[(600, Text, 1)]);
    second.timeline.sent = Some(Nanos::from_millis(500));
    let (vllm, strict) = peaks(&[record(0, &[(500, Text, 1)]), second]);
    // Both touch the first second.
    assert_eq!(vllm.concurrent_requests, 2);
    assert_eq!(strict.concurrent_requests, 1);
}

#[test]
fn a_failed_request_is_under_way_too() {
    let mut lost = failed(1, Failure::NoTokens);
    lost.timeline.closed = Nanos::from_millis(400);
    let (vllm, strict) = peaks(&[record(0, &[(500, Text, 1)]), lost]);
    assert_eq!(
        (vllm.concurrent_requests, strict.concurrent_requests),
        (1, 2)
    );
}

#[test]
fn a_second_ends_before_the_stamp_that_follows_it() {
    let mut stream = record(0, &[(10, Text, 1), (1010, Text, 1)]);
    assert_eq!(peaks(&[stream.clone()]).1.output_tokens_per_s, Some(1.0));
    stream.timeline.marks[1].at = Nanos(1_009_999_999);
    assert_eq!(peaks(&[stream]).1.output_tokens_per_s, Some(2.0));
}

#[test]
fn without_requests_there_is_no_peak() {
    let nothing = Peak {
        output_tokens_per_s: Some(0.0),
        concurrent_requests: 0,
    };
    assert_eq!(peaks(&[]), (nothing, nothing));
}

/// A request sent at `sent`, with tokens at increasing times after it.
fn any_record() -> impl Strategy<Value = RequestRecord> {
    let gaps = prop::collection::vec((0..900_000_000_u64, 0..4_u16), 1..12);
    (0..3_000_000_000_u64, gaps).prop_map(|(sent, gaps)| {
        let mut made = record(0, &[]);
        made.timeline.sent = Some(Nanos(sent));
        let mut at = Nanos(sent);
        for (gap, tokens) in gaps {
            at += Nanos(gap);
            made.timeline.marks.push(bench_types::Mark {
                at,
                kind: Text,
                tokens,
            });
            made.output_tokens += u32::from(tokens);
        }
        made.timeline.closed = at;
        made
    })
}

proptest! {
    #[test]
    fn sweeping_finds_what_brute_force_finds(
        records in prop::collection::vec(any_record(), 1..30),
    ) {
        let tokens: Vec<(u64, u64)> = records
            .iter()
            .flat_map(|record| &record.timeline.marks)
            .map(|mark| (mark.at.0, u64::from(mark.tokens)))
            .collect();
        let second = |from: u64| -> u64 {
            let inside = tokens.iter().filter(|(at, _)| (from..from + 1_000_000_000).contains(at));
            inside.map(|(_, tokens)| tokens).sum()
        };
        let busiest = tokens.iter().map(|&(at, _)| second(at)).max().unwrap_or(0);

        let spans: Vec<(u64, u64)> = records
            .iter()
            .map(|record| (record.timeline.sent.unwrap_or_default().0, record.timeline.closed.0))
            .collect();
        let level = |at: u64| spans.iter().filter(move |(sent, closed)| (*sent..*closed).contains(&at));
        let at_once = spans.iter().map(|&(sent, _)| level(sent).count()).max().unwrap_or(0);

        let (_, strict) = peaks(&records);
        prop_assert_eq!(strict.output_tokens_per_s, Some(busiest as f64));
        prop_assert_eq!(strict.concurrent_requests, at_once as u64);
    }
}
