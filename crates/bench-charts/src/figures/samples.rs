//! The single values behind a metric.

use bench_report::{RequestSample, RunResult};

/// The values of a metric in milliseconds, of all requests that were answered whole: one for
/// each request, or one for each gap (`itl`). Empty for a metric that single requests do not
/// tell.
pub(crate) fn samples(run: &RunResult, metric: &str) -> Vec<f64> {
    let answered = run.requests.iter().filter(|request| request.success);
    let seconds: Vec<f64> = match metric {
        "ttft" => answered.filter_map(|request| request.ttft).collect(),
        "tpot" => answered.filter_map(tpot).collect(),
        "e2el" => answered.filter_map(|request| request.e2el).collect(),
        "itl" => answered
            .flat_map(|request| request.gaps.iter().copied())
            .collect(),
        _ => Vec::new(),
    };
    seconds.into_iter().map(|seconds| seconds * 1e3).collect()
}

/// Time per output token after the first, in seconds: (E2EL - TTFT) / (output tokens - 1), as
/// `vllm bench serve` computes it.
fn tpot(request: &RequestSample) -> Option<f64> {
    let later = request
        .output_tokens?
        .checked_sub(1)
        .filter(|&later| later > 0)?;
    Some((request.e2el? - request.ttft?) / later as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_what_is_unknown_have_no_samples() {
        let whole = RequestSample {
            success: true,
            ttft: Some(0.1),
            e2el: Some(0.5),
            gaps: vec![0.2, 0.2],
            output_tokens: Some(3),
            ..RequestSample::default()
        };
        let failed = RequestSample {
            success: false,
            ..whole.clone()
        };
        let single = RequestSample {
            e2el: None,
            gaps: Vec::new(),
            output_tokens: Some(1),
            ..whole.clone()
        };
        let run = RunResult {
            requests: vec![whole, failed, single],
            ..RunResult::default()
        };
        assert_eq!(samples(&run, "ttft"), [100.0, 100.0]);
        assert_eq!(samples(&run, "tpot"), [200.0]);
        assert_eq!(samples(&run, "itl"), [200.0, 200.0]);
        assert_eq!(samples(&run, "e2el"), [500.0]);
        assert!(samples(&run, "max_gap").is_empty());
    }
}
