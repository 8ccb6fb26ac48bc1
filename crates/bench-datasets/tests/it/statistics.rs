//! Whether samples are of the distributions that the documentation says.

use std::collections::BTreeMap;

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// How likely counts as far from the expected ones are by chance: Pearson's chi-square test.
pub(crate) fn chi_square(counts: &[f64], expected: &[f64]) -> f64 {
    let pairs = counts.iter().zip(expected);
    let statistic: f64 = pairs.map(|(n, e)| (n - e).powi(2) / e).sum();
    let freedom = counts.len() as f64 - 1.0;
    1.0 - ChiSquared::new(freedom).unwrap().cdf(statistic)
}

/// How likely a sample as far from uniform on `low..=high` is by chance: the test of Kolmogorov
/// and Smirnov, with its limiting distribution. For whole numbers the true probability is greater.
pub(crate) fn kolmogorov_smirnov(sample: &[u32], low: u32, high: u32) -> f64 {
    let mut counts = BTreeMap::<u32, u32>::new();
    for value in sample {
        assert!((low..=high).contains(value), "{value}");
        *counts.entry(*value).or_default() += 1;
    }
    let n = sample.len() as f64;
    let (mut below, mut distance) = (0_u32, 0.0_f64);
    for value in low..=high {
        below += counts.get(&value).copied().unwrap_or(0);
        let expected = f64::from(value - low + 1) / f64::from(high - low + 1);
        distance = distance.max((f64::from(below) / n - expected).abs());
    }
    let x = distance * n.sqrt();
    // So near that the series does not converge any more: as good as certain.
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[test]
fn the_test_tells_uniform_from_uneven() {
    let even: Vec<u32> = (0..1_000).map(|i| i % 50).collect();
    assert!(kolmogorov_smirnov(&even, 0, 49) > 0.9);
    let uneven: Vec<u32> = (0..1_000).map(|i| (i % 50) * (i % 50) / 50).collect();
    assert!(kolmogorov_smirnov(&uneven, 0, 49) < 1e-6);
    assert!(chi_square(&[10.0, 90.0], &[50.0, 50.0]) < 1e-6);
    assert!(chi_square(&[52.0, 48.0], &[50.0, 50.0]) > 0.5);
}
