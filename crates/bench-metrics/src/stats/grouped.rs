use super::bootstrap::resample;
use super::series::Dependence;
use super::{Estimate, Replicates, Resampling};

/// A percentile of samples that come in groups: the gaps of each request, or one TTFT of each.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupedQuantile {
    /// Which percentile, 0 to 100.
    pub p: f64,
    /// The percentile of the samples and of resamples in blocks of whole groups.
    pub replicates: Replicates,
    /// How many independent samples would say as much about the share of samples below it, at
    /// most as many as there are: `p (1 - p) / var(share)`, with the variance that the dependence of the groups makes.
    pub effective_size: f64,
}

impl GroupedQuantile {
    /// The percentile with the standard deviation of the resamples as its error. `None` as for
    /// [`Replicates::spread`].
    pub fn estimate(&self) -> Option<Estimate> {
        Some(self.limited(self.replicates.spread()?))
    }

    /// The same of its natural logarithm. `None` unless all resamples are above 0, too.
    pub fn ln_estimate(&self) -> Option<Estimate> {
        Some(self.limited(self.replicates.ln()?.spread()?))
    }

    /// What is known of the error is learned from the samples beyond the percentile: it has no
    /// more degrees of freedom than there are, in independent ones.
    fn limited(&self, estimate: Estimate) -> Estimate {
        let share = (self.p / 100.0).min(1.0 - self.p / 100.0);
        let beyond = (self.effective_size * share).max(1.0);
        Estimate {
            degrees: estimate.degrees.min(beyond),
            ..estimate
        }
    }
}

/// Percentiles, numpy's default ones, of samples that come in groups in the order of time.
///
/// Groups are resampled whole, in circular blocks whose length suits the most dependent of the
/// percentiles, so neither the samples within a group nor neighbouring groups are taken as
/// independent. `None` for fewer than 20 groups, and for samples that are not finite.
pub fn grouped_quantiles<'a>(
    groups: impl Iterator<Item = &'a [f64]>,
    percentiles: &[f64],
    how: &Resampling,
) -> Option<Vec<GroupedQuantile>> {
    let samples = Samples::of(groups).filter(|samples| samples.sizes.len() >= FEWEST)?;
    let whole: Vec<u32> = vec![1; samples.sizes.len()];
    let mut cursors: Vec<Cursor> = percentiles.iter().map(|&p| Cursor::first(p)).collect();
    let mut found = Vec::with_capacity(percentiles.len());
    let mut block = 1;
    for (&p, cursor) in percentiles.iter().zip(&mut cursors) {
        let estimate = cursor.value(&samples, &whole);
        let shares = Shares::of(&samples, estimate, cursor.share);
        block = block.max(shares.block);
        *cursor = Cursor::before(&samples, cursor.share, shares.std_error);
        found.push(GroupedQuantile {
            p,
            replicates: Replicates {
                estimate,
                values: Vec::with_capacity(how.resamples),
                blocks: 0.0,
            },
            effective_size: shares.effective_size.min(samples.values.len() as f64),
        });
    }
    let blocks = resample(whole.len(), block, how, |weights| {
        for (cursor, quantile) in cursors.iter().zip(&mut found) {
            let value = cursor.value(&samples, weights);
            quantile.replicates.values.push(value);
        }
    });
    for quantile in &mut found {
        quantile.replicates.blocks = blocks;
    }
    Some(found)
}

/// All samples in ascending order, each with its group.
struct Samples {
    values: Vec<f64>,
    groups: Vec<u32>,
    /// Number of samples of each group.
    sizes: Vec<u32>,
}

impl Samples {
    fn of<'a>(groups: impl Iterator<Item = &'a [f64]>) -> Option<Samples> {
        let mut pairs = Vec::new();
        let mut sizes = Vec::new();
        for (group, samples) in (0u32..).zip(groups) {
            sizes.push(u32::try_from(samples.len()).ok()?);
            pairs.extend(samples.iter().map(|&value| (value, group)));
        }
        if pairs.is_empty() || pairs.iter().any(|(value, _)| !value.is_finite()) {
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (values, groups) = pairs.into_iter().unzip();
        Some(Samples {
            values,
            groups,
            sizes,
        })
    }
}

/// Fewest groups whose dependence can be judged.
const FEWEST: usize = 20;
/// What is best for the error of a variance is short for covering the true number: longer blocks
/// have less bias, and their number is accounted for.
const LENGTHEN: usize = 2;

/// How the share of samples up to a value varies over time.
struct Shares {
    block: usize,
    std_error: f64,
    effective_size: f64,
}

impl Shares {
    fn of(samples: &Samples, value: f64, share: f64) -> Shares {
        let mut below = vec![0.0; samples.sizes.len()];
        let until = samples.values.partition_point(|&sample| sample <= value);
        for &group in &samples.groups[..until] {
            below[group as usize] += 1.0;
        }
        let sizes: Vec<f64> = samples.sizes.iter().map(|&size| f64::from(size)).collect();
        let ratio = until as f64 / samples.values.len() as f64;
        let residuals: Vec<f64> = below
            .iter()
            .zip(&sizes)
            .map(|(x, y)| x - ratio * y)
            .collect();
        let dependence = Dependence::of(&residuals);
        let spread = (sizes.len() as f64 * dependence.long_run_variance).sqrt();
        let std_error = spread / samples.values.len() as f64;
        Shares {
            block: LENGTHEN * dependence.block,
            std_error,
            effective_size: share * (1.0 - share) / (std_error * std_error),
        }
    }
}

/// Finds one percentile of resamples. The samples that lie far below it are counted once, by
/// group, so that a resample walks over few of them.
struct Cursor {
    share: f64,
    /// Where the walk begins.
    start: usize,
    /// Samples of each group before the start; empty if there are none.
    before: Vec<u32>,
}

/// Standard errors before the percentile where the walk begins.
const REACH: f64 = 8.0;

impl Cursor {
    fn first(p: f64) -> Cursor {
        Cursor {
            share: p / 100.0,
            start: 0,
            before: Vec::new(),
        }
    }

    fn before(samples: &Samples, share: f64, std_error: f64) -> Cursor {
        let from = (share - REACH * std_error).max(0.0);
        let start = (from * samples.values.len() as f64) as usize;
        let mut before = vec![0; samples.sizes.len()];
        for &group in &samples.groups[..start] {
            before[group as usize] += 1;
        }
        Cursor {
            share,
            start,
            before,
        }
    }

    /// The percentile of samples whose groups have weights.
    fn value(&self, samples: &Samples, weights: &[u32]) -> f64 {
        let count = |counts: &[u32]| -> u64 {
            let products = counts.iter().zip(weights);
            products.map(|(&n, &w)| u64::from(n) * u64::from(w)).sum()
        };
        let total = count(&samples.sizes);
        if total == 0 {
            return f64::NAN;
        }
        let rank = (total - 1) as f64 * self.share;
        let (low, fraction) = (rank.floor() as u64, rank.fract());
        let passed = count(&self.before);
        // A resample that strays below the start is walked from the very first sample.
        let (start, mut passed) = if passed > low {
            (0, 0)
        } else {
            (self.start, passed)
        };
        let mut lower = None;
        for (&value, &group) in samples.values[start..].iter().zip(&samples.groups[start..]) {
            passed += u64::from(weights[group as usize]);
            if passed <= low {
                continue;
            }
            let lower = *lower.get_or_insert(value);
            if fraction == 0.0 || passed > low + 1 {
                return lower + (value - lower) * fraction;
            }
        }
        lower.unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Distribution;
    use proptest::prelude::*;

    proptest! {
        /// A weighted percentile is the percentile of the samples written out that often.
        #[test]
        fn weights_stand_for_copies(
            groups in proptest::collection::vec(
                (proptest::collection::vec(0..40u32, 0..6), 0..4u32), 1..20),
            p in 0.0..100.0_f64,
            reach in 0.0..0.3_f64,
        ) {
            let values: Vec<Vec<f64>> = groups
                .iter()
                .map(|(group, _)| group.iter().map(|&v| f64::from(v)).collect())
                .collect();
            let weights: Vec<u32> = groups.iter().map(|&(_, weight)| weight).collect();
            let copies = values.iter().zip(&weights);
            let mut copies: Vec<f64> = copies
                .flat_map(|(group, &w)| group.repeat(w as usize))
                .collect();
            prop_assume!(!copies.is_empty());
            let expected = Distribution::of(&mut copies, &[p]).percentiles[0].value;
            let samples = Samples::of(values.iter().map(Vec::as_slice)).expect("samples");
            for cursor in [Cursor::first(p), Cursor::before(&samples, p / 100.0, reach / REACH)] {
                let ours = cursor.value(&samples, &weights);
                prop_assert!((ours - expected).abs() < 1e-9, "{} for {}", ours, expected);
            }
        }
    }

    #[test]
    fn samples_that_never_differ_have_no_spread() {
        let one = [4.0];
        let groups = std::iter::repeat_n(&one[..], 400);
        let found = grouped_quantiles(groups, &[99.0], &Resampling::default());
        let found = found.expect("percentiles");
        let spread = found[0].estimate().expect("an estimate");
        assert_eq!((spread.value, spread.std_error), (4.0, 0.0));
        assert_eq!(found[0].effective_size, 400.0);
    }

    #[test]
    fn few_groups_and_infinite_samples_have_no_answer() {
        let how = Resampling::default();
        let one = [4.0];
        let few = std::iter::repeat_n(&one[..], 19);
        assert_eq!(grouped_quantiles(few, &[50.0], &how), None);
        let odd = [f64::INFINITY];
        let odd = std::iter::repeat_n(&odd[..], 30);
        assert_eq!(grouped_quantiles(odd, &[50.0], &how), None);
    }
}
