//! The search for the greatest load at which objectives hold.
//!
//! Nothing here measures: a [`Space`] says which load to measure next, given what was found so
//! far, and [`interval`] how well the answer is known.

mod interval;
mod space;

pub use interval::{Interval, interval};
pub use space::{Answer, Axis, Contradiction, Space, SpaceError, Step, contradictions};

use bench_metrics::{Judgement, Tally, Verdict};
use serde::{Deserialize, Serialize};

/// A load that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How large it was.
    pub load: f64,
    /// What was found.
    pub judgement: Judgement,
}

impl Point {
    fn holds(&self) -> bool {
        self.judgement.verdict == Verdict::Holds
    }

    fn tallies(&self) -> impl Iterator<Item = Tally> {
        self.judgement.findings.iter().map(|finding| finding.tally)
    }
}
