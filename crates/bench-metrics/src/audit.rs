use std::fmt;

use bench_types::{LagSummary, Nanos, ReceiveClock, RequestRecord, RunFacts, WorkerFacts};
use serde::{Deserialize, Serialize};

use crate::slo::ratio;

/// How well the client itself did: the error bar of every other number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfAudit {
    /// Whether the client, not the server, may have shaped the numbers. `None` if no rule that
    /// can be judged applies, and what the workers did is lost because the run was killed.
    pub client_limited: Option<bool>,
    /// Why.
    pub reasons: Vec<LimitReason>,
    /// `sent - scheduled`: how late requests left, for whatever reason. In a run without a
    /// rate, or one whose slots were all busy, the server is the reason.
    pub lateness: LagSummary,
    /// `sent - max(scheduled, released, connected)`: the part of the lateness that is the
    /// client's own, after the request was due, had a slot and had a connection.
    pub own_lateness: LagSummary,
    /// From the kernel's receive stamp to the read in user space. Harmless while the stamps
    /// are the kernel's; it shows how far user-space stamps would have been off.
    pub read_lag: LagSummary,
    /// Which clock stamped what was received.
    pub receive_clock: ReceiveClock,
    /// Reads with the kernel's stamp.
    pub kernel_reads: u64,
    /// Reads with a user-space stamp.
    pub user_reads: u64,
    /// Share of reads that brought more than one content chunk, which then share a stamp.
    pub merged_share: f64,
    /// Most connections open at once, the peaks of the workers added up; `None` if it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_connections: Option<u64>,
    /// Times the wall clock stepped during the run; `None` if it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_steps: Option<u32>,
    /// Share of the time of all CPUs, 0 to 1, that the host took from the virtual machine the
    /// client runs on; `None` if the system does not tell, or if it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_cpu: Option<f64>,
    /// One entry per worker thread; none if the run was killed.
    pub workers: Vec<WorkerAudit>,
}

/// What one worker thread used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerAudit {
    /// Share of one core, 0 to 1.
    pub cpu_share: f64,
    /// Requests it sent.
    pub requests: u64,
    /// Most connections it had open at once.
    pub peak_connections: u32,
}

/// A rule that says: the client may have been the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitReason {
    /// A worker used more than 90 % of its core for at least 100 ms: it could not have
    /// sent or read any faster, so the load may be less than asked for. Shorter runs are
    /// all start-up and prove nothing.
    WorkerBusy {
        /// Which worker, from 0.
        worker: usize,
        /// Share of one core it used.
        cpu_share: f64,
    },
    /// In a run with a rate, 1 % of the requests left more than 1 ms after they were due
    /// and had a slot and a connection: the load was not the load that was asked for.
    LateSends {
        /// The client's own lateness, 99th percentile, in milliseconds.
        p99_ms: f64,
    },
    /// Some reads have user-space stamps, and reads whose kernel stamp is known came more
    /// than 1 ms late at the 99th percentile: the stamps without the kernel's help are
    /// probably as late.
    LateReads {
        /// Read lag, 99th percentile, in milliseconds.
        p99_ms: f64,
        /// Reads stamped in user space.
        user_reads: u64,
    },
    /// Some reads have user-space stamps taken by a worker that used more than 60 % of its
    /// core: chunks waited for the worker, and the wait is in the numbers.
    BusyUserClock {
        /// Share of one core that the busiest worker used.
        cpu_share: f64,
    },
    /// More than 1 % of the reads brought several chunks, and reads came more than 1 ms late
    /// at the 99th percentile: the client read too seldom to keep chunks apart.
    MergedReads {
        /// Share of reads with more than one content chunk.
        share: f64,
        /// Read lag, 99th percentile, in milliseconds.
        p99_ms: f64,
    },
}

const BUSY: f64 = 0.9;
const BUSY_USER_CLOCK: f64 = 0.6;
const BUSY_FOR: Nanos = Nanos::from_millis(100);
const LATE: Nanos = Nanos::from_millis(1);
const MERGED: f64 = 0.01;

impl fmt::Display for LimitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitReason::WorkerBusy { worker, cpu_share } => {
                write!(
                    f,
                    "worker {worker} used {:.0} % of its core",
                    cpu_share * 100.0
                )
            }
            LimitReason::LateSends { p99_ms } => {
                write!(f, "1 % of the requests left {p99_ms:.2} ms late or more")
            }
            LimitReason::LateReads { p99_ms, user_reads } => write!(
                f,
                "{user_reads} reads have user-space stamps while 1 % of the reads came \
                 {p99_ms:.2} ms late or more"
            ),
            LimitReason::BusyUserClock { cpu_share } => write!(
                f,
                "user-space stamps were taken by a worker that used {:.0} % of its core",
                cpu_share * 100.0
            ),
            LimitReason::MergedReads { share, p99_ms } => write!(
                f,
                "{:.1} % of the reads brought several chunks while 1 % of the reads came \
                 {p99_ms:.2} ms late or more",
                share * 100.0
            ),
        }
    }
}

impl SelfAudit {
    /// Audits a run. The order of the records does not matter.
    pub fn of(records: &[RequestRecord], facts: &RunFacts) -> SelfAudit {
        let sent = records.iter().filter_map(|record| {
            let timeline = &record.timeline;
            Some((timeline.sent?, timeline))
        });
        let lateness = sent
            .clone()
            .map(|(sent, timeline)| sent.since(timeline.scheduled));
        let own_lateness = sent.map(|(sent, timeline)| {
            let due = timeline.scheduled.max(timeline.released);
            sent.since(due.max(timeline.connected.unwrap_or(due)))
        });
        let count = |reads: fn(&RequestRecord) -> u32| -> u64 {
            records.iter().map(|record| u64::from(reads(record))).sum()
        };
        let kernel_reads = count(|record| record.receive.kernel);
        let user_reads = count(|record| record.receive.user);
        let merged = count(|record| record.receive.merged);
        let peaks = facts
            .workers
            .iter()
            .map(|worker| u64::from(worker.peak_connections));
        // Every run has workers, but one that was killed did not tell of them.
        let told = !facts.workers.is_empty();
        let mut audit = SelfAudit {
            client_limited: None,
            reasons: Vec::new(),
            lateness: lag(lateness.collect()),
            own_lateness: lag(own_lateness.collect()),
            read_lag: facts.read_lag,
            receive_clock: match (kernel_reads, user_reads) {
                (0, _) => ReceiveClock::User,
                (_, 0) => ReceiveClock::Kernel,
                _ => ReceiveClock::Mixed,
            },
            kernel_reads,
            user_reads,
            merged_share: ratio(merged as f64, (kernel_reads + user_reads) as f64),
            peak_connections: told.then(|| peaks.sum()),
            clock_steps: told.then_some(facts.clock_steps),
            stolen_cpu: facts.stolen_cpu,
            workers: facts.workers.iter().map(WorkerAudit::of).collect(),
        };
        audit.reasons = audit.judge(facts);
        let limited = !audit.reasons.is_empty();
        audit.client_limited = (limited || told).then_some(limited);
        audit
    }

    /// Share of one core that the busiest worker used.
    pub fn busiest_worker(&self) -> f64 {
        self.workers
            .iter()
            .map(|worker| worker.cpu_share)
            .fold(0.0, f64::max)
    }

    fn judge(&self, facts: &RunFacts) -> Vec<LimitReason> {
        let mut reasons = Vec::new();
        let busy = |share: f64, limit: f64, wall: Nanos| share > limit && wall >= BUSY_FOR;
        for (worker, (audit, facts)) in self.workers.iter().zip(&facts.workers).enumerate() {
            let cpu_share = audit.cpu_share;
            if busy(cpu_share, BUSY, facts.wall) {
                reasons.push(LimitReason::WorkerBusy { worker, cpu_share });
            }
        }
        if !facts.unpaced && self.own_lateness.p99 > LATE {
            let p99_ms = self.own_lateness.p99.as_millis_f64();
            reasons.push(LimitReason::LateSends { p99_ms });
        }
        let late_reads = self.read_lag.p99 > LATE;
        let p99_ms = self.read_lag.p99.as_millis_f64();
        let user_reads = self.user_reads;
        if user_reads > 0 && late_reads {
            reasons.push(LimitReason::LateReads { p99_ms, user_reads });
        }
        let wall = facts.workers.iter().map(|worker| worker.wall).max();
        let cpu_share = self.busiest_worker();
        if user_reads > 0 && busy(cpu_share, BUSY_USER_CLOCK, wall.unwrap_or_default()) {
            reasons.push(LimitReason::BusyUserClock { cpu_share });
        }
        if late_reads && self.merged_share > MERGED {
            let share = self.merged_share;
            reasons.push(LimitReason::MergedReads { share, p99_ms });
        }
        reasons
    }
}

impl WorkerAudit {
    fn of(facts: &WorkerFacts) -> WorkerAudit {
        WorkerAudit {
            cpu_share: facts.cpu_share(),
            requests: facts.requests,
            peak_connections: facts.peak_connections,
        }
    }
}

/// Boils delays down; percentiles are actual samples (the nearest rank above).
fn lag(mut delays: Vec<Nanos>) -> LagSummary {
    let Some(&max) = delays.iter().max() else {
        return LagSummary::default();
    };
    let top = delays.len() - 1;
    let mut at = |p: usize| *delays.select_nth_unstable((top * p).div_ceil(100)).1;
    LagSummary {
        count: top as u64 + 1,
        p50: at(50),
        p99: at(99),
        max,
    }
}
