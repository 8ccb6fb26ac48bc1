//! Percentiles of all samples of several runs together, in bounded memory.
//!
//! Samples are kept up to a limit. Beyond it they are counted by the leading 16 bits of a key
//! that orders them, which tells in which bucket the sample of a rank lies; another pass over the
//! files then collects that bucket alone, or counts it by the next 16 bits should it be too large
//! itself. The samples found are exact, after four more passes at the latest.

use std::collections::HashMap;

use bench_metrics::{Distribution, Place};

/// Samples of a metric that are kept in memory.
pub(super) const LIMIT: usize = 16_000_000;

/// Bits that one pass tells of a key.
const STEP: u32 = 16;

/// What is known of the samples of a metric in all runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merged {
    /// Population standard deviation.
    pub(super) std: f64,
    /// The percentiles asked for, in their order.
    pub(super) percentiles: Vec<f64>,
}

/// Hands out all samples with the number of their metric, each time the same.
pub(super) type Replay<'a> = dyn FnMut(&mut dyn FnMut(usize, f64)) + 'a;

/// Merges the samples of `metrics` metrics; a metric without samples has nothing.
pub(super) fn merge(
    metrics: usize,
    percentiles: &[f64],
    limit: usize,
    replay: &mut Replay<'_>,
) -> Vec<Option<Merged>> {
    let mut pools: Vec<Pool> = (0..metrics).map(|_| Pool::default()).collect();
    replay(&mut |metric, sample| pools[metric].add(sample, limit));
    for pool in &mut pools {
        pool.begin_search(percentiles, limit);
    }
    while pools.iter().any(|pool| !pool.parts.is_empty()) {
        replay(&mut |metric, sample| pools[metric].look_at(sample));
        for pool in &mut pools {
            pool.narrow(limit);
        }
    }
    pools
        .into_iter()
        .map(|pool| pool.merged(percentiles))
        .collect()
}

/// The samples of one metric.
#[derive(Default)]
struct Pool {
    kept: Vec<f64>,
    /// By the leading bits of the keys, once there are too many samples to keep.
    counts: Option<Vec<u64>>,
    count: u64,
    /// Running mean and sum of squared differences from it (Welford 1962).
    mean: f64,
    squares: f64,
    /// Where ranks are still searched for.
    parts: Vec<Part>,
    /// The samples at ranks that were found.
    found: HashMap<u64, f64>,
}

/// Keys with the same leading bits, one of which has a rank that is searched for.
struct Part {
    /// The leading bits.
    prefix: u64,
    /// How many bits follow them.
    shift: u32,
    /// How many samples have lower keys.
    below: u64,
    ranks: Vec<u64>,
    within: Within,
}

enum Within {
    Keys(Vec<u64>),
    Counts(Vec<u64>),
}

impl Pool {
    fn add(&mut self, sample: f64, limit: usize) {
        self.count += 1;
        let off = sample - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (sample - self.mean);
        if let Some(counts) = &mut self.counts {
            counts[leading(key(sample))] += 1;
            return;
        }
        self.kept.push(sample);
        if self.kept.len() > limit {
            let mut counts = vec![0; 1 << STEP];
            for sample in self.kept.drain(..) {
                counts[leading(key(sample))] += 1;
            }
            self.kept = Vec::new();
            self.counts = Some(counts);
        }
    }

    fn begin_search(&mut self, percentiles: &[f64], limit: usize) {
        let Some(counts) = self.counts.take() else {
            return;
        };
        let places = percentiles
            .iter()
            .map(|p| Place::of(*p, self.count as usize));
        let mut ranks: Vec<u64> = places
            .flat_map(|place| [place.low as u64, place.high as u64])
            .collect();
        ranks.sort_unstable();
        ranks.dedup();
        self.parts = vec![Part {
            prefix: 0,
            shift: u64::BITS,
            below: 0,
            ranks,
            within: Within::Counts(counts),
        }];
        self.narrow(limit);
    }

    fn look_at(&mut self, sample: f64) {
        let key = key(sample);
        for part in &mut self.parts {
            if key.checked_shr(part.shift).unwrap_or_default() == part.prefix {
                match &mut part.within {
                    Within::Keys(keys) => keys.push(key),
                    Within::Counts(counts) => {
                        let next = key >> (part.shift - STEP);
                        counts[next as usize & ((1 << STEP) - 1)] += 1;
                    }
                }
            }
        }
    }

    /// Takes what the last pass told: ranks that were found, and smaller parts for the others.
    fn narrow(&mut self, limit: usize) {
        for part in std::mem::take(&mut self.parts) {
            match part.within {
                Within::Keys(mut keys) => {
                    keys.sort_unstable();
                    for rank in part.ranks {
                        if let Some(key) = keys.get((rank - part.below) as usize) {
                            self.found.insert(rank, sample(*key));
                        }
                    }
                }
                Within::Counts(ref counts) => {
                    let parts = split(&part, counts, limit);
                    let (whole, rest): (Vec<Part>, Vec<Part>) =
                        parts.into_iter().partition(|part| part.shift == 0);
                    for part in whole {
                        let value = sample(part.prefix);
                        self.found
                            .extend(part.ranks.iter().map(|rank| (*rank, value)));
                    }
                    self.parts.extend(rest);
                }
            }
        }
    }

    fn merged(mut self, percentiles: &[f64]) -> Option<Merged> {
        if self.count == 0 {
            return None;
        }
        if !self.kept.is_empty() {
            let distribution = Distribution::of(&mut self.kept, percentiles);
            return Some(Merged {
                std: distribution.std,
                percentiles: distribution.percentiles.iter().map(|p| p.value).collect(),
            });
        }
        let value = |p: &f64| {
            let place = Place::of(*p, self.count as usize);
            let low = self.found.get(&(place.low as u64))?;
            let high = self.found.get(&(place.high as u64))?;
            Some(place.interpolate(*low, *high))
        };
        Some(Merged {
            std: (self.squares / self.count as f64).sqrt(),
            percentiles: percentiles.iter().map(value).collect::<Option<_>>()?,
        })
    }
}

/// The parts of a part that ranks lie in.
fn split(part: &Part, counts: &[u64], limit: usize) -> Vec<Part> {
    let shift = part.shift - STEP;
    let leading = part.prefix.checked_shl(STEP).unwrap_or_default();
    let room = limit / part.ranks.len().max(1);
    let mut ranks = part.ranks.iter().copied().peekable();
    let mut parts = Vec::new();
    let mut below = part.below;
    for (bits, count) in (0..).zip(counts) {
        let mut within = Vec::new();
        while let Some(rank) = ranks.next_if(|rank| *rank < below + count) {
            within.push(rank);
        }
        if !within.is_empty() {
            let few = *count <= room as u64;
            parts.push(Part {
                prefix: leading | bits,
                shift,
                below,
                ranks: within,
                within: if few {
                    Within::Keys(Vec::new())
                } else {
                    Within::Counts(vec![0; 1 << STEP])
                },
            });
        }
        below += count;
    }
    parts
}

/// A number in the order of the samples: the bits of a float, with those of negative ones
/// turned round.
fn key(sample: f64) -> u64 {
    let bits = sample.to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

fn sample(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}

fn leading(key: u64) -> usize {
    (key >> (u64::BITS - STEP)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERCENTILES: [f64; 5] = [0.0, 50.0, 90.0, 99.9, 100.0];

    /// Numbers that look random (Knuth's generator).
    fn numbers(count: usize) -> Vec<f64> {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / 1e4 - 200.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn merged(samples: &[f64], limit: usize) -> (Merged, usize) {
        let mut passes = 0;
        let mut merged = merge(1, &PERCENTILES, limit, &mut |each| {
            passes += 1;
            samples.iter().for_each(|sample| each(0, *sample));
        });
        let merged = merged.pop().flatten().unwrap();
        (merged, passes)
    }

    fn expected(samples: &[f64]) -> Merged {
        let distribution = Distribution::of(&mut samples.to_vec(), &PERCENTILES);
        Merged {
            std: distribution.std,
            percentiles: distribution.percentiles.iter().map(|p| p.value).collect(),
        }
    }

    #[test]
    fn the_same_comes_of_any_limit() {
        let samples = numbers(10_000);
        let expected = expected(&samples);
        for limit in [1, 50, 400, 9_999, 10_000] {
            let (merged, passes) = merged(&samples, limit);
            assert_eq!(merged.percentiles, expected.percentiles, "{limit}");
            assert!((merged.std - expected.std).abs() < 1e-9, "{limit}");
            assert!(passes <= 4, "{passes}");
            assert_eq!(passes == 1, limit == 10_000, "{limit}");
        }
    }

    #[test]
    fn equal_samples_and_negative_zeros_are_found() {
        for samples in [
            vec![3.25; 1000],
            vec![-0.0; 100],
            vec![9e300, 1.0, 2.0, -1.0],
        ] {
            let (merged, _) = merged(&samples, 1);
            assert_eq!(
                merged.percentiles[0],
                samples.iter().copied().fold(f64::MAX, f64::min)
            );
            assert_eq!(
                merged.percentiles[4],
                samples.iter().copied().fold(f64::MIN, f64::max)
            );
        }
    }

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let ordered = [
            f64::NEG_INFINITY,
            -2.5,
            -0.0,
            0.0,
            1e-300,
            2.5,
            f64::INFINITY,
        ];
        for pair in ordered.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        for number in ordered {
            assert_eq!(sample(key(number)).to_bits(), number.to_bits());
        }
    }

    #[test]
    fn without_samples_there_is_nothing() {
        let merged = merge(2, &PERCENTILES, 10, &mut |each| {
            each(1, 5.0);
        });
        assert_eq!(merged[0], None);
        assert_eq!(merged[1].as_ref().unwrap().percentiles, [5.0; 5]);
    }
}
