//! A million requests in one process: every one is accounted for, and nothing is left behind.
//!
//! ```sh
//! cargo test --release -p bench-core --test soak -- --ignored --nocapture million
//! cargo test --release -p bench-core --test soak -- --ignored --nocapture weighs
//! ```
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod faulty;
mod process;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bench_core::report::Report;
use bench_core::types::{Conversation, FailureClass, RequestRecord};
use bench_core::{LogPlace, Observer, RecordLogOptions, Run, RunBuilder, StopHandle, Timeouts};
use bench_sim::{SimConfig, SimHandle, SimServer};
use faulty::{Case, Faulty};
use process::{Usage, growth};
use tokio::sync::Mutex;

/// That of `bench-serve`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 100;
const REQUESTS: u64 = 10_000;
const SLOTS: usize = 400;

/// Runs after which memory is expected to stay where it is.
const WARM_UP: usize = 20;

/// Runs that are looked at after the warm-up, and at the end.
const WINDOW: usize = 10;

/// Requests of the run whose records are weighed, and their output tokens.
const WEIGHED: u64 = 200_000;
const WEIGHED_TOKENS: u32 = 4;

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Both tests look at the memory of the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What a run of the soak is.
struct Plan {
    backend: &'static Faulty,
    limits: Timeouts,
    log: bool,
}

/// The plans, in turn: all backends with faults that end by themselves, and now and then
/// silences that only a time limit ends.
fn plans() -> Vec<Plan> {
    let loud = ["vllm", "openai-chat", "sglang", "anthropic"];
    let loud = loud.map(|name| Faulty::leak(name, faulty::LOUD));
    let silent = Faulty::leak("vllm", faulty::SILENT);
    let endless = Faulty::leak("openai-chat", faulty::ENDLESS);
    let limit = Some(Duration::from_secs(2));
    let plan = |number: usize| match number % 20 {
        9 => Plan {
            backend: silent,
            limits: Timeouts {
                first_token: limit,
                idle: limit,
                ..Timeouts::default()
            },
            log: false,
        },
        19 => Plan {
            backend: endless,
            limits: Timeouts {
                total: limit,
                ..Timeouts::default()
            },
            log: false,
        },
        _ => Plan {
            backend: loud[number % loud.len()],
            limits: Timeouts::default(),
            log: number.is_multiple_of(3),
        },
    };
    (0..RUNS).map(plan).collect()
}

fn server() -> SimHandle {
    let config = SimConfig {
        step_us: 50.0,
        prefill_token_us: 0.0,
        decode_seq_us: 0.0,
        noise: 0.0,
        max_num_seqs: SLOTS,
        // Full long before the warm-up is over.
        kv_blocks: 4_096,
        ..SimConfig::default()
    };
    SimServer::start(config).expect("the simulated server starts")
}

/// Requests with 1 to 4 output tokens; those that are hit by a fault have room for it.
fn conversations(cases: &[Case], count: u64) -> Vec<Conversation> {
    let conversation = |id| {
        let most = match faulty::case(cases, id) {
            Some(_) => 3,
            None => 1 + id as u32 % 4,
        };
        Conversation::single(id, faulty::prompt(id), Some(3), most)
    };
    (0..count).map(conversation).collect()
}

fn run(server: &SimHandle, backend: &'static Faulty, requests: u64) -> RunBuilder {
    Run::builder(server.url(), backend)
        .model("sim-model")
        .conversations(conversations(backend.cases, requests))
        .max_concurrency(SLOTS)
}

async fn execute(builder: RunBuilder, observer: &mut dyn Observer) -> Report {
    let report = tokio::time::timeout(PATIENCE, builder.build().execute(observer));
    report.await.expect("it ends").expect("it runs")
}

/// How many requests ended in which way.
type Ends = BTreeMap<String, u64>;

/// Checks every request of a run and counts how they ended. `unseen` of them did not reach
/// the server: it closed an idle connection in the moment in which it was used.
fn account(cases: &[Case], report: &Report, unseen: u64, ends: &mut Ends) {
    assert_eq!(report.records.len() as u64, REQUESTS);
    let (mut lost, mut unanswered) = (0, 0);
    for (id, record) in (0..).zip(&report.records) {
        assert_eq!(record.id, id);
        let class = record.outcome.failure().map(|failure| failure.class());
        let case = faulty::case(cases, id);
        let expected = case.and_then(|(_, class)| class);
        if class != expected {
            let what = (case, &record.outcome);
            assert_eq!(class, Some(FailureClass::Connect), "{id}: {what:?}");
            lost += 1;
        } else if class == Some(FailureClass::Connect) {
            unanswered += 1;
        } else if case.is_none() {
            assert_eq!(record.output_tokens, record.max_output_tokens, "{id}");
        }
        let end = class.map_or("completed".to_owned(), |class| class.to_string());
        *ends.entry(end).or_default() += 1;
    }
    // Whether a request that was to have no answer arrived cannot be told from its record.
    let possible = lost..=lost + unanswered;
    assert!(
        possible.contains(&unseen),
        "{unseen} never arrived, not {possible:?}"
    );
}

/// Cancels a run in the midst of requests that would never end.
struct CancelAfter(u64, StopHandle);

impl Observer for CancelAfter {
    fn record(&mut self, _: &RequestRecord) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.cancel();
        }
    }
}

async fn cancelled_run(server: &SimHandle) {
    let stop = StopHandle::new();
    let backend = Faulty::leak("vllm", faulty::SILENT);
    let builder = run(server, backend, REQUESTS).stop_handle(stop.clone());
    let report = execute(builder, &mut CancelAfter(SLOTS as u64, stop)).await;
    let cancelled = |record: &&RequestRecord| {
        let class = record.outcome.failure().map(|failure| failure.class());
        class == Some(FailureClass::Cancelled)
    };
    assert!(report.records.iter().filter(cancelled).count() > 0);
}

/// What the process uses, once the server has closed what the last run used.
fn settle(server: &SimHandle, expected: Option<&Usage>) -> Usage {
    assert!(server.wait_until(PATIENCE, |stats| stats.open_connections == 0));
    let patience = Instant::now() + PATIENCE;
    loop {
        let usage = Usage::now();
        // A thread whose work was taken from it may still have to end.
        let settled = expected.is_none_or(|expected| usage.same_handles(expected));
        if settled || Instant::now() > patience {
            return usage;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
#[ignore = "minutes of load; see the head of the file"]
async fn a_million_requests_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let server = server();
    let logs = tempfile::tempdir().unwrap();
    let (mut ends, mut memory) = (Ends::new(), Vec::new());
    let mut handles: Option<Usage> = None;
    let began = Instant::now();
    for (number, plan) in plans().into_iter().enumerate() {
        let before = server.stats().requests;
        let place = LogPlace::File(logs.path().join("soak.records.jsonl"));
        let log = RecordLogOptions {
            place,
            overwrite: true,
            detailed: true,
        };
        let builder = run(&server, plan.backend, REQUESTS)
            .timeouts(plan.limits)
            .record_log(plan.log.then_some(log));
        let report = execute(builder, &mut ()).await;
        let unseen = REQUESTS - (server.stats().requests - before);
        account(plan.backend.cases, &report, unseen, &mut ends);
        let rate = report.summary.throughput.requests_per_s;
        drop(report);
        if number % 10 == 5 {
            cancelled_run(&server).await;
        }
        let usage = settle(&server, handles.as_ref());
        println!("run {number:3} {rate:8.0} requests/s, {usage}");
        memory.push(usage.resident);
        let expected = handles.get_or_insert(usage);
        assert!(usage.same_handles(expected), "{usage}, not {expected}");
    }
    let all: u64 = ends.values().sum();
    println!("{all} requests in {:.0?}: {ends:?}", began.elapsed());
    assert_eq!(all, RUNS as u64 * REQUESTS);
    let growth = growth(&memory[WARM_UP..], WINDOW);
    println!("{growth}");
    assert!(growth.is_flat(), "{growth}");
}

#[tokio::test]
#[ignore = "minutes of load; see the head of the file"]
async fn what_a_record_weighs() {
    let _alone = ALONE.lock().await;
    let server = server();
    let healthy = Faulty::leak("vllm", &[]);
    drop(execute(run(&server, healthy, REQUESTS), &mut ()).await);
    let before = settle(&server, None);
    let mut conversations = conversations(&[], WEIGHED);
    for turn in conversations.iter_mut().flat_map(|c| &mut c.turns) {
        turn.max_output_tokens = WEIGHED_TOKENS;
    }
    let builder = run(&server, healthy, 1).conversations(conversations);
    let report = execute(builder, &mut ()).await;
    let after = settle(&server, None);
    assert_eq!(report.summary.requests.completed, WEIGHED);
    let bytes = after.resident.saturating_sub(before.resident) as f64 / WEIGHED as f64;
    println!("{WEIGHED} records of {WEIGHED_TOKENS} tokens: {bytes:.0} bytes each");
    println!("before: {before}; with the report: {after}");
    assert!((100.0..2_000.0).contains(&bytes), "{bytes} bytes a record");
}
