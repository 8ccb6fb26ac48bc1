use std::fmt;
use std::str::FromStr;

use bench_metrics::stats::Interval;
use clap::ValueEnum;

use super::Measure;
use crate::AggregateError;

/// A limit that the user set, such as `p99_ttft_ms>5%`: what must not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What is limited.
    pub measure: Measure,
    /// Which side of the limit is bad.
    pub beyond: Beyond,
    /// The limit.
    pub limit: Limit,
}

/// The bad side of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// More is bad: `>`.
    Above,
    /// Less is bad: `<`.
    Below,
}

/// A limit for the difference, or for the number itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Of the relative difference, as a share: 0.05 for `5%`.
    Change(f64),
    /// Of the number on side B, in its unit.
    Value(f64),
}

/// What decides whether a gate is missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The whole confidence interval lies beyond the limit
    #[default]
    Interval,
    /// The number itself lies beyond the limit, by chance or not
    Point,
}

/// How a gate came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The limit is kept, as far as the numbers can tell.
    Passed,
    /// The limit is broken, or side B lacks what it is about.
    Missed,
    /// The number lies beyond the limit, and has no interval that could say more.
    Undecided,
    /// There is nothing on side A to compare with.
    Untold,
}

impl Gate {
    /// Judges a number and its interval, both in the unit of the limit.
    pub(super) fn judge(&self, point: f64, interval: Option<&Interval>, on: FailOn) -> Passage {
        let limit = match self.limit {
            Limit::Change(limit) | Limit::Value(limit) => limit,
        };
        let is_beyond = |value: f64| match self.beyond {
            Beyond::Above => value > limit,
            Beyond::Below => value < limit,
        };
        match (on, interval) {
            (FailOn::Point, _) if is_beyond(point) => Passage::Missed,
            (FailOn::Interval, Some(i)) if is_beyond(i.low) && is_beyond(i.high) => Passage::Missed,
            (FailOn::Interval, None) if is_beyond(point) => Passage::Undecided,
            _ => Passage::Passed,
        }
    }
}

/// As it was written.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.beyond {
            Beyond::Above => '>',
            Beyond::Below => '<',
        };
        match self.limit {
            Limit::Change(share) => write!(f, "{}{sign}{}%", self.measure, to_percent(share)),
            Limit::Value(value) => write!(f, "{}{sign}{value}", self.measure),
        }
    }
}

impl FromStr for Gate {
    type Err = AggregateError;

    fn from_str(text: &str) -> Result<Gate, AggregateError> {
        let wrong = || AggregateError::GateForm {
            text: text.to_owned(),
        };
        let at = text.find(['<', '>']).ok_or_else(wrong)?;
        let (key, rest) = text.split_at(at);
        let beyond = match rest.starts_with('>') {
            true => Beyond::Above,
            false => Beyond::Below,
        };
        let number = rest[1..].trim();
        let limit = match number.strip_suffix('%') {
            Some(percent) => share(percent).map(Limit::Change),
            None => finite(number).map(Limit::Value),
        };
        Ok(Gate {
            measure: key.trim().parse()?,
            beyond,
            limit: limit.ok_or_else(wrong)?,
        })
    }
}

/// How large a difference may be and still not matter: `2%`, or `p99_ttft_ms=5%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Margin {
    /// What it is for; everything without a margin of its own if not given.
    pub measure: Option<Measure>,
    /// As a share: 0.02 for `2%`.
    pub share: f64,
}

impl FromStr for Margin {
    type Err = AggregateError;

    fn from_str(text: &str) -> Result<Margin, AggregateError> {
        let (key, number) = match text.split_once('=') {
            Some((key, number)) => (Some(key.trim()), number),
            None => (None, text),
        };
        let percent = number.trim().strip_suffix('%');
        let share = percent.and_then(share).filter(|&share| share >= 0.0);
        Ok(Margin {
            measure: key.map(str::parse).transpose()?,
            share: share.ok_or_else(|| AggregateError::MarginForm {
                text: text.to_owned(),
            })?,
        })
    }
}

fn finite(number: &str) -> Option<f64> {
    number
        .trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

fn share(percent: &str) -> Option<f64> {
    Some(finite(percent)? / 100.0)
}

/// Back to percent without the dust of binary fractions.
fn to_percent(share: f64) -> f64 {
    (share * 100.0 * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(text: &str) -> Gate {
        text.parse().expect("a gate")
    }

    #[test]
    fn gates_are_read_and_written() {
        for text in ["p99_ttft_ms>5%", "output_throughput<-3%", "p99_ttft_ms>500"] {
            assert_eq!(gate(text).to_string(), text);
        }
        assert_eq!(
            gate(" mean_itl_ms > 0.7 % ").to_string(),
            "mean_itl_ms>0.7%"
        );
        for odd in [
            "p99_ttft_ms",
            "p99_ttft_ms>",
            "p99_ttft_ms>x%",
            "ttft>5%",
            "p99_ttft_ms>inf",
        ] {
            assert!(odd.parse::<Gate>().is_err(), "{odd}");
        }
    }

    #[test]
    fn margins_are_read() {
        let margin: Margin = "2%".parse().expect("a margin");
        assert_eq!((margin.measure, margin.share), (None, 0.02));
        let margin: Margin = "p99_ttft_ms=5%".parse().expect("a margin");
        assert_eq!(
            margin.measure.map(|m| m.key()).as_deref(),
            Some("p99_ttft_ms")
        );
        for odd in ["2", "-2%", "ttft=5%", "=5%", "%"] {
            assert!(odd.parse::<Margin>().is_err(), "{odd}");
        }
    }

    #[test]
    fn only_an_interval_beyond_the_limit_misses_a_gate() {
        let interval = |low, high| Interval {
            estimate: (low + high) / 2.0,
            low,
            high,
            confidence: 0.95,
        };
        let above = gate("p99_ttft_ms>5%");
        let judge = |gate: &Gate, low, high, on| {
            let interval = interval(low, high);
            gate.judge(interval.estimate, Some(&interval), on)
        };
        assert_eq!(judge(&above, 0.06, 0.12, FailOn::Interval), Passage::Missed);
        assert_eq!(judge(&above, 0.04, 0.12, FailOn::Interval), Passage::Passed);
        assert_eq!(judge(&above, 0.04, 0.12, FailOn::Point), Passage::Missed);
        let below = gate("output_throughput<-3%");
        assert_eq!(
            judge(&below, -0.09, -0.04, FailOn::Interval),
            Passage::Missed
        );
        assert_eq!(
            judge(&below, -0.09, -0.02, FailOn::Interval),
            Passage::Passed
        );
        assert_eq!(above.judge(0.2, None, FailOn::Interval), Passage::Undecided);
        assert_eq!(above.judge(0.2, None, FailOn::Point), Passage::Missed);
        assert_eq!(above.judge(0.01, None, FailOn::Interval), Passage::Passed);
    }
}
