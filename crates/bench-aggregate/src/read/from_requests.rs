//! Numbers of a run that its file has no summary of, from its requests.

use bench_metrics::Distribution;
use bench_report::{MetricStats, RequestSample, RunResult, Statistic};

use super::value::stats;

const METRICS: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];
const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// Statistics of the metrics that the requests have samples of.
pub(super) fn statistics(requests: &[RequestSample]) -> Vec<MetricStats> {
    let of = |metric: &&str| {
        let mut samples = Vec::new();
        for request in requests {
            request.each_sample(metric, &mut |sample| samples.push(sample));
        }
        if samples.is_empty() {
            return None;
        }
        let distribution = Distribution::of(&mut samples, &PERCENTILES);
        let percentiles = PERCENTILES.map(Statistic::Percentile);
        let all = [Statistic::Mean, Statistic::Median, Statistic::Std]
            .into_iter()
            .chain(percentiles);
        stats(metric, all.map(|s| (s, s.of(&distribution))))
    };
    METRICS.iter().filter_map(of).collect()
}

/// Fills in counts, totals, the duration from the first request's start to the last one's end,
/// rates and statistics.
pub(super) fn summarise(run: &mut RunResult) {
    let requests = &run.requests;
    let done = || requests.iter().filter(|request| request.success);
    let completed = done().count();
    run.completed = Some(completed as u64);
    run.failed = Some((requests.len() - completed) as u64);
    run.total_input_tokens = done().map(|request| request.input_tokens).sum();
    run.total_output_tokens = done().map(|request| request.output_tokens).sum();
    run.duration = duration(requests);
    run.statistics = statistics(requests);
    if let Some(duration) = run.duration.filter(|duration| *duration > 0.0) {
        let rate = |count: u64| count as f64 / duration;
        run.request_throughput = run.completed.map(rate);
        run.output_throughput = run.total_output_tokens.map(rate);
        let total = run.total_input_tokens.zip(run.total_output_tokens);
        run.total_token_throughput = total.map(|(input, output)| rate(input + output));
    }
}

/// Seconds from the start of the first request to the end of the last one that was answered.
fn duration(requests: &[RequestSample]) -> Option<f64> {
    let starts = requests.iter().filter_map(|request| request.start);
    let ends = requests.iter().filter_map(|r| Some(r.start? + r.e2el?));
    let first = starts.reduce(f64::min)?;
    let last = ends.reduce(f64::max)?;
    Some(last - first)
}
