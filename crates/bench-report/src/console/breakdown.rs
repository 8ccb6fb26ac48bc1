//! The tables of servers and models, at most 80 characters wide.

use bench_metrics::Metric;
use bench_types::Task;

use super::Page;
use super::names::shorten;
use crate::{Breakdown, Statistic};

pub(super) fn servers(page: &mut Page, parts: &[Breakdown], task: Task) {
    table(page, "By Server (times in ms)", parts, task);
}

pub(super) fn models(page: &mut Page, parts: &[Breakdown], task: Task) {
    table(page, "By Model (times in ms)", parts, task);
}

const NAME: usize = 21;
const WIDTHS: [usize; 7] = [8, 7, 8, 9, 9, 8, 9];

fn table(page: &mut Page, heading: &str, parts: &[Breakdown], task: Task) {
    let Some(first) = parts.first() else {
        return;
    };
    let latencies = latencies(first);
    let counts = ["sent", "failed", "req/s", "tok/s"].map(str::to_owned);
    let times = latencies.iter().map(|latency| latency.heading.clone());
    page.heading(heading);
    line(page, "", counts.into_iter().chain(times));
    let names: Vec<&str> = parts.iter().map(|part| part.part.name()).collect();
    for (part, name) in parts.iter().zip(shorten(&names, NAME)) {
        let throughput = &part.throughput;
        // Pooling has none but those of the prompts.
        let tokens = match task {
            Task::Pool => Some(throughput.total_tokens_per_s),
            Task::Generate | Task::Transcribe => throughput.output_tokens_per_s,
        };
        let counts = [
            part.requests.sent.to_string(),
            part.requests.failed.to_string(),
            compact(throughput.requests_per_s),
            cell(tokens),
        ];
        let times = latencies.iter().map(|latency| latency.cell(part));
        line(page, &name, counts.into_iter().chain(times));
    }
}

fn line(page: &mut Page, name: &str, cells: impl Iterator<Item = String>) {
    let cells = WIDTHS.iter().zip(cells);
    let cells: String = cells
        .map(|(width, cell)| format!("{cell:>width$}"))
        .collect();
    page.line(format_args!("{name:<NAME$}{cells}"));
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

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), compact)
}

/// Two decimals while there is room for them.
fn compact(value: f64) -> String {
    if value < 10_000.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
