//! Runs that are limited in time.

use std::time::Duration;

use bench_core::types::{Conversation, Prompt};
use bench_core::types::{HangUp, Nanos, Outcome, RunEnd, Turn};
use bench_core::{Arrivals, Observer, Phase};
use bench_sim::SimConfig;

use super::{PATIENCE, execute, prompts, quick, run, start, succeeded, watch};

/// A server whose requests last about 10 ms.
fn brisk() -> SimConfig {
    SimConfig {
        ttft_ms: Some(5.0),
        itl_ms: Some(1.0),
        ..quick()
    }
}

#[derive(Default)]
struct Phases(Vec<Phase>);

impl Observer for Phases {
    fn phase(&mut self, phase: Phase) {
        self.0.push(phase);
    }
}

#[tokio::test]
async fn a_closed_loop_goes_round_until_the_time_is_over() {
    const LIMIT: Duration = Duration::from_secs(1);
    let server = start(brisk());
    let mut phases = Phases::default();
    let builder = run(&server, prompts(3, 4))
        .max_concurrency(2)
        .duration(LIMIT)
        .grace(PATIENCE);
    let report = watch(builder, &mut phases).await;
    let measuring = Phase::Measuring { requests: None };
    let expected = [Phase::Connecting, measuring, Phase::TimeOver, Phase::Done];
    assert_eq!(phases.0, expected);
    assert_eq!(report.facts.ended, RunEnd::Complete);
    assert_eq!(report.facts.window, Some(Nanos::from(LIMIT)));
    let end = report.facts.start + LIMIT.into();
    assert!(report.records.len() > 3, "{}", report.records.len());
    for (id, record) in (0..).zip(&report.records) {
        assert_eq!((record.id, record.conversation), (id, id % 3));
        assert!(record.timeline.scheduled >= report.facts.start);
        assert!(record.timeline.scheduled <= end, "none is released later");
        assert!(succeeded(record), "those under way may end");
    }
    assert_eq!(server.stats().requests, report.records.len() as u64);
    assert_eq!(report.facts.planned, report.records.len() as u64);
    assert_eq!(report.summary.duration_s, 1.0);
    let before = |record: &&bench_core::types::RequestRecord| record.timeline.closed <= end;
    let before = report.records.iter().filter(before).count() as f64;
    assert_eq!(report.summary.throughput.requests_per_s, before);
    let told = report.warnings.join("\n");
    assert!(told.contains("3 prompts were sent"), "{told}");
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_censored_and_no_failure() {
    let server = start(SimConfig {
        ttft_ms: Some(1.0),
        itl_ms: Some(3_600_000.0),
        ..quick()
    });
    let builder = run(&server, prompts(9, 2))
        .max_concurrency(3)
        .duration(Duration::from_millis(50))
        .grace(Duration::from_millis(20));
    let report = execute(builder).await;
    assert_eq!(report.records.len(), 3, "the slots");
    for record in &report.records {
        assert_eq!(record.outcome, Outcome::HungUp(HangUp::Censored));
        let limit = report.facts.start + Nanos::from_millis(70);
        assert!(record.timeline.closed >= limit);
    }
    let counts = report.summary.requests;
    assert_eq!((counts.sent, counts.censored, counts.failed), (3, 3, 0));
    assert_eq!(report.failure_rate(), 0.0);
    assert_eq!(report.facts.ended, RunEnd::Complete);
    let e2el = &report.summary.strict.metrics["e2el"];
    assert_eq!(e2el.percentile_with_failures(99.0), Some(f64::INFINITY));
    assert!(server.wait_until(PATIENCE, |stats| stats.aborted == 3));
}

#[tokio::test]
async fn prompts_that_are_not_sent_again_end_the_run_before_its_time() {
    let server = start(brisk());
    let builder = run(&server, prompts(5, 4))
        .max_concurrency(2)
        .duration(Duration::from_secs(3600))
        .again(false);
    let report = execute(builder).await;
    assert_eq!((report.records.len(), report.facts.planned), (5, 5));
    assert_eq!(report.facts.window, None, "it ended with its last request");
    assert_eq!(report.facts.ended, RunEnd::Complete);
    assert_eq!(report.summary.time_limit, None);
    assert_eq!(report.warnings, [""; 0]);
}

#[tokio::test]
async fn a_rate_goes_on_as_long_as_the_time() {
    let server = start(quick());
    let arrivals = Arrivals::gamma(100.0, 1.0, 3).expect("a shape");
    let builder = run(&server, prompts(7, 2))
        .arrivals(arrivals.clone())
        .duration(Duration::from_millis(200))
        .grace(PATIENCE);
    let report = execute(builder).await;
    assert_eq!((report.records.len(), report.facts.planned), (20, 20));
    let offsets = arrivals.offsets(20);
    for (record, offset) in report.records.iter().zip(&offsets) {
        assert_eq!(record.timeline.scheduled, report.facts.start + *offset);
    }
    assert_eq!(report.setup.num_prompts, 20);
}

#[tokio::test]
async fn a_rate_that_does_not_come_out_even_is_sent_whole_in_its_time() {
    let server = start(quick());
    let limit = Duration::from_millis(250);
    let builder = run(&server, prompts(7, 2))
        .arrivals(Arrivals::gamma(30.0, f64::INFINITY, 3).expect("a shape"))
        .duration(limit)
        .grace(PATIENCE);
    let report = execute(builder).await;
    assert_eq!((report.records.len(), report.facts.planned), (7, 7));
    assert_eq!(report.facts.window, Some(limit.into()));
    assert_eq!(report.summary.duration_s, 0.25);
}

#[tokio::test]
async fn a_schedule_lasts_its_time_even_if_the_last_answer_comes_before() {
    let server = start(quick());
    // One request, half way.
    let limit = Duration::from_secs(1);
    let rate = || {
        run(&server, prompts(1, 2))
            .arrivals(Arrivals::gamma(1.9, f64::INFINITY, 3).expect("a shape"))
            .duration(limit)
    };
    let report = execute(rate()).await;
    assert_eq!(report.records.len(), 1);
    assert_eq!(report.facts.window, Some(limit.into()));
    let trace = Arrivals::recorded([Nanos::from_millis(10)]).expect("in order");
    let report = execute(rate().arrivals(trace)).await;
    assert_eq!(report.facts.window, None, "it has an end of its own");
}

#[tokio::test]
async fn a_rate_without_a_free_slot_says_what_was_not_sent() {
    let server = start(SimConfig {
        ttft_ms: Some(3_600_000.0),
        ..quick()
    });
    let arrivals = Arrivals::gamma(100.0, f64::INFINITY, 3).expect("a shape");
    let builder = run(&server, prompts(7, 2))
        .arrivals(arrivals)
        .max_concurrency(2)
        .duration(Duration::from_millis(200))
        .grace(Duration::ZERO);
    let report = execute(builder).await;
    assert_eq!((report.records.len(), report.facts.planned), (2, 20));
    let counts = report.summary.requests;
    assert_eq!((counts.censored, counts.unsent), (2, 18));
    let told = report.warnings.join("\n");
    assert!(told.contains("18 requests were due"), "{told}");
}

/// A conversation of three turns with this pause between them.
fn chat(pause: Duration) -> Vec<Conversation> {
    let turn = |number| {
        let prompt = Prompt::Text(format!("turn {number}").into());
        Turn {
            pause,
            ..Turn::new(prompt, Some(2), 2)
        }
    };
    vec![Conversation::of_turns(0, (0..3).map(turn).collect())]
}

#[tokio::test]
async fn conversations_under_way_may_end_after_the_time() {
    let server = start(quick());
    let limit = Duration::from_millis(50);
    let builder = run(&server, chat(Duration::from_millis(100)))
        .max_concurrency(1)
        .duration(limit)
        .grace(PATIENCE);
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.completed, 3);
    let late = report.records[2].timeline.sent.expect("sent");
    assert!(late > report.facts.start + limit.into());
}

#[tokio::test]
async fn a_time_that_is_short_beside_a_request_is_told() {
    let server = start(SimConfig {
        ttft_ms: Some(100.0),
        ..quick()
    });
    let builder = run(&server, prompts(3, 2))
        .max_concurrency(1)
        .duration(Duration::from_millis(50))
        .grace(PATIENCE);
    let told = execute(builder).await.warnings.join("\n");
    assert!(told.contains("short beside a request"), "{told}");
}

#[tokio::test]
async fn conversations_of_several_turns_go_round() {
    let server = start(quick());
    let two = [chat(Duration::ZERO), chat(Duration::ZERO)].concat();
    let mut phases = Phases::default();
    let builder = run(&server, two)
        .max_concurrency(1)
        .duration(Duration::from_millis(50))
        .grace(PATIENCE);
    let report = watch(builder, &mut phases).await;
    assert!(phases.0.contains(&Phase::Measuring { requests: None }));
    assert!(report.records.iter().all(succeeded));
    assert_eq!(report.records.len() % 3, 0);
}

#[tokio::test]
async fn turns_that_the_grace_period_leaves_no_time_for_are_unsent() {
    let server = start(quick());
    let builder = run(&server, chat(Duration::from_secs(3600)))
        .max_concurrency(1)
        .duration(Duration::from_millis(50))
        .grace(Duration::ZERO);
    let report = execute(builder).await;
    let counts = report.summary.requests;
    assert_eq!((counts.completed, counts.unsent), (1, 2));
    assert_eq!((counts.censored, counts.failed), (0, 0));
    assert_eq!(report.facts.ended, RunEnd::Complete);
}
