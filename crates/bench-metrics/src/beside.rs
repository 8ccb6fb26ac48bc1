//! What is sent beside the measured load.

use bench_types::{Nanos, RequestKind, RequestRecord, RunFacts, WarmUpEnd};
use serde::{Deserialize, Serialize};

use crate::{Convention, Distribution, e2el, was_sent};

/// The requests that were sent before anything was measured. None of them is in any other
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WarmUp {
    /// How many were sent.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// How long the load of the warm-up lasted, in seconds.
    pub seconds: f64,
    /// What ended it.
    pub ended_by: WarmUpEnd,
    /// Whether the server became steady, if the warm-up was to go on until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub became_stable: Option<bool>,
    /// Whether all of its requests had ended before the measured load began, because something
    /// was asked of the servers between them. Otherwise the measured load followed without a
    /// gap.
    pub apart: bool,
    /// Requests of the warm-up that were under way when the measured load began: the load that
    /// the first measured requests found.
    pub under_way: u64,
}

impl WarmUp {
    /// Of all records of a run, in any order; `None` if it had no warm-up.
    pub fn of(records: &[RequestRecord], facts: &RunFacts) -> Option<WarmUp> {
        let phase = facts.warm_up?;
        let own = records
            .iter()
            .filter(|record| record.kind == RequestKind::WarmUp && was_sent(record));
        let under_way = |record: &&RequestRecord| {
            let timeline = &record.timeline;
            timeline.sent.is_some_and(|sent| sent < facts.start) && timeline.closed > facts.start
        };
        Some(WarmUp {
            requests: own.clone().count() as u64,
            failed: own
                .clone()
                .filter(|record| record.outcome.is_failure())
                .count() as u64,
            seconds: phase.end.since(phase.start).as_secs_f64(),
            ended_by: phase.ended_by,
            became_stable: phase.became_stable,
            apart: phase.apart,
            under_way: own.filter(under_way).count() as u64,
        })
    }
}

/// Small requests that were sent at a constant rate beside the load, to feel how long a request
/// takes. None of them is in any other number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// How many were sent.
    pub requests: u64,
    /// Answered whole.
    pub completed: u64,
    /// Not answered whole.
    pub failed: u64,
    /// Their end-to-end latency in milliseconds.
    pub e2el: Distribution,
    /// The latest that one of them left after it was due, in milliseconds.
    pub max_lateness_ms: f64,
}

/// The percentiles of probes: that of `vllm bench serve`, and what lies before it.
const PERCENTILES: [f64; 3] = [50.0, 90.0, 99.0];

impl Probes {
    /// Of all records of a run, in any order; `None` if there are no probes. Those that were due
    /// before the measured load began do not count.
    pub fn of(records: &[RequestRecord], facts: &RunFacts) -> Option<Probes> {
        let own = records.iter().filter(|record| {
            let due = record.timeline.scheduled >= facts.start;
            record.kind == RequestKind::Probe && due && was_sent(record)
        });
        let requests = own.clone().count() as u64;
        let completed = own.clone().filter(|record| record.outcome.is_success());
        let latencies = completed.filter_map(|record| e2el(record, Convention::Vllm));
        let mut samples: Vec<f64> = latencies.map(Nanos::as_millis_f64).collect();
        let lateness = own.clone().filter_map(|record| {
            let timeline = &record.timeline;
            Some(timeline.sent?.since(timeline.scheduled))
        });
        let failed = own.clone().filter(|record| record.outcome.is_failure());
        (requests > 0).then(|| Probes {
            requests,
            completed: own
                .clone()
                .filter(|record| record.outcome.is_success())
                .count() as u64,
            failed: failed.count() as u64,
            e2el: Distribution::of(&mut samples, &PERCENTILES),
            max_lateness_ms: lateness.max().unwrap_or_default().as_millis_f64(),
        })
    }
}
