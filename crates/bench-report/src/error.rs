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
