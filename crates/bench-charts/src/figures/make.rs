//! Runs for tests.

use bench_report::{MetricStats, Origin, RequestSample, RunResult, Statistic};

/// A run of a server that saturates at about 16 requests at once.
pub(crate) fn run(concurrency: u64) -> RunResult {
    let load = concurrency as f64;
    let throughput = 1600.0 * load / (load + 16.0);
    let tpot = 1e3 * load / throughput;
    RunResult {
        origin: Origin {
            path: format!("mc{concurrency}.json").into(),
            ..Origin::default()
        },
        model_id: Some("org/model".to_owned()),
        backend: Some("vllm".to_owned()),
        request_rate: Some(f64::INFINITY),
        max_concurrency: Some(concurrency),
        input_len: Some(1024),
        output_len: Some(128),
        request_throughput: Some(throughput / 128.0),
        output_throughput: Some(throughput),
        total_token_throughput: Some(throughput * 9.0),
        statistics: vec![stats("ttft", 20.0 + 3.0 * load), stats("tpot", tpot)],
        ..RunResult::default()
    }
}

/// Mean, median and 99th percentile, in this order twice as large, as large and thrice as large.
pub(crate) fn stats(metric: &str, median: f64) -> MetricStats {
    MetricStats {
        metric: metric.to_owned(),
        values: vec![
            (Statistic::Mean, 2.0 * median),
            (Statistic::Median, median),
            (Statistic::Std, 1.0),
            (Statistic::Percentile(99.0), 3.0 * median),
        ],
    }
}

/// Gives a run requests with TTFTs of 1 ms, 2 ms, and so on.
pub(crate) fn with_requests(mut run: RunResult, count: u32) -> RunResult {
    let request = |number: u32| RequestSample {
        success: true,
        ttft: Some(f64::from(number) / 1e3),
        ..RequestSample::default()
    };
    run.requests = (1..=count).map(request).collect();
    run
}
