//! The numbers that users of `vllm bench serve` know, under its names.

use bench_metrics::Metric;
use serde_json::Value;

use super::Section;
use crate::{MetricStats, RunResult, Statistic, VllmResult};

/// The numbers of the block of `vllm bench serve`, as far as they are known.
pub(crate) struct Serving<'a> {
    completed: Option<u64>,
    failed: Option<u64>,
    max_concurrency: Option<u64>,
    request_rate: Option<f64>,
    duration: Option<f64>,
    total_input_tokens: Option<u64>,
    total_input_sequences: Option<u64>,
    total_output_tokens: Option<u64>,
    request_throughput: Option<f64>,
    request_goodput: Option<f64>,
    input_sequence_throughput: Option<f64>,
    output_throughput: Option<f64>,
    max_output_tokens_per_s: Option<f64>,
    max_concurrent_requests: Option<f64>,
    rtfx: Option<f64>,
    total_token_throughput: Option<f64>,
    statistics: &'a [MetricStats],
}

impl<'a> From<&'a VllmResult<'_>> for Serving<'a> {
    fn from(result: &'a VllmResult<'_>) -> Self {
        Serving {
            completed: Some(result.completed),
            failed: Some(result.failed),
            max_concurrency: result.max_concurrency,
            request_rate: Some(result.request_rate),
            duration: Some(result.duration),
            total_input_tokens: Some(result.total_input_tokens),
            total_input_sequences: result.total_input_sequences,
            total_output_tokens: result.total_output_tokens,
            request_throughput: Some(result.request_throughput),
            request_goodput: result.request_goodput.flatten(),
            input_sequence_throughput: result.input_sequence_throughput,
            output_throughput: result.output_throughput,
            max_output_tokens_per_s: result.max_output_tokens_per_s,
            max_concurrent_requests: result.max_concurrent_requests.map(|peak| peak as f64),
            rtfx: result.rtfx,
            total_token_throughput: Some(result.total_token_throughput),
            statistics: &result.statistics,
        }
    }
}

impl<'a> From<&'a RunResult> for Serving<'a> {
    fn from(run: &'a RunResult) -> Self {
        let further = |key: &str| run.more.iter().find(|(known, _)| known == key);
        let further = |key: &str| further(key).and_then(|(_, value)| Value::as_f64(value));
        Serving {
            completed: run.completed,
            failed: run.failed,
            max_concurrency: run.max_concurrency,
            request_rate: run.request_rate,
            duration: run.duration,
            total_input_tokens: run.total_input_tokens,
            total_input_sequences: further("total_input_sequences").map(|count| count as u64),
            total_output_tokens: run.total_output_tokens,
            request_throughput: run.request_throughput,
            request_goodput: run.request_goodput,
            input_sequence_throughput: further("input_sequence_throughput"),
            output_throughput: run.output_throughput,
            max_output_tokens_per_s: further("max_output_tokens_per_s"),
            max_concurrent_requests: further("max_concurrent_requests"),
            rtfx: further("rtfx"),
            total_token_throughput: run.total_token_throughput,
            statistics: &run.statistics,
        }
    }
}

/// The numbers of the block of `vllm bench serve` that a run has: first those of the run as a
/// whole, then a section for each metric.
pub fn serving_sections(run: &RunResult) -> Vec<Section> {
    Serving::from(run).sections()
}

impl Serving<'_> {
    pub(crate) fn sections(&self) -> Vec<Section> {
        let metrics = self.statistics.iter().map(latency);
        std::iter::once(self.run()).chain(metrics).collect()
    }

    fn run(&self) -> Section {
        // There is no line for a rate without a limit, nor for audio where there was none.
        let request_rate = self.request_rate.filter(|rate| rate.is_finite());
        let rtfx = self.rtfx.filter(|&rtfx| rtfx > 0.0);
        let count = |label, count: Option<u64>| (label, count.map(|count| count.to_string()));
        let number = |label, value: Option<f64>| (label, value.map(|value| format!("{value:.2}")));
        let rows = [
            count("Successful requests", self.completed),
            count("Failed requests", self.failed),
            count("Maximum request concurrency", self.max_concurrency),
            number("Request rate configured (RPS)", request_rate),
            number("Benchmark duration (s)", self.duration),
            count("Total input tokens", self.total_input_tokens),
            count("Total input sequences", self.total_input_sequences),
            count("Total generated tokens", self.total_output_tokens),
            number("Request throughput (req/s)", self.request_throughput),
            number("Request goodput (req/s)", self.request_goodput),
            number(
                "Input sequence throughput (seq/s)",
                self.input_sequence_throughput,
            ),
            number("Output token throughput (tok/s)", self.output_throughput),
            number(
                "Peak output token throughput (tok/s)",
                self.max_output_tokens_per_s,
            ),
            number("Peak concurrent requests", self.max_concurrent_requests),
            number("RTFx (Inverse Real-Time Factor)", rtfx),
            number(
                "Total token throughput (tok/s)",
                self.total_token_throughput,
            ),
        ];
        let known = rows.into_iter();
        let known = known.filter_map(|(label, value)| Some((label.to_owned(), value?)));
        Section {
            title: "Serving Benchmark Result".to_owned(),
            rows: known.collect(),
        }
    }
}

fn latency(stats: &MetricStats) -> Section {
    let metric = Metric::find(&stats.metric);
    let (title, label) = metric.map_or((&*stats.metric, &*stats.metric), |metric| {
        (metric.title, metric.label)
    });
    let mut section = Section::new(title);
    for &(statistic, value) in &stats.values {
        let name = match statistic {
            Statistic::Mean => "Mean".to_owned(),
            Statistic::Median => "Median".to_owned(),
            Statistic::Std => continue,
            Statistic::Percentile(p) => format!("P{p}"),
        };
        section.number(format!("{name} {label} (ms)"), value);
    }
    section
}
