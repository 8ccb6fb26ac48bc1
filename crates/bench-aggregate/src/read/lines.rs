//! A file line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The lines of a file that are not blank.
pub(super) struct Lines {
    file: BufReader<File>,
    number: usize,
    /// Where the line that was read last begins, and where it ends, in bytes.
    begin: u64,
    end: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Lines> {
        Ok(Lines {
            file: BufReader::with_capacity(1 << 16, File::open(path)?),
            number: 0,
            begin: 0,
            end: 0,
        })
    }

    /// The lines from the one with this number, which begins at this byte.
    pub(super) fn open_at(path: &Path, number: usize, place: u64) -> io::Result<Lines> {
        let mut lines = Lines::open(path)?;
        lines.file.seek(SeekFrom::Start(place))?;
        Ok(Lines {
            number: number.saturating_sub(1),
            end: place,
            ..lines
        })
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The byte at which the line begins that was read last.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = self.file.read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.begin = self.end;
            self.end += length as u64;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// The first line and all that follows.
    pub(super) fn rest(mut self, mut first: Vec<u8>) -> io::Result<Vec<u8>> {
        self.file.read_to_end(&mut first)?;
        Ok(first)
    }
}
