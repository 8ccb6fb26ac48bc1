/// Values in a batch.
const BATCH: usize = 5;
/// Fewest batches that tell anything.
const FEWEST: usize = 10;
/// A standard error that is a smaller share of the mean is as good as none: which of several
/// such is the smallest says nothing.
const NEGLIGIBLE: f64 = 0.005;

/// How many values to leave out at the beginning of a series, so that what is left has no
/// transient: by the rule MSER-5.
///
/// Of the means of batches of five, as many are left out as make the standard error of the mean
/// of the rest smallest: `d` that minimizes `Σ (y - mean)² / (n - d)²` over the batches after
/// the first `d` (White, *An Effective Truncation Heuristic for Bias Reduction in Simulation
/// Output*, Simulation 1997; White, Cobb and Spratt, *A Comparison of Five Steady-State
/// Truncation Heuristics*, 2000, for batches of five), up to half of them. Standard errors below
/// half a percent of the mean of the later half are taken for equal, and of equals the fewest are
/// left out. `None` if it is half of them, which says that there is no steady part, or if there
/// are fewer than 50 values.
///
/// ```
/// use bench_metrics::mser5;
///
/// let settled: Vec<f64> = (0..100).map(|i| if i < 10 { 50.0 } else { f64::from(i % 3) }).collect();
/// assert_eq!(mser5(&settled), Some(10));
/// let growing: Vec<f64> = (0..100).map(f64::from).collect();
/// assert_eq!(mser5(&growing), None);
/// ```
pub fn mser5(series: &[f64]) -> Option<usize> {
    let batches = series.chunks_exact(BATCH);
    let means: Vec<f64> = batches
        .map(|batch| batch.iter().sum::<f64>() / BATCH as f64)
        .collect();
    if means.len() < FEWEST {
        return None;
    }
    // From the end, with running means and sums of squares (Welford 1962).
    let (mut mean, mut squares) = (0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    let most = means.len() / 2;
    let later = &means[most..];
    let negligible = NEGLIGIBLE * later.iter().sum::<f64>() / later.len() as f64;
    for (kept, (left_out, value)) in (1_usize..).zip(means.iter().enumerate().rev()) {
        let off = value - mean;
        mean += off / kept as f64;
        squares += off * (value - mean);
        let error = (squares / (kept * kept) as f64).max(negligible * negligible);
        // Of the last few, some can be alike by chance.
        if left_out <= most && error <= best.0 {
            best = (error, left_out);
        }
    }
    let (_, left_out) = best;
    (left_out < most).then_some(left_out * BATCH)
}
