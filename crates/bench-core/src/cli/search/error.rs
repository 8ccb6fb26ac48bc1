use std::io;
use std::path::PathBuf;

use bench_report::ReportError;

use super::super::OptionsError;

/// Why a search cannot be carried out. A load that misses its objectives is no such reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The options of the search or of its runs make no sense, or a run could not be carried out.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// There is a search in the folder already.
    #[error(
        "{} exists; --resume {} goes on with it, --result-dir takes another folder",
        path.display(), dir.display()
    )]
    Exists {
        /// The record of that search.
        path: PathBuf,
        /// Its folder.
        dir: PathBuf,
    },
    /// There is nothing to be resumed.
    #[error("--resume: {}: {source}; name the folder of a search, which has a search.json", path.display())]
    Read {
        /// The file that was looked for.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The record of a search cannot be read.
    #[error("{}: {source}; it is no record of a search that this version can go on with", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The points of the search were measured otherwise.
    #[error(
        "the search in {} was made with other options, so its points cannot be used: {}; give the \
         same ones, or begin another search in a folder of its own",
        dir.display(), changes.join(", ")
    )]
    Changed {
        /// The folder.
        dir: PathBuf,
        /// What is not the same.
        changes: Vec<String>,
    },
    /// The result of a point cannot be written.
    #[error(transparent)]
    Result(#[from] ReportError),
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl SearchError {
    /// Whether the command line is at fault, rather than a server or a file system.
    pub fn is_usage(&self) -> bool {
        match self {
            SearchError::Options(error) => error.is_usage(),
            SearchError::Exists { .. }
            | SearchError::Read { .. }
            | SearchError::Parse { .. }
            | SearchError::Changed { .. } => true,
            SearchError::Result(_) | SearchError::Write { .. } => false,
        }
    }
}
