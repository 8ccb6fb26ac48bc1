use std::io;
use std::path::PathBuf;

use bench_aggregate::{AggregateError, Skipped};
use bench_charts::ChartError;
use bench_charts::html::HtmlError;
use bench_metrics::MetricsError;
use thiserror::Error;

/// Why nothing is drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The results cannot be read.
    #[error(transparent)]
    Read(#[from] AggregateError),
    /// There is no result where one was said to be.
    #[error("{}", no_runs(.paths, .skipped))]
    NoRuns {
        /// Where.
        paths: Vec<PathBuf>,
        /// What is there instead, and why it is no result.
        skipped: Vec<Skipped>,
    },
    /// A file given as aggregate CSV is something else.
    #[error(
        "{} is no aggregate CSV but a file of {tool}; give it as a path, without --csv",
        .path.display()
    )]
    NotACsv {
        /// The file.
        path: PathBuf,
        /// Who wrote it.
        tool: String,
    },
    /// A file is there already.
    #[error(
        "{} exists; choose another folder with --output, or pass --overwrite to replace it",
        .path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The folder cannot be made.
    #[error(
        "cannot create the folder {}: {source}; choose another with --output",
        .path.display()
    )]
    CreateDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(
        "cannot write {}: {source}; check the permissions and the free space, \
         or choose another folder with --output",
        .path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The objectives make no sense.
    #[error("--slo: {0}")]
    Slo(#[from] MetricsError),
    /// A chart cannot be drawn at this size.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A page cannot be made.
    #[error(transparent)]
    Page(#[from] HtmlError),
}

impl PlotError {
    /// Whether the command line is at fault: it names something that cannot be used.
    pub fn is_usage(&self) -> bool {
        match self {
            PlotError::Read(error) => error.is_usage(),
            PlotError::NoRuns { .. }
            | PlotError::Slo(_)
            | PlotError::NotACsv { .. }
            | PlotError::Exists { .. }
            | PlotError::CreateDir { .. }
            | PlotError::Chart(ChartError::TooSmall { .. } | ChartError::TooLarge { .. }) => true,
            PlotError::Write { .. } | PlotError::Chart(_) | PlotError::Page(_) => false,
        }
    }
}

/// Names the places, and what is there instead.
fn no_runs(paths: &[PathBuf], skipped: &[Skipped]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut text = format!("there is no result in {}", paths.join(", "));
    for file in skipped {
        text += &format!("\n  {file}");
    }
    text + "\ngive result files, as `bench-serve --save-result` writes them, or folders of them"
}
