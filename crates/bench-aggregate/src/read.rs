//! Runs from the result files of this and other tools.
//!
//! What wrote a file is told by its contents, never by its name. A file is held in memory while
//! it is read, one with a run on each line only line by line, so that any number of files can be
//! read.

mod again;
mod aiperf;
mod detect;
mod from_requests;
mod guidellm;
mod inference_benchmarker;
mod json;
mod lines;
mod request_metrics;
mod sglang;
mod table;
mod value;
mod vllm;
mod walk;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bench_report::RunResult;

use crate::AggregateError;
pub use again::Rereader;
use detect::Kind;
use json::Document;
use lines::Lines;

/// Why an aggregate in a folder is passed over.
const AGGREGATE: &str = "is an aggregate of other results, which would count twice; \
                         name the file itself to read it";
/// Why a table is not taken that was named.
const FOREIGN_TABLE: &str = "is a table, but of no tool that this program knows";

/// What is wanted of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Fill in [`RunResult::requests`].
    pub details: bool,
    /// Fail at the first file that cannot be read, or is no result.
    pub strict: bool,
}

/// A file, or a part of one, that no run was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why, as what follows the name of the file in a sentence.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The runs, in the order of their files.
    pub runs: Vec<RunResult>,
    /// What else was there.
    pub skipped: Vec<Skipped>,
}

/// Reads the runs in files and folders and hands them out one by one.
///
/// Folders are read with all folders in them, in the order of the names. In a folder only files
/// that end in `.json`, `.jsonl`, `.ndjson` or `.csv` are looked at, and no hidden ones. What
/// another file of the list says more about is no run of its own: the record log, the
/// per-request metrics or the tables beside a result. A file that is named twice is read once.
///
/// # Errors
/// If a path leads nowhere, if `each` fails, and for anything skipped if the options are strict.
pub fn read_runs(
    paths: &[PathBuf],
    options: &ReadOptions,
    each: &mut dyn FnMut(RunResult) -> Result<(), AggregateError>,
) -> Result<Vec<Skipped>, AggregateError> {
    let files = walk::files(paths)?;
    let mut reader = Reader {
        options,
        each,
        skipped: Vec::new(),
    };
    for Skipped { path, reason } in files.skipped {
        reader.skip(&path, reason)?;
    }
    for file in files.candidates {
        reader.file(&file.path, file.named)?;
    }
    Ok(reader.skipped)
}

/// As [`read_runs`], with all runs in memory at once.
///
/// # Errors
/// If a path leads nowhere, and for anything skipped if the options are strict.
pub fn read_all(paths: &[PathBuf], options: &ReadOptions) -> Result<Found, AggregateError> {
    let mut runs = Vec::new();
    let skipped = read_runs(paths, options, &mut |run| {
        runs.push(run);
        Ok(())
    })?;
    Ok(Found { runs, skipped })
}

/// The runs of one piece of JSON.
#[derive(Default)]
struct Taken {
    runs: Vec<RunResult>,
    /// What was left out on purpose and should be said.
    left_out: Vec<String>,
}

impl From<RunResult> for Taken {
    fn from(run: RunResult) -> Taken {
        Taken {
            runs: vec![run],
            left_out: Vec::new(),
        }
    }
}

/// Why a file or a part of it is not taken.
enum Refusal {
    /// What is wrong with it.
    Skip(String),
    /// Something in a folder that nobody would take for a result.
    NoCandidate,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal::Skip(reason)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Skip(format!("cannot be read: {error}"))
    }
}

struct Reader<'a> {
    options: &'a ReadOptions,
    each: &'a mut dyn FnMut(RunResult) -> Result<(), AggregateError>,
    skipped: Vec<Skipped>,
}

impl Reader<'_> {
    fn skip(&mut self, path: &Path, reason: String) -> Result<(), AggregateError> {
        if self.options.strict {
            return Err(AggregateError::NotAResult {
                path: path.to_owned(),
                reason,
            });
        }
        self.leave_out(path, reason);
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, reason: String) {
        self.skipped.push(Skipped {
            path: path.to_owned(),
            reason,
        });
    }

    fn refused(&mut self, path: &Path, refusal: Refusal) -> Result<(), AggregateError> {
        match refusal {
            Refusal::Skip(reason) => self.skip(path, reason),
            Refusal::NoCandidate => Ok(()),
        }
    }

    fn file(&mut self, path: &Path, named: bool) -> Result<(), AggregateError> {
        match open(path) {
            Err(refusal) => self.refused(path, refusal),
            Ok(Opened::Table { header }) => self.table(path, named, &header),
            Ok(Opened::Whole(document)) => match known(&document) {
                // It belongs to the results that are read.
                Ok(Kind::Series) if !named => Ok(()),
                Ok(kind) => self.document(path, kind, &document, None),
                Err(refusal) => self.refused(path, refusal),
            },
            Ok(Opened::Lines { lines, first }) => self.lines(path, lines, first),
        }
    }

    /// A file with a piece of JSON on each line.
    fn lines(
        &mut self,
        path: &Path,
        mut lines: Lines,
        first: Document,
    ) -> Result<(), AggregateError> {
        match known(&first) {
            Ok(Kind::RecordLog) => return self.skip(path, detect::RECORD_LOG.to_owned()),
            Ok(Kind::AiperfRequest) => {
                return match aiperf::requests(&first, &mut lines, self.options.details) {
                    Ok(taken) => self.taken(path, taken, None),
                    Err(refusal) => self.refused(path, refusal),
                };
            }
            _ => {}
        }
        let mut number = lines.number();
        let mut next = match lines.next() {
            Ok(next) => next,
            Err(error) => return self.refused(path, error.into()),
        };
        // A file with one line is like any other.
        let several = next.is_some();
        let mut document = Ok(first);
        loop {
            let entry = several.then_some(number);
            let kind = document.and_then(|document| Ok((known(&document)?, document)));
            match kind {
                Ok((kind, document)) => self.document(path, kind, &document, entry)?,
                Err(refusal) => self.refused(path, at_line(refusal, entry))?,
            }
            let Some(line) = next else {
                return Ok(());
            };
            document = Document::parse(line).map_err(Refusal::from);
            number = lines.number();
            next = match lines.next() {
                Ok(next) => next,
                Err(error) => return self.refused(path, error.into()),
            };
        }
    }

    fn document(
        &mut self,
        path: &Path,
        kind: Kind,
        document: &Document,
        line: Option<usize>,
    ) -> Result<(), AggregateError> {
        let details = self.options.details;
        let taken = match kind {
            Kind::Vllm => vllm::read(document, details),
            Kind::Sglang => sglang::read(document, details),
            Kind::AiperfSummary => aiperf::summary(document, path, details),
            Kind::Guidellm => guidellm::read(document, details),
            Kind::InferenceBenchmarker => inference_benchmarker::read(document),
            Kind::RequestMetrics => request_metrics::read(document, details),
            Kind::AiperfRequest => Err("has a request of aiperf among other things".to_owned()),
            Kind::RecordLog => Err(detect::RECORD_LOG.to_owned()),
            Kind::Series => Err(detect::SERIES.to_owned()),
        };
        match taken {
            Ok(taken) => self.taken(path, taken, line),
            Err(reason) => self.refused(path, at_line(Refusal::Skip(reason), line)),
        }
    }

    fn table(&mut self, path: &Path, named: bool, header: &str) -> Result<(), AggregateError> {
        let taken = if aiperf::is_table(header) {
            aiperf::table(path)
        } else if table::is_aggregate(header) {
            if named {
                table::read(path)
            } else {
                Err(Refusal::Skip(AGGREGATE.to_owned()))
            }
        } else if named {
            Err(Refusal::Skip(FOREIGN_TABLE.to_owned()))
        } else {
            Err(Refusal::NoCandidate)
        };
        match taken {
            Ok(taken) => self.taken(path, taken, None),
            Err(refusal) => self.refused(path, refusal),
        }
    }

    fn taken(
        &mut self,
        path: &Path,
        taken: Taken,
        line: Option<usize>,
    ) -> Result<(), AggregateError> {
        for reason in taken.left_out {
            self.leave_out(path, reason);
        }
        let several = taken.runs.len() > 1;
        for (index, mut run) in (1..).zip(taken.runs) {
            run.found_at(path, line.or_else(|| several.then_some(index)));
            (self.each)(run)?;
        }
        Ok(())
    }
}

/// What a file turned out to be on its first line.
enum Opened {
    /// JSON from the first byte to the last.
    Whole(Document),
    /// JSON on the first line, and perhaps on others.
    Lines { lines: Lines, first: Document },
    /// Comma-separated values.
    Table { header: String },
}

fn open(path: &Path) -> Result<Opened, Refusal> {
    let mut lines = Lines::open(path)?;
    let Some(first) = lines.next()? else {
        return Err(Refusal::Skip("is empty".to_owned()));
    };
    let begins = first.iter().find(|byte| !byte.is_ascii_whitespace());
    // A byte order mark may come first.
    if matches!(begins, Some(b'{' | 0xef)) {
        return match Document::parse(first.clone()) {
            Ok(first) => Ok(Opened::Lines { lines, first }),
            Err(_) => Ok(Opened::Whole(Document::parse(lines.rest(first)?)?)),
        };
    }
    let ending = path.extension().unwrap_or_default();
    match String::from_utf8(first) {
        Ok(header) if ending.eq_ignore_ascii_case("csv") => Ok(Opened::Table { header }),
        Ok(text) if text.trim_start().starts_with('[') => Err(Refusal::Skip(
            "is a list in JSON, and no result of a run".to_owned(),
        )),
        _ => Err(Refusal::Skip("is neither JSON nor a .csv file".to_owned())),
    }
}

fn known(document: &Document) -> Result<Kind, Refusal> {
    detect::kind(document).ok_or_else(|| Refusal::Skip(detect::unknown(document)))
}

fn at_line(refusal: Refusal, line: Option<usize>) -> Refusal {
    match (refusal, line) {
        (Refusal::Skip(reason), Some(line)) => Refusal::Skip(format!("line {line} {reason}")),
        (refusal, _) => refusal,
    }
}
