/// The p-values of many tests, raised so that comparing each with a level keeps the chance of any
/// false alarm at that level (Holm, *Scandinavian Journal of Statistics* 1979).
///
/// The smallest of m is taken m times, the next m - 1 times, and none is below one before it.
///
/// ```
/// let adjusted = bench_metrics::stats::holm(&[0.01, 0.04, 0.03]);
/// assert_eq!(adjusted, [0.03, 0.06, 0.06]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, index) in by_size(p_values).into_iter().enumerate() {
        least = least
            .max((p_values.len() - rank) as f64 * p_values[index])
            .min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

/// The level at which Holm's procedure judges each test: `alpha / m` for the smallest p-value,
/// `alpha / (m - 1)` for the next, and from the first that is above its level that level for all.
///
/// An interval of confidence `1 - level` leaves 0 out exactly where [`holm`] rejects at `alpha`.
pub fn holm_levels(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let mut levels = vec![alpha; p_values.len()];
    let mut rejected = 0;
    let mut stopped = false;
    for index in by_size(p_values) {
        let level = alpha / (p_values.len() - rejected) as f64;
        stopped = stopped || p_values[index] > level;
        levels[index] = level;
        rejected += usize::from(!stopped);
    }
    levels
}

fn by_size(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm").
    #[test]
    fn holm_is_that_of_r() {
        let adjusted = holm(&[0.01, 0.02, 0.03, 0.04, 0.05]);
        for (ours, expected) in adjusted.iter().zip([0.05, 0.08, 0.09, 0.09, 0.09]) {
            assert!((ours - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert!(holm(&[]).is_empty());
        assert!(holm_levels(&[], 0.05).is_empty());
    }

    proptest! {
        #[test]
        fn a_p_value_below_its_level_is_one_that_holm_rejects(
            p_values in proptest::collection::vec(0.0..0.1_f64, 1..20),
        ) {
            let adjusted = holm(&p_values);
            let levels = holm_levels(&p_values, 0.05);
            for ((p, adjusted), level) in p_values.iter().zip(adjusted).zip(levels) {
                // Where rounding could decide, either is right.
                if (adjusted - 0.05).abs() > 1e-9 {
                    prop_assert_eq!(adjusted <= 0.05, *p <= level);
                }
            }
        }
    }
}
