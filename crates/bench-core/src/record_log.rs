//! Writes the record log of a run, on a thread that has nothing to time.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use bench_report::record_log::{EXTENSION, Header, RecordLogWriter};
use bench_report::{ReportError, free_name};
use bench_types::{Nanos, RequestRecord};

use crate::RunError;

/// Asks for a record log: a file with a line for each request, written the moment it ends, from
/// which the result can be made again should the run be killed.
#[derive(Clone, Debug)]
pub struct RecordLogOptions {
    /// Where it is written.
    pub place: LogPlace,
    /// Replace a file that exists.
    pub overwrite: bool,
    /// Whether the result made of it has an entry for each request.
    pub detailed: bool,
}

/// Where a record log is written.
#[derive(Clone, Debug)]
pub enum LogPlace {
    /// This file.
    File(PathBuf),
    /// A file in this folder, named as the result of the run is by default.
    Folder(PathBuf),
}

impl RecordLogOptions {
    /// The file to be written, given the default name of the result.
    fn path(&self, result_name: &str) -> PathBuf {
        match &self.place {
            LogPlace::File(path) => path.clone(),
            LogPlace::Folder(folder) => {
                let name = Path::new(result_name).with_extension(EXTENSION);
                // Two runs may begin within a second.
                free_name(folder.join(name))
            }
        }
    }
}

/// A log that is to be written.
pub(crate) struct Log {
    path: PathBuf,
    overwrite: bool,
    header: Header,
}

impl Log {
    pub(crate) fn new(options: &RecordLogOptions, header: Header) -> Log {
        Log {
            path: options.path(&header.setup.file_name()),
            overwrite: options.overwrite,
            header,
        }
    }

    /// Begins the log of a run that begins at `start`. The records that come out of `records`
    /// go through it: what leaves the returned channel has been written.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn begin(
        mut self,
        start: Nanos,
        records: Receiver<RequestRecord>,
    ) -> Result<(Receiver<RequestRecord>, LogThread), RunError> {
        self.header.start = start;
        let mut writer = RecordLogWriter::create(&self.path, self.overwrite, &self.header)?;
        let (sender, written) = channel();
        let thread = std::thread::Builder::new()
            .name("bench-record-log".into())
            .spawn(move || {
                let mut broken = None;
                for record in records {
                    if broken.is_none() {
                        broken = writer.append(&record).err();
                    }
                    // The run has stopped listening only if it was dropped.
                    let _ = sender.send(record);
                }
                match broken {
                    None => Ok(writer),
                    Some(error) => Err(error),
                }
            })
            .map_err(RunError::Worker)?;
        Ok((written, LogThread(thread)))
    }
}

/// The thread that writes a log. It ends when all workers have.
pub(crate) struct LogThread(JoinHandle<Result<RecordLogWriter, ReportError>>);

impl LogThread {
    /// The log, for its last line; or why it is not whole.
    pub(crate) fn join(self) -> Result<RecordLogWriter, String> {
        match self.0.join() {
            Ok(Ok(writer)) => Ok(writer),
            Ok(Err(error)) => Err(format!("the record log is not whole: {error}")),
            Err(_) => Err("the record log is not whole: its thread ended unexpectedly".to_owned()),
        }
    }
}
