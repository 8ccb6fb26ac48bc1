use std::fmt;

use bench_types::{Nanos, RequestRecord, Task};
use serde::{Deserialize, Serialize};

use crate::measurable::{has, refusal};
use crate::metric::{Convention, e2el, tpot, ttft};
use crate::window::Window;
use crate::{Metric, MetricsError};

/// Service level objectives: the most milliseconds a good request may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// Limit for the time to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft: Option<f64>,
    /// Limit for the time per output token. A request with a single token has none and
    /// cannot miss it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot: Option<f64>,
    /// Limit for the end-to-end latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2el: Option<f64>,
}

const NAMES: [&str; 3] = ["ttft", "tpot", "e2el"];

impl Slo {
    /// Reads objectives of the form `metric:milliseconds`, such as `["ttft:200", "e2el:5000"]`.
    ///
    /// ```
    /// let slo = bench_metrics::Slo::parse(["ttft:200", "tpot:50"])?;
    /// assert_eq!(slo.tpot, Some(50.0));
    /// # Ok::<(), bench_metrics::MetricsError>(())
    /// ```
    pub fn parse<S: AsRef<str>>(
        objectives: impl IntoIterator<Item = S>,
    ) -> Result<Slo, MetricsError> {
        let mut slo = Slo::default();
        for objective in objectives {
            let text = objective.as_ref().trim();
            let (name, limit) = text.split_once(':').ok_or_else(|| MetricsError::SloForm {
                text: text.to_owned(),
            })?;
            let (name, limit) = (name.trim(), limit.trim());
            let field = match name {
                "ttft" => &mut slo.ttft,
                "tpot" => &mut slo.tpot,
                "e2el" => &mut slo.e2el,
                _ => return Err(MetricsError::unknown(name, NAMES.into_iter())),
            };
            let value = limit
                .parse()
                .ok()
                .filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
            let value = value.ok_or_else(|| MetricsError::SloLimit {
                text: text.to_owned(),
                limit: limit.to_owned(),
            })?;
            if field.replace(value).is_some() {
                return Err(MetricsError::SloTwice {
                    name: name.to_owned(),
                });
            }
        }
        Ok(slo)
    }

    /// Whether no objective is set.
    pub fn is_empty(&self) -> bool {
        *self == Slo::default()
    }

    /// Refuses an objective for a metric that the run does not have: no request could meet it.
    pub fn check_measurable(&self, task: Task, streamed: bool) -> Result<(), MetricsError> {
        let limits = [self.ttft, self.tpot, self.e2el];
        let known = NAMES.into_iter().filter_map(Metric::find);
        let (has, lacks): (Vec<_>, Vec<_>) = known
            .zip(limits)
            .partition(|(metric, _)| has(metric, task, streamed));
        match lacks.iter().find(|(_, limit)| limit.is_some()) {
            None => Ok(()),
            Some((metric, _)) => {
                let choices: Vec<&Metric> = has.iter().map(|(metric, _)| *metric).collect();
                Err(refusal(metric, task, &choices))
            }
        }
    }

    /// Whether a request was completed and kept every objective.
    pub fn met(&self, record: &RequestRecord, convention: Convention) -> bool {
        let within = |limit: Option<f64>, value: Option<f64>| match limit {
            None => true,
            Some(limit) => value.is_some_and(|value| value <= limit),
        };
        let tokens = tpot(record, convention).or(Some(0.0));
        record.outcome.is_success()
            && within(
                self.ttft,
                ttft(record, convention).map(Nanos::as_millis_f64),
            )
            && within(self.tpot, tokens)
            && within(
                self.e2el,
                e2el(record, convention).map(Nanos::as_millis_f64),
            )
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = NAMES.into_iter().zip([self.ttft, self.tpot, self.e2el]);
        let mut separator = "";
        for (name, limit) in limits {
            if let (Some(limit), Some(metric)) = (limit, Metric::find(name)) {
                write!(f, "{separator}{} <= {limit} ms", metric.label)?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// How much of the work met the objectives, under one convention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Goodput {
    /// Completed requests that met every objective.
    pub good: u64,
    /// Good requests per second of the run.
    pub requests_per_s: f64,
    /// Good requests as a share of all that were sent, failed ones included and those that the
    /// workload cancels left out.
    pub attainment: f64,
    /// Output tokens of good requests per second of the run; `None` if the task generates none
    /// or nobody counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f64>,
}

impl Goodput {
    pub(crate) fn of(
        completed: &[&RequestRecord],
        asked: u64,
        window: Window,
        (slo, convention): (&Slo, Convention),
    ) -> Goodput {
        let (mut good, mut in_window, mut tokens) = (0, 0_u64, 0.0);
        for record in completed
            .iter()
            .filter(|record| slo.met(record, convention))
        {
            good += 1;
            in_window += u64::from(window.has_end_of(record));
            tokens += window.output_tokens(record);
        }
        Goodput {
            good,
            requests_per_s: ratio(in_window as f64, window.seconds),
            attainment: ratio(good as f64, asked as f64),
            tokens_per_s: Some(ratio(tokens, window.seconds)),
        }
    }
}

/// `a / b`, 0 where there is nothing to divide by.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}
