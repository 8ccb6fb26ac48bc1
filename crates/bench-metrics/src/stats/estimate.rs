use super::Interval;
use super::interval::{critical, mean_and_variance, t_quantile, two_sided_p, upper_p};

/// A number with its standard error, and how well that error itself is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub std_error: f64,
    /// Degrees of freedom of the standard error; infinite if it is known exactly.
    pub degrees: f64,
}

impl Estimate {
    /// The mean of independent runs: `s / sqrt(n)` with `n - 1` degrees of freedom.
    ///
    /// `None` for fewer than two runs and for numbers that are not finite.
    pub fn of_runs(values: &[f64]) -> Option<Estimate> {
        if values.len() < 2 || !values.iter().all(|v| v.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let (value, variance) = mean_and_variance(values);
        Some(Estimate {
            value,
            std_error: (variance / n).sqrt(),
            degrees: n - 1.0,
        })
    }

    /// Student's interval: `value ± t · std_error`.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let half = critical(confidence, self.degrees)? * self.std_error;
        Some(Interval {
            estimate: self.value,
            low: self.value - half,
            high: self.value + half,
            confidence,
        })
    }

    /// `other - self` by Welch: the squares of the standard errors add up, and the degrees of
    /// freedom are `(u + v)² / (u² / i + v² / j)` for squares `u`, `v` of degrees `i`, `j`
    /// (Welch, Biometrika 1947; Satterthwaite, Biometrics Bulletin 1946).
    pub fn difference(&self, other: &Estimate) -> Estimate {
        let (u, v) = (self.std_error.powi(2), other.std_error.powi(2));
        let share = u.powi(2) / self.degrees + v.powi(2) / other.degrees;
        Estimate {
            value: other.value - self.value,
            std_error: (u + v).sqrt(),
            degrees: if share > 0.0 {
                (u + v).powi(2) / share
            } else {
                self.degrees + other.degrees
            },
        }
    }

    /// The natural logarithm, with the standard error relative to the value (delta method).
    /// `None` unless the value is above 0.
    pub fn ln(&self) -> Option<Estimate> {
        (self.value > 0.0).then(|| Estimate {
            value: self.value.ln(),
            std_error: self.std_error / self.value,
            degrees: self.degrees,
        })
    }

    /// `ln(other / self)`, the difference on the scale of ratios. `None` unless both are above 0.
    pub fn ratio(&self, other: &Estimate) -> Option<Estimate> {
        Some(self.ln()?.difference(&other.ln()?))
    }

    /// How likely an estimate at least this far from 0 is if the true number is 0.
    pub fn p_value(&self) -> f64 {
        match (self.std_error > 0.0, self.value == 0.0) {
            (true, _) => two_sided_p(self.value / self.std_error, self.degrees),
            (false, true) => 1.0,
            (false, false) => 0.0,
        }
    }

    /// The greater p-value of the two one-sided tests that the true number is at or below `low`,
    /// and at or above `high` (Schuirmann, *J. Pharmacokinetics and Biopharmaceutics* 1987).
    ///
    /// At a level of 5 % it says "equivalent" exactly where the 90 % interval lies within.
    pub fn equivalence_p(&self, low: f64, high: f64) -> f64 {
        let one_sided = |above: f64| match self.std_error > 0.0 {
            true => upper_p(above / self.std_error, self.degrees),
            false if above > 0.0 => 0.0,
            false => 1.0,
        };
        one_sided(self.value - low).max(one_sided(high - self.value))
    }

    /// The least true number that a two-sided test at `alpha` tells from 0 with probability
    /// `power`: `(t(1 - alpha / 2) + t(power)) · std_error` (Bloom, *Evaluation Review* 1995).
    pub fn detectable(&self, alpha: f64, power: f64) -> Option<f64> {
        let seen = critical(1.0 - alpha, self.degrees)?;
        let valid = power > 0.0 && power < 1.0;
        let often = valid.then(|| t_quantile(power, self.degrees)).flatten()?;
        Some((seen + often) * self.std_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-4, "{ours} for {expected}");
    }

    /// Expected by the textbook formulas, the p-value by Simpson's rule over Student's density.
    #[test]
    fn welch_is_that_of_the_textbooks() {
        let a = [
            27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7,
            21.4,
        ];
        let b = [
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5,
            27.6,
        ];
        let (a, b) = (Estimate::of_runs(&a), Estimate::of_runs(&b));
        let difference = a.expect("runs").difference(&b.expect("runs"));
        close(difference.value / difference.std_error, 2.96681);
        close(difference.degrees, 27.99922);
        close(difference.p_value(), 0.006_097);
    }

    #[test]
    fn runs_that_never_differ_leave_no_doubt() {
        let sure = Estimate::of_runs(&[5.0, 5.0]).expect("runs");
        let other = Estimate::of_runs(&[6.0, 6.0]).expect("runs");
        assert_eq!(sure.difference(&sure).p_value(), 1.0);
        assert_eq!(sure.difference(&other).p_value(), 0.0);
        assert_eq!(sure.difference(&other).equivalence_p(-2.0, 2.0), 0.0);
        assert_eq!(sure.difference(&other).equivalence_p(-1.0, 1.0), 1.0);
    }

    #[test]
    fn two_one_sided_tests_are_the_interval_of_twice_the_level() {
        let estimate = Estimate {
            value: 0.4,
            std_error: 0.3,
            degrees: 9.0,
        };
        let interval = estimate.interval(0.9).expect("an interval");
        let edge = estimate.equivalence_p(-5.0, interval.high);
        close(edge, 0.05);
    }

    /// With known errors the sum is 1.96 + 0.8416.
    #[test]
    fn what_can_be_seen_grows_with_the_error() {
        let estimate = Estimate {
            value: 0.0,
            std_error: 2.0,
            degrees: f64::INFINITY,
        };
        close(estimate.detectable(0.05, 0.8).expect("a number"), 5.60317);
        assert_eq!(estimate.detectable(0.05, 1.0), None);
    }

    #[test]
    fn ratios_need_numbers_above_zero() {
        let estimate = |value| Estimate {
            value,
            std_error: 1.0,
            degrees: 4.0,
        };
        let ratio = estimate(10.0).ratio(&estimate(20.0)).expect("a ratio");
        close(ratio.value.exp(), 2.0);
        close(ratio.std_error, (0.01_f64 + 0.0025).sqrt());
        assert_eq!(estimate(0.0).ratio(&estimate(1.0)), None);
    }
}
