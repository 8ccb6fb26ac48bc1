//! Charts of single runs.

use bench_charts::figures::{self, Counting, TokenTotals};
use bench_charts::{Figure, NoChart};
use bench_report::RunResult;

/// A chart of one run.
pub(crate) struct Drawn {
    pub(crate) figure: Figure,
    /// What there is to tell besides, line by line.
    pub(crate) lines: Vec<String>,
}

/// What draws a chart of one run.
pub(crate) type OfRun = fn(&RunResult) -> Result<Drawn, NoChart>;

/// What draws a chart of several runs on top of each other.
pub(crate) type OfRuns = fn(&[&RunResult]) -> Result<Figure, NoChart>;

pub(crate) const TIMELINE: OfRun = |run| figures::timeline(run).map(Drawn::from);
pub(crate) const STALLS: OfRun = |run| figures::stalls(run).map(Drawn::from);
pub(crate) const CUMULATIVE: OfRun = |run| {
    Ok(Drawn {
        figure: figures::cumulative(run)?,
        lines: lines(run, &figures::token_totals(run)?),
    })
};

impl From<Figure> for Drawn {
    fn from(figure: Figure) -> Drawn {
        Drawn {
            figure,
            lines: Vec::new(),
        }
    }
}

/// Total, duration and rate to the microsecond, and what they are made of.
fn lines(run: &RunResult, totals: &TokenTotals) -> Vec<String> {
    let counting = match totals.counting {
        Counting::Tokens => "",
        Counting::Chunks => " (each chunk counts as one)",
        Counting::Mixed => " (a chunk counts as one where its tokens are not told)",
    };
    let rate = match totals.tokens_per_s {
        Some(rate) => format!("{rate:.6} tok/s"),
        None => "not defined, all tokens came at once".to_owned(),
    };
    let mut lines = vec![
        format!("{}", run.origin),
        format!("Total Tokens: {}{counting}", totals.tokens),
        format!("Duration: {:.6} s", totals.duration_s),
        format!("Average Rate: {rate}"),
    ];
    if !totals.lacking.is_empty() {
        let (lacking, all) = (totals.lacking.len(), run.requests.len());
        lines.push(format!(
            "Requests without token times, not counted: {lacking} of {all}"
        ));
    }
    lines
}

/// What the files of a run are called after: its own file, and which of its runs it is.
pub(crate) fn name(run: &RunResult) -> String {
    let stem = run.origin.path.file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy().into_owned();
    match run.origin.entry {
        Some(entry) => format!("{stem}-{entry}"),
        None => stem,
    }
}
