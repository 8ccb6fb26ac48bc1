//! Every fault ends in its class, and the requests beside it are unharmed.

use std::time::Duration;

use bench_core::types::FailureClass;
use bench_core::types::TimeoutPhase::{FirstToken, Idle, Total};
use bench_core::{Run, Timeouts, backends::BACKENDS};
use bench_sim::SimConfig;

use super::{execute, prompts, quick, start, succeeded};

const REQUESTS: u64 = 12;

/// Requests of this number are hit: a third of them.
fn hit(id: u64) -> bool {
    (id + 1).is_multiple_of(3)
}

/// A run of every backend in which every third request is hit by `fault`; the others must
/// succeed. Returns the class that all hit requests have in common, `None` for success.
async fn outcome(fault: &str, timeouts: Timeouts) -> Option<FailureClass> {
    let mut classes = Vec::new();
    for backend in BACKENDS {
        let config = SimConfig {
            faults: vec![format!("{fault}@every:3").parse().expect("a fault")],
            ..quick()
        };
        let server = start(config);
        let builder = Run::builder(server.url(), *backend)
            .model("sim-model")
            .conversations(prompts(REQUESTS, 6))
            // One at a time, so that the server's third is our third.
            .max_concurrency(1)
            .timeouts(timeouts);
        let report = execute(builder).await;
        assert_eq!(report.records.len() as u64, REQUESTS);
        for record in &report.records {
            if hit(record.id) {
                classes.push(record.outcome.failure().map(|failure| failure.class()));
            } else {
                let name = backend.name();
                assert!(succeeded(record), "{name} {fault}: {:?}", record.outcome);
                assert_eq!(record.output_tokens, 6, "{name} {fault}");
            }
        }
        let failed = report.records.iter().filter(|record| !succeeded(record));
        assert_eq!(report.summary.requests.failed, failed.count() as u64);
        assert_eq!(server.stats().faulted, REQUESTS / 3, "{fault}");
    }
    let first = classes[0];
    assert!(
        classes.iter().all(|class| *class == first),
        "{fault}: {classes:?}"
    );
    first
}

async fn class(fault: &str) -> Option<FailureClass> {
    outcome(fault, Timeouts::default()).await
}

#[tokio::test]
async fn faults_that_fail_a_request() {
    assert_eq!(class("status:503").await, Some(FailureClass::Status(503)));
    assert_eq!(class("status:429:1").await, Some(FailureClass::Status(429)));
    assert_eq!(class("status:404").await, Some(FailureClass::Status(404)));
    assert_eq!(class("error:3").await, Some(FailureClass::Server));
    assert_eq!(class("error:0").await, Some(FailureClass::Server));
    assert_eq!(class("abort:2").await, Some(FailureClass::Server));
    assert_eq!(class("cut:2").await, Some(FailureClass::Truncated));
    assert_eq!(class("reset:2").await, Some(FailureClass::Truncated));
    assert_eq!(class("cut-clean:2").await, Some(FailureClass::Truncated));
    assert_eq!(class("empty").await, Some(FailureClass::Truncated));
    assert_eq!(class("garbage:2").await, Some(FailureClass::Protocol));
}

#[tokio::test]
async fn faults_that_a_good_client_does_not_notice() {
    for fault in [
        "comments:1",
        "crlf",
        "split",
        "merge:3",
        "utf8",
        "utf8-partial",
        "no-done",
        "bare-role",
        "usage-on-finish",
        "no-usage",
        "close",
        "slow-headers:5",
        "stall:2:5",
        "crlf+split+comments:2+utf8",
    ] {
        assert_eq!(class(fault).await, None, "{fault}");
    }
}

fn limits(first_token: Option<u64>, idle: Option<u64>, total: Option<u64>) -> Timeouts {
    Timeouts {
        first_token: first_token.map(Duration::from_millis),
        idle: idle.map(Duration::from_millis),
        total: total.map(Duration::from_millis),
        ..Timeouts::default()
    }
}

#[tokio::test]
async fn each_time_limit_is_a_class_of_its_own() {
    let timeout = |phase| Some(FailureClass::Timeout(phase));
    let first_token = limits(Some(400), None, None);
    assert_eq!(outcome("stall:0", first_token).await, timeout(FirstToken));
    assert_eq!(
        outcome("slow-headers:60000", first_token).await,
        timeout(FirstToken)
    );
    let idle = limits(None, Some(400), None);
    assert_eq!(outcome("stall:3", idle).await, timeout(Idle));
    let total = limits(None, None, Some(400));
    assert_eq!(outcome("stall:3", total).await, timeout(Total));
    // A limit for the first token says nothing about the others.
    let late = limits(Some(400), None, None);
    assert_eq!(outcome("stall:3:600", late).await, None);
}
