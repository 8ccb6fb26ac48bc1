use super::interval::mean_and_variance;
use super::{Estimate, autocorrelation_time};

/// A mean over the requests of one run, with an error from the means of consecutive batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchMeans {
    /// The mean, or ratio, of the whole run.
    pub estimate: Estimate,
    /// Number of batches; their means are taken as independent.
    pub batches: usize,
    /// How many independent requests would say as much, at most as many as there are.
    pub effective_size: f64,
}

/// Fewest requests whose dependence can be judged.
const FEWEST: usize = 20;
/// More batches add little to the interval (Schmeiser, *Batch Size Effects in the Analysis of
/// Simulation Output*, Operations Research 1982, recommends 10 to 30).
const MOST_BATCHES: usize = 30;
const FEWEST_BATCHES: usize = 5;
/// Autocorrelation times that a batch is long, if there is room.
const TIMES: f64 = 10.0;

/// The mean of a series in the order of time, whose values may depend on those before.
///
/// The series is cut into batches of ten autocorrelation times or more, 5 to 30 of them; the
/// variance of the batch means gives the standard error, with one degree of freedom less than
/// there are batches. `None` for fewer than 20 values.
pub fn batch_means(series: &[f64]) -> Option<BatchMeans> {
    batch_ratio(series, &vec![1.0; series.len()])
}

/// The ratio of two sums over a series in the order of time, such as tokens over seconds, or
/// all gaps over their number.
///
/// With `R` the ratio, the residuals `x - R y` of the batches stand for their means:
/// `var(R) = m / (m - 1) · Σ (x - R y)² / (Σ y)²` (Cochran, *Sampling Techniques*, section 6.3).
/// `None` for fewer than 20 pairs, or if the denominators add up to nothing.
pub fn batch_ratio(numerators: &[f64], denominators: &[f64]) -> Option<BatchMeans> {
    let n = numerators.len();
    let total: f64 = denominators.iter().sum();
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    let usable = finite(numerators) && finite(denominators) && total > 0.0;
    if n < FEWEST || denominators.len() != n || !usable {
        return None;
    }
    let ratio = numerators.iter().sum::<f64>() / total;
    let pairs = numerators.iter().zip(denominators);
    let residuals: Vec<f64> = pairs.map(|(x, y)| x - ratio * y).collect();
    let time = autocorrelation_time(&residuals);
    let room = (n as f64 / (TIMES * time)) as usize;
    let batches = room.clamp(FEWEST_BATCHES, MOST_BATCHES.min(n / 2));
    let sums = sums(&residuals, batches);
    let (_, variance) = mean_and_variance(&sums);
    Some(BatchMeans {
        estimate: Estimate {
            value: ratio,
            std_error: (variance * batches as f64).sqrt() / total,
            degrees: (batches - 1) as f64,
        },
        batches,
        effective_size: n as f64 / time,
    })
}

/// Sums over consecutive batches whose sizes differ by one at most.
fn sums(series: &[f64], batches: usize) -> Vec<f64> {
    let border = |batch: usize| batch * series.len() / batches;
    let batch = |i: usize| series[border(i)..border(i + 1)].iter().sum();
    (0..batches).map(batch).collect()
}
