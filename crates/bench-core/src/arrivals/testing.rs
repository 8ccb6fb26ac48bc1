//! Whether samples come from a distribution.

/// The distribution function of the exponential distribution with mean 1.
pub(super) fn exponential(x: f64) -> f64 {
    1.0 - (-x).exp()
}

/// The distribution function of the uniform distribution on 0 to 1.
pub(super) fn uniform(x: f64) -> f64 {
    x.clamp(0.0, 1.0)
}

/// Kolmogorov-Smirnov at the 0.1 % level.
#[track_caller]
pub(super) fn ks(mut samples: Vec<f64>, distribution: fn(f64) -> f64) {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let distances = samples.iter().enumerate().map(|(i, sample)| {
        let expected = distribution(*sample);
        let below = (expected - i as f64 / n).abs();
        below.max(((i + 1) as f64 / n - expected).abs())
    });
    let distance = distances.fold(0.0, f64::max);
    assert!(distance < 1.95 / n.sqrt(), "{distance} of {n} samples");
}
