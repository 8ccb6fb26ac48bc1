//! When requests leave: every load shape is a list of absolute send times.

use bench_types::Nanos;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

/// A load shape: how the send times of a run are drawn.
///
/// The gaps between requests are gamma distributed with mean `1/rate` and coefficient of
/// variation `1/sqrt(burstiness)`: 1 is a Poisson process, less is burstier, infinity is a
/// constant gap. The times are then stretched so that the last request leaves exactly at
/// `n / rate`, as `vllm bench serve` does, which makes the offered rate exact for every
/// seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrivals {
    rate: f64,
    burstiness: f64,
    seed: u64,
}

/// A load shape that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrivalsError {
    /// The rate is zero, negative or not a number.
    #[error("request rate {0} is not a positive number of requests per second (or `inf`)")]
    Rate(f64),
    /// The burstiness is zero, negative or not a number.
    #[error("burstiness {0} is not a positive number (1 is Poisson, `inf` is a constant gap)")]
    Burstiness(f64),
}

impl Arrivals {
    /// Everything at once.
    pub fn burst() -> Arrivals {
        Arrivals {
            rate: f64::INFINITY,
            burstiness: 1.0,
            seed: 0,
        }
    }

    /// `rate` requests per second, infinity for all at once, with gamma distributed gaps.
    ///
    /// # Errors
    /// If `rate` or `burstiness` is not positive.
    pub fn gamma(rate: f64, burstiness: f64, seed: u64) -> Result<Arrivals, ArrivalsError> {
        if rate.is_nan() || rate <= 0.0 {
            return Err(ArrivalsError::Rate(rate));
        }
        if burstiness.is_nan() || burstiness <= 0.0 {
            return Err(ArrivalsError::Burstiness(burstiness));
        }
        Ok(Arrivals {
            rate,
            burstiness,
            seed,
        })
    }

    /// Requests per second; infinite for a burst.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Shape of the gaps; 1 is Poisson.
    pub fn burstiness(&self) -> f64 {
        self.burstiness
    }

    /// The seed, if anything is drawn with it.
    pub fn seed(&self) -> Option<u64> {
        (self.is_paced() && self.burstiness.is_finite()).then_some(self.seed)
    }

    /// Whether requests have times of their own, rather than leaving as early as slots allow.
    pub fn is_paced(&self) -> bool {
        self.rate.is_finite()
    }

    /// The send times of `count` requests, ascending, from the start of the run.
    pub fn offsets(&self, count: usize) -> Vec<Nanos> {
        if !self.is_paced() {
            return vec![Nanos::ZERO; count];
        }
        let mut time = 0.0;
        let mut times: Vec<f64> = self
            .gaps()
            .take(count)
            .map(|gap| {
                time += gap;
                time
            })
            .collect();
        if time > 0.0 {
            let stretch = count as f64 / self.rate / time;
            times.iter_mut().for_each(|time| *time *= stretch);
        }
        times.into_iter().map(Nanos::from_secs_f64).collect()
    }

    fn gaps(&self) -> Box<dyn Iterator<Item = f64>> {
        let mean = 1.0 / self.rate;
        let scale = mean / self.burstiness;
        let drawn = self
            .burstiness
            .is_finite()
            .then(|| Gamma::new(self.burstiness, scale).ok())
            .flatten();
        match drawn {
            Some(gamma) => Box::new(gamma.sample_iter(ChaCha8Rng::seed_from_u64(self.seed))),
            // A shape too large for a gamma distribution is constant to the last bit.
            None => Box::new(std::iter::repeat(mean)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rate: f64, burstiness: f64) -> Arrivals {
        Arrivals::gamma(rate, burstiness, 7).unwrap()
    }

    #[test]
    fn a_burst_is_all_at_once() {
        assert_eq!(Arrivals::burst().offsets(3), [Nanos::ZERO; 3]);
        assert!(!Arrivals::burst().is_paced());
    }

    #[test]
    fn the_last_request_leaves_at_n_over_rate() {
        for burstiness in [0.25, 1.0, 4.0, f64::INFINITY] {
            let offsets = shape(50.0, burstiness).offsets(1000);
            let last = offsets.last().unwrap().as_secs_f64();
            assert!((last - 20.0).abs() < 1e-6, "{burstiness}: {last}");
            assert!(offsets.is_sorted());
            assert!(offsets[0] > Nanos::ZERO);
        }
    }

    #[test]
    fn infinite_burstiness_is_a_constant_gap() {
        let offsets = shape(4.0, f64::INFINITY).offsets(4);
        let expected = [250, 500, 750, 1000].map(Nanos::from_millis);
        assert_eq!(offsets, expected);
    }

    #[test]
    fn gaps_vary_by_one_over_the_root_of_burstiness() {
        for burstiness in [0.25, 1.0, 4.0] {
            let gaps: Vec<f64> = shape(10.0, burstiness).gaps().take(40_000).collect();
            let n = gaps.len() as f64;
            let mean = gaps.iter().sum::<f64>() / n;
            let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
            let expected = 1.0 / f64::sqrt(burstiness);
            assert!((mean - 0.1).abs() < 0.005, "mean {mean}");
            let cv = variance.sqrt() / mean;
            assert!((cv / expected - 1.0).abs() < 0.05, "{cv} for {expected}");
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        // Kolmogorov-Smirnov against 1 - exp(-rate t) at the 0.1 % level.
        let mut gaps: Vec<f64> = shape(10.0, 1.0).gaps().take(10_000).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        let distance = gaps
            .iter()
            .enumerate()
            .map(|(i, gap)| {
                let expected = 1.0 - (-10.0 * gap).exp();
                let below = (expected - i as f64 / n).abs();
                below.max(((i + 1) as f64 / n - expected).abs())
            })
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let first = Arrivals::gamma(5.0, 1.0, 1).unwrap().offsets(5);
        assert_eq!(first, Arrivals::gamma(5.0, 1.0, 1).unwrap().offsets(5));
        assert_ne!(first, Arrivals::gamma(5.0, 1.0, 2).unwrap().offsets(5));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert!(Arrivals::gamma(0.0, 1.0, 0).is_err());
        assert!(Arrivals::gamma(f64::NAN, 1.0, 0).is_err());
        assert!(Arrivals::gamma(1.0, 0.0, 0).is_err());
        assert!(shape(f64::INFINITY, 1.0).offsets(2) == [Nanos::ZERO; 2]);
    }
}
