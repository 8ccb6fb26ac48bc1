//! A test of a share that may be looked at after every request.

use serde::{Deserialize, Serialize};

/// How many requests kept an objective.
///
/// The evidence that the share of requests that keep it is on one side of a bound is a mixture
/// likelihood ratio (Robbins 1970, Annals of Mathematical Statistics 41): the probability of
/// what was seen, averaged over shares beyond the bound, divided by that at the bound,
///
/// ```text
/// E(n) = mean over q of (q / p)^k ((1 - q) / (1 - p))^(n - k)
/// ```
///
/// for `k` of `n` requests and the bound `p`. While the true share is not beyond the bound this
/// is a supermartingale that begins at 1, so by Ville's inequality it ever reaches `1 / alpha`
/// with probability `alpha` at most, however often one looks and whenever one stops (Howard et
/// al. 2021, Annals of Statistics 49, section 4). Because `x -> (q/p)^x ((1-q)/(1-p))^(1-x)` is
/// convex, the same holds for independent values between 0 and 1 whose mean is the share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests that were judged.
    pub requests: u64,
    /// How many of them kept it; those that kept it in part count in part.
    pub kept: f64,
}

/// Shares that the evidence is averaged over. That they are few makes it no less valid, only
/// less sharp between them.
const MIXED: u32 = 24;

impl Tally {
    /// Adds a request that kept the objective by `kept`, 0 to 1.
    pub fn add(&mut self, kept: f64) {
        self.requests += 1;
        self.kept += kept;
    }

    /// The share of the requests that kept it; `None` without any.
    pub fn share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.kept / self.requests as f64)
    }

    /// The natural logarithm of the evidence that the share is more than `bound`.
    ///
    /// The mean is over shares of misses below that of the bound, their square roots evenly
    /// spread, as under Jeffreys' prior: near no misses at all they lie closest.
    pub fn evidence_above(&self, bound: f64) -> f64 {
        self.evidence(bound, |part| (1.0 - bound) * part * part)
    }

    /// The natural logarithm of the evidence that the share is less than `bound`.
    ///
    /// The mean is over shares of misses from that of the bound to all, their logarithms
    /// evenly spread: an overload is soon found out whether it is small or large.
    pub fn evidence_below(&self, bound: f64) -> f64 {
        self.evidence(bound, |part| (1.0 - bound).powf(1.0 - part))
    }

    /// `misses` gives the share of misses at a place between 0 and 1.
    fn evidence(&self, bound: f64, misses: impl Fn(f64) -> f64) -> f64 {
        let missed = self.requests as f64 - self.kept;
        let place = |k: u32| (f64::from(k) + 0.5) / f64::from(MIXED);
        let terms = (0..MIXED).map(|k| {
            let misses = misses(place(k));
            self.kept * ((1.0 - misses) / bound).ln() + missed * (misses / (1.0 - bound)).ln()
        });
        let terms: Vec<f64> = terms.collect();
        // Taken out of the sum, so that nothing overflows.
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
        largest + (sum / f64::from(MIXED)).ln()
    }
}

/// Whether `values` go up from the first to the last, rather than up and down by chance.
///
/// The test of Mann and Kendall (Mann 1945, Econometrica 13) at the one-sided level of 1 %, on
/// the means of 16 stretches, so that neighbours that depend on each other do not mimic a
/// trend. A rise of less than a fifth from the first third to the last one is none.
pub(crate) fn rises(values: &[f64]) -> bool {
    const STRETCHES: usize = 16;
    /// Of 16 values: 2.326 standard deviations of `sqrt(n (n - 1) (2 n + 5) / 18)`, and one
    /// for continuity.
    const CRITICAL: i32 = 53;
    const MATERIAL: f64 = 1.2;
    if values.len() < 2 * STRETCHES {
        return false;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let bound = |k: usize| k * values.len() / STRETCHES;
    let means: Vec<f64> = (0..STRETCHES)
        .map(|k| mean(&values[bound(k)..bound(k + 1)]))
        .collect();
    let score: i32 = means
        .iter()
        .enumerate()
        .flat_map(|(k, early)| means[k + 1..].iter().map(move |late| late.total_cmp(early)))
        .map(|order| order as i32)
        .sum();
    let third = values.len() / 3;
    let risen = mean(&values[values.len() - third..]) > MATERIAL * mean(&values[..third]);
    score >= CRITICAL && risen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(requests: u64, kept: f64) -> Tally {
        Tally { requests, kept }
    }

    #[test]
    fn the_evidence_is_that_of_the_formula() {
        // By hand: the mean of the ratios for 3 of 4.
        let by_hand = |bound: f64, misses: fn(f64, f64) -> f64| {
            let ratio = |k: u32| {
                let misses = misses(bound, (f64::from(k) + 0.5) / 24.0);
                ((1.0 - misses) / bound).powi(3) * misses / (1.0 - bound)
            };
            ((0..24).map(ratio).sum::<f64>() / 24.0).ln()
        };
        let above = by_hand(0.5, |bound, at| (1.0 - bound) * at * at);
        let below = by_hand(0.5, |bound, at| (1.0 - bound).powf(1.0 - at));
        assert!((tally(4, 3.0).evidence_above(0.5) - above).abs() < 1e-12);
        assert!((tally(4, 3.0).evidence_below(0.5) - below).abs() < 1e-12);
        assert_eq!(tally(0, 0.0).evidence_above(0.9), 0.0);
        assert_eq!(tally(0, 0.0).evidence_below(0.9), 0.0);
    }

    #[test]
    fn few_hundred_good_requests_show_a_p99_and_few_bad_ones_refute_it() {
        let first = |found: &dyn Fn(u64) -> bool| (1..).find(|n| found(*n)).unwrap();
        let level = 20_f64.ln();
        let good = first(&|n| tally(n, n as f64).evidence_above(0.99) >= level);
        assert!((300..420).contains(&good), "{good}");
        let bad = first(&|n| tally(n, 0.0).evidence_below(0.99) >= level);
        assert!(bad <= 3, "{bad}");
        let half = first(&|n| tally(n, n as f64 / 2.0).evidence_below(0.99) >= level);
        assert!(half <= 5, "{half}");
    }

    #[test]
    fn a_long_run_does_not_overflow() {
        let many = tally(10_000_000, 9_999_000.0);
        assert!(many.evidence_above(0.99) > 1e4 && many.evidence_above(0.99).is_finite());
        assert!(many.evidence_below(0.99) < 0.0);
        assert!(tally(1_000_000, 0.0).evidence_above(0.99) < -1e4);
    }

    #[test]
    fn a_queue_that_grows_is_told_from_noise() {
        let wobble = |k: u32| f64::from(k.wrapping_mul(2_654_435_761) >> 22);
        let flat: Vec<f64> = (0..300).map(|k| 1000.0 + wobble(k)).collect();
        let growing: Vec<f64> = (0..300)
            .map(|k| 1000.0 + wobble(k) + 10.0 * f64::from(k))
            .collect();
        let filling: Vec<f64> = (0..300)
            .map(|k| if k < 30 { 500.0 } else { 1000.0 + wobble(k) })
            .collect();
        assert!(!rises(&flat));
        assert!(rises(&growing));
        assert!(!rises(&filling), "a server that fills up and stays so");
        assert!(!rises(&growing[..20]), "too few to tell");
        assert!(!rises(&[]));
    }

    proptest! {
        #[test]
        fn more_that_keep_it_are_more_evidence_above_and_less_below(
            requests in 1_u64..2000,
            share in 0.0_f64..1.0,
            more in 0.0_f64..1.0,
            bound in 0.01_f64..0.999,
        ) {
            let n = requests as f64;
            let few = tally(requests, share * n);
            let many = tally(requests, (share + (1.0 - share) * more) * n);
            prop_assert!(many.evidence_above(bound) >= few.evidence_above(bound) - 1e-9);
            prop_assert!(many.evidence_below(bound) <= few.evidence_below(bound) + 1e-9);
        }

        #[test]
        fn a_request_in_part_is_no_more_evidence_than_whole_ones_on_average(
            requests in 0_u64..300,
            kept in 0.0_f64..1.0,
            part in 0.0_f64..1.0,
            bound in 0.05_f64..0.99,
        ) {
            let base = tally(requests, kept * requests as f64);
            let with = |kept: f64| {
                let mut with = base;
                with.add(kept);
                with
            };
            type Evidence = fn(&Tally, f64) -> f64;
            for evidence in [Tally::evidence_above as Evidence, Tally::evidence_below] {
                let of = |kept: f64| evidence(&with(kept), bound).exp();
                let whole = part * of(1.0) + (1.0 - part) * of(0.0);
                prop_assert!(of(part) <= whole * (1.0 + 1e-9));
            }
        }
    }
}
