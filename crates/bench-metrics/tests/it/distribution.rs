use bench_metrics::{Distribution, parse_percentiles};
use proptest::prelude::*;

fn distribution(samples: &[f64], percentiles: &[f64]) -> Distribution {
    Distribution::of(&mut samples.to_vec(), percentiles)
}

/// `numpy.percentile` on `[15, 20, 35, 40, 50, 7.5, 1e-3]`, `numpy.std`, `numpy.mean`.
#[test]
fn numpy_agrees() {
    let samples = [15.0, 20.0, 35.0, 40.0, 50.0, 7.5, 1e-3];
    let percentiles = [0.0, 5.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0];
    let expected = [
        0.001,
        2.2507,
        11.25,
        20.0,
        44.0,
        49.39999999999999,
        49.940000000000005,
        50.0,
    ];
    let got = distribution(&samples, &percentiles);
    for (p, expected) in percentiles.into_iter().zip(expected) {
        assert_eq!(got.percentile(p), Some(expected), "p{p}");
    }
    assert_eq!(got.median, 20.0);
    assert!((got.mean - 23.928714285714285).abs() < 1e-12);
    assert!((got.std - 16.895335068036516).abs() < 1e-12);
    assert_eq!((got.min, got.max, got.count), (1e-3, 50.0, 7));
}

#[test]
fn without_samples_all_is_zero_and_nothing_is_known() {
    let empty = distribution(&[], &[50.0, 99.0]);
    assert_eq!((empty.count, empty.mean, empty.max), (0, 0.0, 0.0));
    assert_eq!(empty.percentiles.len(), 2);
    assert_eq!(empty.percentile(99.0), None);
}

#[test]
fn one_sample_is_every_percentile() {
    let one = distribution(&[4.2], &[0.0, 50.0, 99.9, 100.0]);
    assert!(
        one.percentiles
            .iter()
            .all(|percentile| percentile.value == 4.2)
    );
    assert_eq!((one.mean, one.std), (4.2, 0.0));
}

#[test]
fn failures_are_infinitely_slow() {
    let mut samples: Vec<f64> = (1..=90).map(f64::from).collect();
    let with = Distribution::with_failures(&mut samples, 10, &[50.0, 89.0, 90.0, 99.0]);
    // Rank (100 - 1) * 0.5 = 49.5 is equally near to 49 and 50; the even one is taken.
    assert_eq!(with.percentile_with_failures(50.0), Some(51.0));
    assert_eq!(with.percentile_with_failures(89.0), Some(89.0));
    assert_eq!(with.percentile_with_failures(90.0), Some(90.0));
    assert_eq!(with.percentile_with_failures(99.0), Some(f64::INFINITY));
    assert_eq!(with.max, 90.0);
    let all = Distribution::with_failures(&mut [], 3, &[50.0]);
    assert_eq!(all.percentile_with_failures(50.0), Some(f64::INFINITY));
    assert_eq!(all.percentile(50.0), None);
}

#[test]
fn infinity_survives_json() {
    let with = Distribution::with_failures(&mut [1.0, 2.0], 2, &[50.0, 99.9]);
    let text = serde_json::to_string(&with).expect("serializable");
    assert!(
        text.contains(r#""percentiles_with_failures":{"p50":"inf","p99.9":"inf"}"#),
        "{text}"
    );
    let back: Distribution = serde_json::from_str(&text).expect("readable");
    assert_eq!(back, with);
    let none = Distribution::of(&mut [1.0], &[50.0]);
    let text = serde_json::to_string(&none).expect("serializable");
    assert_eq!(
        serde_json::from_str::<Distribution>(&text).expect("readable"),
        none
    );
}

#[test]
fn percentiles_are_read_from_a_list() {
    assert_eq!(parse_percentiles("50, 99.9,50"), Ok(vec![50.0, 99.9]));
    for list in ["101", "-1", "p99", "nan"] {
        let error = parse_percentiles(list).expect_err(list).to_string();
        assert!(error.contains("is not a percentile"), "{error}");
    }
}

/// numpy's definition, on sorted samples.
fn oracle(sorted: &[f64], p: f64) -> f64 {
    let rank = (sorted.len() - 1) as f64 * p / 100.0;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

proptest! {
    #[test]
    fn selection_finds_what_sorting_finds(
        mut samples in prop::collection::vec(0.0..1e6_f64, 1..300),
        percentiles in prop::collection::vec(0.0..=100.0_f64, 0..6),
        failures in 0..50_u64,
    ) {
        let original = samples.clone();
        let got = Distribution::with_failures(&mut samples, failures, &percentiles);
        let mut sorted = original.clone();
        sorted.sort_by(f64::total_cmp);
        for &p in &percentiles {
            let expected = oracle(&sorted, p);
            let value = got.percentile(p).expect("computed");
            prop_assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0));
        }
        let mut adjusted = sorted.clone();
        adjusted.extend((0..failures).map(|_| f64::INFINITY));
        for &p in &percentiles {
            let rank = (adjusted.len() - 1) as f64 * (p / 100.0);
            let expected = adjusted[rank.round_ties_even() as usize];
            prop_assert_eq!(got.percentile_with_failures(p), Some(expected));
        }
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let variance = sorted.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        prop_assert!((got.mean - mean).abs() <= 1e-9 * mean.max(1.0));
        prop_assert!((got.std - variance.sqrt()).abs() <= 1e-6 * mean.max(1.0));
        prop_assert_eq!(got.min, sorted[0]);
        prop_assert_eq!(got.max, sorted[sorted.len() - 1]);
    }
}
