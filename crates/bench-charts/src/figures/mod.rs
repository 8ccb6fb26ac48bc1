//! What each chart shows: one file per chart, each a pure function from results to a
//! [`Figure`](crate::Figure).

mod cdf;
mod compare;
mod curve;
mod dimension;
mod distribution;
mod latency;
#[cfg(test)]
mod make;
mod over_time;
mod overlay;
mod pareto;
mod samples;
mod series;
mod sweep;
mod throughput;

pub use compare::{Comparison, Difference, Verdict, compare};
pub use distribution::distribution;
pub use latency::latency;
pub use over_time::over_time;
pub use pareto::{Tradeoff, TradeoffNotes, pareto};
pub use sweep::sweep;
pub use throughput::throughput;
