//! Runs one phase: starts the workers, lets them go at the same moment, collects what they
//! record.

use std::sync::{Arc, mpsc};

use bench_report::record_log::RecordLogWriter;
use bench_stream::Clock;
use bench_types::{LagSummary, Nanos, RequestRecord, RunEnd, RunFacts};
use hdrhistogram::Histogram;
use tokio::sync::{oneshot, watch};

use crate::RunError;
use crate::answers::Answers;
use crate::collector::{Collector, Crew, Worker};
use crate::host::CpuTicks;
use crate::observer::{Observer, Phase};
use crate::plan::Plan;
use crate::record_log::{Log, LogThread};
use crate::stop::StopHandle;
use crate::tickets::{Tickets, WarmUp};
use crate::worker::{self, Counters, Ready, Reporting, Shared, WorkerReport};

/// What is to be sent, and how long.
pub(crate) struct Job<'a> {
    pub(crate) plan: Arc<Plan>,
    /// What comes before it without a gap.
    pub(crate) warm_up: Option<WarmUp>,
    /// What is sent beside it.
    pub(crate) probes: Option<Plan>,
    /// What was recorded before and belongs to it.
    pub(crate) before: Vec<RequestRecord>,
    pub(crate) clock: Clock,
    pub(crate) stop: &'a StopHandle,
    pub(crate) phase: Phase,
}

/// What a phase yields.
pub(crate) struct Recording {
    pub(crate) records: Vec<RequestRecord>,
    pub(crate) facts: RunFacts,
    pub(crate) answers: Answers,
    /// Whether the server became steady, if somebody watched for that.
    pub(crate) stable: bool,
    /// What the user should know about the connections and the record log.
    pub(crate) notes: Vec<String>,
    /// The record log, but for its last line.
    pub(crate) log: Option<RecordLogWriter>,
}

/// Sends every request of a job and returns the records.
pub(crate) async fn record(
    job: Job<'_>,
    observer: &mut dyn Observer,
    log: Option<Log>,
) -> Result<Recording, RunError> {
    observer.phase(Phase::Connecting);
    let Job {
        plan,
        warm_up,
        probes,
        before,
        clock,
        stop,
        phase,
    } = job;
    let warm_up_phase = warm_up.as_ref().map(|warm_up| Phase::WarmUp {
        requests: warm_up.plan.requests(),
    });
    let (start_sender, start) = watch::channel(None);
    let (ready_sender, ready) = tokio::sync::mpsc::unbounded_channel();
    let (record_sender, records) = mpsc::channel();
    let cut = StopHandle::new();
    let shared = |plan: Arc<Plan>, warm_up, stop| Shared {
        tickets: Arc::new(Tickets::new(Arc::clone(&plan), warm_up)),
        plan,
        clock,
        stop,
        cut: cut.clone(),
        start: start.clone(),
    };
    let load = shared(Arc::clone(&plan), warm_up, stop.clone());
    let probes = probes.map(|plan| shared(Arc::new(plan), None, stop.child()));
    let reports = (ready_sender, record_sender);
    let load = crew(load, &reports)?;
    let probes = probes.map(|probes| crew(probes, &reports)).transpose()?;
    for record in before {
        // Kept until the run listens, a few lines below.
        let _ = reports.1.send(record);
    }
    drop(reports);

    let mut notes: Vec<String> = prepared(ready).await?.into_iter().collect();
    // Until here the workers give up by themselves, with the sender they wait for.
    let mut given_up = CancelOnDrop(Some([stop.clone(), cut.clone()]));
    let mut records = records;
    let mut log_thread = None;
    let delay = if log.is_some() {
        LOG_DELAY
    } else {
        START_DELAY
    };
    // Before the start is set: a big machine takes its time to tell.
    let ticks = CpuTicks::until_now();
    let start = clock.now().saturating_add(delay);
    if let Some(log) = log {
        let (written, thread) = log.begin(start, records)?;
        records = written;
        log_thread = Some(thread);
    }
    for crew in std::iter::once(&load).chain(&probes) {
        crew.shared.tickets.begin(start);
    }
    start_sender.send_replace(Some(start));
    observer.phase(warm_up_phase.unwrap_or(phase));

    let tickets = Arc::clone(&load.shared.tickets);
    let measuring = warm_up_phase.map(|_| phase);
    let mut collector = Collector::new(&load.shared, observer, records, measuring);
    let reports = collector.watch(load, probes).await?;
    let ticks = CpuTicks::until_now().zip(ticks);
    given_up.0 = None;
    let time_is_over = collector.time_is_over();
    let mut records = collector.into_records();
    records.sort_by_key(|record| record.id);
    let ending = Ending {
        stop,
        tickets: &tickets,
        begun: start,
        time_is_over,
    };
    let facts = RunFacts {
        stolen_cpu: ticks.and_then(|(after, before)| after.stolen_since(before)),
        ..ending.facts(&plan, &clock, &records)
    };
    let (facts, answers) = merge(facts, reports);
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
        stable: tickets.is_stable(),
        notes,
        log,
    })
}

type Reports = (
    tokio::sync::mpsc::UnboundedSender<Ready>,
    mpsc::Sender<RequestRecord>,
);

/// Starts the workers of a load.
fn crew(shared: Shared, (ready, records): &Reports) -> Result<Crew, RunError> {
    let shared = Arc::new(shared);
    let mut workers = Vec::with_capacity(shared.plan.threads);
    for index in 0..shared.plan.threads {
        let counters = Arc::new(Counters::default());
        let reporting = Reporting {
            ready: ready.clone(),
            records: records.clone(),
            counters: Arc::clone(&counters),
        };
        let ended = spawn(Arc::clone(&shared), index, reporting)?;
        workers.push(Worker { counters, ended });
    }
    Ok(Crew { shared, workers })
}

/// Waits until all workers are ready. Returns what the user should know of their connections.
async fn prepared(
    mut ready: tokio::sync::mpsc::UnboundedReceiver<Ready>,
) -> Result<Option<String>, RunError> {
    let mut prepared = Ready::default();
    while let Some(one) = ready.recv().await {
        prepared.wanted += one.wanted;
        prepared.opened += one.opened;
        prepared.error = prepared.error.or(one.error);
    }
    match prepared.error {
        Some(error) if prepared.opened == 0 => Err(RunError::Unreachable(error)),
        Some(error) => Ok(Some(format!(
            "only {} of {} connections were opened before the run: {error}",
            prepared.opened, prepared.wanted
        ))),
        None => Ok(None),
    }
}

/// Stops the workers of a run that is dropped, or fails, after they were let go.
struct CancelOnDrop(Option<[StopHandle; 2]>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        for handle in self.0.iter().flatten() {
            handle.cancel();
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

/// How a phase came to its end.
struct Ending<'a> {
    stop: &'a StopHandle,
    tickets: &'a Tickets,
    /// When the load began, the warm-up included.
    begun: Nanos,
    /// Whether the time in which requests were released was over.
    time_is_over: bool,
}

impl Ending<'_> {
    fn facts(&self, plan: &Plan, clock: &Clock, records: &[RequestRecord]) -> RunFacts {
        let own = || records.iter().filter(|record| record.kind == plan.kind);
        let count = own().count() as u64;
        let last = own().map(|record| record.timeline.closed).max();
        let start = self.tickets.start().unwrap_or(self.begun);
        // Without a schedule a run that is limited in time is to send what it can.
        let planned = match plan.requests() {
            Some(planned) if plan.limit.is_none() || plan.paced => planned,
            _ => count,
        };
        // The last answer of a schedule may come before the time of the schedule is over.
        let to_its_end = self.time_is_over || plan.fills_limit && !self.stop.is_stopped();
        RunFacts {
            epoch_unix: clock.epoch_unix(),
            start,
            end: last.unwrap_or(start),
            window: plan.limit.filter(|_| to_its_end),
            warm_up: self.tickets.warm_up_facts(clock.now()),
            ended: match self.is_whole(plan, count == planned) {
                true => RunEnd::Complete,
                false => RunEnd::Interrupted,
            },
            planned,
            unpaced: !plan.paced,
            ..RunFacts::default()
        }
    }

    fn is_whole(&self, plan: &Plan, all_sent: bool) -> bool {
        let to_its_end = match plan.limit {
            Some(_) => self.time_is_over || !self.stop.is_stopped(),
            None => all_sent || self.tickets.is_stable(),
        };
        to_its_end && !self.stop.is_cancelled() && self.tickets.start().is_some()
    }
}

fn merge(mut facts: RunFacts, reports: Vec<WorkerReport>) -> (RunFacts, Answers) {
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
