//! The clocks of traces: nanoseconds from wherever a trace counts from.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The longest that a trace and a pause in it may take: 10 years, which is longer than any run.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What is wrong with a request that is sent later than that.
pub(crate) const TOO_LATE: &str =
    "its time is more than 10 years after the beginning of the trace (is it in another unit?)";

/// A moment on a trace's own clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// `seconds` after the beginning of the clock; `None` if that is no time.
    pub(crate) fn of_seconds(seconds: f64) -> Option<Moment> {
        const LAST: f64 = (i64::MAX / 1_000_000_000 - 1) as f64;
        let fits = seconds.abs() <= LAST;
        // Whole seconds by themselves, so that the fraction keeps all its digits.
        let nanos = (seconds.fract() * 1e9).round() as i64;
        fits.then(|| Moment(seconds.trunc() as i64 * 1_000_000_000 + nanos))
    }

    /// A date with a time of day, in UTC if it does not say otherwise.
    pub(crate) fn of_date(text: &str) -> Option<Moment> {
        let stamp = text.parse::<Timestamp>().ok().or_else(|| {
            let date: DateTime = text.parse().ok()?;
            Offset::UTC.to_timestamp(date).ok()
        })?;
        i64::try_from(stamp.as_nanosecond()).ok().map(Moment)
    }

    /// How long it is after `begin`, which is not later.
    pub(crate) fn since(self, begin: Moment) -> Duration {
        Duration::from_nanos(self.0.abs_diff(begin.0))
    }

    /// Seconds since the beginning of the clock, to the precision of a float: for times since
    /// 1970 a quarter of a microsecond.
    pub(crate) fn seconds(self) -> f64 {
        const SECOND: i64 = 1_000_000_000;
        (self.0 / SECOND) as f64 + (self.0 % SECOND) as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_and_without_an_offset() {
        let nanos = |text| Moment::of_date(text).map(|moment| moment.0);
        let moment = 1_700_158_623_979_960_000;
        assert_eq!(nanos("2023-11-16 18:17:03.9799600"), Some(moment));
        assert_eq!(nanos("2023-11-16 18:17:03.979960+00:00"), Some(moment));
        assert_eq!(nanos("2023-11-16T19:17:03.97996+01:00"), Some(moment));
        assert_eq!(nanos("2023-11-16T18:17:03.97996Z"), Some(moment));
        assert_eq!(nanos("yesterday"), None);
    }

    #[test]
    fn seconds_that_are_no_time_are_refused() {
        assert_eq!(Moment::of_seconds(1.5), Some(Moment(1_500_000_000)));
        assert_eq!(Moment::of_seconds(-0.25), Some(Moment(-250_000_000)));
        let since_1970 = Moment(1_700_000_003_500_000_000);
        assert_eq!(Moment::of_seconds(1_700_000_003.5), Some(since_1970));
        assert_eq!(Moment::of_seconds(f64::NAN), None);
        assert_eq!(Moment::of_seconds(1e30), None);
        assert_eq!(Moment(250_000_000).seconds(), 0.25);
    }
}
