//! Warm-ups that go over into the measured load without a gap.

use std::time::Duration;

use bench_core::report::Report;
use bench_core::types::{Conversation, Nanos, Prompt, RequestKind, WarmUpEnd, WarmUpFacts};
use bench_core::{Arrivals, Control, Observer, Phase, WarmUpLimits};
use bench_sim::{SimConfig, SimHandle};

use super::{PATIENCE, execute, faulty, prompts, quick, run, start, succeeded, watch};

fn facts(report: &Report) -> WarmUpFacts {
    report.facts.warm_up.expect("there was one")
}

fn paced() -> SimConfig {
    SimConfig {
        ttft_ms: Some(5.0),
        itl_ms: Some(5.0),
        ..quick()
    }
}

/// The connections that carried generations.
fn connections(server: &SimHandle) -> usize {
    let recorded = server.stats().recorded;
    let generations = recorded
        .iter()
        .filter(|request| request.path == "/v1/completions");
    let mut connections: Vec<u64> = generations.map(|request| request.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    connections.len()
}

#[tokio::test]
async fn slots_and_connections_go_over_without_running_dry() {
    let server = start(paced());
    let mut warm = prompts(7, 2);
    // The last one is under way for a second when the first measured request finds a slot.
    let prompt = Prompt::Text("a long one".into());
    warm[6] = Conversation::single(6, prompt, Some(3), 200);
    let builder = run(&server, prompts(20, 2))
        .warm_up_with(warm)
        .max_concurrency(3);
    let report = execute(builder).await;
    assert_eq!((report.records.len(), report.beside.len()), (20, 7));
    assert!(report.beside.iter().all(|r| r.kind == RequestKind::WarmUp));
    assert!(report.beside.iter().all(succeeded));
    let (start, warm_up) = (report.facts.start, facts(&report));
    assert_eq!((warm_up.ended_by, warm_up.apart), (WarmUpEnd::Count, false));
    assert_eq!((warm_up.end, warm_up.became_stable), (start, None));
    let due = |record: &bench_core::types::RequestRecord| record.timeline.scheduled;
    assert!(report.records.iter().all(|record| due(record) >= start));
    assert!(report.beside.iter().all(|record| due(record) <= start));
    assert_eq!(connections(&server), 3, "the same for both");
    let told = report.warm_up.expect("told");
    assert_eq!((told.requests, told.failed), (7, 0));
    assert!(told.under_way >= 1, "{}", told.under_way);
    assert_eq!(report.summary.requests.sent, 20);
    assert_eq!(report.facts.planned, 20);
}

#[tokio::test]
async fn a_schedule_goes_over_into_the_next() {
    let server = start(quick());
    let arrivals = Arrivals::gamma(200.0, 1.0, 3).expect("a shape");
    let builder = run(&server, prompts(10, 2))
        .warm_up_with(prompts(20, 2))
        .arrivals(arrivals.clone());
    let report = execute(builder).await;
    let warm_up = facts(&report);
    let span = report.facts.start.since(warm_up.start);
    assert_eq!(
        span,
        Nanos::from_millis(100),
        "20 at 200 requests per second"
    );
    let offsets = arrivals.offsets(10);
    for (record, offset) in report.records.iter().zip(&offsets) {
        assert_eq!(record.timeline.scheduled, report.facts.start + *offset);
    }
    assert_eq!(report.beside.len(), 20);
    let last = report.beside.last().expect("20").timeline.scheduled;
    assert_eq!(last, report.facts.start);
}

#[tokio::test]
async fn a_time_ends_a_warm_up() {
    let limits = WarmUpLimits {
        longest: Some(Duration::from_millis(100)),
        again: true,
        ..WarmUpLimits::default()
    };
    let server = start(paced());
    let closed = run(&server, prompts(5, 2))
        .warm_up_with(prompts(2, 2))
        .warm_up_limits(limits)
        .max_concurrency(2);
    let arrivals = Arrivals::gamma(200.0, 1.0, 3).expect("a shape");
    let open = run(&server, prompts(5, 2))
        .warm_up_with(prompts(2, 2))
        .warm_up_limits(limits)
        .arrivals(arrivals);
    let (closed, open) = (execute(closed).await, execute(open).await);
    for report in [&closed, &open] {
        let warm_up = facts(report);
        assert_eq!(warm_up.ended_by, WarmUpEnd::Time);
        assert!(warm_up.end.since(warm_up.start) >= Nanos::from_millis(100));
        assert_eq!(report.records.len(), 5);
        let before = |record: &bench_core::types::RequestRecord| {
            record.timeline.scheduled <= report.facts.start
        };
        assert!(report.beside.iter().all(before));
    }
    assert_eq!(open.beside.len(), 20, "rate times time");
    assert!(closed.beside.len() > 2, "they go round");
}

#[tokio::test]
async fn a_warm_up_goes_on_until_the_server_is_steady() {
    let limits = WarmUpLimits {
        longest: Some(PATIENCE * 5 / 6),
        until_stable: true,
        again: true,
    };
    let server = start(SimConfig {
        ttft_ms: Some(40.0),
        itl_ms: Some(5.0),
        ..quick()
    });
    let builder = run(&server, prompts(8, 4))
        .warm_up_with(prompts(8, 4))
        .warm_up_limits(limits)
        .max_concurrency(8);
    let report = execute(builder).await;
    let warm_up = facts(&report);
    assert_eq!(warm_up.ended_by, WarmUpEnd::Stable);
    assert_eq!(warm_up.became_stable, Some(true));
    // Four windows of 16 requests.
    assert!(report.beside.len() >= 64, "{}", report.beside.len());
    assert_eq!(report.records.len(), 8);
}

#[tokio::test]
async fn a_server_that_does_not_become_steady_is_not_waited_for_without_end() {
    let limits = WarmUpLimits {
        longest: Some(Duration::from_millis(100)),
        until_stable: true,
        again: true,
    };
    let server = start(paced());
    let builder = run(&server, prompts(2, 2))
        .warm_up_with(prompts(2, 2))
        .warm_up_limits(limits)
        .max_concurrency(2);
    let report = execute(builder).await;
    let warm_up = facts(&report);
    assert_eq!(
        (warm_up.ended_by, warm_up.became_stable),
        (WarmUpEnd::Time, Some(false))
    );
}

#[tokio::test]
async fn a_warm_up_stands_apart_where_something_comes_between() {
    let server = start(quick());
    let builder = run(&server, prompts(4, 2))
        .warm_up_with(prompts(3, 2))
        .max_concurrency(2)
        .control(Control {
            reset_cache: true,
            ..Control::default()
        });
    let report = execute(builder).await;
    assert!(facts(&report).apart);
    let told = report.warm_up.expect("told");
    assert_eq!((told.requests, told.under_way), (3, 0));
    let last = report
        .beside
        .iter()
        .map(|record| record.timeline.closed)
        .max();
    assert!(last < Some(report.facts.start));
    let warnings = report.warnings.join("\n");
    assert!(warnings.contains("caches were emptied"), "{warnings}");
    assert_eq!(server.stats().cache_resets, 1);
}

#[tokio::test]
async fn failures_of_a_warm_up_are_told_and_count_for_nothing() {
    let server = start(faulty("status:500@first:3"));
    let builder = run(&server, prompts(6, 2))
        .warm_up_with(prompts(5, 2))
        .max_concurrency(1);
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.failed, 0);
    let told = report.warnings.join("\n");
    assert!(told.contains("3 of 5 warm-up requests failed"), "{told}");
    assert!(told.contains("500"), "{told}");
}

#[derive(Default)]
struct Diary {
    phases: Vec<Phase>,
    records: u64,
    done: u64,
}

impl Observer for Diary {
    fn phase(&mut self, phase: Phase) {
        self.phases.push(phase);
    }
    fn record(&mut self, _: &bench_core::types::RequestRecord) {
        self.records += 1;
    }
    fn progress(&mut self, progress: &bench_core::Progress) {
        self.done = progress.done;
    }
}

#[tokio::test]
async fn an_observer_hears_of_both_phases_and_of_measured_records() {
    let server = start(paced());
    let mut diary = Diary::default();
    let builder = run(&server, prompts(6, 2))
        .warm_up_with(prompts(4, 2))
        .max_concurrency(2);
    watch(builder, &mut diary).await;
    let warming = Phase::WarmUp { requests: Some(4) };
    let measuring = Phase::Measuring { requests: Some(6) };
    let expected = [Phase::Connecting, warming, measuring, Phase::Done];
    assert_eq!(diary.phases, expected);
    assert_eq!((diary.records, diary.done), (6, 6));
}
