//! Where the steady state begins and ends.

use bench_types::{Nanos, RequestRecord};

use super::concurrency::{Concurrency, span};
use super::slots::Slots;
use super::{NoSteadyState, mser5};
use crate::metric::{Convention, e2el, ttft};
use crate::sequential::rises;
use crate::window::Window;

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

    fn length(&self) -> Nanos {
        self.end.since(self.start)
    }
}

/// A closed loop has fewer slots taken for the moment between the end of a request and the
/// next. Dips shorter than a twentieth of the typical time for which a slot is taken do not end
/// a stretch.
const BRIDGED: u64 = 20;

/// Requests that have to be completed in a stretch, for each slot: those that lie across its
/// ends are one per slot, and must not weigh.
const ROUNDS: u64 = 5;

/// The longest stretch in which enough of the slots of a closed loop were taken.
pub(super) fn full(
    records: &[&RequestRecord],
    slots: &Slots,
    (target, threshold): (u64, u64),
    window: Window,
) -> Result<Found, NoSteadyState> {
    let bridge = Nanos(slots.typical.0 / BRIDGED);
    let found = longest(&slots.taken, threshold, bridge, window);
    let found = found.ok_or(NoSteadyState::NeverFull)?;
    let completed = records.iter().filter(|record| record.outcome.is_success());
    let inside = completed.filter(|record| found.has(record.timeline.closed));
    if (inside.count() as u64) < ROUNDS * target {
        return Err(NoSteadyState::TooBrief);
    }
    Ok(found)
}

/// The longest stretch with at least `threshold` slots taken, the first of equals.
fn longest(taken: &Concurrency, threshold: u64, bridge: Nanos, window: Window) -> Option<Found> {
    let mut longest: Option<Found> = None;
    let mut current: Option<Found> = None;
    let stretches = taken.stretches();
    for (start, end, _) in stretches.filter(|(.., level)| *level >= threshold) {
        let end = window.end.map_or(end, |limit| end.min(limit));
        if start >= end {
            break;
        }
        let joined = current.filter(|current| start.since(current.end) <= bridge);
        let now = Found {
            start: joined.map_or(start, |joined| joined.start),
            end,
        };
        current = Some(now);
        if longest.is_none_or(|longest| now.length() > longest.length()) {
            longest = Some(now);
        }
    }
    longest
}

/// Fewest requests whose trend can be told.
const FEWEST: usize = 50;
/// Parts of the time over which the concurrency is averaged.
const PARTS: usize = 100;
/// The share of requests that take at most as long as what is cut off at both ends. A server
/// without a limit is filled only when the longest of its first requests could have ended, and
/// the typical ones say little of those.
const LONG: f64 = 0.95;

/// The time from `sent` to `closed` that the share [`LONG`] of the completed requests keep.
fn long_residence(records: &[&RequestRecord]) -> Nanos {
    let completed = records.iter().copied();
    let completed = completed.filter(|record| record.outcome.is_success());
    let lengths = completed.filter_map(span).map(|(from, to)| to.since(from));
    let mut lengths: Vec<Nanos> = lengths.collect();
    lengths.sort_unstable();
    let place = (LONG * lengths.len() as f64).ceil() as usize;
    let long = lengths.get(place.saturating_sub(1));
    long.copied().unwrap_or_default()
}

/// Without the time of a long request at both ends, and then without what MSER-5 takes for a
/// transient of TTFT or of concurrency.
pub(super) fn settled(
    records: &[&RequestRecord],
    concurrency: &Concurrency,
    window: Window,
) -> Result<Found, NoSteadyState> {
    let residence = long_residence(records);
    let sent = records.iter().filter_map(|record| record.timeline.sent);
    let (Some(first), Some(last)) = (sent.clone().min(), sent.max()) else {
        return Err(NoSteadyState::TooFew);
    };
    if records.len() < FEWEST {
        return Err(NoSteadyState::TooFew);
    }
    let whole = Found {
        start: first,
        end: window.end.map_or(last, |limit| last.min(limit)),
    };
    let outpaced = outpaced(records);
    let delays_of = |found: Found| {
        let delays = delays(records, found);
        let values: Vec<f64> = delays.iter().map(|(_, delay)| *delay).collect();
        (delays, values)
    };
    // Before anything is cut: where requests pile up the long ones take as long as the run.
    if outpaced && rises(&delays_of(whole).1) {
        return Err(NoSteadyState::Growing);
    }
    let closed = records.iter().map(|record| record.timeline.closed).max();
    let closed = closed.unwrap_or_default();
    let found = Found {
        start: first.saturating_add(residence),
        end: whole.end.min(Nanos(closed.0.saturating_sub(residence.0))),
    };
    let (delays, values) = delays_of(found);
    if delays.len() < FEWEST {
        return Err(NoSteadyState::TooBrief);
    }
    let restless = |rises: bool| match rises && outpaced {
        true => NoSteadyState::Growing,
        false => NoSteadyState::Unsettled,
    };
    let levels = concurrency.averages(found.start, found.end, PARTS);
    let (Some(late), Some(part)) = (mser5(&values), mser5(&levels)) else {
        return Err(restless(rises(&values) || rises(&levels)));
    };
    if rises(&values[late..]) || rises(&levels[part..]) {
        return Err(restless(true));
    }
    let width = found.length().0 / PARTS as u64;
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

/// Whether requests came to be due faster than they ended, more than chance explains: whether
/// when the last one was due more were due and not over than half-way there, by more than three
/// standard deviations.
///
/// At a server that never makes one request wait for another this number is that of Poisson,
/// whose variance is its mean, however long requests take (Eick, Massey and Whitt, *The Physics
/// of the M_t/G/∞ Queue*, Operations Research 41, 1993); the variance of the difference of two
/// that are independent is their sum. Means over a tenth of the time vary less.
fn outpaced(records: &[&RequestRecord]) -> bool {
    const DEVIATIONS: f64 = 3.0;
    let timelines = records.iter().map(|record| &record.timeline);
    let spans = timelines.filter(|timeline| timeline.sent.is_some());
    let spans = spans.map(|timeline| (timeline.scheduled, timeline.closed));
    let due = spans.clone().map(|(due, _)| due);
    let (Some(first), Some(last)) = (due.clone().min(), due.max()) else {
        return false;
    };
    let levels = Concurrency::of_spans(spans).averages(first, last, 10);
    let (Some(middle), Some(end)) = (levels.get(4), levels.get(9)) else {
        return false;
    };
    end - middle > DEVIATIONS * (end + middle).sqrt()
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
