//! How sure a number is: intervals, tests, and the least difference that would be seen.
//!
//! Everything here is a pure function of numbers; resampling draws from a ChaCha generator with a
//! given seed. What cannot be said with the numbers at hand is `None`, never a guess.
//!
//! * Over runs: [`t_interval`], [`Estimate::of_runs`].
//! * Within one run, where requests depend on one another: [`batch_means`] and [`batch_ratio`]
//!   for means and rates, [`bootstrap()`] with blocks of requests for anything else,
//!   [`grouped_quantiles`] for percentiles.
//! * Of independent samples: [`quantile_interval`], and [`min_samples`] for it to exist.
//! * Between two: [`Estimate::difference`] (Welch), [`Estimate::ratio`], [`Replicates::difference`].
//! * Decisions: [`Estimate::p_value`], [`Estimate::equivalence_p`], [`Estimate::detectable`].

mod batch;
mod bootstrap;
mod estimate;
mod grouped;
mod interval;
mod order;
mod series;

pub use batch::{BatchMeans, batch_means, batch_ratio};
pub use bootstrap::{Replicates, Resampling, bootstrap};
pub use estimate::Estimate;
pub use grouped::{GroupedQuantile, grouped_quantiles};
pub use interval::{Interval, t_interval};
pub use order::{min_samples, quantile_interval};
pub use series::{autocorrelation_time, block_length, effective_sample_size};
