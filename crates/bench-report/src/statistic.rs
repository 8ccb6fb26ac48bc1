use std::fmt;

use bench_metrics::{Distribution, Metric, Unit};

use crate::Report;

/// The statistics of one metric, in the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStats {
    /// Name of the metric, such as `ttft`.
    pub metric: String,
    /// What is known of it, in milliseconds.
    pub values: Vec<(Statistic, f64)>,
}

/// The statistics of the metrics that the user chose, as far as the run has them.
pub(crate) fn metric_stats(report: &Report) -> Vec<MetricStats> {
    let stats = |metric: &&'static Metric| {
        // vLLM's rules where it has the metric, else ours.
        let summary = &report.summary;
        let vllm = summary.vllm.metric(metric);
        let distribution = vllm.or_else(|| summary.strict.metric(metric))?;
        let percentiles = distribution.percentiles.iter();
        let percentiles = percentiles.map(|percentile| Statistic::Percentile(percentile.p));
        let values = [Statistic::Mean, Statistic::Median, Statistic::Std]
            .into_iter()
            .chain(percentiles)
            .map(|statistic| (statistic, statistic.of(distribution).unwrap_or(0.0)));
        Some(MetricStats {
            metric: metric.name.to_owned(),
            values: values.collect(),
        })
    };
    let metrics = report.setup.metrics.iter();
    let metrics = metrics.filter(|metric| metric.unit == Unit::Millis);
    metrics.filter_map(stats).collect()
}

/// A number that sums up a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// 50th percentile.
    Median,
    /// Population standard deviation.
    Std,
    /// A percentile, 0 to 100.
    Percentile(f64),
}

impl Statistic {
    /// Its value, if it was computed and there are samples.
    pub fn of(self, distribution: &Distribution) -> Option<f64> {
        let computed = match self {
            Statistic::Mean => Some(distribution.mean),
            Statistic::Median => Some(distribution.median),
            Statistic::Std => Some(distribution.std),
            Statistic::Percentile(p) => distribution.percentile(p),
        };
        computed.filter(|_| distribution.count > 0)
    }

    /// Its key for a metric in a result, such as `p99_ttft_ms`.
    pub fn key(self, metric: &str) -> String {
        format!("{self}_{metric}_ms")
    }

    /// Takes a key such as `p99_ttft_ms` apart into statistic and metric.
    pub fn parse_key(key: &str) -> Option<(Statistic, &str)> {
        let (statistic, metric) = key.strip_suffix("_ms")?.split_once('_')?;
        let statistic = match statistic {
            "mean" => Statistic::Mean,
            "median" => Statistic::Median,
            "std" => Statistic::Std,
            _ => {
                let p = statistic.strip_prefix('p')?;
                let p = p.starts_with(|c: char| c.is_ascii_digit()).then_some(p)?;
                Statistic::Percentile(p.parse().ok()?)
            }
        };
        Some((statistic, metric))
    }
}

/// The first word of its key: `mean`, `p99`, `p99.9`.
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Median => f.write_str("median"),
            Statistic::Std => f.write_str("std"),
            Statistic::Percentile(p) => write!(f, "p{p}"),
        }
    }
}
