//! What each chart shows: one file per chart, each a pure function from results to a
//! [`Figure`].

mod cdf;
mod compare;
mod cumulative;
mod curve;
mod dimension;
mod distribution;
mod latency;
#[cfg(test)]
pub(crate) mod make;
mod over_time;
mod overlay;
mod pareto;
mod request_times;
mod series;
mod stalls;
mod sweep;
mod thin;
mod throughput;
mod timeline;

use bench_report::RunResult;

use crate::{Figure, NoChart};

pub use compare::{Comparison, Difference, Verdict, compare};
pub use cumulative::{Counting, TokenTotals, cumulative, token_totals};
pub(crate) use dimension::{Dimension, distinct, tags};
pub use distribution::distribution;
pub use latency::latency;
pub use over_time::over_time;
pub use pareto::{Tradeoff, TradeoffNotes, pareto};
pub use stalls::stalls;
pub(crate) use sweep::knees;
pub use sweep::sweep;
pub use throughput::throughput;
pub use timeline::timeline;

/// A chart, or why there is none.
pub type Drawn = Result<Figure, NoChart>;

/// Every chart of one run, in the order of a report.
const OF_RUN: &[fn(&RunResult) -> Drawn] = &[
    |run| distribution(&[run]),
    |run| over_time(&[run]),
    cumulative,
    timeline,
    stalls,
];

/// Every chart of several runs, in the order of a report.
const OF_RUNS: &[fn(&[RunResult]) -> Drawn] = &[throughput, latency, sweep];

/// Every chart of one run, or why there is none.
pub fn of_run(run: &RunResult) -> Vec<Drawn> {
    OF_RUN.iter().map(|chart| chart(run)).collect()
}

/// Every chart of several runs, or why there is none.
pub fn of_runs(runs: &[RunResult]) -> Vec<Drawn> {
    OF_RUNS.iter().map(|chart| chart(runs)).collect()
}

/// Every chart for these runs: those of a run if it is one, else those of several.
pub fn all(runs: &[RunResult]) -> Vec<Drawn> {
    match runs {
        [run] => of_run(run),
        several => of_runs(several),
    }
}
