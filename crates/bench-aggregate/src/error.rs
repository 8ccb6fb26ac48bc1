use std::io;
use std::path::PathBuf;

use bench_datasets::DatasetError;
use bench_metrics::MetricsError;
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
    /// A number that cannot be compared.
    #[error(
        "'{key}' is no number that can be compared; give a key of a result such as \
         p99_ttft_ms, median_itl_ms, failed, error_rate, request_throughput, output_throughput, \
         total_token_throughput or request_goodput"
    )]
    UnknownMeasure {
        /// What was given.
        key: String,
    },
    /// A gate without a limit.
    #[error("'{text}' is no gate; write KEY>LIMIT or KEY<LIMIT, such as 'p99_ttft_ms>5%'")]
    GateForm {
        /// What was given.
        text: String,
    },
    /// A margin that is no percentage.
    #[error("'{text}' is no margin; write a percentage such as 2%, or p99_ttft_ms=5%")]
    MarginForm {
        /// What was given.
        text: String,
    },
    /// A gate on a number that no load has on both sides.
    #[error(
        "the gate '{gate}' cannot be judged: no load has a {key} on both sides; \
         they have {known}"
    )]
    GateWithoutNumber {
        /// The gate.
        gate: String,
        /// Its number.
        key: String,
        /// What there is.
        known: String,
    },
    /// A side without runs.
    #[error(
        "there is no result at {}; give the path of a result file, or of a folder that has some{}",
        .path.display(), .skipped
    )]
    NoRuns {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        skipped: String,
    },
    /// Two sides that have no load in common.
    #[error(
        "no load is on both sides: {} has {loads_a}; {} has {loads_b}. Give two files to compare \
         them as they are",
        .a.display(), .b.display()
    )]
    NoCommonLoad {
        /// Side A.
        a: PathBuf,
        /// Side B.
        b: PathBuf,
        /// The loads of side A.
        loads_a: String,
        /// The loads of side B.
        loads_b: String,
    },
    /// Numbers that nothing can be told of.
    #[error("nothing can be compared: the results at {} and {} have no number in common", .a.display(), .b.display())]
    NothingInCommon {
        /// Side A.
        a: PathBuf,
        /// Side B.
        b: PathBuf,
    },
    /// An objective makes no sense.
    #[error("--slo: {source}")]
    Slo {
        /// What is wrong with it.
        source: MetricsError,
    },
    /// No run has what a frontier is made of.
    #[error("no run has the throughput and the speed of a user that a frontier is made of: {why}")]
    NoPoints {
        /// Why not, for each file.
        why: String,
    },
    /// JUnit XML cannot be made.
    #[error("the JUnit XML cannot be made: {source}")]
    Junit {
        /// What went wrong.
        source: io::Error,
    },
    /// A CSV cannot be made.
    #[error("the CSV cannot be made: {source}")]
    Table {
        /// What went wrong.
        source: csv::Error,
    },
    /// JSON cannot be made.
    #[error("the JSON cannot be made: {source}")]
    Json {
        /// What went wrong.
        source: serde_json::Error,
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
            | AggregateError::NoRuns { .. }
            | AggregateError::NothingInCommon { .. }
            | AggregateError::NoPoints { .. }
            | AggregateError::Junit { .. }
            | AggregateError::Table { .. }
            | AggregateError::Json { .. }
            | AggregateError::NotAResult { .. } => false,
            AggregateError::Log(_)
            | AggregateError::Tokenizer { .. }
            | AggregateError::Destination(_)
            | AggregateError::NoSuchPath { .. }
            | AggregateError::OutputExists { .. }
            | AggregateError::BilingualFormat { .. }
            | AggregateError::UnknownMeasure { .. }
            | AggregateError::GateForm { .. }
            | AggregateError::MarginForm { .. }
            | AggregateError::GateWithoutNumber { .. }
            | AggregateError::NoCommonLoad { .. }
            | AggregateError::Slo { .. }
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
