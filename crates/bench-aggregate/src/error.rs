use std::path::PathBuf;

use bench_datasets::DatasetError;
use bench_report::ReportError;
use thiserror::Error;

use crate::{Format, Skipped};

/// Why results cannot be worked with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// A record log cannot be read.
    #[error(transparent)]
    Log(ReportError),
    /// The tokenizer that is to count what the server did not cannot be loaded.
    #[error(
        "{source} (the server did not say how many tokens there were, or how many each chunk \
         brought, so those of the logged texts have to be counted; --tokenizer names the tokenizer)"
    )]
    Tokenizer {
        /// What is wrong with it.
        source: DatasetError,
    },
    /// The result is not welcome where it should go.
    #[error(transparent)]
    Destination(ReportError),
    /// The result would take the place of the log it is made from.
    #[error(
        "the result would be written to {}, which is the record log itself; \
         choose another --result-filename",
        .path.display()
    )]
    ResultIsLog {
        /// The log.
        path: PathBuf,
    },
    /// The result cannot be written.
    #[error(transparent)]
    Write(ReportError),
    /// A path that was given leads nowhere.
    #[error("there is nothing at {}; give the path of a result file or of a folder", .path.display())]
    NoSuchPath {
        /// The path.
        path: PathBuf,
    },
    /// There is no run in any of the files.
    #[error("no run was found; {}", hint(.skipped))]
    NothingFound {
        /// What was there instead.
        skipped: Vec<Skipped>,
    },
    /// A file that is to be written exists.
    #[error(
        "{} exists; choose another name with --output, or pass --overwrite to replace it",
        .path.display()
    )]
    OutputExists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error(
        "cannot write {}: {source}; check the permissions and the free space, \
         or choose another place with --output",
        .path.display()
    )]
    WriteOutput {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A second header is wanted where there is none.
    #[error("--bilingual adds a header to tables in csv, and the format is {format}; leave it out")]
    BilingualFormat {
        /// What the table was to be written as.
        format: Format,
    },
    /// A file is no result, and that is not to be passed over.
    #[error("{} {reason}; take it away, or do without --strict to pass it over", .path.display())]
    NotAResult {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl AggregateError {
    /// Whether the command line is at fault: it names something that cannot be used.
    pub fn is_usage(&self) -> bool {
        match self {
            AggregateError::Log(ReportError::LogLine { .. } | ReportError::LogCutShort { .. })
            | AggregateError::Write(_)
            | AggregateError::WriteOutput { .. }
            | AggregateError::NothingFound { .. }
            | AggregateError::NotAResult { .. } => false,
            AggregateError::Log(_)
            | AggregateError::Tokenizer { .. }
            | AggregateError::Destination(_)
            | AggregateError::NoSuchPath { .. }
            | AggregateError::OutputExists { .. }
            | AggregateError::BilingualFormat { .. }
            | AggregateError::ResultIsLog { .. } => true,
        }
    }
}

/// What to do where nothing was found, with the reasons for what is there.
fn hint(skipped: &[Skipped]) -> String {
    if skipped.is_empty() {
        return "give result files, or a folder with files that end in .json, .jsonl or .csv"
            .to_owned();
    }
    let reasons: Vec<String> = skipped.iter().map(ToString::to_string).collect();
    format!("passed over:\n  {}", reasons.join("\n  "))
}
