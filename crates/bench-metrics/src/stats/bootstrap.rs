use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::interval::mean_and_variance;
use super::{Estimate, Interval};

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Number of resamples. A thousand give the standard error to 2 %.
    pub resamples: usize,
    /// Seed of the generator.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Resampling {
            resamples: 1000,
            seed: 0,
        }
    }
}

/// A statistic and what it came to in resamples of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicates {
    /// The statistic of the data itself.
    pub estimate: f64,
    /// The statistic of each resample.
    pub values: Vec<f64>,
    /// How many blocks a resample is made of.
    pub blocks: f64,
}

/// Resamples a series of `n` requests in blocks of `block` that follow one another, the first
/// after the last (the circular block bootstrap of Politis and Romano, *A Circular
/// Block-Resampling Procedure for Stationary Data*, 1992).
///
/// `statistic` is told how often each request is in the resample: any function of the requests
/// can be computed by these weights, ratios and quantiles included. With blocks of 1 this is
/// the ordinary bootstrap.
pub fn bootstrap(
    n: usize,
    block: usize,
    how: &Resampling,
    mut statistic: impl FnMut(&[u32]) -> f64,
) -> Replicates {
    let mut values = Vec::with_capacity(how.resamples);
    let blocks = resample(n, block, how, |weights| values.push(statistic(weights)));
    Replicates {
        estimate: statistic(&vec![1; n]),
        values,
        blocks,
    }
}

/// Calls `each` with the weights of every resample; returns how many blocks one is made of.
pub(super) fn resample(
    n: usize,
    block: usize,
    how: &Resampling,
    mut each: impl FnMut(&[u32]),
) -> f64 {
    let block = block.clamp(1, n.max(1));
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
    let mut weights = vec![0; n];
    for _ in 0..how.resamples {
        draw(&mut rng, block, &mut weights);
        each(&weights);
    }
    n as f64 / block as f64
}

/// Draws blocks until there are as many requests as before; the last block is cut.
fn draw(rng: &mut ChaCha8Rng, block: usize, weights: &mut [u32]) {
    weights.fill(0);
    let n = weights.len();
    let mut left = n;
    while left > 0 {
        // Of 32 bits: uneven by n / 2^32, which is nothing for the requests of a run.
        let start = ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize;
        let length = block.min(left);
        let (end, around) = (n.min(start + length), (start + length).saturating_sub(n));
        for weight in weights[start..end].iter_mut() {
            *weight += 1;
        }
        for weight in weights[..around].iter_mut() {
            *weight += 1;
        }
        left -= length;
    }
}

impl Replicates {
    /// The estimate with the standard deviation of the resamples as its error. Blocks stand for
    /// independent values, so there is one degree of freedom less than blocks.
    ///
    /// `None` with fewer than two blocks or resamples, or where a resample has no number.
    pub fn spread(&self) -> Option<Estimate> {
        let finite = self.estimate.is_finite() && self.values.iter().all(|v| v.is_finite());
        if !finite || self.values.len() < 2 || self.blocks < 2.0 {
            return None;
        }
        Some(Estimate {
            value: self.estimate,
            std_error: mean_and_variance(&self.values).1.sqrt(),
            degrees: self.blocks - 1.0,
        })
    }

    /// The same of the natural logarithm, which suits ratios and long tails. `None` unless all
    /// values are above 0.
    pub fn ln(&self) -> Option<Replicates> {
        let positive = self.estimate > 0.0 && self.values.iter().all(|&value| value > 0.0);
        positive.then(|| Replicates {
            estimate: self.estimate.ln(),
            values: self.values.iter().map(|value| value.ln()).collect(),
            blocks: self.blocks,
        })
    }

    /// `other - self` for two runs that were resampled on their own with different seeds.
    /// The fewer blocks of the two count.
    pub fn difference(&self, other: &Replicates) -> Replicates {
        let pairs = self.values.iter().zip(&other.values);
        Replicates {
            estimate: other.estimate - self.estimate,
            values: pairs.map(|(ours, theirs)| theirs - ours).collect(),
            blocks: self.blocks.min(other.blocks),
        }
    }

    /// The range that holds the middle share of the resamples (Efron's percentile interval,
    /// *Annals of Statistics* 1979). `None` where a resample has no number, and with so few that
    /// less than one of them lies beyond either end.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let tail = (1.0 - confidence) / 2.0;
        let n = self.values.len() as f64;
        let valid = confidence > 0.0 && confidence < 1.0 && n * tail >= 1.0;
        if !valid || self.values.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((n - 1.0) * share).round() as usize];
        Some(Interval {
            estimate: self.estimate,
            low: at(tail),
            high: at(1.0 - tail),
            confidence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resample_has_as_many_requests_as_there_were() {
        for block in [1, 3, 7, 10, 25] {
            let how = Resampling {
                resamples: 50,
                seed: 1,
            };
            resample(10, block, &how, |weights| {
                assert_eq!(weights.iter().sum::<u32>(), 10, "blocks of {block}");
            });
        }
    }

    /// Going round, every request is as likely as any other, the first and the last too.
    #[test]
    fn every_request_is_drawn_equally_often() {
        let how = Resampling {
            resamples: 20_000,
            seed: 2,
        };
        let mut drawn = [0u32; 12];
        resample(12, 5, &how, |weights| {
            drawn.iter_mut().zip(weights).for_each(|(sum, w)| *sum += w);
        });
        // The standard deviation of each count is below 250.
        assert!(
            drawn.iter().all(|&count| count.abs_diff(20_000) < 1000),
            "{drawn:?}"
        );
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let data: Vec<f64> = (0..50).map(|i| f64::from(i * i % 17)).collect();
        let total = |weights: &[u32]| -> f64 {
            data.iter()
                .zip(weights)
                .map(|(x, &w)| x * f64::from(w))
                .sum()
        };
        let with = |seed| {
            bootstrap(
                50,
                4,
                &Resampling {
                    resamples: 20,
                    seed,
                },
                total,
            )
        };
        assert_eq!(with(3), with(3));
        assert_ne!(with(3).values, with(4).values);
    }

    #[test]
    fn too_few_resamples_have_no_interval() {
        let replicates = Replicates {
            estimate: 1.0,
            values: vec![1.0; 39],
            blocks: 10.0,
        };
        assert_eq!(replicates.interval(0.95), None);
        assert!(replicates.interval(0.9).is_some());
    }
}
