//! The tables of servers and models, and of any other parts of a run.

use bench_metrics::Metric;
use bench_types::Task;

use crate::{Breakdown, Statistic};

/// The numbers of each server, of each model or of each turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTable {
    /// The heading.
    pub title: &'static str,
    /// Headings of the columns after the name.
    pub columns: Vec<String>,
    /// Names, whole, and the values.
    pub rows: Vec<(String, Vec<String>)>,
}

impl PartTable {
    pub(super) fn of(title: &'static str, parts: &[Breakdown], task: Task) -> Option<PartTable> {
        let latencies = latencies(parts.first()?);
        let counts = ["sent", "done", "failed", "req/s", "tok/s"].map(str::to_owned);
        let times = latencies.iter().map(|latency| latency.heading.clone());
        let row = |part: &Breakdown| {
            let times = latencies.iter().map(|latency| latency.cell(part));
            let cells = counts_of(part, task).into_iter().chain(times).collect();
            (part.part.name().to_owned(), cells)
        };
        Some(PartTable {
            title,
            columns: counts.into_iter().chain(times).collect(),
            rows: parts.iter().map(row).collect(),
        })
    }
}

fn counts_of(part: &Breakdown, task: Task) -> [String; 5] {
    let throughput = &part.throughput;
    // Pooling has none but those of the prompts.
    let tokens = match task {
        Task::Pool => Some(throughput.total_tokens_per_s),
        Task::Generate | Task::Transcribe => throughput.output_tokens_per_s,
    };
    [
        part.requests.sent.to_string(),
        part.requests.completed.to_string(),
        part.requests.failed.to_string(),
        compact(throughput.requests_per_s),
        cell(tokens),
    ]
}

/// A column with a time.
struct Latency {
    heading: String,
    metric: &'static Metric,
    statistic: Statistic,
}

impl Latency {
    fn cell(&self, part: &Breakdown) -> String {
        let distribution = part.metric(self.metric);
        let value = distribution.and_then(|distribution| self.statistic.of(distribution));
        cell(value)
    }
}

/// The median and the highest of the chosen percentiles of the metric that matters most, and
/// the median of the next.
fn latencies(part: &Breakdown) -> Vec<Latency> {
    let names = ["ttft", "tpot", "e2el"].into_iter();
    let metrics = names.filter_map(Metric::find);
    let mut metrics = metrics.filter(|metric| part.metric(metric).is_some());
    let median = |metric: &'static Metric| Latency {
        heading: format!("{} p50", metric.label),
        metric,
        statistic: Statistic::Median,
    };
    let Some(main) = metrics.next() else {
        return Vec::new();
    };
    let percentiles = part.metric(main).map(|main| main.percentiles.iter());
    let percentiles = percentiles
        .into_iter()
        .flatten()
        .map(|percentile| percentile.p);
    let highest = percentiles.max_by(f64::total_cmp).map(|p| Latency {
        heading: format!("p{p}"),
        metric: main,
        statistic: Statistic::Percentile(p),
    });
    let columns = [Some(median(main)), highest, metrics.next().map(median)];
    columns.into_iter().flatten().collect()
}

pub(super) fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), compact)
}

/// Two decimals while there is room for them.
pub(super) fn compact(value: f64) -> String {
    if value < 10_000.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
