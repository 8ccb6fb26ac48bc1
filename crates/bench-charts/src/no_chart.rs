use bench_report::RunResult;
use thiserror::Error;

/// Why a chart cannot be drawn, and what would help.
///
/// The text is a whole sentence for the user; it names the chart and the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoChart {
    /// There is nothing to draw.
    #[error("{chart}: there is no run to show; give at least one result")]
    NoRuns {
        /// Id of the chart.
        chart: &'static str,
    },
    /// The chart is made of single requests and the result only has statistics.
    #[error(
        "{chart}: {run} has no per-request details; \
         run bench-serve with --save-detailed or --save-requests json"
    )]
    NoDetails {
        /// Id of the chart.
        chart: &'static str,
        /// The file.
        run: String,
    },
    /// A result lacks what the chart shows.
    #[error("{chart}: {run} has no {what}; {cure}")]
    Lacking {
        /// Id of the chart.
        chart: &'static str,
        /// The file.
        run: String,
        /// What is missing.
        what: String,
        /// What would help.
        cure: String,
    },
    /// None of several results has what the chart shows.
    #[error("{chart}: none of the {runs} runs has {what}; {cure}")]
    LackingInAll {
        /// Id of the chart.
        chart: &'static str,
        /// How many runs there are.
        runs: usize,
        /// What is missing.
        what: String,
        /// What would help.
        cure: String,
    },
}

impl NoChart {
    /// The result has no single requests.
    pub fn no_details(chart: &'static str, run: &RunResult) -> NoChart {
        let run = run.origin.to_string();
        NoChart::NoDetails { chart, run }
    }

    /// The result has no `what`; `cure` says how to get one that has.
    pub fn lacking(
        chart: &'static str,
        run: &RunResult,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) -> NoChart {
        NoChart::Lacking {
            chart,
            run: run.origin.to_string(),
            what: what.into(),
            cure: cure.into(),
        }
    }

    /// Id of the chart that cannot be drawn.
    pub fn chart(&self) -> &'static str {
        match self {
            NoChart::NoRuns { chart }
            | NoChart::NoDetails { chart, .. }
            | NoChart::Lacking { chart, .. }
            | NoChart::LackingInAll { chart, .. } => chart,
        }
    }
}
