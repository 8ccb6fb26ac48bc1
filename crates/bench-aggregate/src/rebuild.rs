use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use bench_datasets::Tokenizer;
use bench_report::Destination;
use bench_report::record_log::{self, RecordLog};
use clap::Args;

use crate::AggregateError;

/// Which log a result is made from, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct RebuildOptions {
    /// The record log of the run
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// Folder for the result; made if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub result_dir: PathBuf,

    /// Name of the result file; that of the log, NAME.records.jsonl, tells it if not given
    #[arg(long, value_name = "NAME")]
    pub result_filename: Option<String>,

    /// Add the result as a line to a file that may exist
    #[arg(long)]
    pub append_result: bool,

    /// Replace a result file that exists
    #[arg(long, conflicts_with = "append_result")]
    pub overwrite: bool,

    /// Counts tokens in place of the tokenizer that the log names
    ///
    /// A tokenizer.json, a directory that holds one, a Hugging Face model name, or `builtin`.
    /// Loaded only if a server did not say how many tokens there were, or how many each chunk
    /// brought, and the log has the texts; the result then names it.
    #[arg(long, value_name = "SPEC")]
    pub tokenizer: Option<String>,
}

impl RebuildOptions {
    /// A result of `log` in the current folder, as if by `bench-aggregate rebuild`.
    pub fn new(log: impl Into<PathBuf>) -> RebuildOptions {
        RebuildOptions {
            log: log.into(),
            result_dir: PathBuf::from("."),
            result_filename: None,
            append_result: false,
            overwrite: false,
            tokenizer: None,
        }
    }
}

/// A result that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The file.
    pub path: PathBuf,
    /// Requests in it.
    pub requests: u64,
    /// Requests in the plan of the run.
    pub planned: u64,
    /// What the user should know, one sentence each; the result has them too.
    pub warnings: Vec<String>,
}

/// Makes the result of a run from its record log.
///
/// # Errors
/// If the log cannot be read, the tokenizer is needed and cannot be loaded, or the result cannot
/// be written.
pub fn rebuild(options: &RebuildOptions) -> Result<Rebuilt, AggregateError> {
    let mut log = RecordLog::read(&options.log).map_err(AggregateError::Log)?;
    let destination = destination(options, &log)?;
    let tokenizer = tokenizer(options, &mut log)?;
    let detailed = log.header.detailed;
    let report = log.report(&|text| tokenizer.as_ref()?.token_ends(text).ok());
    let path = destination.write(&report, detailed);
    Ok(Rebuilt {
        path: path.map_err(AggregateError::Write)?,
        requests: report.records.len() as u64,
        planned: report.facts.planned,
        warnings: report.warnings,
    })
}

fn destination(options: &RebuildOptions, log: &RecordLog) -> Result<Destination, AggregateError> {
    let file_name = options.result_filename.clone();
    let destination = Destination {
        dir: options.result_dir.clone(),
        file_name: file_name.unwrap_or_else(|| result_name(&options.log, log)),
        append: options.append_result,
        overwrite: options.overwrite,
    };
    // Paths that lead nowhere are no file in particular.
    let same = fs::canonicalize(destination.path())
        .and_then(|result| Ok(result == fs::canonicalize(&options.log)?));
    if same.unwrap_or(false) {
        return Err(AggregateError::ResultIsLog {
            path: destination.path(),
        });
    }
    destination.check().map_err(AggregateError::Destination)?;
    Ok(destination)
}

/// The name that bench-serve gave the result: that of a log beside it, with another ending.
fn result_name(path: &Path, log: &RecordLog) -> String {
    let name = path.file_name().and_then(OsStr::to_str);
    let stem = name.and_then(|name| name.strip_suffix(record_log::EXTENSION));
    match stem.filter(|stem| stem.len() > 1 && stem.ends_with('.')) {
        Some(stem) => format!("{stem}json"),
        None => log.header.setup.file_name(),
    }
}

/// The tokenizer, if there is one and it will be asked.
fn tokenizer(
    options: &RebuildOptions,
    log: &mut RecordLog,
) -> Result<Option<Tokenizer>, AggregateError> {
    if !log.needs_counting() {
        return Ok(None);
    }
    let named = &mut log.header.setup.tokenizer_id;
    if options.tokenizer.is_some() {
        named.clone_from(&options.tokenizer);
    }
    let Some(spec) = named else {
        return Ok(None);
    };
    let loaded = Tokenizer::load(spec);
    let loaded = loaded.map_err(|source| AggregateError::Tokenizer { source })?;
    Ok(Some(loaded))
}
