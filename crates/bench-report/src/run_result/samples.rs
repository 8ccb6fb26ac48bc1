//! The samples behind the statistics of a run.

use super::{RequestSample, RunResult};

impl RequestSample {
    /// Seconds for each output token after the first: (E2EL - TTFT) / (n - 1). `None` unless
    /// there were several.
    pub fn tpot(&self) -> Option<f64> {
        let later = self
            .output_tokens?
            .checked_sub(1)
            .filter(|later| *later > 0)?;
        let decoding = match (self.e2el, self.ttft) {
            (Some(e2el), Some(ttft)) => e2el - ttft,
            // The gaps lead from the first chunk to the last.
            _ if !self.gaps.is_empty() => self.gaps.iter().sum(),
            _ => return None,
        };
        Some(decoding / later as f64)
    }

    /// Hands out the samples of a metric (`ttft`, `tpot`, `itl` or `e2el`) in milliseconds: one
    /// or none, of `itl` one for each gap. A request that failed has none.
    pub fn each_sample(&self, metric: &str, each: &mut dyn FnMut(f64)) {
        if !self.success {
            return;
        }
        let one = match metric {
            "ttft" => self.ttft,
            "tpot" => self.tpot(),
            "e2el" => self.e2el,
            "itl" => return self.gaps.iter().for_each(|gap| each(gap * 1e3)),
            _ => None,
        };
        if let Some(seconds) = one {
            each(seconds * 1e3);
        }
    }
}

impl RunResult {
    /// The samples of a metric in milliseconds, as [`RequestSample::each_sample`] tells them.
    pub fn samples(&self, metric: &str) -> Vec<f64> {
        let mut samples = Vec::new();
        for request in &self.requests {
            request.each_sample(metric, &mut |sample| samples.push(sample));
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestSample {
        RequestSample {
            success: true,
            ttft: Some(0.25),
            e2el: Some(1.0),
            gaps: vec![0.5, 0.25],
            output_tokens: Some(4),
            ..RequestSample::default()
        }
    }

    #[test]
    fn the_time_after_the_first_token_is_shared_by_the_others() {
        assert_eq!(request().tpot(), Some(0.25));
        let without_end = RequestSample {
            e2el: None,
            ..request()
        };
        assert_eq!(without_end.tpot(), Some(0.25));
        let single = RequestSample {
            output_tokens: Some(1),
            ..request()
        };
        assert_eq!(single.tpot(), None);
    }

    #[test]
    fn failures_have_no_samples() {
        let failed = RequestSample {
            success: false,
            ..request()
        };
        let run = RunResult {
            requests: vec![request(), failed],
            ..RunResult::default()
        };
        assert_eq!(run.samples("itl"), [500.0, 250.0]);
        assert_eq!(run.samples("ttft"), [250.0]);
        assert_eq!(run.samples("e2el"), [1000.0]);
        assert_eq!(run.samples("tpot"), [250.0]);
        assert!(run.samples("unheard_of").is_empty());
    }

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
        assert_eq!(run.samples("ttft"), [100.0, 100.0]);
        assert_eq!(run.samples("tpot"), [200.0]);
        assert_eq!(run.samples("itl"), [200.0, 200.0]);
        assert_eq!(run.samples("e2el"), [500.0]);
        assert!(run.samples("max_gap").is_empty());
    }
}
