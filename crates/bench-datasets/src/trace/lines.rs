//! Files that are read line by line, however long they are.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::DatasetError;

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: Arc<Path>,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The entry, from 1.
    pub(crate) entry: usize,
}

impl Place {
    /// What is wrong there.
    pub(crate) fn error(&self, problem: impl Into<String>, cure: &'static str) -> DatasetError {
        DatasetError::Entry {
            path: self.path.to_path_buf(),
            line: self.line,
            entry: self.entry,
            problem: problem.into(),
            cure,
        }
    }
}

/// Opens a file.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, DatasetError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|cause| DatasetError::Read {
            path: path.to_owned(),
            cause,
        })
}

/// The lines of a JSONL file that are not empty, one value each.
pub(crate) struct Lines<R> {
    reader: R,
    place: Place,
    buffer: Vec<u8>,
    /// What to do about a line that cannot be read.
    cure: &'static str,
}

impl Lines<BufReader<File>> {
    /// Those of the file at `path`.
    pub(crate) fn open(path: &Path, cure: &'static str) -> Result<Self, DatasetError> {
        Ok(Lines::new(open(path)?, path, cure))
    }
}

impl<R: BufRead> Lines<R> {
    /// Those of `reader`, which is called `path` in errors.
    pub(crate) fn new(reader: R, path: &Path, cure: &'static str) -> Lines<R> {
        Lines {
            reader,
            place: Place {
                path: path.into(),
                line: 0,
                entry: 0,
            },
            buffer: Vec::new(),
            cure,
        }
    }

    /// The next value and where it stands; `None` at the end of the file.
    pub(crate) fn value<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(Place, T)>, DatasetError> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = self.buffer.trim_ascii();
        let value = serde_json::from_slice(line)
            .map_err(|e| self.place.error(crate::rows::without_place(&e), self.cure))?;
        Ok(Some((self.place.clone(), value)))
    }

    /// Reads the next line that holds something; whether there is one.
    fn advance(&mut self) -> Result<bool, DatasetError> {
        loop {
            self.buffer.clear();
            let read = self.reader.read_until(b'\n', &mut self.buffer);
            let bytes = read.map_err(|cause| DatasetError::Read {
                path: self.place.path.to_path_buf(),
                cause,
            })?;
            if bytes == 0 {
                return Ok(false);
            }
            self.place.line += 1;
            if self.place.line == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                self.place.entry += 1;
                return Ok(true);
            }
        }
    }
}
