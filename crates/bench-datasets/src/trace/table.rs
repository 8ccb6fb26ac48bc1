//! CSV files with a header, whose errors name the line.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use csv::{ErrorKind, StringRecord};

use super::formats::as_tokens;
use super::lines::Place;
use crate::DatasetError;

/// A CSV file with a header, of which some columns are read.
pub(super) struct Table<R> {
    reader: csv::Reader<Numbered<R>>,
    path: Arc<Path>,
    entries: usize,
    /// Where the columns are.
    columns: Vec<usize>,
    names: &'static [&'static str],
    cure: &'static str,
}

impl<R: BufRead> Table<R> {
    /// The table that `reader` reads, with columns of these names.
    pub(super) fn new(
        reader: R,
        path: &Path,
        names: &'static [&'static str],
        cure: &'static str,
    ) -> Result<Table<R>, DatasetError> {
        let mut table = Table {
            reader: csv::ReaderBuilder::new()
                .trim(csv::Trim::All)
                .from_reader(Numbered::new(reader)),
            path: path.into(),
            entries: 0,
            columns: Vec::new(),
            names,
            cure,
        };
        let header = table.reader.headers().cloned();
        let header = header.map_err(|error| table.broken(error))?;
        if header.iter().all(str::is_empty) {
            return Err(DatasetError::NothingUsable {
                path: path.to_owned(),
                entries: 0,
                problem: "the file is empty",
            });
        }
        for name in names {
            let found = header.iter().position(|column| {
                column
                    .trim_start_matches('\u{feff}')
                    .eq_ignore_ascii_case(name)
            });
            let column = found.ok_or_else(|| {
                let problem = format!("the header has no column `{name}`");
                table.place(1).error(problem, cure)
            })?;
            table.columns.push(column);
        }
        Ok(table)
    }

    /// The next row; `None` at the end.
    pub(super) fn row(&mut self) -> Result<Option<(Place, StringRecord)>, DatasetError> {
        let mut record = StringRecord::new();
        let read = self.reader.read_record(&mut record);
        if !read.map_err(|error| self.broken(error))? {
            return Ok(None);
        }
        self.entries += 1;
        // A field in quotes may have lines of its own.
        let more: usize = record.iter().map(|field| field.matches('\n').count()).sum();
        let line = self.reader.get_ref().line - more;
        Ok(Some((self.place(line), record)))
    }

    /// What to do about a row that cannot be read.
    pub(super) fn cure(&self) -> &'static str {
        self.cure
    }

    fn place(&self, line: usize) -> Place {
        Place {
            path: Arc::clone(&self.path),
            line,
            entry: self.entries,
        }
    }

    fn broken(&self, error: csv::Error) -> DatasetError {
        let mut place = self.place(self.reader.get_ref().line);
        place.entry += 1;
        match error.into_kind() {
            ErrorKind::Io(cause) => DatasetError::Read {
                path: self.path.to_path_buf(),
                cause,
            },
            ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => place.error(
                format!("it has {len} fields, and the header has {expected_len}"),
                self.cure,
            ),
            ErrorKind::Utf8 { .. } => place.error("it is not UTF-8", self.cure),
            other => place.error(format!("it is no CSV: {other:?}"), self.cure),
        }
    }

    /// The text of column `index` of those that were asked for.
    pub(super) fn text<'a>(&self, record: &'a StringRecord, index: usize) -> &'a str {
        self.columns
            .get(index)
            .and_then(|column| record.get(*column))
            .unwrap_or_default()
    }

    /// The number of tokens in column `index`.
    pub(super) fn tokens(
        &self,
        place: &Place,
        record: &StringRecord,
        index: usize,
    ) -> Result<u32, DatasetError> {
        let text = self.text(record, index);
        whole(text).ok_or_else(|| {
            let name = self.names[index];
            place.error(
                format!("`{text}` is no number of tokens ({name})"),
                self.cure,
            )
        })
    }
}

/// Reads line by line, so that it is known on which line a reader is; lines without anything are
/// passed over.
struct Numbered<R> {
    reader: R,
    /// The line that was read last, from 1.
    line: usize,
    buffer: Vec<u8>,
    /// How much of the buffer is given away.
    given: usize,
}

impl<R> Numbered<R> {
    fn new(reader: R) -> Numbered<R> {
        Numbered {
            reader,
            line: 0,
            buffer: Vec::new(),
            given: 0,
        }
    }
}

impl<R: BufRead> Read for Numbered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.buffer.len() {
            self.buffer.clear();
            self.given = 0;
            if self.reader.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(0);
            }
            self.line += 1;
            let content = self.buffer.trim_ascii_end().len();
            self.buffer.truncate(content);
            if content > 0 {
                self.buffer.push(b'\n');
            }
        }
        let count = into.len().min(self.buffer.len() - self.given);
        into[..count].copy_from_slice(&self.buffer[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// A number of tokens, which some tools write with a decimal point.
fn whole(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| as_tokens(text.parse().ok()?))
}
