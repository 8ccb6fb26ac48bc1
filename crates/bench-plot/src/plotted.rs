use std::path::PathBuf;

use bench_aggregate::Skipped;
use bench_charts::NoChart;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Plotted {
    /// The files that were written.
    pub written: Vec<PathBuf>,
    /// What there is to tell of the runs, line by line.
    pub lines: Vec<String>,
    /// Charts that could not be drawn, and why.
    pub missing: Vec<NoChart>,
    /// Files that were not read, and why.
    pub skipped: Vec<Skipped>,
    /// Whether each chart was asked for by its name.
    pub asked: bool,
}

impl Plotted {
    /// Whether something was asked for and is not there.
    pub fn is_failure(&self) -> bool {
        self.written.is_empty() || self.asked && !self.missing.is_empty()
    }
}
