//! Follows the workers of a phase to their end.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bench_types::{Nanos, RequestKind, RequestRecord};
use tokio::sync::oneshot;

use crate::RunError;
use crate::observer::{Observer, Phase, Progress};
use crate::stability::Stability;
use crate::stop::StopHandle;
use crate::worker::{Counters, Shared, WorkerReport};

/// How often the observer hears of the run, and how exactly the grace period after a time limit
/// is kept.
const TICK: Duration = Duration::from_millis(100);

/// Room for so many records is made beforehand, at most.
const MOST_RESERVED: u64 = 1 << 20;

/// A worker of a load.
pub(crate) struct Worker {
    pub(crate) counters: Arc<Counters>,
    pub(crate) ended: oneshot::Receiver<std::io::Result<WorkerReport>>,
}

/// All workers of a load.
pub(crate) struct Crew {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<Worker>,
}

impl Crew {
    async fn reports(self) -> Result<Vec<WorkerReport>, RunError> {
        let mut reports = Vec::new();
        for worker in self.workers {
            let report = worker.ended.await.map_err(|_| RunError::WorkerLost)?;
            reports.push(report.map_err(RunError::Worker)?);
        }
        Ok(reports)
    }
}

/// Waits for the load to end, and for the probes beside it, which end with it. Those under way
/// may end within the grace period.
async fn all_reports(load: Crew, probes: Option<Crew>) -> Result<Vec<WorkerReport>, RunError> {
    let reports = load.reports().await?;
    let Some(probes) = probes else {
        return Ok(reports);
    };
    let shared = Arc::clone(&probes.shared);
    shared.stop.stop();
    let mut rest = std::pin::pin!(probes.reports());
    tokio::select! {
        ended = &mut rest => drop(ended?),
        () = tokio::time::sleep(shared.plan.grace) => {
            shared.cut.cancel();
            rest.await?;
        }
    }
    // What the audit says is about the load.
    Ok(reports)
}

/// Collects what the workers record, and sees to it that they end in time.
pub(crate) struct Collector<'a> {
    shared: Arc<Shared>,
    observer: &'a mut dyn Observer,
    records: mpsc::Receiver<RequestRecord>,
    collected: Vec<RequestRecord>,
    stability: Option<Stability>,
    /// Of the phase that is on.
    done: u64,
    failed: u64,
    /// What to tell once the warm-up is over.
    measuring: Option<Phase>,
    draining: bool,
    time_is_over: bool,
}

impl Collector<'_> {
    /// `measuring` is the phase that follows the warm-up with which the load of `shared` begins,
    /// if it does.
    pub(crate) fn new<'a>(
        shared: &Arc<Shared>,
        observer: &'a mut dyn Observer,
        records: mpsc::Receiver<RequestRecord>,
        measuring: Option<Phase>,
    ) -> Collector<'a> {
        let (plan, tickets) = (&shared.plan, &shared.tickets);
        let watched = tickets.awaits_stability();
        let now = shared.clock.now();
        Collector {
            observer,
            records,
            collected: Vec::with_capacity(plan.requests().unwrap_or(0).min(MOST_RESERVED) as usize),
            stability: watched.then(|| Stability::new(now, plan.slots)),
            done: 0,
            failed: 0,
            measuring,
            draining: false,
            time_is_over: false,
            shared: Arc::clone(shared),
        }
    }

    /// Whether the time in which requests were released was over before the run was.
    pub(crate) fn time_is_over(&self) -> bool {
        self.time_is_over
    }

    /// All that was recorded.
    pub(crate) fn into_records(self) -> Vec<RequestRecord> {
        self.collected
    }

    /// Follows the workers to their end.
    pub(crate) async fn watch(
        &mut self,
        load: Crew,
        probes: Option<Crew>,
    ) -> Result<Vec<WorkerReport>, RunError> {
        let workers = load.workers.iter();
        let counters: Vec<_> = workers.map(|worker| Arc::clone(&worker.counters)).collect();
        let mut all = std::pin::pin!(all_reports(load, probes));
        let shared = Arc::clone(&self.shared);
        let mut stopped = std::pin::pin!(stopped(&shared.stop, shared.plan.grace));
        let mut cancelled = false;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                biased;
                reports = &mut all => Some(reports),
                () = &mut stopped, if !cancelled => {
                    cancelled = true;
                    shared.stop.cancel();
                    shared.cut.cancel();
                    None
                }
                _ = tick.tick() => None,
            };
            self.tell_phase();
            self.collect();
            self.watch_time();
            self.look_for_stability(&counters);
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

    fn tell_phase(&mut self) {
        if self.shared.tickets.start().is_some()
            && let Some(phase) = self.measuring.take()
        {
            // What ended until now was of the warm-up.
            (self.done, self.failed) = (0, 0);
            self.observer.phase(phase);
        }
        if self.shared.stop.is_stopped() && !std::mem::replace(&mut self.draining, true) {
            self.observer.phase(Phase::Draining);
        }
    }

    /// Cuts off what is under way when the grace period after a time limit is over.
    fn watch_time(&mut self) {
        let Some(end) = self.shared.tickets.end() else {
            return;
        };
        let now = self.shared.clock.now();
        if now < end || self.draining && !self.time_is_over {
            return;
        }
        if !std::mem::replace(&mut self.time_is_over, true) {
            self.observer.phase(Phase::TimeOver);
        }
        if now >= end.saturating_add(self.shared.plan.grace.into()) {
            self.shared.cut.cancel();
        }
    }

    fn look_for_stability(&mut self, counters: &[Arc<Counters>]) {
        let tickets = &self.shared.tickets;
        let Some(stability) = self
            .stability
            .as_mut()
            .filter(|_| tickets.awaits_stability())
        else {
            return;
        };
        if stability.look(self.shared.clock.now(), chunks(counters)) {
            tickets.set_stable();
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
        if record.kind == RequestKind::WarmUp
            && let Some(stability) = &mut self.stability
        {
            stability.ended(&record);
        }
        let warming = self.measuring.is_some();
        let counts = match record.kind {
            RequestKind::Load => !warming,
            RequestKind::WarmUp => warming || self.shared.plan.kind == RequestKind::WarmUp,
            RequestKind::Probe => false,
        };
        if counts {
            self.done += 1;
            self.failed += u64::from(record.outcome.is_failure());
        }
        if record.kind == RequestKind::Load {
            self.observer.record(&record);
        }
        self.collected.push(record);
    }

    fn report(&mut self, counters: &[Arc<Counters>]) {
        let now = self.shared.clock.now();
        let start = self.shared.tickets.start();
        self.observer.progress(&Progress {
            done: self.done,
            failed: self.failed,
            in_flight: counters.iter().map(|c| c.in_flight.load(Relaxed)).sum(),
            chunks: chunks(counters),
            elapsed: start.map_or(Nanos::ZERO, |start| now.since(start)),
        });
    }
}

/// Completes when requests under way are to be cancelled because the user wants an end.
async fn stopped(stop: &StopHandle, grace: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = async {
            stop.stopped().await;
            tokio::time::sleep(grace).await;
        } => {}
    }
}

fn chunks(counters: &[Arc<Counters>]) -> u64 {
    counters.iter().map(|c| c.chunks.load(Relaxed)).sum()
}
