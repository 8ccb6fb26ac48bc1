//! The files that are written after a run.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bench_report::{
    Destination, Report, ReportError, RequestsExport, RequestsFormat, ResultFormat, date_stamp,
};
use bench_types::Sampling;

use super::ResultOptions;
use crate::{RequestIds, RequestOptions};

/// Where the result of a run goes, and its per-request metrics.
#[derive(Clone, Debug)]
pub struct Saving {
    destination: Destination,
    /// The files are named after the run.
    default_name: bool,
    format: ResultFormat,
    result: Option<Detail>,
    requests: Option<Requests>,
}

/// How much a result tells of single requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Latencies and queue times only.
    Little,
    /// All.
    Full,
}

/// The file of per-request metrics.
#[derive(Clone, Debug)]
struct Requests {
    format: RequestsFormat,
    ids: RequestIds,
    sampling: Sampling,
}

impl Saving {
    /// Finds out before the run whether its files can be written. `None` if none are wanted.
    pub(super) fn check(
        options: &ResultOptions,
        request: &RequestOptions,
    ) -> Result<Option<Saving>, ReportError> {
        let result = options.saves();
        if !result && options.save_requests.is_none() {
            return Ok(None);
        }
        let detail = if options.save_detailed {
            Detail::Full
        } else {
            Detail::Little
        };
        let saving = Saving {
            destination: Destination {
                dir: options.folder().to_owned(),
                file_name: options
                    .file_name()
                    .map_or_else(|| date_stamp(now_unix()) + ".json", str::to_owned),
                append: options.adds_line(),
                overwrite: options.overwrite,
            },
            default_name: options.file_name().is_none(),
            format: options.format(),
            result: result.then_some(detail),
            requests: options.save_requests.map(|format| Requests {
                format,
                ids: request.request_ids.clone(),
                sampling: request.sampling.clone(),
            }),
        };
        saving.check_files()?;
        Ok(Some(saving))
    }

    fn check_files(&self) -> Result<(), ReportError> {
        if self.result.is_some() {
            self.destination.check()?;
        }
        match &self.requests {
            // A file of many results has a file of requests for each of them, with a number.
            Some(requests) if !self.destination.append => {
                requests.check(&self.destination, &self.destination.path())
            }
            _ => Ok(()),
        }
    }

    /// Writes the files and returns the path of the result, or that of the per-request metrics
    /// if no result is wanted.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(mut self, report: &Report) -> Result<PathBuf, ReportError> {
        if self.default_name {
            self.destination.file_name = match self.format {
                ResultFormat::Vllm => report.file_name(),
                ResultFormat::Sglang => report.setup.sglang_file_name(),
            };
        }
        let mut saved = self.destination.path();
        if let Some(detail) = self.result {
            let detailed = detail == Detail::Full;
            saved = self.destination.write_as(self.format, report, detailed)?;
        }
        if let Some(requests) = &self.requests {
            let path = requests.write(&self.destination, &saved, report)?;
            if self.result.is_none() {
                saved = path;
            }
        }
        Ok(saved)
    }
}

impl Requests {
    /// Beside the result, whose path may have a number that the destination does not have.
    fn destination(&self, place: &Destination, result: &Path) -> Destination {
        let name = result.with_extension(self.format.extension());
        let name = name.file_name().unwrap_or_default();
        Destination {
            dir: result.parent().unwrap_or(&place.dir).to_owned(),
            file_name: name.to_string_lossy().into_owned(),
            append: false,
            overwrite: place.overwrite,
        }
    }

    fn check(&self, place: &Destination, result: &Path) -> Result<(), ReportError> {
        let checked = self.destination(place, result).check();
        checked.map_err(|error| match error {
            ReportError::Exists { path } => ReportError::RequestsExist { path },
            error => error,
        })
    }

    fn write(
        &self,
        place: &Destination,
        result: &Path,
        report: &Report,
    ) -> Result<PathBuf, ReportError> {
        let export = RequestsExport {
            report,
            request_id: &|number| self.ids.of(number),
            sampling: &self.sampling,
            now_unix: now_unix(),
        };
        let destination = self.destination(place, result);
        destination.write_requests(&export, self.format)
    }
}

impl ResultOptions {
    /// Whether the answers are wanted in a file.
    pub(super) fn keeps_text(&self) -> bool {
        self.save_detailed || self.save_requests.is_some()
    }
}

fn now_unix() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}
