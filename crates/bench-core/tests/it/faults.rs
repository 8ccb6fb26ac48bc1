//! Every fault of the simulated server, with every streaming backend, ends in its class, and
//! the requests beside it are unharmed.

use std::time::Duration;

use bench_core::types::TimeoutPhase::{FirstToken, Idle, Total};
use bench_core::types::{Conversation, FailureClass, Task};
use bench_core::{Run, Timeouts, backends::BACKENDS, backends::Backend};
use bench_sim::SimConfig;
use tokio::task::JoinSet;

use super::{execute, prompts, quick, recordings, start, succeeded};

const REQUESTS: u64 = 6;

/// Requests of this number are hit: a third of them.
fn hit(id: u64) -> bool {
    (id + 1).is_multiple_of(3)
}

fn streaming() -> impl Iterator<Item = &'static dyn Backend> {
    let all = BACKENDS.iter().copied();
    all.filter(|backend| backend.can_stream() && backend.task() != Task::Pool)
}

fn conversations(task: Task) -> Vec<Conversation> {
    match task {
        Task::Transcribe => recordings(REQUESTS, 6),
        Task::Generate | Task::Pool => prompts(REQUESTS, 6),
    }
}

/// A run in which every third request is hit by `fault`; the others must succeed. Returns the
/// class that all hit requests have in common, `None` for success.
async fn outcome_of(
    backend: &'static dyn Backend,
    fault: String,
    timeouts: Timeouts,
) -> Option<FailureClass> {
    let name = backend.name();
    let config = SimConfig {
        faults: vec![format!("{fault}@every:3").parse().expect("a fault")],
        ..quick()
    };
    let server = start(config);
    let builder = Run::builder(server.url(), backend)
        .model("sim-model")
        .conversations(conversations(backend.task()))
        // One at a time, so that the server's third is our third.
        .max_concurrency(1)
        .timeouts(timeouts);
    let report = execute(builder).await;
    assert_eq!(report.records.len() as u64, REQUESTS);
    let (hit, others): (Vec<_>, Vec<_>) = report.records.iter().partition(|r| hit(r.id));
    for record in others {
        assert!(succeeded(record), "{name} {fault}: {:?}", record.outcome);
        assert_eq!(record.output_tokens, 6, "{name} {fault}");
    }
    let failed = report.records.iter().filter(|record| !succeeded(record));
    assert_eq!(report.summary.requests.failed, failed.count() as u64);
    assert_eq!(server.stats().faulted, REQUESTS / 3, "{name} {fault}");
    let mut classes = hit.iter().map(|r| r.outcome.failure().map(|f| f.class()));
    let first = classes.next().expect("some are hit");
    assert!(
        classes.all(|class| class == first),
        "{name} {fault}: {:?}",
        hit.iter().map(|r| &r.outcome).collect::<Vec<_>>()
    );
    first
}

/// Asserts that `fault` ends in `expected` with every streaming backend but for those in
/// `except`, whose protocols say less.
pub(super) async fn expect_with(
    fault: &str,
    timeouts: Timeouts,
    expected: Option<FailureClass>,
    except: &[(&str, Option<FailureClass>)],
) {
    let mut runs = JoinSet::new();
    for backend in streaming() {
        let fault = fault.to_owned();
        runs.spawn(async move {
            let class = outcome_of(backend, fault, timeouts).await;
            (backend.name(), class)
        });
    }
    while let Some(run) = runs.join_next().await {
        let (name, class) = run.expect("the run is as it should be");
        let exception = except.iter().find(|(other, _)| *other == name);
        let expected = exception.map_or(expected, |(_, class)| *class);
        assert_eq!(class, expected, "{name}: {fault}");
    }
}

async fn expect(fault: &str, class: FailureClass) {
    expect_with(fault, Timeouts::default(), Some(class), &[]).await;
}

#[tokio::test]
async fn faults_before_the_stream() {
    expect("status:503", FailureClass::Status(503)).await;
    expect("status:429:1", FailureClass::Status(429)).await;
    expect("status:404", FailureClass::Status(404)).await;
    expect("no-answer", FailureClass::Connect).await;
}

#[tokio::test]
async fn faults_inside_the_stream() {
    expect("error:3", FailureClass::Server).await;
    expect("error:0", FailureClass::Server).await;
    expect("cut:2", FailureClass::Truncated).await;
    expect("reset:2", FailureClass::Truncated).await;
    expect("garbage:2", FailureClass::Protocol).await;
}

#[tokio::test]
async fn faults_that_only_the_protocol_shows() {
    let default = Timeouts::default();
    // A Triton stream has no end marker of its own: what ends properly is whole.
    let silent = ("trtllm", None);
    let truncated = Some(FailureClass::Truncated);
    expect_with("cut-clean:2", default, truncated, &[silent]).await;
    let empty = ("trtllm", Some(FailureClass::NoTokens));
    expect_with("empty", default, truncated, &[empty]).await;
    expect("abort:2", FailureClass::Server).await;
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
        expect_with(fault, Timeouts::default(), None, &[]).await;
    }
}

pub(super) fn limits(first_token: Option<u64>, idle: Option<u64>, total: Option<u64>) -> Timeouts {
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
    let first_token = limits(Some(800), None, None);
    expect_with("stall:0", first_token, timeout(FirstToken), &[]).await;
    expect_with("mute", first_token, timeout(FirstToken), &[]).await;
    let idle = limits(None, Some(800), None);
    expect_with("stall:3", idle, timeout(Idle), &[]).await;
    let total = limits(None, None, Some(800));
    expect_with("stall:3", total, timeout(Total), &[]).await;
    // A limit for the first token says nothing about the others.
    let late = limits(Some(800), None, None);
    expect_with("stall:3:1200", late, None, &[]).await;
}
