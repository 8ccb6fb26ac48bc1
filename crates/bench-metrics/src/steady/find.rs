//! Where the steady state begins and ends.

use bench_types::{Nanos, RequestRecord};

use super::{Concurrency, NoSteadyState, SteadyMethod, mser5};
use crate::metric::{Convention, e2el, ttft};
use crate::sequential::rises;

/// A stretch of time that begins at `start` and ends before `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) start: Nanos,
    pub(super) end: Nanos,
}

impl Found {
    pub(super) fn has(&self, at: Nanos) -> bool {
        (self.start..self.end).contains(&at)
    }
}

pub(super) fn find(
    records: &[&RequestRecord],
    concurrency: &Concurrency,
    method: SteadyMethod,
) -> Result<Found, NoSteadyState> {
    let residence = typical_residence(records);
    match method {
        SteadyMethod::ClosedLoop { threshold, .. } => {
            let bridge = Nanos(residence.0 / BRIDGED);
            full(concurrency, threshold, bridge).ok_or(NoSteadyState::NeverFull)
        }
        SteadyMethod::OpenLoop => settled(records, concurrency, residence),
    }
}

/// Median time from `sent` to `closed` of completed requests.
fn typical_residence(records: &[&RequestRecord]) -> Nanos {
    let completed = records.iter().filter(|record| record.outcome.is_success());
    let mut spans: Vec<Nanos> = completed
        .filter_map(|record| Some(record.timeline.closed.since(record.timeline.sent?)))
        .collect();
    if spans.is_empty() {
        return Nanos::ZERO;
    }
    let middle = spans.len() / 2;
    *spans.select_nth_unstable(middle).1
}

/// A closed loop has fewer requests under way for the moment between the end of one and the
/// next. Dips shorter than a twentieth of a typical request do not end a stretch.
const BRIDGED: u64 = 20;

/// The longest stretch with at least `threshold` requests under way, the first of equals.
fn full(concurrency: &Concurrency, threshold: u64, bridge: Nanos) -> Option<Found> {
    let mut longest: Option<Found> = None;
    let mut current: Option<Found> = None;
    let stretches = concurrency.stretches();
    for (start, end, _) in stretches.filter(|(.., level)| *level >= threshold) {
        let joined = current.filter(|current| start.since(current.end) <= bridge);
        let now = Found {
            start: joined.map_or(start, |joined| joined.start),
            end,
        };
        current = Some(now);
        let length = |found: Found| found.end.since(found.start);
        if longest.is_none_or(|longest| length(now) > length(longest)) {
            longest = Some(now);
        }
    }
    longest
}

/// Fewest requests whose trend can be told.
const FEWEST: usize = 50;
/// Parts of the time over which the concurrency is averaged.
const PARTS: usize = 100;

/// Without the first and the last typical residence time, and then without what MSER-5 takes
/// for a transient of TTFT or of concurrency.
fn settled(
    records: &[&RequestRecord],
    concurrency: &Concurrency,
    residence: Nanos,
) -> Result<Found, NoSteadyState> {
    let sent = records.iter().filter_map(|record| record.timeline.sent);
    let (Some(first), Some(last)) = (sent.clone().min(), sent.max()) else {
        return Err(NoSteadyState::TooFew);
    };
    let closed = records.iter().map(|record| record.timeline.closed).max();
    let closed = closed.unwrap_or_default();
    let found = Found {
        start: first.saturating_add(residence),
        end: last.min(Nanos(closed.0.saturating_sub(residence.0))),
    };
    let delays = delays(records, found);
    if delays.len() < FEWEST {
        return Err(match records.len() < FEWEST {
            true => NoSteadyState::TooFew,
            false => NoSteadyState::TooBrief,
        });
    }
    let values: Vec<f64> = delays.iter().map(|(_, delay)| *delay).collect();
    let levels = concurrency.averages(found.start, found.end, PARTS);
    let (Some(late), Some(part)) = (mser5(&values), mser5(&levels)) else {
        return Err(match rises(&values) || rises(&levels) {
            true => NoSteadyState::Growing,
            false => NoSteadyState::Unsettled,
        });
    };
    if rises(&values[late..]) || rises(&levels[part..]) {
        return Err(NoSteadyState::Growing);
    }
    let width = found.end.since(found.start).0 / PARTS as u64;
    let by_level = found.start + Nanos(width * part as u64);
    let by_delay = match late {
        0 => found.start,
        late => delays[late].0,
    };
    Ok(Found {
        start: by_level.max(by_delay),
        ..found
    })
}

/// For each completed request that was sent in a stretch when that was, and how long its first
/// token took from when the request was to leave, or its answer where it came whole: waiting for
/// a slot is part of it. In the order of sending.
fn delays(records: &[&RequestRecord], found: Found) -> Vec<(Nanos, f64)> {
    let convention = Convention::Intended;
    let completed = records.iter().filter(|record| record.outcome.is_success());
    let inside = completed.filter_map(|record| {
        let sent = record.timeline.sent.filter(|sent| found.has(*sent))?;
        let delay = ttft(record, convention).or_else(|| e2el(record, convention))?;
        Some((sent, delay.as_millis_f64()))
    });
    let mut delays: Vec<(Nanos, f64)> = inside.collect();
    delays.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    delays
}
