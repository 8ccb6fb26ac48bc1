//! What takes the slots of a closed loop.

use std::collections::BTreeMap;

use bench_types::{Nanos, RequestRecord};

use super::concurrency::{Concurrency, span};

/// The slots of a closed loop: how many were taken at every moment.
///
/// A conversation keeps its slot from when its first turn is due to the end of its last one,
/// think time included. Requests without others count from `sent`, as everywhere.
pub(super) struct Slots {
    pub(super) taken: Concurrency,
    /// How many times a slot was taken.
    pub(super) turns: usize,
    /// For how long, in the middle.
    pub(super) typical: Nanos,
}

impl Slots {
    pub(super) fn of(records: &[&RequestRecord]) -> Slots {
        let spans = match records.iter().any(|record| record.turn > 0) {
            true => conversations(records),
            false => records.iter().copied().filter_map(span).collect(),
        };
        let mut lengths: Vec<Nanos> = spans.iter().map(|(from, to)| to.since(*from)).collect();
        lengths.sort_unstable();
        Slots {
            turns: spans.len(),
            typical: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
            taken: Concurrency::of_spans(spans),
        }
    }
}

fn conversations(records: &[&RequestRecord]) -> Vec<(Nanos, Nanos)> {
    let mut spans: BTreeMap<u64, (Nanos, Nanos)> = BTreeMap::new();
    // A turn that was never sent kept nothing.
    for record in records
        .iter()
        .filter(|record| record.timeline.sent.is_some())
    {
        let (from, to) = (record.timeline.scheduled, record.timeline.closed);
        let span = spans.entry(record.conversation).or_insert((from, to));
        *span = (span.0.min(from), span.1.max(to));
    }
    spans.into_values().collect()
}
