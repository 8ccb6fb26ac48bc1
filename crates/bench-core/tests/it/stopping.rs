use std::time::Duration;

use bench_core::types::{FailureClass, RunEnd};
use bench_core::{Observer, Phase, StopHandle};
use bench_sim::SimConfig;

use super::{PATIENCE, prompts, quick, run, start, succeeded};

/// Stops the run once the server has taken a number of requests.
async fn stopped_run(
    config: SimConfig,
    grace: Duration,
) -> (bench_core::report::Report, Vec<Phase>, bench_sim::SimStats) {
    struct Phases(Vec<Phase>);
    impl Observer for Phases {
        fn phase(&mut self, phase: Phase) {
            self.0.push(phase);
        }
    }
    let server = std::sync::Arc::new(start(config));
    let stop = StopHandle::new();
    let builder = run(&server, prompts(100, 5))
        .max_concurrency(2)
        .grace(grace)
        .stop_handle(stop.clone());
    let watcher = {
        let server = std::sync::Arc::clone(&server);
        std::thread::spawn(move || {
            assert!(server.wait_until(PATIENCE, |stats| stats.requests >= 4));
            stop.stop();
        })
    };
    let mut phases = Phases(Vec::new());
    let report = builder.build().execute(&mut phases).await.expect("it runs");
    watcher.join().expect("stopped");
    (report, phases.0, server.stats())
}

#[tokio::test]
async fn a_stopped_run_reports_what_was_measured() {
    let config = SimConfig {
        ttft_ms: Some(20.0),
        itl_ms: Some(2.0),
        ..quick()
    };
    let (report, phases, stats) = stopped_run(config, PATIENCE).await;
    assert_eq!(report.facts.ended, RunEnd::Interrupted);
    assert!(report.is_partial());
    assert!(phases.contains(&Phase::Draining));
    let sent = report.records.len() as u64;
    assert!((4..100).contains(&sent), "{sent}");
    assert_eq!(
        stats.requests, sent,
        "every request that was sent has its record"
    );
    assert!(
        report.records.iter().all(succeeded),
        "those under way may finish"
    );
    assert_eq!(report.facts.planned, 100);
}

#[tokio::test]
async fn requests_that_outlast_the_grace_period_are_cancelled() {
    let config = SimConfig {
        faults: vec!["stall:2@every:4".parse().expect("a fault")],
        ..quick()
    };
    let (report, _, _) = stopped_run(config, Duration::from_millis(1)).await;
    let cancelled = report.records.iter().filter(|record| {
        let class = record.outcome.failure().map(|failure| failure.class());
        class == Some(FailureClass::Cancelled)
    });
    assert!(cancelled.count() >= 1);
    assert!(report.records.iter().any(succeeded));
}

#[tokio::test]
async fn a_run_may_move_between_threads_and_stops_when_it_is_dropped() {
    let config = SimConfig {
        faults: vec!["stall:1@always".parse().unwrap()],
        ..quick()
    };
    let server = std::sync::Arc::new(start(config));
    let run = run(&server, prompts(10, 5)).max_concurrency(2).build();
    let task = tokio::spawn(async move { run.execute(&mut ()).await.map(|_| ()) });
    let watcher = {
        let (server, task) = (std::sync::Arc::clone(&server), task.abort_handle());
        std::thread::spawn(move || {
            assert!(server.wait_until(PATIENCE, |stats| stats.requests == 2));
            task.abort();
        })
    };
    assert!(task.await.expect_err("aborted").is_cancelled());
    watcher.join().unwrap();
    assert!(server.wait_until(PATIENCE, |stats| stats.open_connections == 0));
    assert_eq!(server.stats().requests, 2, "both slots were taken");
}
