//! The difference between two sides, relative where that makes sense.

use bench_metrics::stats::{Estimate, Interval};

use super::Measure;

/// Probability of seeing a difference that is as large as the least detectable one.
pub(super) const POWER: f64 = 0.8;

/// A number of one side with its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sided {
    /// As it is.
    pub(super) linear: Estimate,
    /// Its natural logarithm; `None` if it is not above 0.
    pub(super) log: Option<Estimate>,
}

/// A difference between two sides, before it is known how strictly it will be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contrast {
    pub(super) a: f64,
    pub(super) b: f64,
    scale: Scale,
    /// On that scale.
    difference: Estimate,
    /// Side B on its own, if its error is known.
    side_b: Option<Sided>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// Of logarithms, so that the difference is one of ratios.
    Log,
    /// Of the numbers themselves, where one of them is not above 0.
    Linear,
}

impl Contrast {
    /// Two sides whose errors are known, each on its own: Welch.
    pub(super) fn welch(a: Sided, b: Sided) -> Contrast {
        let (scale, difference) = match (a.log, b.log) {
            (Some(log_a), Some(log_b)) => (Scale::Log, log_a.difference(&log_b)),
            _ => (Scale::Linear, a.linear.difference(&b.linear)),
        };
        Contrast {
            a: a.linear.value,
            b: b.linear.value,
            scale,
            difference,
            side_b: Some(b),
        }
    }

    /// Runs on both sides. A side with a single run borrows the spread of the other (Student's
    /// test with a common variance, relative to the mean). `None` without a side of two runs.
    pub(super) fn of_runs(a: &[f64], b: &[f64]) -> Option<Contrast> {
        match (sided(a), sided(b)) {
            (Some(a), Some(b)) => Some(Contrast::welch(a, b)),
            (Some(side), None) => Contrast::with_single(side, a.len(), *b.first()?, false),
            (None, Some(side)) => Contrast::with_single(side, b.len(), *a.first()?, true),
            (None, None) => None,
        }
    }

    fn with_single(many: Sided, runs: usize, one: f64, single_is_a: bool) -> Option<Contrast> {
        // The spread of one run is that of the mean of n times sqrt(n).
        let widen = (runs as f64).sqrt();
        let like = |estimate: Estimate, value: f64| Estimate {
            value,
            std_error: estimate.std_error * widen,
            ..estimate
        };
        let single = Sided {
            linear: like(many.linear, one),
            log: many
                .log
                .filter(|_| one > 0.0)
                .map(|log| like(log, one.ln())),
        };
        let (a, b) = if single_is_a {
            (single, many)
        } else {
            (many, single)
        };
        let mut contrast = Contrast::welch(a, b);
        // One variance was estimated, not two.
        contrast.difference.degrees = many.linear.degrees;
        Some(contrast)
    }

    /// Whether the difference is judged as a share of A.
    pub(super) fn is_relative(&self) -> bool {
        self.scale == Scale::Log
    }

    /// The relative difference, 0.05 for 5 % more; `None` if A or B is not above 0.
    pub(super) fn relative(&self, level: f64) -> Option<Interval> {
        let interval = self.difference.interval(1.0 - level)?;
        self.is_relative().then(|| map(&interval, f64::exp_m1))
    }

    /// The difference in its unit: the relative one times A, where there is one.
    pub(super) fn absolute(&self, level: f64) -> Option<Interval> {
        match self.relative(level) {
            Some(relative) => Some(map(&relative, |share| share * self.a)),
            None => self.difference.interval(1.0 - level),
        }
    }

    /// Side B on its own.
    pub(super) fn side_b(&self, level: f64) -> Option<Interval> {
        let side = self.side_b?;
        match side.log {
            Some(log) => Some(map(&log.interval(1.0 - level)?, f64::exp)),
            None => side.linear.interval(1.0 - level),
        }
    }

    /// The least relative increase that would be seen four times in five.
    pub(super) fn detectable(&self, level: f64) -> Option<f64> {
        let least = self.difference.detectable(level, POWER)?;
        self.is_relative().then(|| least.exp_m1())
    }
}

/// The mean of runs; its logarithm by the delta method.
fn sided(values: &[f64]) -> Option<Sided> {
    let linear = Estimate::of_runs(values)?;
    Some(Sided {
        linear,
        log: linear.ln(),
    })
}

fn map(interval: &Interval, f: impl Fn(f64) -> f64) -> Interval {
    Interval {
        estimate: f(interval.estimate),
        low: f(interval.low),
        high: f(interval.high),
        confidence: interval.confidence,
    }
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// B is better than A.
    Better,
    /// B is worse than A.
    Worse,
    /// The difference is within the margin.
    Same,
    /// The numbers cannot tell.
    Inconclusive,
}

impl Verdict {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Same => "same",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// `same` if the interval lies within the margin, else `better` or `worse` if it leaves out
    /// 0.
    pub(super) fn of(interval: &Interval, margin: Option<f64>, measure: &Measure) -> Verdict {
        // Without a relative difference only what never differs is the same.
        let margin = margin.unwrap_or(0.0);
        if interval.low >= -margin && interval.high <= margin {
            return Verdict::Same;
        }
        let more = interval.low > 0.0;
        if !more && interval.high >= 0.0 {
            Verdict::Inconclusive
        } else if more == measure.more_is_better() {
            Verdict::Better
        } else {
            Verdict::Worse
        }
    }
}
