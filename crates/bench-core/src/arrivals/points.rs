//! Random points with gamma distributed gaps, of which all drawn shapes are made.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

/// Draws the points of a process whose gaps have the mean 1.
pub(super) struct Points {
    /// `None` for gaps of exactly 1.
    gamma: Option<Gamma<f64>>,
    random: ChaCha8Rng,
}

impl Points {
    pub(super) fn new(burstiness: f64, seed: u64) -> Points {
        // A shape too large for a gamma distribution is constant to the last bit.
        let gamma = Some(burstiness).filter(|shape| shape.is_finite());
        Points {
            gamma: gamma.and_then(|shape| Gamma::new(shape, 1.0 / shape).ok()),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The next gap.
    pub(super) fn gap(&mut self) -> f64 {
        match &self.gamma {
            Some(gamma) => gamma.sample(&mut self.random),
            None => 1.0,
        }
    }

    /// The next `count` points after 0, stretched so that the last one is at `end`.
    pub(super) fn stretched(&mut self, count: usize, end: f64) -> Vec<f64> {
        let mut at = 0.0;
        let mut points: Vec<f64> = (0..count)
            .map(|_| {
                at += self.gap();
                at
            })
            .collect();
        if at > 0.0 {
            points.iter_mut().for_each(|point| *point *= end / at);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_vary_by_one_over_the_root_of_burstiness() {
        for burstiness in [0.25, 1.0, 4.0] {
            let mut points = Points::new(burstiness, 7);
            let gaps: Vec<f64> = (0..40_000).map(|_| points.gap()).collect();
            let n = gaps.len() as f64;
            let mean = gaps.iter().sum::<f64>() / n;
            let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
            let expected = 1.0 / f64::sqrt(burstiness);
            assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
            let cv = variance.sqrt() / mean;
            assert!((cv / expected - 1.0).abs() < 0.05, "{cv} for {expected}");
        }
    }
}
