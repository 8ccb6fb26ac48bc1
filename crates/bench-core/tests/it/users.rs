//! Requests that the client hangs up on, limits of prefill, probes beside the load.

use std::time::Duration;

use bench_core::types::{
    Conversation, HangUp, Nanos, Outcome, Prompt, RequestKind, RequestRecord, Turn,
};
use bench_core::{CancelAfter, Cancellation, RequestIds, RequestOptions};
use bench_sim::SimConfig;
use serde_json::Value;

use super::{PATIENCE, execute, prompts, quick, run, start, succeeded};

fn cancelled(record: &&RequestRecord) -> bool {
    record.outcome == Outcome::HungUp(HangUp::Cancelled)
}

fn cancellation(rate: f64, after: CancelAfter) -> Cancellation {
    Cancellation::new(rate, after, 7).expect("a share")
}

#[tokio::test]
async fn the_client_hangs_up_after_so_many_tokens() {
    let server = start(SimConfig {
        ttft_ms: Some(1.0),
        itl_ms: Some(20.0),
        ..quick()
    });
    let builder = run(&server, prompts(10, 1_000))
        .max_concurrency(5)
        .cancellation(cancellation(1.0, CancelAfter::Tokens(3)));
    let report = execute(builder).await;
    assert_eq!(report.records.iter().filter(cancelled).count(), 10);
    for record in &report.records {
        let contents = record.timeline.contents().count();
        assert!((3..1_000).contains(&contents), "{contents}");
    }
    let counts = report.summary.requests;
    assert_eq!((counts.sent, counts.cancelled), (10, 10));
    assert_eq!((counts.completed, counts.failed), (0, 0));
    assert_eq!(report.failure_rate(), 0.0);
    let told = report.summary.cancellations.expect("told");
    assert_eq!((told.before_first_token, told.ttft.count), (0, 10));
    assert!(server.wait_until(PATIENCE, |stats| stats.aborted == 10));
    assert_eq!(server.stats().completed, 0);
}

#[tokio::test]
async fn the_client_hangs_up_after_a_time() {
    let server = start(SimConfig {
        ttft_ms: Some(3_600_000.0),
        ..quick()
    });
    let after = Duration::from_millis(30);
    let builder = run(&server, prompts(4, 2))
        .max_concurrency(2)
        .cancellation(cancellation(1.0, CancelAfter::Time(after)));
    let report = execute(builder).await;
    for record in &report.records {
        let timeline = &record.timeline;
        let waited = timeline.closed.since(timeline.sent.expect("sent"));
        assert!(waited >= after.into(), "{waited:?}");
    }
    let told = report.summary.cancellations.expect("told");
    assert_eq!((told.requests, told.before_first_token), (4, 4));
    assert!(server.wait_until(PATIENCE, |stats| stats.aborted == 4));
}

#[tokio::test]
async fn the_seed_says_which_requests_are_given_up() {
    let server = start(quick());
    let ids = |records: &[RequestRecord]| -> Vec<u64> {
        records.iter().filter(cancelled).map(|r| r.id).collect()
    };
    let cancellation = cancellation(0.4, CancelAfter::Tokens(1));
    let some = || run(&server, prompts(60, 50)).cancellation(cancellation);
    let one = execute(some().max_concurrency(6)).await;
    let other = execute(some().max_concurrency(2).threads(1)).await;
    assert_eq!(ids(&one.records), ids(&other.records));
    let counts = one.summary.requests;
    assert!((10..40).contains(&counts.cancelled), "{}", counts.cancelled);
    assert_eq!(counts.completed + counts.cancelled, 60);
    let e2el = &one.summary.strict.metrics["e2el"];
    assert_eq!(e2el.count, counts.completed);
    let worst = e2el.percentile_with_failures(99.0).expect("computed");
    assert!(worst.is_finite(), "a user's wish is no loss");
}

#[tokio::test]
async fn a_conversation_that_is_given_up_goes_no_further() {
    let server = start(quick());
    let turn = |number| {
        let prompt = Prompt::Text(format!("turn {number}").into());
        Turn::new(prompt, Some(2), 500)
    };
    let chat = vec![Conversation::of_turns(0, (0..3).map(turn).collect())];
    let builder = run(&server, chat).cancellation(cancellation(1.0, CancelAfter::Tokens(1)));
    let report = execute(builder).await;
    let counts = report.summary.requests;
    assert_eq!((counts.cancelled, counts.unsent, counts.failed), (1, 2, 0));
    assert_eq!(server.stats().requests, 1);
}

/// The most intervals that overlap.
fn most_at_once(intervals: impl Iterator<Item = (Nanos, Nanos)>) -> i32 {
    let mut changes: Vec<(Nanos, i32)> = intervals
        .flat_map(|(begin, end)| [(begin, 1), (end, -1)])
        .collect();
    // At the same moment an end comes before a beginning.
    changes.sort();
    let levels = changes.iter().scan(0, |level, (_, change)| {
        *level += change;
        Some(*level)
    });
    levels.max().unwrap_or(0)
}

#[tokio::test]
async fn only_so_many_requests_wait_for_their_first_token() {
    let server = start(SimConfig {
        ttft_ms: Some(15.0),
        itl_ms: Some(2.0),
        ..quick()
    });
    let builder = run(&server, prompts(16, 100))
        .max_concurrency(8)
        .prefill_concurrency(2)
        .threads(2);
    let report = execute(builder).await;
    assert!(report.records.iter().all(succeeded));
    let timelines = || report.records.iter().map(|record| &record.timeline);
    let prefills = timelines().map(|timeline| {
        let first = timeline.contents().next().expect("answered").at;
        (timeline.sent.expect("sent"), first)
    });
    assert!(most_at_once(prefills) <= 2);
    let whole = timelines().map(|timeline| (timeline.sent.expect("sent"), timeline.closed));
    assert!(most_at_once(whole) > 2, "others go on beside them");
    let waited = timelines().filter(|timeline| timeline.released > timeline.scheduled);
    assert!(waited.count() >= 6, "the wait is one for a slot");
    assert!(timelines().all(|timeline| timeline.sent >= Some(timeline.released)));
}

#[tokio::test]
async fn later_turns_wait_for_their_prefill_too() {
    let server = start(SimConfig {
        ttft_ms: Some(5.0),
        itl_ms: Some(2.0),
        ..quick()
    });
    let turn = |number| {
        let prompt = Prompt::Text(format!("turn {number}").into());
        Turn::new(prompt, Some(2), 20)
    };
    let chat = |id| Conversation::of_turns(id, (0..3).map(turn).collect());
    let builder = run(&server, (0..6).map(chat).collect())
        .max_concurrency(6)
        .prefill_concurrency(1);
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.completed, 18);
    let prefills = report.records.iter().map(|record| {
        let first = record.timeline.contents().next().expect("answered").at;
        (record.timeline.sent.expect("sent"), first)
    });
    assert_eq!(most_at_once(prefills), 1);
}

#[tokio::test]
async fn probes_go_beside_the_load_and_are_in_none_of_its_numbers() {
    let server = start(SimConfig {
        ttft_ms: Some(4.0),
        itl_ms: Some(4.0),
        ..quick()
    });
    let builder = run(&server, prompts(2, 200))
        .request(RequestOptions {
            model: "sim-model".to_owned(),
            request_ids: RequestIds::Prefix("bench-".to_owned()),
            ..RequestOptions::default()
        })
        .max_concurrency(1)
        .grace(PATIENCE)
        .probe_rate(50.0);
    let report = execute(builder).await;
    assert_eq!(report.records.len(), 2);
    assert_eq!(report.summary.requests.sent, 2);
    assert!(report.beside.iter().all(|r| r.kind == RequestKind::Probe));
    for (number, probe) in (1..).zip(&report.beside) {
        let due = report.facts.start + Nanos::from_millis(20 * number);
        assert_eq!(probe.timeline.scheduled, due, "at absolute times");
    }
    let probes = report.probes.as_ref().expect("told");
    // The load lasts a second and a half at least.
    assert!(probes.requests >= 70, "{}", probes.requests);
    assert_eq!(probes.requests, report.beside.len() as u64);
    assert_eq!((probes.completed, probes.failed), (probes.requests, 0));
    assert!(probes.e2el.min >= 3.9, "{}", probes.e2el.min);

    let recorded = server.stats().recorded;
    let named = |prefix: &'static str| {
        recorded.iter().filter(move |request| {
            let id = request.headers.get("x-request-id");
            id.is_some_and(|id| id.as_bytes().starts_with(prefix.as_bytes()))
        })
    };
    let probing: Vec<u64> = named("bench-probe-").map(|r| r.connection).collect();
    assert_eq!(probing.len() as u64, probes.requests);
    let load =
        named("bench-").filter(|r| !r.headers["x-request-id"].as_bytes().starts_with(b"bench-p"));
    assert!(
        load.map(|r| r.connection)
            .all(|used| !probing.contains(&used))
    );
    for probe in named("bench-probe-") {
        let body: Value = serde_json::from_slice(&probe.body).expect("JSON");
        assert_eq!(body["max_tokens"], 1);
    }
}
