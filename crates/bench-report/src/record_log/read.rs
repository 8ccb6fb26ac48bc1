use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use bench_types::{RequestKind, RequestRecord};
use serde::Deserialize;

use super::line::Line;
use super::{FORMAT_VERSION, Header, RecordLog, Torn};
use crate::ReportError;

impl RecordLog {
    /// Reads a log from its file.
    ///
    /// # Errors
    /// If the file cannot be read, is no record log, or has lines that no run wrote. That its
    /// last line was cut off is no error.
    pub fn read(path: &Path) -> Result<RecordLog, ReportError> {
        let file = File::open(path).map_err(|source| ReportError::ReadLog {
            path: path.to_owned(),
            source,
        })?;
        RecordLog::read_from(BufReader::with_capacity(1 << 16, file), path)
    }

    /// Reads a log from anywhere; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`RecordLog::read`].
    pub fn read_from(source: impl BufRead, name: &Path) -> Result<RecordLog, ReportError> {
        let mut lines = Lines {
            source,
            path: name,
            bytes: Vec::new(),
            number: 0,
        };
        if !lines.next()? {
            return Err(lines.no_log("is empty"));
        }
        let header = lines.header()?;
        let mut log = RecordLog {
            header,
            records: Vec::new(),
            end: None,
            dropped: None,
        };
        let mut seen = HashMap::new();
        while lines.next()? {
            let line = match serde_json::from_slice(lines.text()) {
                Ok(line) => line,
                Err(_) if lines.is_torn() => {
                    log.dropped = Some(Torn {
                        line: lines.number,
                        bytes: lines.bytes.len(),
                    });
                    break;
                }
                Err(error) => return Err(lines.damaged(plain(&error))),
            };
            let added = log.add(line, lines.number, &mut seen);
            added.map_err(|problem| lines.damaged(problem))?;
        }
        Ok(log)
    }

    /// Adds what a line says; `seen` has the line of each request.
    fn add(
        &mut self,
        line: Line,
        number: usize,
        seen: &mut HashMap<(RequestKind, u64), usize>,
    ) -> Result<(), String> {
        if self.end.is_some() {
            return Err("the log had ended on the line before".to_owned());
        }
        let record: RequestRecord = match line {
            Line::End(end) => {
                self.end = Some(end);
                return Ok(());
            }
            Line::Record(packed) => packed.unpack()?,
        };
        // Each kind has numbers of its own.
        match seen.entry((record.kind, record.id)) {
            Entry::Occupied(first) => {
                let (id, first) = (record.id, first.get());
                return Err(format!("request {id} is on line {first} already"));
            }
            Entry::Vacant(entry) => entry.insert(number),
        };
        self.records.push(record);
        Ok(())
    }
}

/// A file line by line.
struct Lines<'a, R> {
    source: R,
    path: &'a Path,
    bytes: Vec<u8>,
    number: usize,
}

#[derive(Deserialize)]
struct Version {
    bench_record_log: u32,
}

impl<R: BufRead> Lines<'_, R> {
    /// Goes to the next line, if there is one.
    fn next(&mut self) -> Result<bool, ReportError> {
        self.bytes.clear();
        let read = self.source.read_until(b'\n', &mut self.bytes);
        let read = read.map_err(|source| ReportError::ReadLog {
            path: self.path(),
            source,
        })?;
        self.number += 1;
        Ok(read > 0)
    }

    /// The line without its line feed.
    fn text(&self) -> &[u8] {
        self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes)
    }

    /// Whether the line has no end.
    fn is_torn(&self) -> bool {
        self.bytes.last() != Some(&b'\n')
    }

    fn header(&self) -> Result<Header, ReportError> {
        let version: Version = match serde_json::from_slice(self.text()) {
            Ok(version) => version,
            Err(_) if self.is_torn() && self.begins_as_a_log() => {
                return Err(ReportError::LogCutShort { path: self.path() });
            }
            Err(_) => return Err(self.no_log("does not begin with the key bench_record_log")),
        };
        let version = version.bench_record_log;
        if version != FORMAT_VERSION {
            return Err(ReportError::LogVersion {
                path: self.path(),
                version,
            });
        }
        serde_json::from_slice(self.text()).map_err(|error| self.damaged(plain(&error)))
    }

    fn begins_as_a_log(&self) -> bool {
        let key = b"{\"bench_record_log\"";
        let common = key.len().min(self.bytes.len());
        self.bytes[..common] == key[..common]
    }

    fn no_log(&self, problem: &'static str) -> ReportError {
        ReportError::NoLog {
            path: self.path(),
            problem,
        }
    }

    fn damaged(&self, problem: String) -> ReportError {
        ReportError::LogLine {
            path: self.path(),
            line: self.number,
            problem,
        }
    }

    fn path(&self) -> PathBuf {
        self.path.to_owned()
    }
}

/// What is wrong, with its place in the line: to the parser, each line is line 1.
fn plain(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let text = text.trim_end_matches(&format!(" at line {line} column {column}"));
    format!("column {column}: {text}")
}
