//! How well the greatest load is known.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

use super::Point;

/// Where the greatest load at which the objectives hold lies, with a stated confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The least it may be: a load that was measured; `None` if it may be below all of them.
    pub low: Option<f64>,
    /// The most it may be: a load that was measured; `None` if it may be above all of them.
    pub high: Option<f64>,
    /// The nominal probability that the interval has it inside.
    pub confidence: f64,
}

/// How often chance is asked.
const DRAWS: usize = 4000;

/// The interval of the boundary, given for each objective the share of the requests that must
/// keep it.
///
/// Each draw takes the shares of all points from their Jeffreys posteriors, a beta
/// distribution with a half added to the requests that kept an objective and to those that
/// did not, and makes them fall with the load by isotonic regression (pool adjacent
/// violators; projecting draws like this is the method of Dunson and Neelon 2003, Biometrics
/// 59). Then the boundary of the draw is between the last point that holds all objectives and
/// the next one. The interval goes from the lower quantile of the former to the upper quantile
/// of the latter, so that it is never narrower than what was measured.
pub fn interval(points: &[Point], required: &[f64], confidence: f64) -> Interval {
    let mut points: Vec<&Point> = points.iter().collect();
    points.sort_by(|a, b| a.load.total_cmp(&b.load));
    // Drawn by a seed of their own, so that the same points always have the same interval.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut held: Vec<usize> = (0..DRAWS)
        .map(|_| draw(&points, required, &mut random))
        .collect();
    held.sort_unstable();
    let tail = (1.0 - confidence) / 2.0;
    let rank = |share: f64| ((DRAWS as f64 * share) as usize).min(DRAWS - 1);
    let lowest = held[rank(tail)];
    let highest = held[rank(1.0 - tail)];
    let load = |place: usize| points.get(place).map(|point| point.load);
    Interval {
        low: lowest.checked_sub(1).and_then(load),
        high: load(highest),
        confidence,
    }
}

/// How many of the points, from the lowest, hold all objectives in one draw.
fn draw(points: &[&Point], required: &[f64], random: &mut ChaCha8Rng) -> usize {
    let mut held = points.len();
    for (objective, required) in required.iter().enumerate() {
        let shares = points.iter().map(|point| {
            let tally = point.judgement.findings.get(objective);
            let tally = tally.map(|finding| finding.tally).unwrap_or_default();
            let missed = (tally.requests as f64 - tally.kept).max(0.0);
            let share = Beta::new(tally.kept + 0.5, missed + 0.5);
            // Both parameters are positive.
            let share = share.map_or(0.5, |share| share.sample(random));
            (share, tally.requests as f64)
        });
        let falling = falling(shares.collect());
        let holds = falling.iter().take_while(|share| **share >= *required);
        held = held.min(holds.count());
    }
    held
}

/// The values closest to `values` (with their weights) of which none is greater than the one
/// before.
fn falling(values: Vec<(f64, f64)>) -> Vec<f64> {
    struct Block {
        mean: f64,
        weight: f64,
        count: usize,
    }
    let mut blocks: Vec<Block> = Vec::with_capacity(values.len());
    for (mean, weight) in values {
        let mut block = Block {
            mean,
            weight: weight.max(f64::MIN_POSITIVE),
            count: 1,
        };
        while let Some(before) = blocks.pop_if(|before| before.mean < block.mean) {
            let weight = before.weight + block.weight;
            block.mean = (before.mean * before.weight + block.mean * block.weight) / weight;
            block.weight = weight;
            block.count += before.count;
        }
        blocks.push(block);
    }
    let each = |block: &Block| std::iter::repeat_n(block.mean, block.count);
    blocks.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_rise_are_pooled() {
        let equal = |values: &[f64]| falling(values.iter().map(|v| (*v, 1.0)).collect());
        assert_eq!(equal(&[3.0, 2.0, 1.0]), [3.0, 2.0, 1.0]);
        assert_eq!(equal(&[3.0, 1.0, 2.0]), [3.0, 1.5, 1.5]);
        assert_eq!(equal(&[1.0, 2.0, 3.0]), [2.0, 2.0, 2.0]);
        assert_eq!(equal(&[4.0, 1.0, 2.0, 3.0]), [4.0, 2.0, 2.0, 2.0]);
        assert_eq!(falling(vec![(1.0, 3.0), (2.0, 1.0)]), [1.25, 1.25]);
        assert!(falling(Vec::new()).is_empty());
    }
}
