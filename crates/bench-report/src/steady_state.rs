//! The steady state as the Rust client vllm-bench writes it.

use bench_metrics::{
    Distribution, STEADY_SHARE, SteadyMethod, SteadyNumbers, SteadyState, SteadyWindow,
};
use serde::{Deserialize, Serialize};

use crate::Report;

/// The key `steady_state` of a result: the numbers of the stretch in which a closed loop was
/// full. Times of requests are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VllmSteadyState {
    /// Completed requests per second.
    pub request_throughput: f64,
    /// Prompt tokens per second.
    pub input_throughput: f64,
    /// Output tokens per second.
    pub output_throughput: f64,
    /// Prompt and output tokens per second.
    pub total_token_throughput: f64,
    /// Mean TTFT.
    pub mean_ttft_ms: f64,
    /// Median TTFT.
    pub median_ttft_ms: f64,
    /// Percentiles of TTFT as pairs of percentile and value.
    pub percentiles_ttft_ms: Vec<(f64, f64)>,
    /// Mean TPOT.
    pub mean_tpot_ms: f64,
    /// Median TPOT.
    pub median_tpot_ms: f64,
    /// 90th percentile of TPOT.
    pub p90_tpot_ms: f64,
    /// 99th percentile of TPOT.
    pub p99_tpot_ms: f64,
    /// The stretch.
    pub window: VllmWindow,
}

/// The stretch of a [`VllmSteadyState`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VllmWindow {
    /// Where it begins, in seconds from the start of the run.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
    /// How long it is.
    pub duration_s: f64,
    /// Requests that were to be under way.
    pub target_concurrency: u64,
    /// The share of them that had to be.
    pub threshold: f64,
    /// The same as a number of requests.
    pub threshold_abs: u64,
    /// Most requests under way in the run.
    pub observed_peak: u64,
    /// Requests of the run.
    pub requests_total: u64,
    /// Requests sent in it.
    pub requests_started_in_window: u64,
    /// Requests completed in it.
    pub requests_completed_in_window: u64,
    /// Why it says little, if it does: only in results of that client, because here a stretch
    /// that says little is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl VllmSteadyState {
    /// That of a report, if its loop was closed and full for long enough, with streamed answers.
    pub(crate) fn of(report: &Report) -> Option<VllmSteadyState> {
        let state = report.steady_state.as_ref()?;
        let stretch = state.window.as_ref()?;
        let window = stretch.numbers.as_ref()?;
        let (ttft, tpot) = (window.vllm.get("ttft")?, window.vllm.get("tpot")?);
        let percentile = |metric: &Distribution, p| metric.percentile(p).unwrap_or(0.0);
        let percentiles = ttft.percentiles.iter();
        let percentiles = percentiles.map(|percentile| (percentile.p, percentile.value));
        Some(VllmSteadyState {
            request_throughput: window.throughput.requests_per_s,
            input_throughput: window.input_tokens_per_s,
            output_throughput: window.throughput.output_tokens_per_s?,
            total_token_throughput: window.throughput.total_tokens_per_s,
            mean_ttft_ms: ttft.mean,
            median_ttft_ms: ttft.median,
            percentiles_ttft_ms: [(50.0, ttft.median)]
                .into_iter()
                .chain(percentiles)
                .collect(),
            mean_tpot_ms: tpot.mean,
            median_tpot_ms: tpot.median,
            p90_tpot_ms: percentile(tpot, 90.0),
            p99_tpot_ms: percentile(tpot, 99.0),
            window: VllmWindow::of(report, state, (stretch, window))?,
        })
    }
}

impl VllmWindow {
    fn of(
        report: &Report,
        state: &SteadyState,
        (window, numbers): (&SteadyWindow, &SteadyNumbers),
    ) -> Option<VllmWindow> {
        let SteadyMethod::ClosedLoop { target, threshold } = state.method else {
            return None;
        };
        Some(VllmWindow {
            start_s: window.start_s,
            end_s: window.end_s,
            duration_s: window.duration_s,
            target_concurrency: target,
            threshold: STEADY_SHARE,
            threshold_abs: threshold,
            observed_peak: state.peak_concurrency,
            requests_total: report.summary.requests.sent,
            requests_started_in_window: numbers.requests_started,
            requests_completed_in_window: numbers.requests_completed,
            warning: None,
        })
    }
}
