//! Runs that were read before, this time with their requests.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bench_report::RunResult;

use super::detect::Kind;
use super::json::Document;
use super::lines::Lines;
use super::{Opened, ReadOptions, Reader, Refusal, Skipped, known, open};
use crate::AggregateError;

/// Reads runs again, with all their requests, by where they were found.
///
/// Of a file with a run on each line only the lines that are asked for are read. It remembers
/// where they begin, so that a file may be asked for one run after the other.
#[derive(Clone, Debug, Default)]
pub struct Rereader {
    files: HashMap<PathBuf, Layout>,
}

/// How the runs of a file are found.
#[derive(Clone, Debug)]
enum Layout {
    /// They are all in one piece.
    Whole,
    /// Where each line begins, by its number.
    Lines(HashMap<usize, u64>),
}

impl Rereader {
    /// Hands out the runs of a file that are its entries as [`bench_report::Origin::entry`] says
    /// them, in their order.
    ///
    /// # Errors
    /// If one of them cannot be read; those that can are handed out all the same.
    pub fn read(
        &mut self,
        path: &Path,
        entries: &[Option<usize>],
        each: &mut dyn FnMut(RunResult),
    ) -> Result<(), Skipped> {
        let wanted: BTreeSet<Option<usize>> = entries.iter().copied().collect();
        let mut missing = wanted.clone();
        let mut take = |run: RunResult| -> Result<(), AggregateError> {
            if wanted.contains(&run.origin.entry) {
                missing.remove(&run.origin.entry);
                each(run);
            }
            Ok(())
        };
        let mut reader = Reader {
            options: &ReadOptions {
                details: true,
                strict: false,
            },
            each: &mut take,
            skipped: Vec::new(),
        };
        let done = self.read_by(path, &wanted, &mut reader);
        let skipped = reader.skipped.into_iter().map(|skipped| skipped.reason);
        let mut reasons: Vec<String> = skipped.collect();
        reasons.extend(done.err().map(|error| error.to_string()));
        let Some(first) = missing.first() else {
            return Ok(());
        };
        if reasons.is_empty() {
            reasons.push(match first {
                Some(entry) => format!("has no run {entry} any more"),
                None => "has another number of runs than before".to_owned(),
            });
        }
        Err(Skipped {
            path: path.to_owned(),
            reason: reasons.join("; "),
        })
    }

    fn read_by(
        &mut self,
        path: &Path,
        wanted: &BTreeSet<Option<usize>>,
        reader: &mut Reader<'_>,
    ) -> Result<(), AggregateError> {
        if !self.files.contains_key(path) {
            match layout(path) {
                Ok(layout) => self.files.insert(path.to_owned(), layout),
                Err(refusal) => return reader.refused(path, refusal),
            };
        }
        let Some(Layout::Lines(places)) = self.files.get(path) else {
            return reader.file(path, true);
        };
        for number in wanted.iter().flatten() {
            let Some(place) = places.get(number) else {
                continue;
            };
            match line(path, *number, *place) {
                Ok((kind, document)) => reader.document(path, kind, &document, Some(*number))?,
                Err(refusal) => reader.refused(path, super::at_line(refusal, Some(*number)))?,
            }
        }
        Ok(())
    }
}

fn layout(path: &Path) -> Result<Layout, Refusal> {
    let Opened::Lines { mut lines, first } = open(path)? else {
        return Ok(Layout::Whole);
    };
    // All its lines are one run.
    if matches!(known(&first), Ok(Kind::AiperfRequest)) {
        return Ok(Layout::Whole);
    }
    let mut places = HashMap::from([(lines.number(), lines.begin())]);
    while lines.next()?.is_some() {
        places.insert(lines.number(), lines.begin());
    }
    // A file with one line is like any other.
    Ok(match places.len() {
        1 => Layout::Whole,
        _ => Layout::Lines(places),
    })
}

fn line(path: &Path, number: usize, place: u64) -> Result<(Kind, Document), Refusal> {
    let mut lines = Lines::open_at(path, number, place)?;
    let text = lines.next()?.unwrap_or_default();
    let document = Document::parse(text)?;
    Ok((known(&document)?, document))
}
