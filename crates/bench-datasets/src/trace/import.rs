//! Traces in other formats, made into the project's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use super::formats::{AzureRows, BlockRows, BlockTrace, BurstRows, Entry};
use super::line::TraceLine;
use super::lines::open;
use super::play::unusable;
use super::records::RecordRows;
use super::requests_log::RequestLog;
use crate::DatasetError;
use crate::mooncake;

/// Tokens in a block of Bailian's traces.
const BAILIAN_BLOCK_TOKENS: u32 = 16;

/// A format of traces that can be made into the project's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum TraceFormat {
    /// Mooncake's traces: JSONL, timestamps in milliseconds, hash ids for blocks of 512 tokens
    Mooncake,
    /// Bailian's traces: JSONL, timestamps in seconds, hash ids for blocks of 16 tokens
    Bailian,
    /// BurstGPT's CSV
    #[cfg_attr(feature = "cli", value(name = "burstgpt"))]
    BurstGpt,
    /// The CSV of Azure's LLM inference traces
    Azure,
    /// JSONL of request bodies of an OpenAI-like API, each with a timestamp
    #[cfg_attr(feature = "cli", value(name = "openai"))]
    OpenAi,
    /// The record log of a run (`NAME.records.jsonl`)
    RecordLog,
}

/// How a trace is imported.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions {
    /// The format it has.
    pub from: TraceFormat,
    /// The most tokens of an answer where a request does not say.
    pub output_tokens: Option<u32>,
    /// Replace a file that exists.
    pub overwrite: bool,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Requests that were written.
    pub written: u64,
    /// Requests that were left out, by what is the matter with them.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Fields that have no place in a trace, and how many requests had them.
    pub not_carried: BTreeMap<String, u64>,
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests written", self.written)?;
        for (reason, requests) in &self.left_out {
            writeln!(f, "{requests} requests left out: {reason}")?;
        }
        for (field, requests) in &self.not_carried {
            writeln!(f, "not carried over: `{field}` of {requests} requests")?;
        }
        Ok(())
    }
}

impl ImportSummary {
    /// Refuses a trace without a request.
    fn check(&self, input: &Path) -> Result<(), DatasetError> {
        if self.written > 0 {
            return Ok(());
        }
        let left_out: u64 = self.left_out.values().sum();
        let problem = match left_out {
            0 => "the file is empty",
            _ => "they have no tokens, or were not load; give another file",
        };
        Err(DatasetError::NothingUsable {
            path: input.to_owned(),
            entries: left_out as usize,
            problem,
        })
    }
}

/// What became of a request.
pub(super) enum Imported {
    Line(Box<TraceLine>),
    LeftOut(&'static str),
}

/// Makes a trace in the project's own format of the one at `input`, line by line, and writes it
/// to `output`. Nothing is left at `output` if it fails.
///
/// # Errors
/// [`DatasetError`], which names the line that is broken or the file that cannot be written.
pub fn import_trace(
    input: &Path,
    output: &Path,
    options: &ImportOptions,
) -> Result<ImportSummary, DatasetError> {
    if !options.overwrite && output.exists() {
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(cannot_write(output)(exists));
    }
    let reader = open(input).map_err(not_a_dataset)?;
    let (partial, file) = beside(output).map_err(cannot_write(output))?;
    let mut import = Import {
        writer: BufWriter::new(file),
        output,
        summary: ImportSummary::default(),
    };
    let done = import
        .all(reader, input, options)
        .and_then(|()| import.summary.check(input))
        .and_then(|()| import.writer.flush().map_err(cannot_write(output)))
        .and_then(|()| fs::rename(&partial, output).map_err(cannot_write(output)));
    if let Err(error) = done {
        // What is in the way of the error is not worth another one.
        let _ = fs::remove_file(&partial);
        return Err(not_a_dataset(error));
    }
    Ok(import.summary)
}

struct Import<'a> {
    writer: BufWriter<File>,
    output: &'a Path,
    summary: ImportSummary,
}

impl Import<'_> {
    fn all(
        &mut self,
        reader: BufReader<File>,
        path: &Path,
        options: &ImportOptions,
    ) -> Result<(), DatasetError> {
        match options.from {
            TraceFormat::Mooncake => {
                let rows = BlockRows::new(reader, path, BlockTrace::usual(mooncake::UNIT));
                self.lengths(rows, mooncake::BLOCK_TOKENS)
            }
            TraceFormat::Bailian => {
                let rows = BlockRows::new(reader, path, BlockTrace::usual(1.0));
                self.lengths(rows, BAILIAN_BLOCK_TOKENS)
            }
            TraceFormat::BurstGpt => self.lengths(BurstRows::new(reader, path)?, 1),
            TraceFormat::Azure => self.lengths(AzureRows::new(reader, path)?, 1),
            TraceFormat::OpenAi => {
                let mut log = RequestLog::new(reader, path, options.output_tokens);
                while let Some(imported) = log.next(&mut self.summary.not_carried)? {
                    self.write(imported)?;
                }
                Ok(())
            }
            TraceFormat::RecordLog => {
                let mut rows = RecordRows::new(reader, path);
                while let Some(imported) = rows.next()? {
                    self.write(imported)?;
                }
                Ok(())
            }
        }
    }

    /// Writes requests of which the lengths are known.
    fn lengths(
        &mut self,
        entries: impl Iterator<Item = Result<Entry, DatasetError>>,
        block_tokens: u32,
    ) -> Result<(), DatasetError> {
        for entry in entries {
            let entry = entry?;
            self.write(match unusable(entry.input, entry.output) {
                Some(reason) => Imported::LeftOut(reason),
                None => Imported::Line(Box::new(of_lengths(entry, block_tokens))),
            })?;
        }
        Ok(())
    }

    fn write(&mut self, imported: Imported) -> Result<(), DatasetError> {
        let line = match imported {
            Imported::LeftOut(reason) => {
                *self.summary.left_out.entry(reason).or_default() += 1;
                return Ok(());
            }
            Imported::Line(line) => line,
        };
        let written = serde_json::to_writer(&mut self.writer, &line).map_err(io::Error::from);
        written
            .and_then(|()| self.writer.write_all(b"\n"))
            .map_err(cannot_write(self.output))?;
        self.summary.written += 1;
        Ok(())
    }
}

fn of_lengths(entry: Entry, block_tokens: u32) -> TraceLine {
    let has_blocks = !entry.hash_ids.is_empty();
    TraceLine {
        at: Some(entry.at.seconds()),
        input_tokens: Some(entry.input),
        block_tokens: has_blocks.then_some(block_tokens),
        hash_ids: has_blocks.then_some(entry.hash_ids),
        output_tokens: entry.output,
        class: entry.kind,
        ..TraceLine::default()
    }
}

/// The file that is written until it is whole: a new one beside `output`, so that no file that
/// exists is touched.
fn beside(output: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u32;
    loop {
        let mut name = output
            .file_name()
            .map_or_else(OsString::new, OsString::from);
        name.push(format!(".{}-{number}.partial", process::id()));
        let path = output.with_file_name(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn cannot_write(output: &Path) -> impl Fn(io::Error) -> DatasetError + '_ {
    |cause| DatasetError::Write {
        path: output.to_owned(),
        cause,
    }
}

/// What to say of a file that is not given with --dataset-path.
fn not_a_dataset(error: DatasetError) -> DatasetError {
    match error {
        DatasetError::Read { path, cause } => DatasetError::Import { path, cause },
        other => other,
    }
}
