use bench_types::{Nanos, RequestRecord};
use serde::{Deserialize, Serialize};

use crate::metric::{Convention, arrivals, last};

/// The busiest moments of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Most output tokens in one second; `None` where answers come whole, since nobody knows
    /// when their tokens came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_s: Option<f64>,
    /// Most requests under way at once.
    pub concurrent_requests: u64,
}

const SECOND: u64 = 1_000_000_000;

impl Peak {
    /// As `vllm bench serve` counts: seconds since the first request was sent; each chunk is
    /// a token, and a request counts in every second it touches (so that the concurrency can
    /// exceed what was ever under way at once). Completed requests only.
    pub(crate) fn in_buckets(completed: &[&RequestRecord]) -> Peak {
        let sent = completed.iter().filter_map(|record| record.timeline.sent);
        let Some(start) = sent.min() else {
            return Peak {
                output_tokens_per_s: Some(0.0),
                concurrent_requests: 0,
            };
        };
        let ends = completed
            .iter()
            .filter_map(|record| last(record, Convention::Vllm));
        let top = ends.max().map_or(0, |end| end.since(start).0 / SECOND);
        let buckets = top as usize + 1;
        // Stamps of different clocks may be out of order by a little: keep to the range.
        let bucket = |at: Nanos| (at.since(start).0 / SECOND).min(top) as usize;
        let mut tokens = vec![0_u64; buckets];
        let mut changes = vec![0_i64; buckets + 1];
        for record in completed {
            // Marks come in order, so the bucket is looked up again only when one is left.
            let (mut index, mut border) = (0, Nanos::ZERO);
            for mark in record.timeline.choices() {
                if mark.at >= border {
                    index = bucket(mark.at);
                    border = Nanos(start.0.saturating_add((index as u64 + 1) * SECOND));
                }
                tokens[index] += 1;
            }
            if let (Some(sent), Some(end)) = (record.timeline.sent, last(record, Convention::Vllm))
            {
                changes[bucket(sent)] += 1;
                changes[bucket(end.max(sent)) + 1] -= 1;
            }
        }
        let concurrent = changes.iter().scan(0_i64, |level, change| {
            *level += change;
            Some(*level)
        });
        Peak {
            output_tokens_per_s: Some(tokens.into_iter().max().unwrap_or(0) as f64),
            concurrent_requests: concurrent.max().unwrap_or(0).unsigned_abs(),
        }
    }

    /// Exactly: the most tokens in any second `[t, t + 1 s)`, completed requests only, and
    /// the most requests between `sent` (included) and `closed` (excluded), failed ones too.
    pub(crate) fn exact(records: &[&RequestRecord], completed: &[&RequestRecord]) -> Peak {
        Peak {
            output_tokens_per_s: Some(busiest_second(completed) as f64),
            concurrent_requests: most_at_once(records),
        }
    }

    /// Without the tokens, which answers that come whole do not spread over time.
    pub(crate) fn of_requests(self) -> Peak {
        Peak {
            output_tokens_per_s: None,
            ..self
        }
    }
}

fn most_at_once(records: &[&RequestRecord]) -> u64 {
    let (mut starts, mut ends): (Vec<Nanos>, Vec<Nanos>) = records
        .iter()
        .filter_map(|record| Some((record.timeline.sent?, record.timeline.closed)))
        .filter(|(sent, closed)| sent < closed)
        .unzip();
    starts.sort_unstable();
    ends.sort_unstable();
    let mut ended = 0;
    let levels = starts.iter().enumerate().map(|(started, &start)| {
        while ends[ended] <= start {
            ended += 1;
        }
        (started + 1 - ended) as u64
    });
    levels.max().unwrap_or(0)
}

/// Exponents of the narrowest and the widest bin: 8 us and 33 ms.
const NARROW: u32 = 13;
const WIDE: u32 = 25;

/// The widest bin, as a power of two of nanoseconds, that holds two tokens on average.
fn bin_exponent(tokens: u64, span: u64) -> u32 {
    let narrow = |exponent: &u32| (span >> exponent) >= tokens / 2;
    (NARROW..=WIDE).rev().find(narrow).unwrap_or(NARROW)
}

/// The most tokens in any `[t, t + 1 s)`.
///
/// Sorting every token of a long run would cost more than the rest of the summary, so the
/// tokens are first counted in narrow bins. The best second that starts at the border of a
/// bin is a lower bound, and all bins that a second starting inside a bin can touch are an
/// upper bound; stamps are sorted only where the upper bound beats the lower one.
fn busiest_second(completed: &[&RequestRecord]) -> u64 {
    let first = |record: &&RequestRecord| arrivals(record).next().map(|arrival| arrival.at);
    let last = |record: &&RequestRecord| record.timeline.choices().next_back().map(|mark| mark.at);
    let (Some(start), Some(end)) = (
        completed.iter().filter_map(first).min(),
        completed.iter().filter_map(last).max(),
    ) else {
        return 0;
    };
    let span = end.since(start).0;
    let tokens = completed
        .iter()
        .map(|record| u64::from(record.output_tokens));
    let exponent = bin_exponent(tokens.sum(), span);
    let top = span >> exponent;
    // Stamps of different clocks may be out of order by a little: keep to the range.
    let bin = |at: Nanos| (at.since(start).0 >> exponent).min(top) as usize;
    let mut bins = vec![0_u32; top as usize + 1];
    for record in completed {
        for arrival in arrivals(record) {
            bins[bin(arrival.at)] += u32::from(arrival.tokens);
        }
    }
    let at = |bin: usize| bins.get(bin).copied().map_or(0, u64::from);

    // A second that starts somewhere in a bin covers this many bins from there on and
    // touches at most two more.
    let second = (SECOND >> exponent) as usize;
    let windows = || {
        let first: u64 = (0..second).map(at).sum();
        (0..bins.len()).scan(first, |inside, bin| {
            let tokens = *inside;
            *inside = tokens + at(bin + second) - at(bin);
            Some((bin, tokens))
        })
    };
    let mut best = windows().map(|(_, tokens)| tokens).max().unwrap_or(0);
    let worth = |bin: usize, tokens: u64, best: u64| {
        at(bin) > 0 && tokens + at(bin + second) + at(bin + second + 1) > best
    };
    let mut needed = vec![false; bins.len() + second + 1];
    for (bin, _) in windows().filter(|&(bin, tokens)| worth(bin, tokens, best)) {
        needed[bin] = true;
        needed[bin + second] = true;
        needed[bin + second + 1] = true;
    }
    let mut stamps: Vec<(Nanos, u16)> = Vec::new();
    for record in completed {
        let close = arrivals(record).filter(|arrival| arrival.tokens > 0);
        let close = close.filter(|arrival| needed[bin(arrival.at)]);
        stamps.extend(close.map(|arrival| (arrival.at, arrival.tokens)));
    }
    stamps.sort_unstable();

    let border = |bin: usize| Nanos(start.0 + ((bin as u64) << exponent));
    let from = |at: Nanos| stamps.partition_point(|&(stamp, _)| stamp < at);
    for (bin, tokens) in windows() {
        if !worth(bin, tokens, best) {
            continue;
        }
        // A second that starts at a stamp in this bin loses the stamps before it here and
        // gains some of the bins in which it may end.
        let mut inside = tokens;
        let mut entering = from(border(bin + second));
        for &(at, tokens) in &stamps[from(border(bin))..from(border(bin + 1))] {
            while let Some(&(next, more)) = stamps.get(entering) {
                if next >= at + Nanos(SECOND) {
                    break;
                }
                inside += u64::from(more);
                entering += 1;
            }
            best = best.max(inside);
            inside -= u64::from(tokens);
        }
    }
    best
}
