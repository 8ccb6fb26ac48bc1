//! What a load must hold: a share of the requests within limits.

use std::fmt;

use bench_types::{Failure, Outcome, RequestRecord, Task};

use crate::measurable::{has, refusal};
use crate::{Convention, METRICS, Metric, MetricsError, Unit, measurable};

/// The most that a metric of one request may be.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The metric.
    pub metric: &'static Metric,
    /// Its limit in milliseconds.
    pub millis: f64,
}

/// Something that a load must hold: that at least a share of its requests keep within limits.
///
/// A percentile is at most a limit if and only if that share of the samples is: a 99th
/// percentile of 500 ms says that 99 % of the requests took 500 ms or less. So every objective
/// is about a proportion, which a [`crate::Tally`] can test while the requests come in.
#[derive(Clone, Debug)]
pub enum Objective {
    /// `ttft:p99<=500ms`: the percentile of a metric is within the limit.
    ///
    /// Of a metric with many samples a request, such as ITL, the mean over the requests of the
    /// share of their samples within the limit counts: the samples of a request depend on each
    /// other, the requests are what is drawn.
    Percentile {
        /// The limit.
        limit: Limit,
        /// Which percentile, more than 0 and less than 100.
        percentile: f64,
    },
    /// `ttft<=500ms`: a share of the requests keeps all these limits at once, with every sample.
    Attainment {
        /// The limits, of one metric each.
        limits: Vec<Limit>,
        /// The share of the requests, more than 0 and less than 1.
        share: f64,
    },
}

impl Objective {
    /// Reads objectives such as `ttft:p99<=500ms` or `e2el<=5s`, separated by commas.
    ///
    /// Those without a percentile become one objective: `attainment` is the share of the
    /// requests that must keep all of them.
    ///
    /// ```
    /// use bench_metrics::Objective;
    ///
    /// let objectives = Objective::parse_all(["ttft:p99<=0.5s,tpot<=50", "e2el<=5s"], 0.99)?;
    /// assert_eq!(objectives[0].to_string(), "ttft:p99<=500ms");
    /// assert_eq!(objectives[1].to_string(), "tpot<=50ms, e2el<=5000ms");
    /// # Ok::<(), bench_metrics::MetricsError>(())
    /// ```
    pub fn parse_all<S: AsRef<str>>(
        texts: impl IntoIterator<Item = S>,
        attainment: f64,
    ) -> Result<Vec<Objective>, MetricsError> {
        let mut objectives: Vec<Objective> = Vec::new();
        let mut limits: Vec<Limit> = Vec::new();
        for list in texts {
            for text in list.as_ref().split(',').map(str::trim) {
                let (limit, percentile) = parse(text)?;
                let again = match percentile {
                    None => limits
                        .iter()
                        .any(|other| other.metric.name == limit.metric.name),
                    Some(p) => objectives
                        .iter()
                        .any(|other| other.is_about(limit.metric, p)),
                };
                if again {
                    return Err(MetricsError::ObjectiveTwice {
                        text: text.to_owned(),
                    });
                }
                match percentile {
                    None => limits.push(limit),
                    Some(percentile) => {
                        objectives.push(Objective::Percentile { limit, percentile })
                    }
                }
            }
        }
        if !limits.is_empty() {
            if !(attainment > 0.0 && attainment < 1.0) {
                return Err(MetricsError::Attainment { share: attainment });
            }
            let share = attainment;
            objectives.push(Objective::Attainment { limits, share });
        }
        Ok(objectives)
    }

    /// The share of the requests that must keep it.
    pub fn share(&self) -> f64 {
        match self {
            Objective::Percentile { percentile, .. } => percentile / 100.0,
            Objective::Attainment { share, .. } => *share,
        }
    }

    /// Its limits.
    pub fn limits(&self) -> &[Limit] {
        match self {
            Objective::Percentile { limit, .. } => std::slice::from_ref(limit),
            Objective::Attainment { limits, .. } => limits,
        }
    }

    /// Refuses an objective for a metric that the run does not have: no request could meet it.
    pub fn check_measurable(&self, task: Task, streamed: bool) -> Result<(), MetricsError> {
        let mut metrics = self.limits().iter().map(|limit| limit.metric);
        match metrics.find(|metric| !has(metric, task, streamed)) {
            None => Ok(()),
            Some(metric) => Err(refusal(metric, task, &measurable(task, streamed))),
        }
    }

    /// How far a request kept it, 0 to 1: between them only for percentiles of metrics with
    /// many samples a request. A failed request did not.
    ///
    /// `None` where that cannot be known: the run was stopped while the request was under way,
    /// before it was over any limit.
    pub fn kept(&self, record: &RequestRecord, convention: Convention) -> Option<f64> {
        match self {
            Objective::Percentile { limit, .. } => limit.kept(record, convention),
            Objective::Attainment { limits, .. } => {
                let mut unknown = false;
                for limit in limits {
                    match limit.kept(record, convention) {
                        // That settles it, whatever is unknown of the others.
                        Some(share) if share < 1.0 => return Some(0.0),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                (!unknown).then_some(1.0)
            }
        }
    }

    fn is_about(&self, metric: &Metric, p: f64) -> bool {
        matches!(self, Objective::Percentile { limit, percentile }
            if limit.metric.name == metric.name && *percentile == p)
    }
}

impl Limit {
    fn kept(&self, record: &RequestRecord, convention: Convention) -> Option<f64> {
        match &record.outcome {
            Outcome::Failed(Failure::Cancelled) | Outcome::HungUp(_) => {
                return self.kept_so_far(record, convention);
            }
            Outcome::Failed(_) => return Some(0.0),
            Outcome::Completed(_) => {}
        }
        let mut samples = Vec::new();
        (self.metric.observe)(record, convention, &mut samples);
        if samples.is_empty() {
            // An answer without what is waited for is a miss; one too short to have gaps has
            // none that is too long.
            return Some(if self.is_wait() { 0.0 } else { 1.0 });
        }
        let within = samples.iter().filter(|sample| **sample <= self.millis);
        Some(within.count() as f64 / samples.len() as f64)
    }

    /// Of a request that the run cut off: what it had waited for already is too long or not,
    /// and what is still to come is over the limit once the wait is.
    fn kept_so_far(&self, record: &RequestRecord, convention: Convention) -> Option<f64> {
        let sent = record.timeline.sent?;
        if !self.is_wait() {
            return None;
        }
        // These are over before the request is; an end that was seen is no end of the answer.
        if matches!(self.metric.name, "ttft" | "ttfat") {
            let mut samples = Vec::new();
            (self.metric.observe)(record, convention, &mut samples);
            if let Some(sample) = samples.first() {
                return Some(if *sample <= self.millis { 1.0 } else { 0.0 });
            }
        }
        let origin = match convention {
            Convention::Vllm | Convention::Strict => sent,
            Convention::Intended => record.timeline.scheduled,
        };
        let waited = record.timeline.closed.since(origin);
        (waited.as_millis_f64() > self.millis).then_some(0.0)
    }

    /// Whether the metric is a wait that begins when the request is sent.
    fn is_wait(&self) -> bool {
        self.metric.conventions.contains(&Convention::Intended)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<={}ms", self.metric.name, self.millis)
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objective::Percentile { limit, percentile } => {
                let Limit { metric, millis } = limit;
                write!(f, "{}:p{percentile}<={millis}ms", metric.name)
            }
            Objective::Attainment { limits, .. } => {
                let limits: Vec<String> = limits.iter().map(Limit::to_string).collect();
                f.write_str(&limits.join(", "))
            }
        }
    }
}

/// One objective and its percentile, if it has one.
fn parse(text: &str) -> Result<(Limit, Option<f64>), MetricsError> {
    let form = || MetricsError::ObjectiveForm {
        text: text.to_owned(),
    };
    let (what, limit) = text.split_once("<=").ok_or_else(form)?;
    let (name, statistic) = match what.split_once(':') {
        None => (what.trim(), None),
        Some((name, statistic)) => (name.trim(), Some(statistic.trim())),
    };
    let choices = METRICS.iter().filter(|metric| metric.unit == Unit::Millis);
    let metric = choices.clone().find(|metric| metric.name == name);
    let metric =
        metric.ok_or_else(|| MetricsError::unknown(name, choices.map(|metric| metric.name)))?;
    let percentile = match statistic {
        None => None,
        Some(statistic) => {
            let p = statistic.strip_prefix('p').and_then(|p| p.parse().ok());
            let p = p.filter(|p: &f64| *p > 0.0 && *p < 100.0);
            Some(p.ok_or_else(|| MetricsError::ObjectiveStatistic {
                text: text.to_owned(),
                statistic: statistic.to_owned(),
            })?)
        }
    };
    let millis = millis(limit.trim()).ok_or_else(form)?;
    Ok((Limit { metric, millis }, percentile))
}

/// A length of time with its unit, milliseconds if it has none.
fn millis(text: &str) -> Option<f64> {
    // Microseconds and milliseconds end in an `s` too.
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("", 1.0)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let value: f64 = number.trim().parse().ok()?;
    Some(value * unit).filter(|ms| ms.is_finite() && *ms > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_units() {
        assert_eq!(millis("500ms"), Some(500.0));
        assert_eq!(millis("500"), Some(500.0));
        assert_eq!(millis("1.5 s"), Some(1500.0));
        assert_eq!(millis("250us"), Some(0.25));
        for wrong in ["", "ms", "-1ms", "0", "inf", "nan", "5m", "5 min"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same_again() {
        let once = Objective::parse_all(["itl:p99.9<=0.05s", "ttft:p50 <= 200"], 0.9).unwrap();
        let texts: Vec<String> = once.iter().map(Objective::to_string).collect();
        assert_eq!(texts, ["itl:p99.9<=50ms", "ttft:p50<=200ms"]);
        let twice = Objective::parse_all(&texts, 0.9).unwrap();
        assert_eq!(
            texts,
            twice.iter().map(Objective::to_string).collect::<Vec<_>>()
        );
        assert_eq!(twice[1].share(), 0.5);
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let told = |text: &str| Objective::parse_all([text], 0.99).unwrap_err().to_string();
        for (text, part) in [
            ("ttft:p99<500ms", "ttft:p99<=500ms"),
            ("ttft:200", "ttft:p99<=500ms"),
            ("", "ttft:p99<=500ms"),
            ("ttft:p99<=soon", "ttft:p99<=500ms"),
            ("ttft:p99<=500ms,", "ttft:p99<=500ms"),
            ("ttff:p99<=500ms", "did you mean 'ttft'?"),
            ("burst_size:p99<=5", "unknown metric 'burst_size'"),
            ("ttft:mean<=500ms", "'mean' is no percentile"),
            ("ttft:p100<=500ms", "'p100' is no percentile"),
            ("ttft:p0<=500ms", "'p0' is no percentile"),
            ("ttft:p99<=1s,ttft:p99<=2s", "twice"),
            ("ttft<=1s,ttft<=2s", "twice"),
        ] {
            let told = told(text);
            assert!(told.contains(part), "{text}: {told}");
        }
        for share in [0.0, 1.0, f64::NAN] {
            let error = Objective::parse_all(["ttft<=1s"], share).unwrap_err();
            assert!(error.to_string().contains("between 0 and 1"), "{error}");
            assert!(
                Objective::parse_all(["ttft:p99<=1s"], share).is_ok(),
                "nothing needs it"
            );
        }
    }

    #[test]
    fn a_run_without_tokens_has_no_objective_about_them() {
        let objectives = Objective::parse_all(["e2el:p99<=1s", "ttft<=1s"], 0.9).unwrap();
        assert!(
            objectives[0]
                .check_measurable(Task::Generate, false)
                .is_ok()
        );
        let error = objectives[1].check_measurable(Task::Generate, false);
        assert!(error.unwrap_err().to_string().contains("'ttft' needs"));
    }
}
