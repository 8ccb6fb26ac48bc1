/// How many consecutive values of a series hold as much as one independent value:
/// `τ = 1 + 2 Σ ρ(k)`, at least 1.
///
/// The sum ends where pairs `ρ(2k) + ρ(2k + 1)` cease to be positive: Geyer's initial positive
/// sequence (*Practical Markov Chain Monte Carlo*, Statistical Science 1992). It also ends where
/// it exceeds a fiftieth of the series (but not below 50): what drifts for so long has no time of
/// its own, and the exact number would only take the longer to find. The answer is then a lower
/// bound.
pub fn autocorrelation_time(series: &[f64]) -> f64 {
    let centred = centred(series);
    let variance = autocovariance(&centred, 0);
    if variance <= 0.0 {
        return 1.0;
    }
    let pair = |k: usize| autocovariance(&centred, 2 * k) + autocovariance(&centred, 2 * k + 1);
    let pairs = (0..centred.len() / 4).map(pair);
    let most = (series.len() as f64 / SHARE_OF_SERIES).max(LEAST_BOUND);
    let mut time = -1.0;
    for pair in pairs.take_while(|&pair| pair > 0.0) {
        time += 2.0 * pair / variance;
        if time > most {
            break;
        }
    }
    time.max(1.0)
}

/// An autocorrelation time longer than this part of a series leaves room for five batches at most.
const SHARE_OF_SERIES: f64 = 50.0;
const LEAST_BOUND: f64 = 50.0;

/// How many independent values would say as much about the mean as this series does: `n / τ`.
pub fn effective_sample_size(series: &[f64]) -> f64 {
    series.len() as f64 / autocorrelation_time(series)
}

/// The length of blocks for resampling a series in circular blocks: what makes the error of the
/// variance of the mean smallest, by Politis and White (*Automatic Block-Length Selection for the
/// Dependent Bootstrap*, Econometric Reviews 2004) with the correction by Patton, Politis and
/// White (2009), `(2 G² / D)^(1/3) n^(1/3)` with `D = 4/3 g(0)²`; at most `3 sqrt(n)` and `n / 3`.
pub fn block_length(series: &[f64]) -> usize {
    Dependence::of(series).block
}

/// How the values of a series depend on one another.
pub(super) struct Dependence {
    /// The best length of blocks.
    pub(super) block: usize,
    /// Variance of the mean times n: `g(0)`, the autocovariances of all lags under a flat-top
    /// window (Politis and Romano 1995).
    pub(super) long_run_variance: f64,
}

impl Dependence {
    pub(super) fn of(series: &[f64]) -> Dependence {
        let n = series.len();
        let centred = centred(series);
        let variance = autocovariance(&centred, 0);
        if variance <= 0.0 || n < 9 {
            return Dependence {
                block: 1,
                long_run_variance: variance,
            };
        }
        let lags = 2 * last_correlated(&centred, variance);
        let (mut g, mut spectrum) = (0.0, variance);
        for k in 1..=lags.min(n - 1) {
            let window = (2.0 * (1.0 - k as f64 / lags as f64)).min(1.0);
            let part = 2.0 * window * autocovariance(&centred, k);
            g += k as f64 * part;
            spectrum += part;
        }
        let n = n as f64;
        let best = (2.0 * g * g / (4.0 / 3.0 * spectrum * spectrum) * n).cbrt();
        let most = (3.0 * n.sqrt()).min(n / 3.0).ceil();
        Dependence {
            block: best.ceil().clamp(1.0, most) as usize,
            // The window can turn it negative, which no variance is.
            long_run_variance: if spectrum > 0.0 { spectrum } else { variance },
        }
    }
}

/// The last lag before a stretch of lags whose correlation is no more than chance:
/// `|ρ| < 2 sqrt(log10(n) / n)` for `max(5, sqrt(log10 n))` lags in a row. At least 1.
fn last_correlated(centred: &[f64], variance: f64) -> usize {
    let n = centred.len() as f64;
    let stretch = n.log10().sqrt().ceil().max(5.0) as usize;
    let chance = 2.0 * (n.log10() / n).sqrt();
    let most = (n.sqrt().ceil() as usize + stretch).min(centred.len() - 1);
    let mut quiet = 0;
    for k in 1..=most {
        let is_quiet = (autocovariance(centred, k) / variance).abs() < chance;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if quiet == stretch {
            return (k - stretch).max(1);
        }
    }
    most
}

fn centred(series: &[f64]) -> Vec<f64> {
    let mean = series.iter().sum::<f64>() / series.len().max(1) as f64;
    series.iter().map(|value| value - mean).collect()
}

/// Divided by n at every lag, so that the sequence is one of a possible process.
fn autocovariance(centred: &[f64], lag: usize) -> f64 {
    let later = centred.get(lag..).unwrap_or_default();
    let products = centred.iter().zip(later).map(|(a, b)| a * b);
    products.sum::<f64>() / centred.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trend is correlated over a quarter of its length; the sum stops long before.
    #[test]
    fn a_trend_is_given_up_early() {
        let trend: Vec<f64> = (0..20_000).map(f64::from).collect();
        let time = autocorrelation_time(&trend);
        assert!((400.0..410.0).contains(&time), "{time}");
    }
}
