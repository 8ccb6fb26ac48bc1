use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a report cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder for results cannot be made.
    #[error(
        "cannot create the result folder {}: {source}; \
         choose another with --result-dir",
        .path.display()
    )]
    CreateDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in the folder for results cannot be written.
    #[error(
        "cannot write {}: {source}; check the permissions and the free space, \
         or choose another folder with --result-dir",
        .path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The result file exists and is neither to be appended to nor replaced.
    #[error(
        "{} exists; choose another --result-filename, or pass --append-result to add a line \
         to it or --overwrite to replace it",
        .path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file of per-request metrics exists and is not to be replaced.
    #[error(
        "{} exists; choose another --result-filename, or pass --overwrite to replace it",
        .path.display()
    )]
    RequestsExist {
        /// The file.
        path: PathBuf,
    },
    /// A path that should be a file is something else.
    #[error(
        "{} is not a regular file; choose another --result-filename",
        .path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The result file is to be appended to and to be replaced.
    #[error("--append-result and --overwrite contradict each other; pass one of them")]
    AppendAndOverwrite,
    /// A result cannot be written as JSON.
    #[error("cannot write the result {} as JSON: {source}", .path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the serializer says.
        source: serde_json::Error,
    },
    /// The record log exists and is not to be replaced.
    #[error(
        "the record log {} exists; choose another path, or pass --overwrite to replace it",
        .path.display()
    )]
    LogExists {
        /// The file.
        path: PathBuf,
    },
    /// The record log cannot be written.
    #[error(
        "cannot write the record log {}: {source}; check the permissions and the free space, \
         or choose another path",
        .path.display()
    )]
    WriteLog {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The record log cannot be read.
    #[error(
        "cannot read the record log {}: {source}; give the path of a file that a run has logged to",
        .path.display()
    )]
    ReadLog {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no record log.
    #[error(
        "{} {problem}, so it is no record log; give the path of a file that a run has logged to",
        .path.display()
    )]
    NoLog {
        /// The file.
        path: PathBuf,
        /// What shows it.
        problem: &'static str,
    },
    /// A record log is of another version.
    #[error(
        "{} is a record log of format {version}, and this program reads format {}; \
         use the version of the program that wrote it",
        .path.display(),
        crate::record_log::FORMAT_VERSION
    )]
    LogVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A record log does not even have its first line.
    #[error(
        "the record log {} is cut off within its first line: the run was killed as it began, \
         and there is nothing to rebuild; start it again",
        .path.display()
    )]
    LogCutShort {
        /// The file.
        path: PathBuf,
    },
    /// A line of a record log is not as a run writes it.
    #[error(
        "{}:{line}: {problem}; the log was damaged or changed after the run: restore it from a \
         copy, or delete this line to do without it",
        .path.display()
    )]
    LogLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The report for a browser exists and is not to be replaced.
    #[error(
        "{} exists; choose another file for --report, or pass --overwrite to replace it",
        .path.display()
    )]
    PageExists {
        /// The file.
        path: PathBuf,
    },
    /// The report for a browser cannot be written.
    #[error("cannot write the report {}: {problem}; choose another file for --report", .path.display())]
    WritePage {
        /// The file or its folder.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
    /// Per-request metrics are wanted in a form that they are not written in.
    #[error("'{text}' is no format of per-request metrics; choose json or csv")]
    RequestsFormat {
        /// What was asked for.
        text: String,
    },
    /// A result is wanted in a form that it is not written in.
    #[error("'{text}' is no format of results; choose vllm or sglang")]
    ResultFormat {
        /// What was asked for.
        text: String,
    },
    /// A metadata key has a meaning of its own in the result.
    #[error(
        "the metadata key '{key}' is a key of the result itself; \
         choose another name, for example 'my_{key}'"
    )]
    ReservedKey {
        /// The key.
        key: String,
    },
}

impl ReportError {
    /// The same of the report for a browser, with its own cure.
    pub(crate) fn of_page(self) -> ReportError {
        match self {
            ReportError::Exists { path } => ReportError::PageExists { path },
            ReportError::NotAFile { path } => ReportError::WritePage {
                path,
                problem: "it is not a regular file".to_owned(),
            },
            ReportError::CreateDir { path, source } | ReportError::Write { path, source } => {
                let problem = source.to_string();
                ReportError::WritePage { path, problem }
            }
            other => other,
        }
    }
}
