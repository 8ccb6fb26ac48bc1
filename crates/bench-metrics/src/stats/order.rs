use statrs::distribution::{Binomial, DiscreteCDF};

use super::Interval;

/// The `p`-th percentile of independent samples with an interval between two of them, which
/// assumes nothing about their distribution.
///
/// The number of samples below the true percentile is binomial, so the interval from the l-th to
/// the u-th smallest sample misses it on either side with at most `(1 - confidence) / 2`:
/// l is the greatest rank with `P(Binomial(n, p) < l) <= (1 - confidence) / 2`, and u the least
/// with `P(Binomial(n, p) >= u) <= (1 - confidence) / 2` (David and Nagaraja, *Order Statistics*,
/// section 7.1). The estimate is numpy's default percentile.
///
/// `sorted` is in ascending order. `None` with fewer than [`min_samples`].
pub fn quantile_interval(sorted: &[f64], p: f64, confidence: f64) -> Option<Interval> {
    let n = sorted.len() as u64;
    if n < min_samples(p, confidence)? {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let below = Binomial::new(p / 100.0, n).ok()?;
    // Ranks are counted from 1: P(X < l) = cdf(l - 1).
    let lower = greatest(n, |rank| below.cdf(rank - 1) <= tail)?;
    let upper = n + 1 - greatest(n, |rank| below.sf(n - rank) <= tail)?;
    let rank = (n - 1) as f64 * p / 100.0;
    let (floor, fraction) = (rank.floor() as usize, rank.fract());
    let next = sorted[(floor + 1).min(sorted.len() - 1)];
    Some(Interval {
        estimate: sorted[floor] + (next - sorted[floor]) * fraction,
        low: sorted[lower as usize - 1],
        high: sorted[upper as usize - 1],
        confidence,
    })
}

/// How many independent samples the interval of a percentile needs to exist: with `q` the greater
/// of `p / 100` and `1 - p / 100`, the least n with `q^n <= (1 - confidence) / 2`.
///
/// The largest sample is below the true percentile with probability `(p / 100)^n`, the smallest
/// above it with `(1 - p / 100)^n`. `None` for a percentile or confidence out of range.
///
/// ```
/// use bench_metrics::stats::min_samples;
///
/// assert_eq!(min_samples(50.0, 0.95), Some(6));
/// assert_eq!(min_samples(99.0, 0.95), Some(368));
/// assert_eq!(min_samples(99.9, 0.95), Some(3688));
/// ```
pub fn min_samples(p: f64, confidence: f64) -> Option<u64> {
    let inside = |x: f64| x > 0.0 && x < 1.0;
    let share = p / 100.0;
    if !inside(share) || !inside(confidence) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let n = tail.ln() / share.max(1.0 - share).ln();
    Some(n.ceil() as u64)
}

/// The greatest of 1..=n for which a condition holds that holds up to some number and never after.
fn greatest(n: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(n: u32, p: f64) -> Option<(f64, f64)> {
        let sorted: Vec<f64> = (1..=n).map(f64::from).collect();
        quantile_interval(&sorted, p, 0.95).map(|interval| (interval.low, interval.high))
    }

    /// Ranks of the tables for the median: n = 10 has 2 and 9, n = 100 has 40 and 61.
    #[test]
    fn medians_have_the_ranks_of_the_tables() {
        assert_eq!(ranks(10, 50.0), Some((2.0, 9.0)));
        assert_eq!(ranks(100, 50.0), Some((40.0, 61.0)));
    }

    #[test]
    fn there_is_an_interval_from_the_least_number_of_samples_on() {
        assert_eq!(ranks(5, 50.0), None);
        assert_eq!(ranks(6, 50.0), Some((1.0, 6.0)));
        assert_eq!(ranks(367, 99.0), None);
        let (_, high) = ranks(368, 99.0).expect("an interval");
        assert_eq!(high, 368.0);
        let (low, _) = ranks(368, 1.0).expect("an interval");
        assert_eq!(low, 1.0);
    }

    #[test]
    fn what_is_out_of_range_has_no_answer() {
        assert_eq!(min_samples(100.0, 0.95), None);
        assert_eq!(min_samples(50.0, 1.0), None);
        assert_eq!(quantile_interval(&[], 50.0, 0.95), None);
    }
}
