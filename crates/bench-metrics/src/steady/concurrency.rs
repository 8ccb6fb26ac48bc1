use bench_types::{Nanos, RequestRecord};

/// From `sent` to `closed`; `None` for a request that was never sent.
pub(super) fn span(record: &RequestRecord) -> Option<(Nanos, Nanos)> {
    Some((record.timeline.sent?, record.timeline.closed))
}

/// How many requests were under way at every moment, exactly: from `sent` (included) to
/// `closed` (excluded), failed ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// The moments at which it changed, ascending, and what it was from then on.
    steps: Vec<(Nanos, u64)>,
}

impl Concurrency {
    /// Counts the requests that were sent.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a RequestRecord>) -> Concurrency {
        Concurrency::of_spans(records.into_iter().filter_map(span))
    }

    /// Counts whatever lasted from a moment (included) to another (excluded).
    pub(super) fn of_spans(spans: impl IntoIterator<Item = (Nanos, Nanos)>) -> Concurrency {
        // Ends and starts of the same moment make one step.
        let mut changes: Vec<(Nanos, i64)> = spans
            .into_iter()
            .filter(|(sent, closed)| sent < closed)
            .flat_map(|(sent, closed)| [(sent, 1), (closed, -1)])
            .collect();
        changes.sort_unstable();
        let mut level = 0_i64;
        let steps = changes.chunk_by(|a, b| a.0 == b.0).map(|same| {
            level += same.iter().map(|(_, change)| change).sum::<i64>();
            (same[0].0, level.unsigned_abs())
        });
        Concurrency {
            steps: steps.collect(),
        }
    }

    /// The most at any moment.
    pub fn peak(&self) -> u64 {
        self.steps
            .iter()
            .map(|(_, level)| *level)
            .max()
            .unwrap_or(0)
    }

    /// The stretches in which the level was the same, as beginning, end and level, from the
    /// first request to the last.
    pub fn stretches(&self) -> impl Iterator<Item = (Nanos, Nanos, u64)> {
        let pairs = self.steps.windows(2);
        pairs.map(|pair| (pair[0].0, pair[1].0, pair[0].1))
    }

    /// The mean over the time from `start` to `end`; 0 if that is no time.
    pub fn average(&self, start: Nanos, end: Nanos) -> f64 {
        self.averages(start, end, 1).first().copied().unwrap_or(0.0)
    }

    /// The means over `count` equal parts of the time from `start` to `end`.
    pub fn averages(&self, start: Nanos, end: Nanos, count: usize) -> Vec<f64> {
        let span = end.since(start).0 as f64;
        if count == 0 || span == 0.0 {
            return Vec::new();
        }
        let width = span / count as f64;
        let mut areas = vec![0.0; count];
        for (from, to, level) in self.stretches() {
            let (from, to) = (from.max(start), to.min(end));
            if level == 0 || from >= to {
                continue;
            }
            let (from, to) = (from.since(start).0 as f64, to.since(start).0 as f64);
            let part = |at: f64| ((at / width) as usize).min(count - 1);
            for (place, area) in areas
                .iter_mut()
                .enumerate()
                .take(part(to) + 1)
                .skip(part(from))
            {
                let (left, right) = (place as f64 * width, (place + 1) as f64 * width);
                *area += level as f64 * (to.min(right) - from.max(left)).max(0.0);
            }
        }
        areas.iter().map(|area| area / width).collect()
    }
}
