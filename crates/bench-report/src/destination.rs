use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Report, ReportError, VllmResult};

/// Where a result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The folder; made if missing.
    pub dir: PathBuf,
    /// The file in it.
    pub file_name: String,
    /// Add the result as a line to a file that may exist.
    pub append: bool,
    /// Replace a file that exists.
    pub overwrite: bool,
}

impl Destination {
    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.file_name)
    }

    /// Makes the folder and finds out whether the result will be welcome there: called
    /// before a run, so that hours of measuring are not lost to a typing error.
    pub fn check(&self) -> Result<(), ReportError> {
        if self.append && self.overwrite {
            return Err(ReportError::AppendAndOverwrite);
        }
        let path = self.path();
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir).map_err(|source| ReportError::CreateDir {
            path: dir.to_owned(),
            source,
        })?;
        if path.exists() {
            if !path.is_file() {
                return Err(ReportError::NotAFile { path });
            }
            if !self.append && !self.overwrite {
                return Err(ReportError::Exists { path });
            }
        }
        let writable = if self.append && path.exists() {
            OpenOptions::new().append(true).open(&path).map(drop)
        } else {
            let trial = temporary(&path);
            File::create(&trial).and_then(|_| fs::remove_file(&trial))
        };
        writable.map_err(|source| ReportError::Write { path, source })
    }

    /// Writes the result of a run and returns its path.
    ///
    /// A new file appears whole or not at all. `detailed` adds one entry per request to
    /// the arrays, and the generated texts.
    pub fn write(&self, report: &Report, detailed: bool) -> Result<PathBuf, ReportError> {
        let path = self.path();
        let records = VllmResult::in_order(report);
        let result = VllmResult::of(report, &records, detailed);
        if self.append {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let file = file.map_err(|source| ReportError::Write {
                path: path.clone(),
                source,
            })?;
            encode(&result, file, &path)?;
            return Ok(path);
        }
        let draft = temporary(&path);
        let written = File::create(&draft)
            .map_err(|source| ReportError::Write {
                path: draft.clone(),
                source,
            })
            .and_then(|file| encode(&result, file, &draft))
            .and_then(|()| self.publish(&draft, &path));
        if written.is_err() {
            // The draft may not even exist; the error that counts is the first.
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| path)
    }

    /// Gives the draft its name, without replacing a file that came into being meanwhile.
    fn publish(&self, draft: &Path, path: &Path) -> Result<(), ReportError> {
        let write_error = |source| ReportError::Write {
            path: path.to_owned(),
            source,
        };
        if self.overwrite {
            return fs::rename(draft, path).map_err(write_error);
        }
        match fs::hard_link(draft, path) {
            Ok(()) => fs::remove_file(draft).map_err(write_error),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ReportError::Exists {
                    path: path.to_owned(),
                })
            }
            // A file system without hard links.
            Err(_) => fs::rename(draft, path).map_err(write_error),
        }
    }
}

/// The name of a file while it is being written, in the same folder so that it can be renamed.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn encode(result: &VllmResult<'_>, file: File, path: &Path) -> Result<(), ReportError> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let write_error = |source| ReportError::Write {
        path: path.to_owned(),
        source,
    };
    serde_json::to_writer(&mut out, result).map_err(|source| {
        if source.is_io() {
            write_error(source.into())
        } else {
            ReportError::Encode {
                path: path.to_owned(),
                source,
            }
        }
    })?;
    out.write_all(b"\n").map_err(write_error)?;
    out.flush().map_err(write_error)
}
