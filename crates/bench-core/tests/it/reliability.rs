//! Servers that go away, come back, or forget to say that they are finished.

use std::net::SocketAddr;

use bench_core::report::Report;
use bench_core::types::TimeoutPhase::{FirstToken, Idle};
use bench_core::types::{FailureClass, Finish, Outcome, RequestRecord, RunEnd};
use bench_core::{Arrivals, Observer, Progress, Run, StopHandle, Timeouts, backends::backend};
use bench_sim::{SimConfig, SimHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::faults::{expect_with, limits};
use super::{class, execute, failed_as, faulty, prompts, quick, run, start, succeeded, watch};

/// Every fifth request stalls after its first token. With four slots all of them are taken by
/// stalled requests once the server has answered sixteen.
const STALLS: &str = "stall:1@every:5";
const SLOTS: usize = 4;
const ANSWERED: usize = 16;

/// Five tokens of each answer, and what the stalled requests got.
const CHUNKS: u64 = 16 * 5 + 4;

/// Kills the server once the client has read all that the server will ever say; if there is to
/// be another one in its place, stops the run when that has answered some requests.
struct Killer {
    server: Option<SimHandle>,
    restart: bool,
    another: Option<SimHandle>,
    stop: StopHandle,
}

impl Observer for Killer {
    fn progress(&mut self, progress: &Progress) {
        if progress.chunks >= CHUNKS
            && let Some(server) = self.server.take()
        {
            let port = server.addr().port();
            server.kill();
            self.another = self.restart.then(|| start(SimConfig { port, ..quick() }));
        }
        let another = self.another.as_ref();
        if another.is_some_and(|another| another.stats().completed >= 20) {
            self.stop.stop();
        }
    }
}

/// A run during which the server is killed; `another` tells whether one follows.
async fn killed_run(
    requests: u64,
    arrivals: Arrivals,
    restart: bool,
) -> (Report, Option<SimHandle>) {
    let server = start(faulty(STALLS));
    let stop = StopHandle::new();
    let builder = run(&server, prompts(requests, 5))
        .arrivals(arrivals)
        .max_concurrency(SLOTS)
        .stop_handle(stop.clone());
    let mut killer = Killer {
        server: Some(server),
        restart,
        another: None,
        stop,
    };
    let report = watch(builder, &mut killer).await;
    (report, killer.another)
}

fn in_order(records: &[RequestRecord]) -> bool {
    (0..).zip(records).all(|(id, record)| record.id == id)
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again() {
    // More requests than are sent until the new server is there.
    let arrivals = Arrivals::gamma(200.0, f64::INFINITY, 0).expect("a shape");
    let (report, another) = killed_run(6_000, arrivals, true).await;
    let answered = another.expect("it was started").stats().completed as usize;
    let records = &report.records;
    // The last ones before the stop may be late and never leave.
    assert!(records.is_sorted_by(|one, next| one.id < next.id));
    assert!(records.is_sorted_by_key(|record| record.timeline.scheduled));
    let completed = records.iter().filter(|record| succeeded(record)).count();
    assert_eq!(completed, ANSWERED + answered);
    assert_eq!(failed_as(records, FailureClass::Truncated), SLOTS);
    let refused = failed_as(records, FailureClass::Connect);
    assert_eq!(completed + SLOTS + refused, records.len());
    let counts = &report.summary.requests;
    assert_eq!(counts.sent, records.len() as u64);
    assert_eq!(counts.completed, completed as u64);
    assert_eq!(counts.failed, (SLOTS + refused) as u64);
    assert_eq!(report.facts.ended, RunEnd::Interrupted);
    assert!(records.last().is_some_and(succeeded), "it recovered");
}

#[tokio::test]
async fn a_server_that_is_killed_for_good() {
    let (report, _) = killed_run(200, Arrivals::burst(), false).await;
    let records = &report.records;
    assert!(in_order(records) && records.len() == 200);
    let completed = records.iter().filter(|record| succeeded(record)).count();
    assert_eq!(completed, ANSWERED);
    assert_eq!(failed_as(records, FailureClass::Truncated), SLOTS);
    let refused = failed_as(records, FailureClass::Connect);
    assert_eq!(refused, 200 - ANSWERED - SLOTS);
    assert_eq!(report.facts.ended, RunEnd::Complete);
    let connect = report
        .summary
        .failures
        .iter()
        .find(|f| f.class == "connect");
    let connect = connect.expect("counted");
    assert_eq!(connect.count, refused as u64);
    assert!(connect.example.contains("127.0.0.1"), "{}", connect.example);
}

#[tokio::test]
async fn refusals_are_not_repeated_and_say_how_long_to_wait() {
    for code in [429, 503] {
        let server = start(faulty(&format!("status:{code}:7@every:2")));
        let report = execute(run(&server, prompts(10, 3)).max_concurrency(2)).await;
        assert_eq!(failed_as(&report.records, FailureClass::Status(code)), 5);
        assert_eq!(report.summary.requests.completed, 5);
        assert_eq!(server.stats().requests, 10, "each is sent once");
        let example = &report.summary.failures[0].example;
        assert!(example.contains("Retry-After: 7"), "{example}");
        assert!(example.contains(&code.to_string()), "{example}");
    }
}

/// Stands between client and server. Of the answer to request number 2 it passes on `bytes`
/// and then nothing, not even the end of the connection.
async fn vanishing(server: SocketAddr, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.expect("it listens");
            tokio::spawn(pass_on(client, server, bytes));
        }
    });
    address
}

async fn pass_on(client: TcpStream, server: TcpStream, bytes: usize) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut request = vec![0; 65_536];
    let read = from_client.read(&mut request).await?;
    to_server.write_all(&request[..read]).await?;
    let prompt = b"prompt number 2";
    if request.windows(prompt.len()).any(|window| window == prompt) {
        tokio::io::copy(&mut from_server.take(bytes as u64), &mut to_client).await?;
        // Both connections stay open and silent until the client closes its own.
        let mut nowhere = tokio::io::sink();
        let rest = tokio::io::copy(&mut from_client, &mut nowhere).await;
        return rest.map(drop);
    }
    tokio::select! {
        copied = tokio::io::copy(&mut from_server, &mut to_client) => copied.map(drop),
        copied = tokio::io::copy(&mut from_client, &mut to_server) => copied.map(drop),
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_without_a_word() {
    let first_token = limits(Some(800), None, None);
    let idle = limits(None, Some(800), None);
    // Not a byte of the answer; its headers and half of an event.
    for (bytes, limits, phase) in [(0, first_token, FirstToken), (400, idle, Idle)] {
        let server = start(quick());
        let proxy = vanishing(server.addr(), bytes).await;
        let vllm = backend("vllm").expect("there is one");
        let builder = Run::builder(format!("http://{proxy}"), vllm)
            .model("sim-model")
            .conversations(prompts(5, 30))
            .max_concurrency(1)
            .keepalive(false)
            .timeouts(limits);
        let report = execute(builder).await;
        let classes: Vec<_> = report.records.iter().map(class).collect();
        let timeout = Some(FailureClass::Timeout(phase));
        assert_eq!(classes, [None, None, timeout, None, None]);
        assert_eq!(report.records[2].timeline.headers.is_some(), bytes > 0);
    }
}

#[tokio::test]
async fn an_answer_is_over_with_its_end_marker_though_its_body_never_ends() {
    // The limit is shorter than what is granted to the body, and means the answer only.
    let idle = limits(None, Some(800), None);
    let timeout = Some(FailureClass::Timeout(Idle));
    // Their protocols have no end marker.
    let unmarked = [("tgi", timeout), ("trtllm", timeout)];
    expect_with("never-end", idle, None, &unmarked).await;
}

#[tokio::test]
async fn an_error_before_the_end_marker_counts_though_the_body_never_ends() {
    let server = start(faulty("error:2+never-end@always"));
    let report = execute(run(&server, prompts(4, 5))).await;
    assert_eq!(failed_as(&report.records, FailureClass::Server), 4);
}

#[tokio::test]
async fn a_connection_whose_body_does_not_end_is_not_used_again() {
    let server = start(faulty("never-end@first:1"));
    let report = execute(run(&server, prompts(3, 4)).max_concurrency(1)).await;
    assert!(report.records.iter().all(succeeded));
    let opened = report
        .records
        .iter()
        .map(|r| r.timeline.connected.is_some());
    assert_eq!(opened.collect::<Vec<_>>(), [false, true, false]);
    // It was over with its end marker, so that the wait does not lengthen the run.
    let timeline = &report.records[0].timeline;
    assert_eq!(
        Some(timeline.closed),
        timeline.marks.last().map(|mark| mark.at)
    );
    let told = &report.warnings;
    assert!(
        told[0].contains("bodies of 1 answers did not end"),
        "{told:?}"
    );
    assert!(server.wait_until(super::PATIENCE, |stats| stats.open_connections == 0));
}

#[tokio::test]
async fn an_answer_that_is_over_is_not_cancelled() {
    struct Cancel(StopHandle);
    impl Observer for Cancel {
        fn progress(&mut self, progress: &Progress) {
            // They came in one piece, and the end marker with them.
            if progress.chunks == 5 {
                self.0.cancel();
            }
        }
    }
    let server = start(faulty("merge:100+never-end@always"));
    let stop = StopHandle::new();
    let builder = run(&server, prompts(1, 5)).stop_handle(stop.clone());
    let report = watch(builder, &mut Cancel(stop)).await;
    assert_eq!(
        report.records[0].outcome,
        Outcome::Completed(Finish::Length)
    );
}

#[tokio::test]
async fn a_run_without_limits_ends_though_no_body_does() {
    let server = start(faulty("never-end@always"));
    let none = Timeouts {
        total: None,
        ..Timeouts::default()
    };
    let report = execute(run(&server, prompts(8, 4)).timeouts(none)).await;
    assert_eq!(report.summary.requests.completed, 8);
}

#[tokio::test]
async fn a_refusal_counts_though_its_body_never_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let read = peer.read(&mut asked).await.unwrap_or(0);
                let answer: &[u8] = match asked[..read].starts_with(b"POST") {
                    true => {
                        b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 99\r\n\r\n\
                              {\"error\":\"busy"
                    }
                    false => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                };
                peer.write_all(answer).await.expect("it listens");
                // Until the client has had enough.
                let _ = peer.read(&mut asked).await;
            });
        }
    });
    let vllm = backend("vllm").expect("there is one");
    let builder = Run::builder(format!("http://{address}"), vllm)
        .model("m")
        .conversations(prompts(2, 4))
        .max_concurrency(2);
    let report = execute(builder).await;
    server.abort();
    assert_eq!(failed_as(&report.records, FailureClass::Status(503)), 2);
    let text = report.records[0]
        .outcome
        .failure()
        .expect("it failed")
        .to_string();
    assert!(
        text.contains("busy") && text.contains("Retry-After: 7"),
        "{text}"
    );
}
