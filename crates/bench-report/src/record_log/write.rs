use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bench_types::{RequestRecord, RunFacts};
use serde::Serialize;

use super::line::{Line, Packed};
use super::{End, FORMAT_VERSION, Header};
use crate::ReportError;

/// Writes a record log.
///
/// Each line goes to the system in one piece as soon as it is known: it survives the end of the
/// process, whatever that is, though not the failure of the machine. Writing blocks, so it is
/// for a thread that has nothing to time.
#[derive(Debug)]
pub struct RecordLogWriter {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
    /// Length of the file up to the last whole line.
    whole: u64,
}

#[derive(Serialize)]
struct FirstLine<'a> {
    bench_record_log: u32,
    #[serde(flatten)]
    header: &'a Header,
}

impl RecordLogWriter {
    /// Makes the folder and finds out whether a log can be made at `path`: called before a run,
    /// so that it does not fail when it is about to begin. Leaves no file behind.
    ///
    /// # Errors
    /// As [`RecordLogWriter::create`].
    pub fn check(path: &Path, overwrite: bool) -> Result<(), ReportError> {
        if overwrite && path.exists() {
            let opened = OpenOptions::new().write(true).open(path);
            return opened.map(drop).map_err(failure(path));
        }
        open(path, false)?;
        fs::remove_file(path).map_err(failure(path))
    }

    /// Begins a log. Its folder is made if it is missing.
    ///
    /// # Errors
    /// If the file exists and is not to be overwritten, or cannot be written.
    pub fn create(
        path: &Path,
        overwrite: bool,
        header: &Header,
    ) -> Result<RecordLogWriter, ReportError> {
        let mut log = RecordLogWriter {
            file: open(path, overwrite)?,
            path: path.to_owned(),
            line: Vec::new(),
            whole: 0,
        };
        log.write(&FirstLine {
            bench_record_log: FORMAT_VERSION,
            header,
        })?;
        Ok(log)
    }

    /// Adds a request that has ended, as it leaves the worker.
    ///
    /// # Errors
    /// If it cannot be written. What had been written before remains readable.
    pub fn append(&mut self, record: &RequestRecord) -> Result<(), ReportError> {
        self.write(&Line::Record(Box::new(Packed::of(record))))
    }

    /// Ends the log.
    ///
    /// # Errors
    /// If the end cannot be written.
    pub fn finish(mut self, facts: &RunFacts, warnings: &[String]) -> Result<(), ReportError> {
        self.write(&Line::End(End {
            facts: facts.clone(),
            warnings: warnings.to_vec(),
        }))
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), ReportError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)
            .map_err(|error| failure(&self.path)(error.into()))?;
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            self.take_back();
            return Err(failure(&self.path)(error));
        }
        self.whole += self.line.len() as u64;
        Ok(())
    }

    /// Removes the beginning of a line whose end found no room.
    fn take_back(&mut self) {
        // The error that counts is the first. If this fails too, the line stays torn.
        let _ = self.file.set_len(self.whole);
        let _ = self.file.seek(SeekFrom::Start(self.whole));
    }
}

fn open(path: &Path, overwrite: bool) -> Result<File, ReportError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(failure(path))?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ReportError::LogExists {
            path: path.to_owned(),
        },
        _ => failure(path)(error),
    })
}

fn failure(path: &Path) -> impl Fn(io::Error) -> ReportError {
    |source| ReportError::WriteLog {
        path: path.to_owned(),
        source,
    }
}
