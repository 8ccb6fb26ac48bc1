//! A file line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The lines of a file that are not blank.
pub(super) struct Lines {
    file: BufReader<File>,
    number: usize,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Lines> {
        Ok(Lines {
            file: BufReader::with_capacity(1 << 16, File::open(path)?),
            number: 0,
        })
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.file.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
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
