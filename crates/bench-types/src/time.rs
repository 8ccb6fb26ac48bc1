use std::ops::{Add, AddAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, or a span of it, in nanoseconds on the monotonic clock of a run.
///
/// As a point it counts from the run's epoch, which lies shortly before the first
/// request. It is never a float and never an [`std::time::Instant`], so that records can
/// be stored, merged and compared exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The run's epoch, or no time at all.
    pub const ZERO: Nanos = Nanos(0);
    /// The latest representable point: some 584 years after the epoch.
    pub const MAX: Nanos = Nanos(u64::MAX);

    /// The span of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    /// The span of `us` microseconds.
    pub const fn from_micros(us: u64) -> Nanos {
        Nanos(us * 1_000)
    }

    /// The span of `seconds`, rounded to the nearest nanosecond; negative values and NaN
    /// become zero, too large ones [`Nanos::MAX`].
    pub fn from_secs_f64(seconds: f64) -> Nanos {
        // A float cast saturates at both ends and sends NaN to zero.
        Nanos((seconds * 1e9).round() as u64)
    }

    /// This span in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This span in milliseconds.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The span from `earlier` to `self`, zero if `earlier` is in fact later.
    pub fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// The later point `self + span`, at most [`Nanos::MAX`].
    pub fn saturating_add(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(span.0))
    }
}

impl From<Duration> for Nanos {
    fn from(span: Duration) -> Nanos {
        Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(span: Nanos) -> Duration {
        Duration::from_nanos(span.0)
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, span: Nanos) -> Nanos {
        Nanos(self.0 + span.0)
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, span: Nanos) {
        self.0 += span.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_and_saturate() {
        assert_eq!(Nanos::from_secs_f64(1.5), Nanos(1_500_000_000));
        assert_eq!(Nanos::from_secs_f64(1e-9 * 2.6), Nanos(3));
        assert_eq!(Nanos::from_secs_f64(-1.0), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::NAN), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::INFINITY), Nanos::MAX);
    }

    #[test]
    fn spans_do_not_go_below_zero() {
        assert_eq!(Nanos(5).since(Nanos(7)), Nanos::ZERO);
        assert_eq!(Nanos(7).since(Nanos(5)), Nanos(2));
        assert_eq!(Nanos::MAX.saturating_add(Nanos(1)), Nanos::MAX);
    }

    #[test]
    fn durations_convert_both_ways() {
        let span = Duration::new(3, 7);
        assert_eq!(Duration::from(Nanos::from(span)), span);
        assert_eq!(Nanos::from(Duration::MAX), Nanos::MAX);
    }
}
