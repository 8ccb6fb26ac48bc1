//! Runs one phase: starts the workers, lets them go at the same moment, collects what they
//! record.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bench_report::record_log::RecordLogWriter;
use bench_stream::Clock;
use bench_types::{LagSummary, Nanos, RequestRecord, RunEnd, RunFacts};
use hdrhistogram::Histogram;
use tokio::sync::{oneshot, watch};

use crate::RunError;
use crate::observer::{Observer, Phase, Progress};
use crate::plan::Plan;
use crate::record_log::{Log, LogThread};
use crate::stop::StopHandle;
use crate::worker::{self, Answers, Counters, Ready, Reporting, Shared, WorkerReport};

/// How often the observer hears of the run.
const TICK: Duration = Duration::from_millis(100);

/// What a phase yields.
pub(crate) struct Recording {
    pub(crate) records: Vec<RequestRecord>,
    pub(crate) facts: RunFacts,
    pub(crate) answers: Answers,
    /// What the user should know about the connections and the record log.
    pub(crate) notes: Vec<String>,
    /// The record log, but for its last line.
    pub(crate) log: Option<RecordLogWriter>,
}

struct Worker {
    counters: Arc<Counters>,
    ended: oneshot::Receiver<std::io::Result<WorkerReport>>,
}

/// Sends every request of `plan` and returns the records.
pub(crate) async fn record(
    plan: &Arc<Plan>,
    clock: Clock,
    stop: &StopHandle,
    observer: &mut dyn Observer,
    phase: Phase,
    log: Option<Log>,
) -> Result<Recording, RunError> {
    observer.phase(Phase::Connecting);
    let (start_sender, start) = watch::channel(None);
    let (ready_sender, mut ready) = tokio::sync::mpsc::unbounded_channel();
    let (record_sender, records) = mpsc::channel();
    let shared = Arc::new(Shared {
        plan: Arc::clone(plan),
        clock,
        stop: stop.clone(),
        next: AtomicUsize::new(0),
        start,
    });
    let mut workers = Vec::with_capacity(plan.threads);
    for index in 0..plan.threads {
        let counters = Arc::new(Counters::default());
        let reporting = Reporting {
            ready: ready_sender.clone(),
            records: record_sender.clone(),
            counters: Arc::clone(&counters),
        };
        let ended = spawn(Arc::clone(&shared), index, reporting)?;
        workers.push(Worker { counters, ended });
    }
    drop((ready_sender, record_sender));

    let mut notes = Vec::new();
    let mut prepared = Ready::default();
    while let Some(one) = ready.recv().await {
        prepared.wanted += one.wanted;
        prepared.opened += one.opened;
        prepared.error = prepared.error.or(one.error);
    }
    if let Some(error) = prepared.error {
        if prepared.opened == 0 {
            return Err(RunError::Unreachable(error));
        }
        notes.push(format!(
            "only {} of {} connections were opened before the run: {error}",
            prepared.opened, prepared.wanted
        ));
    }
    // Until here the workers give up by themselves, with the sender they wait for.
    let mut given_up = CancelOnDrop(Some(stop.clone()));
    let mut records = records;
    let mut log_thread = None;
    let delay = if log.is_some() {
        LOG_DELAY
    } else {
        START_DELAY
    };
    let start = clock.now().saturating_add(delay);
    if let Some(log) = log {
        let (written, thread) = log.begin(start, records)?;
        records = written;
        log_thread = Some(thread);
    }
    start_sender.send_replace(Some(start));
    observer.phase(phase);

    let mut collector = Collector {
        clock,
        start,
        stop,
        grace: plan.grace,
        observer,
        records,
        collected: Vec::with_capacity(plan.requests() as usize),
        failed: 0,
    };
    let reports = collector.watch(workers).await?;
    given_up.0 = None;
    let mut records = collector.collected;
    records.sort_by_key(|record| record.id);
    let (facts, answers) = summarize(plan, &clock, start, stop, &records, reports);
    let log = match log_thread.map(LogThread::join) {
        None => None,
        Some(Ok(writer)) => Some(writer),
        Some(Err(problem)) => {
            notes.push(problem);
            None
        }
    };
    Ok(Recording {
        records,
        facts,
        answers,
        notes,
        log,
    })
}

/// Stops the workers of a run that is dropped, or fails, after they were let go.
struct CancelOnDrop(Option<StopHandle>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.cancel();
        }
    }
}

/// The workers get this long to notice that the run begins.
const START_DELAY: Nanos = Nanos::from_micros(500);

/// With a record log, its file is made in the meantime. Should the disk be slower than that,
/// the first requests are late, and the audit says so.
const LOG_DELAY: Nanos = Nanos::from_millis(20);

fn spawn(
    shared: Arc<Shared>,
    index: usize,
    reporting: Reporting,
) -> Result<oneshot::Receiver<std::io::Result<WorkerReport>>, RunError> {
    let (sender, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("bench-worker-{index}"))
        .spawn(move || {
            // Nobody listens if the run was dropped.
            let _ = sender.send(worker::run(&shared, index, reporting));
        })
        .map_err(RunError::Worker)?;
    Ok(ended)
}

/// Follows the workers to their end.
struct Collector<'a> {
    clock: Clock,
    start: Nanos,
    stop: &'a StopHandle,
    grace: Duration,
    observer: &'a mut dyn Observer,
    records: mpsc::Receiver<RequestRecord>,
    collected: Vec<RequestRecord>,
    failed: u64,
}

impl Collector<'_> {
    async fn watch(&mut self, workers: Vec<Worker>) -> Result<Vec<WorkerReport>, RunError> {
        let counters: Vec<_> = workers
            .iter()
            .map(|worker| Arc::clone(&worker.counters))
            .collect();
        let all = async {
            let mut reports = Vec::new();
            for worker in workers {
                let report = worker.ended.await.map_err(|_| RunError::WorkerLost)?;
                reports.push(report.map_err(RunError::Worker)?);
            }
            Ok(reports)
        };
        let mut all = std::pin::pin!(all);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        let grace = self.grace;
        let mut draining = std::pin::pin!(async {
            stop.stopped().await;
            tokio::time::sleep(grace).await;
            stop.cancel();
        });
        let (mut told, mut cancelled) = (false, false);
        loop {
            let ended = tokio::select! {
                biased;
                reports = &mut all => Some(reports),
                () = &mut draining, if !cancelled => {
                    cancelled = true;
                    None
                }
                _ = tick.tick() => None,
            };
            if self.stop.is_stopped() && !std::mem::replace(&mut told, true) {
                self.observer.phase(Phase::Draining);
            }
            self.collect();
            self.report(&counters);
            if let Some(reports) = ended {
                // If one failed, the others still send, and nobody wants to know.
                if reports.is_ok() {
                    self.collect_rest();
                    self.report(&counters);
                }
                return reports;
            }
        }
    }

    fn collect(&mut self) {
        while let Ok(record) = self.records.try_recv() {
            self.take(record);
        }
    }

    /// The workers are gone; what they sent may still be on its way.
    fn collect_rest(&mut self) {
        while let Ok(record) = self.records.recv() {
            self.take(record);
        }
    }

    fn take(&mut self, record: RequestRecord) {
        self.failed += u64::from(record.outcome.is_failure());
        self.observer.record(&record);
        self.collected.push(record);
    }

    fn report(&mut self, counters: &[Arc<Counters>]) {
        self.observer.progress(&Progress {
            done: self.collected.len() as u64,
            failed: self.failed,
            in_flight: counters.iter().map(|c| c.in_flight.load(Relaxed)).sum(),
            chunks: counters.iter().map(|c| c.chunks.load(Relaxed)).sum(),
            elapsed: self.clock.now().since(self.start),
        });
    }
}

fn summarize(
    plan: &Plan,
    clock: &Clock,
    start: Nanos,
    stop: &StopHandle,
    records: &[RequestRecord],
    reports: Vec<WorkerReport>,
) -> (RunFacts, Answers) {
    let last = records.iter().map(|record| record.timeline.closed).max();
    let planned = plan.requests();
    let whole = records.len() as u64 == planned && !stop.is_cancelled();
    let mut facts = RunFacts {
        epoch_unix: clock.epoch_unix(),
        start,
        end: last.unwrap_or(start),
        ended: if whole {
            RunEnd::Complete
        } else {
            RunEnd::Interrupted
        },
        planned,
        unpaced: !plan.paced,
        ..RunFacts::default()
    };
    let mut answers = Answers::default();
    let mut lag: Option<Histogram<u32>> = None;
    for report in reports {
        facts.workers.push(report.facts);
        facts.clock_steps = facts.clock_steps.max(report.clock_steps);
        answers.merge(report.answers);
        match &mut lag {
            // All have the same bounds.
            Some(lag) => lag.add(report.lag).unwrap_or_default(),
            None => lag = Some(report.lag),
        }
    }
    facts.read_lag = lag.as_ref().map(boil_down).unwrap_or_default();
    (facts, answers)
}

fn boil_down(lag: &Histogram<u32>) -> LagSummary {
    LagSummary {
        count: lag.len(),
        p50: Nanos(lag.value_at_quantile(0.5)),
        p99: Nanos(lag.value_at_quantile(0.99)),
        max: Nanos(lag.max()),
    }
}
