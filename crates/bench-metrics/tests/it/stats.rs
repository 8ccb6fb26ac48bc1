//! Intervals hold the true number as often as they say, and tests raise as few false alarms:
//! simulated, with fixed seeds.

use bench_metrics::stats::{
    Estimate, Resampling, autocorrelation_time, batch_means, batch_ratio, block_length, bootstrap,
    effective_sample_size, grouped_quantiles, quantile_interval, t_interval,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Above 0, up to 1.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// x(i) = phi x(i - 1) + noise, standard normal at every i.
    fn autoregressive(&mut self, n: usize, phi: f64) -> Vec<f64> {
        let mut x = self.normal();
        let mut next = || {
            x = phi * x + (1.0 - phi * phi).sqrt() * self.normal();
            x
        };
        (0..n).map(|_| next()).collect()
    }
}

/// The share of trials that hold.
fn share(trials: usize, seed: u64, mut holds: impl FnMut(&mut Noise) -> bool) -> f64 {
    let mut noise = Noise::new(seed);
    let held = (0..trials).filter(|_| holds(&mut noise)).count();
    held as f64 / trials as f64
}

#[track_caller]
fn assert_within(share: f64, low: f64, high: f64) {
    assert!(
        (low..=high).contains(&share),
        "{share} is not in {low}..{high}"
    );
}

#[test]
fn the_mean_of_few_runs_is_covered() {
    let covered = share(4000, 1, |noise| {
        let runs = noise.normals(5);
        t_interval(&runs, 0.95).expect("an interval").contains(0.0)
    });
    assert_within(covered, 0.94, 0.96);
}

/// Ranks are whole numbers, so the interval is a little too wide, never too narrow.
#[test]
fn percentiles_of_independent_samples_are_covered() {
    for (p, n) in [(50.0, 60), (90.0, 200), (99.0, 500)] {
        let truth = -(1.0 - p / 100.0_f64).ln();
        let covered = share(2000, 2, |noise| {
            let mut samples: Vec<f64> = (0..n).map(|_| -noise.uniform().ln()).collect();
            samples.sort_by(f64::total_cmp);
            let interval = quantile_interval(&samples, p, 0.95);
            interval.expect("an interval").contains(truth)
        });
        assert_within(covered, 0.94, 0.985);
    }
}

/// A row of the table in docs/src/statistics.md: a series with a correlation from one value to the
/// next, and how often an interval of 95 % holds the true number, in percent.
struct Case {
    /// The percentile that is estimated; `None` for the mean.
    percentile: Option<f64>,
    n: usize,
    phi: f64,
    stated: f64,
}

const CASES: [Case; 10] = [
    case(None, 600, 0.0, 94.3),
    case(None, 1000, 0.5, 94.1),
    case(None, 2000, 0.9, 95.0),
    case(Some(50.0), 300, 0.0, 95.4),
    case(Some(90.0), 300, 0.0, 93.2),
    case(Some(99.0), 600, 0.0, 96.3),
    case(Some(50.0), 600, 0.7, 93.5),
    case(Some(90.0), 600, 0.7, 91.4),
    case(Some(50.0), 600, 0.9, 91.6),
    case(Some(99.0), 1000, 0.5, 92.8),
];

const fn case(percentile: Option<f64>, n: usize, phi: f64, stated: f64) -> Case {
    Case {
        percentile,
        n,
        phi,
        stated,
    }
}

/// Standard normal values above which the share `1 - p / 100` lies.
fn normal_quantile(p: f64) -> f64 {
    match p {
        90.0 => 1.281_552,
        99.0 => 2.326_348,
        _ => 0.0,
    }
}

impl Case {
    /// Trials in which the interval held the true number. Means are those of x, percentiles
    /// those of exp(x / 2).
    fn held(&self, trials: usize, resamples: usize) -> usize {
        let mut seed = 0;
        let held = share(trials, 7, |noise| {
            seed += 1;
            let series = noise.autoregressive(self.n, self.phi);
            let (interval, truth) = match self.percentile {
                None => {
                    let found = batch_means(&series).expect("batches");
                    (found.estimate.interval(0.95), 0.0)
                }
                Some(p) => {
                    let series: Vec<f64> = series.into_iter().map(|x| (0.5 * x).exp()).collect();
                    let how = Resampling { resamples, seed };
                    let found = grouped_quantiles(series.chunks(1), &[p], &how);
                    let found = found.expect("percentiles")[0].ln_estimate();
                    let interval = found.and_then(|found| found.interval(0.95));
                    (interval, 0.5 * normal_quantile(p))
                }
            };
            interval.expect("an interval").contains(truth)
        });
        (held * trials as f64).round() as usize
    }
}

/// Fails if so few would hold by chance less often than once in a thousand seeds, were the share
/// as stated.
#[track_caller]
fn assert_as_stated(held: usize, trials: usize, stated: f64) {
    let share = stated / 100.0;
    let (mean, spread) = (
        share * trials as f64,
        (share * (1.0 - share) * trials as f64).sqrt(),
    );
    let least = mean - 3.3 * spread;
    assert!(held as f64 >= least, "{held} of {trials}, not {stated} %");
    assert!(held < trials, "intervals that never miss are too wide");
}

#[test]
fn means_are_covered_as_the_documentation_states() {
    for case in CASES.iter().filter(|case| case.percentile.is_none()) {
        assert_as_stated(case.held(600, 0), 600, case.stated);
    }
}

#[test]
fn percentiles_are_covered_as_the_documentation_states() {
    for case in CASES.iter().filter(|case| case.percentile.is_some()) {
        assert_as_stated(case.held(TRIALS, RESAMPLES), TRIALS, case.stated);
    }
}

/// The numbers of the documentation: `cargo nextest run -p bench-metrics --run-ignored only
/// --no-capture measured`.
#[test]
#[ignore = "takes minutes; it measures what the documentation states"]
#[allow(clippy::print_stderr)]
fn measured_coverage() {
    for case in &CASES {
        let held = case.held(1000, 200);
        let (p, n, phi) = (case.percentile, case.n, case.phi);
        eprintln!(
            "p{p:?} of {n}, correlation {phi}: {held} of 1000, {} % stated",
            case.stated
        );
        assert_as_stated(held, 1000, case.stated);
    }
}

/// Dependence costs a little of the coverage; taking the values as independent costs most of
/// it.
#[test]
fn dependent_values_taken_as_independent_are_not_covered() {
    let naive = share(400, 4, |noise| {
        let series = noise.autoregressive(2000, 0.9);
        t_interval(&series, 0.95)
            .expect("an interval")
            .contains(0.0)
    });
    assert_within(naive, 0.2, 0.6);
}

/// The truth is (1 + phi) / (1 - phi).
#[test]
fn dependence_shrinks_a_sample() {
    let mut noise = Noise::new(5);
    let time = autocorrelation_time(&noise.autoregressive(50_000, 0.8));
    assert_within(time, 8.0, 10.0);
    let series = noise.normals(50_000);
    assert_within(effective_sample_size(&series), 45_000.0, 50_000.0);
    assert_eq!(autocorrelation_time(&[3.0; 100]), 1.0);
    assert_eq!(autocorrelation_time(&[]), 1.0);
}

/// With G = 2 phi / (1 - phi)² and g(0) = (1 + phi) / (1 - phi) the best length for n = 1000 is
/// (3/2 n G² / g(0)²)^(1/3): 14 for phi = 0.5, 51 for phi = 0.9.
#[test]
fn blocks_grow_with_dependence() {
    let mut noise = Noise::new(6);
    let mut mean_length = |phi: f64| {
        let lengths = (0..50).map(|_| block_length(&noise.autoregressive(1000, phi)));
        lengths.sum::<usize>() as f64 / 50.0
    };
    let lengths = [0.0, 0.5, 0.9].map(&mut mean_length);
    assert_within(lengths[0], 1.0, 6.0);
    assert_within(lengths[1], 10.0, 25.0);
    assert_within(lengths[2], 30.0, 95.0);
}

/// Trials of what resamples, and resamples of each: few, so that tests stay quick.
const TRIALS: usize = 150;
const RESAMPLES: usize = 100;

/// Samples of a group have something in common; resampling them one by one would not see it.
#[test]
fn groups_are_resampled_whole() {
    let (mut seed, mut sizes) = (0, 0.0);
    let covered = share(TRIALS, 8, |noise| {
        seed += 1;
        let groups: Vec<Vec<f64>> = (0..150)
            .map(|_| {
                let common = noise.normal();
                (0..8)
                    .map(|_| (common + 0.3 * noise.normal()).exp())
                    .collect()
            })
            .collect();
        let how = Resampling {
            resamples: RESAMPLES,
            seed,
        };
        let groups = groups.iter().map(Vec::as_slice);
        let found = grouped_quantiles(groups, &[50.0], &how).expect("percentiles");
        sizes += found[0].effective_size;
        let spread = found[0].ln_estimate();
        let interval = spread.and_then(|spread| spread.interval(0.95));
        interval.expect("an interval").contains(0.0)
    });
    assert_as_stated((covered * TRIALS as f64).round() as usize, TRIALS, 93.3);
    // Of 1200 samples.
    assert_within(sizes / TRIALS as f64, 150.0, 300.0);
}

/// Tokens over seconds, where long requests bring many tokens.
#[test]
fn ratios_are_covered() {
    let covered = share(2000, 9, |noise| {
        let seconds: Vec<f64> = (0..400).map(|_| -noise.uniform().ln()).collect();
        let tokens = seconds.iter().map(|s| 50.0 * s * (0.5 + noise.uniform()));
        let tokens: Vec<f64> = tokens.collect();
        let found = batch_ratio(&tokens, &seconds).expect("batches");
        found
            .estimate
            .interval(0.95)
            .expect("an interval")
            .contains(50.0)
    });
    assert_within(covered, 0.93, 0.97);
}

#[test]
fn welch_raises_as_few_false_alarms_as_it_says() {
    let alarms = share(4000, 10, |noise| {
        let a = Estimate::of_runs(&noise.normals(4)).expect("runs");
        let b: Vec<f64> = noise.normals(6).iter().map(|x| 3.0 * x).collect();
        let b = Estimate::of_runs(&b).expect("runs");
        a.difference(&b).p_value() <= 0.05
    });
    assert_within(alarms, 0.03, 0.06);
}

#[test]
fn a_detectable_difference_is_detected_four_times_in_five() {
    let known = (2.0_f64 / 20.0).sqrt();
    let design = Estimate {
        value: 0.0,
        std_error: known,
        degrees: 38.0,
    };
    let shift = design.detectable(0.05, 0.8).expect("a difference");
    let detected = share(3000, 11, |noise| {
        let a = Estimate::of_runs(&noise.normals(20)).expect("runs");
        let b: Vec<f64> = noise.normals(20).iter().map(|x| x + shift).collect();
        let b = Estimate::of_runs(&b).expect("runs");
        a.difference(&b).p_value() <= 0.05
    });
    assert_within(detected, 0.77, 0.83);
}

/// A difference as large as the margin is called equivalent once in twenty times.
#[test]
fn equivalence_is_claimed_wrongly_as_rarely_as_it_says() {
    let claimed = share(3000, 12, |noise| {
        let a = Estimate::of_runs(&noise.normals(30)).expect("runs");
        let b: Vec<f64> = noise.normals(30).iter().map(|x| x + 1.0).collect();
        let b = Estimate::of_runs(&b).expect("runs");
        a.difference(&b).equivalence_p(-1.0, 1.0) <= 0.05
    });
    assert_within(claimed, 0.035, 0.065);
}

/// Any statistic can be compared: here the spread of two series.
#[test]
fn a_resampled_difference_covers_the_true_one() {
    let mut seed = 0;
    let covered = share(TRIALS, 13, |noise| {
        let mut deviation = |scale: f64| {
            seed += 1;
            let series: Vec<f64> = noise.normals(200).iter().map(|x| x * scale).collect();
            let how = Resampling {
                resamples: RESAMPLES,
                seed,
            };
            bootstrap(series.len(), 1, &how, |weights| {
                let sum: f64 = series
                    .iter()
                    .zip(weights)
                    .map(|(x, &w)| x * x * f64::from(w))
                    .sum();
                (sum / 200.0).sqrt()
            })
        };
        let (a, b) = (deviation(1.0), deviation(1.5));
        let interval = a.difference(&b).interval(0.95).expect("an interval");
        interval.contains(0.5)
    });
    assert_within(covered, 0.87, 0.995);
}
