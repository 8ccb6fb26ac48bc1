use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{
    Report, ReportError, RequestsExport, RequestsFormat, ResultFormat, SglangResult, VllmResult,
    record_log,
};

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
        writable.map_err(failure(&path))
    }

    /// Writes the result of a run and returns the path it has.
    ///
    /// A new file appears whole or not at all; a line that cannot be appended whole is taken
    /// back. `detailed` adds arrays with an entry for each request, and the generated texts.
    ///
    /// Should a file of that name have come into being during the run, neither result is
    /// lost: this one gets a number in its name.
    pub fn write(&self, report: &Report, detailed: bool) -> Result<PathBuf, ReportError> {
        self.write_as(ResultFormat::Vllm, report, detailed)
    }

    /// As [`Destination::write`], in a format of choice.
    pub fn write_as(
        &self,
        format: ResultFormat,
        report: &Report,
        detailed: bool,
    ) -> Result<PathBuf, ReportError> {
        let records = VllmResult::in_order(report);
        let write = |file: &File, path: &Path| match format {
            ResultFormat::Vllm => {
                let result = VllmResult::of(report, &records, detailed);
                write_line(file, path, |out| serde_json::to_writer(out, &result))
            }
            ResultFormat::Sglang => {
                let result = SglangResult::of(report, &records, detailed);
                write_line(file, path, |out| {
                    let line = result.line()?;
                    out.write_all(line.as_bytes())
                        .map_err(serde_json::Error::io)
                })
            }
        };
        if self.append {
            self.add_line(write)
        } else {
            self.new_file(write)
        }
    }

    /// Writes the per-request metrics of a run and returns the path they have.
    ///
    /// The file appears whole or not at all, and costs no other, as in [`Destination::write`].
    pub fn write_requests(
        &self,
        requests: &RequestsExport<'_>,
        format: RequestsFormat,
    ) -> Result<PathBuf, ReportError> {
        self.new_file(|file, path| {
            let mut out = BufWriter::with_capacity(1 << 16, file);
            let written = requests.write(format, &mut out);
            written.and_then(|()| out.flush()).map_err(failure(path))
        })
    }

    fn add_line(
        &self,
        write: impl FnOnce(&File, &Path) -> Result<(), ReportError>,
    ) -> Result<PathBuf, ReportError> {
        let path = self.path();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(failure(&path))?;
        let before = file.metadata().map_err(failure(&path))?.len();
        write(&file, &path).inspect_err(|_| {
            // The error that counts is the first.
            let _ = file.set_len(before);
        })?;
        Ok(path)
    }

    fn new_file(
        &self,
        write: impl FnOnce(&File, &Path) -> Result<(), ReportError>,
    ) -> Result<PathBuf, ReportError> {
        let path = self.path();
        let draft = temporary(&path);
        let written = File::create(&draft)
            .map_err(failure(&draft))
            .and_then(|file| write(&file, &draft))
            .and_then(|()| self.publish(&draft, path));
        if written.is_err() {
            // The error that counts is the first.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Gives a finished draft its name.
    fn publish(&self, draft: &Path, path: PathBuf) -> Result<PathBuf, ReportError> {
        let free = if self.overwrite {
            path
        } else {
            free_name(path)
        };
        fs::rename(draft, &free).map_err(failure(&free))?;
        Ok(free)
    }
}

/// Where the report for a browser goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFile(Destination);

impl PageFile {
    /// That file; `overwrite` replaces one that exists.
    pub fn new(path: &Path, overwrite: bool) -> PageFile {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        PageFile(Destination {
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            file_name: file_name.into_owned(),
            append: false,
            overwrite,
        })
    }

    /// As [`Destination::check`].
    pub fn check(&self) -> Result<(), ReportError> {
        self.0.check().map_err(ReportError::of_page)
    }

    /// Writes the page and returns the path it has.
    ///
    /// The file appears whole or not at all, and costs no other, as in [`Destination::write`].
    pub fn write(&self, page: &str) -> Result<PathBuf, ReportError> {
        let written = self.0.new_file(|mut file, path| {
            let written = file.write_all(page.as_bytes());
            written.map_err(failure(path))
        });
        written.map_err(ReportError::of_page)
    }
}

/// The path itself if nothing is there, else the first free one of `name-2.json`, `name-3.json`.
/// The number stands before all endings: `name-2.records.jsonl`.
pub fn free_name(path: PathBuf) -> PathBuf {
    if !path.exists() {
        return path;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = [
        record_log::EXTENSION,
        RequestsFormat::Json.extension(),
        RequestsFormat::Csv.extension(),
    ];
    let double = endings.iter().find_map(|ending| name.strip_suffix(ending));
    let dot = double.unwrap_or(&name).rfind('.');
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    let numbered = |n: u64| path.with_file_name(format!("{stem}-{n}{ending}"));
    let free = (2..).map(numbered).find(|path| !path.exists());
    free.unwrap_or(path)
}

fn failure(path: &Path) -> impl Fn(io::Error) -> ReportError {
    |source| ReportError::Write {
        path: path.to_owned(),
        source,
    }
}

/// The name of a file while it is being written, in the same folder so that it can be renamed.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn write_line(
    file: &File,
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> serde_json::Result<()>,
) -> Result<(), ReportError> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).map_err(|source| {
        if source.is_io() {
            failure(path)(source.into())
        } else {
            ReportError::Encode {
                path: path.to_owned(),
                source,
            }
        }
    })?;
    out.write_all(b"\n").map_err(failure(path))?;
    out.flush().map_err(failure(path))
}
