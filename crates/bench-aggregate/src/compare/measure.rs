use std::fmt;
use std::str::FromStr;

use bench_report::{RunResult, Statistic};

use super::Failures;
use crate::AggregateError;

/// A number of a run that is compared, by its key in a result: `p99_ttft_ms`,
/// `output_throughput`.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// A statistic of a metric, in milliseconds; less is better.
    Latency {
        /// Which statistic.
        statistic: Statistic,
        /// Name of the metric, such as `ttft`.
        metric: String,
    },
    /// Something per second; more is better.
    Rate(Rate),
    /// Number of requests that were not answered whole; less is better.
    Failed,
    /// Their share of all requests, 0 to 1; less is better.
    ErrorRate,
}

/// What is counted per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Completed requests.
    Requests,
    /// Requests that met the objectives.
    Goodput,
    /// Output tokens.
    OutputTokens,
    /// Prompt and output tokens.
    TotalTokens,
}

const RATES: [Rate; 4] = [
    Rate::Requests,
    Rate::Goodput,
    Rate::OutputTokens,
    Rate::TotalTokens,
];

const FAILED: &str = "failed";
const ERROR_RATE: &str = "error_rate";

impl Measure {
    /// What is compared if nothing else is asked for.
    pub fn defaults() -> Vec<Measure> {
        let statistics = [
            Statistic::Mean,
            Statistic::Median,
            Statistic::Percentile(90.0),
            Statistic::Percentile(99.0),
        ];
        let of = |metric: &str| {
            let metric = metric.to_owned();
            statistics.map(move |statistic| Measure::Latency {
                statistic,
                metric: metric.clone(),
            })
        };
        let rates = RATES.map(Measure::Rate);
        let latencies = ["ttft", "tpot", "itl", "e2el"].into_iter().flat_map(of);
        rates.into_iter().chain(latencies).collect()
    }

    /// Its key in a result.
    pub fn key(&self) -> String {
        match self {
            Measure::Latency { statistic, metric } => statistic.key(metric),
            Measure::Rate(rate) => rate.key().to_owned(),
            Measure::Failed => FAILED.to_owned(),
            Measure::ErrorRate => ERROR_RATE.to_owned(),
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(&self) -> bool {
        matches!(self, Measure::Rate(_))
    }

    /// Whether it is about failed requests. These are counted, not estimated.
    pub(super) fn is_of_failures(&self) -> bool {
        matches!(self, Measure::Failed | Measure::ErrorRate)
    }

    /// What the file of a run says; `None` if it says nothing. Of a run in which no request was
    /// completed it says that latencies are 0, which is nothing.
    pub fn reported(&self, run: &RunResult) -> Option<f64> {
        let value = match self {
            Measure::Failed => Failures::of(run)?.failed as f64,
            Measure::ErrorRate => Failures::of(run)?.share()?,
            Measure::Latency { .. } if run.completed == Some(0) => return None,
            Measure::Latency { .. } | Measure::Rate(_) => run.number(&self.key())?,
        };
        value.is_finite().then_some(value)
    }
}

impl Rate {
    fn key(self) -> &'static str {
        match self {
            Rate::Requests => "request_throughput",
            Rate::Goodput => "request_goodput",
            Rate::OutputTokens => "output_throughput",
            Rate::TotalTokens => "total_token_throughput",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

impl FromStr for Measure {
    type Err = AggregateError;

    fn from_str(key: &str) -> Result<Measure, AggregateError> {
        if let Some(rate) = RATES.into_iter().find(|rate| rate.key() == key) {
            return Ok(Measure::Rate(rate));
        }
        match key {
            FAILED => return Ok(Measure::Failed),
            ERROR_RATE => return Ok(Measure::ErrorRate),
            _ => {}
        }
        match Statistic::parse_key(key) {
            Some((statistic, metric)) if !metric.is_empty() && is_sound(statistic) => {
                Ok(Measure::Latency {
                    statistic,
                    metric: metric.to_owned(),
                })
            }
            _ => Err(AggregateError::UnknownMeasure {
                key: key.to_owned(),
            }),
        }
    }
}

/// Standard deviations are no better for being small, and so are not compared.
fn is_sound(statistic: Statistic) -> bool {
    match statistic {
        Statistic::Mean | Statistic::Median => true,
        Statistic::Std => false,
        Statistic::Percentile(p) => p > 0.0 && p < 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_a_result() {
        for measure in Measure::defaults() {
            let read: Measure = measure.key().parse().expect("its own key");
            assert_eq!(read, measure);
        }
        for key in ["failed", "error_rate"] {
            let measure: Measure = key.parse().expect("a key");
            assert_eq!(measure.key(), key);
            assert!(!measure.more_is_better());
        }
        let tail: Measure = "p99.9_ttft_ms".parse().expect("a key");
        assert!(!tail.more_is_better());
        for odd in [
            "ttft",
            "p99_ttft",
            "std_ttft_ms",
            "p100_itl_ms",
            "mean__ms",
            "",
        ] {
            assert!(odd.parse::<Measure>().is_err(), "{odd}");
        }
    }
}
