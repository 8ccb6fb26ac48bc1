use std::io;
use std::path::PathBuf;

use super::super::OptionsError;

/// Why a sweep cannot be carried out. A point that fails is no such reason: it is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// No configuration was named, and there is none where one is looked for.
    #[error("there is neither {} here; name one: bench-serve sweep FILE", .looked_for.join(" nor "))]
    NoConfig {
        /// The names that were tried.
        looked_for: Vec<&'static str>,
    },
    /// The configuration cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The configuration has a mistake.
    #[error("{}:{line}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// Flags do not go together.
    #[error("{}: {point}: {problem}", path.display())]
    Flags {
        /// The configuration.
        path: PathBuf,
        /// The name of the point, or words for all of them.
        point: String,
        /// What is wrong.
        problem: String,
    },
    /// The options of a point make no run.
    #[error("{}: {point}: {source}", path.display())]
    Options {
        /// The configuration.
        path: PathBuf,
        /// The name of the point.
        point: String,
        /// What is wrong.
        source: Box<OptionsError>,
    },
    /// A flag of the sweep has a value it cannot have.
    #[error("{flag}: {problem}")]
    Flag {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// The folder has results already.
    #[error(
        "{} exists; --resume {} measures what is missing, --overwrite replaces it, --result-dir \
         takes another folder",
        path.display(), dir.display()
    )]
    Exists {
        /// What is there.
        path: PathBuf,
        /// The folder of the results.
        dir: PathBuf,
    },
    /// The record of an earlier sweep makes no sense.
    #[error("{}: {source}; remove it to judge the points by their results alone", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file of the sweep cannot be written or moved.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl SweepError {
    /// Whether the command line or the configuration is at fault, rather than a file system.
    pub fn is_usage(&self) -> bool {
        !matches!(self, SweepError::Write { .. })
    }

    pub(super) fn flag(flag: &'static str, problem: impl Into<String>) -> SweepError {
        let problem = problem.into();
        SweepError::Flag { flag, problem }
    }
}
