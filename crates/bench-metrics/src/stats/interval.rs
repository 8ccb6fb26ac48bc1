use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// A number and the range that holds the true one with some confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The number.
    pub estimate: f64,
    /// Lower end of the range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
    /// How often such ranges hold the true number, 0 to 1.
    pub confidence: f64,
}

impl Interval {
    /// Whether a value is in the range, its ends included.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Half the width of the range.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// The mean of independent values with Student's interval,
/// `mean ± t(1 - (1 - confidence) / 2, n - 1) · s / sqrt(n)` (Student, *The Probable Error of a
/// Mean*, Biometrika 1908).
///
/// `None` for fewer than two values, values that are not finite, and a confidence that is not
/// between 0 and 1.
///
/// ```
/// let runs = [101.0, 99.0, 100.0];
/// let interval = bench_metrics::stats::t_interval(&runs, 0.95).expect("three runs");
/// assert!((interval.low - 97.516).abs() < 0.001);
/// ```
pub fn t_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let n = values.len() as f64;
    if values.len() < 2 || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let (mean, variance) = mean_and_variance(values);
    let half = critical(confidence, n - 1.0)? * (variance / n).sqrt();
    Some(Interval {
        estimate: mean,
        low: mean - half,
        high: mean + half,
        confidence,
    })
}

/// Mean and sample variance (divided by n - 1) of at least two values.
pub(super) fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, squares / (n - 1.0))
}

/// How many standard errors an interval of this confidence reaches to either side.
pub(super) fn critical(confidence: f64, degrees: f64) -> Option<f64> {
    let valid = confidence > 0.0 && confidence < 1.0;
    valid
        .then(|| t_quantile(0.5 + confidence / 2.0, degrees))
        .flatten()
}

/// A quantile of Student's distribution; with infinite degrees of freedom of the normal one.
pub(super) fn t_quantile(p: f64, degrees: f64) -> Option<f64> {
    if degrees.is_infinite() {
        return Some(Normal::standard().inverse_cdf(p));
    }
    Some(StudentsT::new(0.0, 1.0, degrees).ok()?.inverse_cdf(p))
}

/// How likely a value at least as far from 0 as `t` is, to both sides.
pub(super) fn two_sided_p(t: f64, degrees: f64) -> f64 {
    (2.0 * upper_p(t.abs(), degrees)).min(1.0)
}

/// How likely a value of `t` or more is.
pub(super) fn upper_p(t: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) if degrees.is_finite() => student.cdf(-t),
        _ => Normal::standard().cdf(-t),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let known = [
            (0.975, 1.0, 12.7062),
            (0.975, 2.0, 4.302_65),
            (0.975, 10.0, 2.228_14),
            (0.995, 4.0, 4.604_09),
            (0.975, f64::INFINITY, 1.959_96),
        ];
        for (p, degrees, t) in known {
            let ours = t_quantile(p, degrees).expect("a quantile");
            assert!((ours / t - 1.0).abs() < 1e-5, "{p} {degrees}: {ours}");
            let back = two_sided_p(ours, degrees);
            assert!((back - 2.0 * (1.0 - p)).abs() < 1e-9, "{back}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_none() {
        assert_eq!(t_interval(&[1.0], 0.95), None);
        assert_eq!(t_interval(&[1.0, f64::NAN], 0.95), None);
        assert_eq!(t_interval(&[1.0, 2.0], 1.0), None);
        assert_eq!(t_interval(&[1.0, 2.0], 0.0), None);
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        let interval = t_interval(&[7.0, 7.0, 7.0], 0.95).expect("an interval");
        assert_eq!((interval.low, interval.high), (7.0, 7.0));
        assert!(interval.contains(7.0));
        assert_eq!(interval.half_width(), 0.0);
    }
}
