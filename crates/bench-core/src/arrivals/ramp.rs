//! A rate that changes from the first request to the last.

use std::fmt;

use bench_types::Nanos;
use serde::{Deserialize, Serialize};

use super::points::Points;
use super::{ArrivalsError, whole};

/// A rate that rises, or falls, during a run.
///
/// Over time, the rate at time `t` of a run of length `T` is, with `p = t/T`,
///
/// - linear: `a + (b - a) p`
/// - exponential: `a (b/a)^p`
///
/// for the rates `a` at the start and `b` at the end. The length follows from the number of
/// requests `n`: the integral of the rate over the run is `n`, so `T` is `n` divided by the
/// mean of the rate. Requests leave where the integral up to their time is a point of a process
/// with unit rate (time rescaling: Daley and Vere-Jones, An Introduction to the Theory of Point
/// Processes, section 7.4), of which the last one is at `n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// How the rate goes from one to the other.
    pub strategy: RampStrategy,
    /// Requests per second at the start.
    pub start_rps: f64,
    /// Requests per second at the end.
    pub end_rps: f64,
    /// Over what it goes.
    pub over: RampOver,
}

/// How a rate goes from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum RampStrategy {
    /// By the same number of requests per second in each second.
    Linear,
    /// By the same factor in each second.
    Exponential,
}

/// Over what a rate goes from one value to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RampOver {
    /// Time.
    #[default]
    Time,
    /// The number of the request, as in `vllm bench serve`: the gap before request `i` of `n` is
    /// drawn at the rate for `p = i/(n - 1)`, and nothing is stretched. In time, that makes an
    /// exponential ramp of a linear one.
    Index,
}

/// `linear` or `exponential`.
impl fmt::Display for RampStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RampStrategy::Linear => "linear",
            RampStrategy::Exponential => "exponential",
        })
    }
}

/// What it is, in words.
impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.over {
            RampOver::Time => "time",
            RampOver::Index => "the number of the request",
        };
        let Ramp {
            strategy,
            start_rps,
            end_rps,
            ..
        } = self;
        write!(f, "{start_rps} to {end_rps} req/s, {strategy} in {over}")
    }
}

impl Ramp {
    pub(super) fn check(&self) -> Result<(), ArrivalsError> {
        let rates = [self.start_rps, self.end_rps];
        let zero_allowed = self.strategy == RampStrategy::Linear && self.over == RampOver::Time;
        let sound = |rate: &f64| rate.is_finite() && (*rate > 0.0 || zero_allowed && *rate == 0.0);
        if rates.iter().all(sound) && rates.iter().any(|rate| *rate > 0.0) {
            Ok(())
        } else {
            Err(ArrivalsError::Ramp(*self))
        }
    }

    /// The send times of `count` requests in seconds.
    pub(super) fn times(&self, points: &mut Points, count: usize) -> Vec<f64> {
        let n = count as f64;
        match self.over {
            RampOver::Time => {
                let length = n / self.mean();
                let requests = points.stretched(count, n).into_iter();
                requests
                    .map(|requests| length * self.progress_after(requests / length))
                    .collect()
            }
            RampOver::Index => {
                let mut time = 0.0;
                let gaps = (0..count).map(|i| {
                    time += points.gap() / self.rate(progress(i, count));
                    time
                });
                gaps.collect()
            }
        }
    }

    /// How many requests a ramp of this length has; `None` if it goes by their number.
    pub(super) fn count_in(&self, seconds: f64) -> Option<usize> {
        (self.over == RampOver::Time).then(|| whole(self.mean() * seconds))
    }

    /// The rate it begins with; the mean one of a ramp from 0.
    pub(super) fn first_rate(&self) -> f64 {
        match self.start_rps {
            0.0 => self.mean(),
            rate => rate,
        }
    }

    /// The rate at a progress from 0 to 1.
    fn rate(&self, progress: f64) -> f64 {
        let (a, b) = (self.start_rps, self.end_rps);
        match self.strategy {
            RampStrategy::Linear => a + (b - a) * progress,
            RampStrategy::Exponential => a * (b / a).powf(progress),
        }
    }

    /// The mean of the rate over the run: `(a + b)/2` or `(b - a)/ln(b/a)`.
    fn mean(&self) -> f64 {
        let (a, b) = (self.start_rps, self.end_rps);
        match self.strategy {
            RampStrategy::Exponential if a != b => (b - a) / (b / a).ln(),
            _ => (a + b) / 2.0,
        }
    }

    /// The progress at which the integral of the rate over the progress is `area`: the inverse
    /// of `a p + (b - a) p^2 / 2` or of `a ((b/a)^p - 1) / ln(b/a)`.
    fn progress_after(&self, area: f64) -> f64 {
        let (a, b) = (self.start_rps, self.end_rps);
        match self.strategy {
            _ if area <= 0.0 => 0.0,
            RampStrategy::Exponential if a != b => {
                let growth = (b / a).ln();
                (growth * area / a).ln_1p() / growth
            }
            // In this form nothing is lost where `a` and `b` are nearly the same. At the end of
            // a ramp to zero rounding may make the root that of a negative number.
            _ => 2.0 * area / (a + (a * a + 2.0 * (b - a) * area).max(0.0).sqrt()),
        }
    }

    /// The progress at which the rate has come to `rate`, one between start and end.
    fn progress_at(&self, rate: f64) -> f64 {
        let (a, b) = (self.start_rps, self.end_rps);
        match self.strategy {
            RampStrategy::Linear => (rate - a) / (b - a),
            RampStrategy::Exponential => (rate / a).ln() / (b / a).ln(),
        }
    }

    /// The whole-numbered rates, rounded down, and when each is come to: the first at the start.
    pub(super) fn steps(&self, offsets: &[Nanos]) -> Vec<(u64, Nanos)> {
        let (start, end) = (self.start_rps.floor() as u64, self.end_rps.floor() as u64);
        let rising = (start + 1..=end).map(|rps| (rps, rps));
        // Rounded down, a falling rate is less than `rps + 1` once it has come to that.
        let falling = (end..start).rev().map(|rps| (rps, rps + 1));
        let later = rising
            .chain(falling)
            .map(|(rps, rate)| (rps, self.time_at(self.progress_at(rate as f64), offsets)));
        std::iter::once((start, Nanos::ZERO)).chain(later).collect()
    }

    fn time_at(&self, progress: f64, offsets: &[Nanos]) -> Nanos {
        let last = offsets.last().copied().unwrap_or_default();
        match self.over {
            RampOver::Time => Nanos::from_secs_f64(last.as_secs_f64() * progress),
            RampOver::Index => {
                let index = progress * offsets.len().saturating_sub(1) as f64;
                // The index of a rate that is exactly that of a request is off by rounding.
                let index = (index - 1e-9).ceil().max(0.0) as usize;
                offsets.get(index).copied().unwrap_or(last)
            }
        }
    }
}

/// How far request `index` is from the first one on the way to the last.
fn progress(index: usize, count: usize) -> f64 {
    index as f64 / count.saturating_sub(1).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::Arrivals;
    use crate::arrivals::testing::{exponential, ks, uniform};

    fn ramp(strategy: RampStrategy, start_rps: f64, end_rps: f64) -> Ramp {
        Ramp {
            strategy,
            start_rps,
            end_rps,
            over: RampOver::Time,
        }
    }

    const LINEAR: RampStrategy = RampStrategy::Linear;
    const EXPONENTIAL: RampStrategy = RampStrategy::Exponential;

    fn times(ramp: Ramp, burstiness: f64, count: usize) -> Vec<f64> {
        let arrivals = Arrivals::ramp(ramp, burstiness, 11).unwrap();
        let offsets = arrivals.offsets(count);
        assert!(offsets.is_sorted());
        offsets.into_iter().map(Nanos::as_secs_f64).collect()
    }

    /// The integral of the rate up to `t` in a run of length `length`, by Simpson's rule, which
    /// shares nothing with what is tested.
    fn integral(ramp: &Ramp, t: f64, length: f64) -> f64 {
        const STEPS: usize = 200;
        let h = t / STEPS as f64;
        let rate = |i: usize| {
            let p = i as f64 * h / length;
            match ramp.strategy {
                RampStrategy::Linear => ramp.start_rps * (1.0 - p) + ramp.end_rps * p,
                RampStrategy::Exponential => {
                    (ramp.start_rps.ln() * (1.0 - p) + ramp.end_rps.ln() * p).exp()
                }
            }
        };
        let weight = |i| match i {
            0 | STEPS => 1.0,
            i if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        (0..=STEPS).map(|i| weight(i) * rate(i)).sum::<f64>() * h / 3.0
    }

    #[test]
    fn requests_of_a_ramp_are_a_poisson_process_of_its_rate() {
        for shape in [
            ramp(LINEAR, 1.0, 50.0),
            ramp(LINEAR, 0.0, 50.0),
            ramp(LINEAR, 50.0, 0.0),
            ramp(EXPONENTIAL, 1.0, 50.0),
            ramp(EXPONENTIAL, 40.0, 0.5),
            ramp(EXPONENTIAL, 8.0, 8.0),
        ] {
            let times = times(shape, 1.0, 5_000);
            let length = *times.last().unwrap();
            let sent: Vec<f64> = times
                .iter()
                .map(|time| integral(&shape, *time, length))
                .collect();
            assert!((sent[4_999] - 5_000.0).abs() < 0.01, "{shape:?}");
            let gaps = sent.windows(2).map(|pair| pair[1] - pair[0]);
            ks(gaps.collect(), exponential);
            let before_last = sent[..4_999].iter().map(|sent| sent / 5_000.0);
            ks(before_last.collect(), uniform);
        }
    }

    #[test]
    fn the_length_of_a_ramp_follows_from_the_number_of_requests() {
        let last = |shape| *times(shape, 1.0, 550).last().unwrap();
        assert!((last(ramp(LINEAR, 1.0, 10.0)) - 100.0).abs() < 1e-6);
        // 10 (e - 1)/1 requests in a second on average: from 10 to 10 e.
        let e = std::f64::consts::E;
        let exponential = last(ramp(EXPONENTIAL, 10.0, 10.0 * e));
        assert!((exponential - 55.0 / (e - 1.0)).abs() < 1e-6);
    }

    #[test]
    fn without_chance_the_ramp_is_exact() {
        // From 0 to 2 per second: n(t) = t^2 / 4 in a run of 4 s, so request i is at 2 sqrt(i).
        let four = times(ramp(LINEAR, 0.0, 2.0), f64::INFINITY, 4);
        let expected = [1, 2, 3, 4].map(|i: u32| 2.0 * f64::from(i).sqrt());
        for (time, expected) in four.iter().zip(expected) {
            assert!((time - expected).abs() < 1e-6, "{time} for {expected}");
        }
        let flat = times(ramp(LINEAR, 5.0, 5.0), f64::INFINITY, 10);
        assert!((flat[0] - 0.2).abs() < 1e-9 && (flat[9] - 2.0).abs() < 1e-9);
    }

    #[test]
    fn by_index_gaps_are_drawn_at_the_rate_of_their_request() {
        for strategy in [LINEAR, EXPONENTIAL] {
            let shape = Ramp {
                over: RampOver::Index,
                ..ramp(strategy, 2.0, 30.0)
            };
            let times = times(shape, 1.0, 5_000);
            let mut before = 0.0;
            let gaps = times.iter().enumerate().map(|(i, time)| {
                let p = i as f64 / 4_999.0;
                let rate = match strategy {
                    RampStrategy::Linear => 2.0 + 28.0 * p,
                    RampStrategy::Exponential => 2.0 * 15.0_f64.powf(p),
                };
                let gap = (time - before) * rate;
                before = *time;
                gap
            });
            ks(gaps.collect(), exponential);
        }
    }

    #[test]
    fn every_whole_rate_has_its_time() {
        let shape = ramp(LINEAR, 1.0, 4.0);
        let offsets = Arrivals::ramp(shape, f64::INFINITY, 0).unwrap().offsets(30);
        // 30 requests at 2.5 a second.
        let steps = shape.steps(&offsets);
        let expected = [(1, 0), (2, 4), (3, 8), (4, 12)];
        assert_eq!(
            steps,
            expected.map(|(rps, s)| (rps, Nanos::from_millis(1000 * s)))
        );
        let falling = ramp(LINEAR, 4.0, 1.0);
        let steps = falling.steps(&offsets);
        let expected = [(4, 0), (3, 0), (2, 4), (1, 8)];
        assert_eq!(
            steps,
            expected.map(|(rps, s)| (rps, Nanos::from_millis(1000 * s)))
        );
        let by_index = Ramp {
            over: RampOver::Index,
            ..shape
        };
        let offsets = [10, 20, 30, 40].map(|s| Nanos::from_millis(1000 * s));
        let steps = by_index.steps(&offsets);
        let expected = [(1, 0), (2, 20), (3, 30), (4, 40)];
        assert_eq!(
            steps,
            expected.map(|(rps, s)| (rps, Nanos::from_millis(1000 * s)))
        );
    }

    #[test]
    fn impossible_ramps_are_refused() {
        let by_index = Ramp {
            over: RampOver::Index,
            ..ramp(LINEAR, 0.0, 5.0)
        };
        for shape in [
            ramp(LINEAR, 0.0, 0.0),
            ramp(LINEAR, -1.0, 5.0),
            ramp(LINEAR, 1.0, f64::INFINITY),
            ramp(EXPONENTIAL, 0.0, 5.0),
            ramp(EXPONENTIAL, f64::NAN, 5.0),
            by_index,
        ] {
            let told = Arrivals::ramp(shape, 1.0, 0).unwrap_err().to_string();
            assert!(told.contains("more than 0"), "{told}");
        }
    }
}
