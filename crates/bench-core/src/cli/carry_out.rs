//! From options to a result.

use std::path::PathBuf;

use bench_report::{Report, ReportError};

use super::{OptionsError, RunOptions, Surroundings};
use crate::Observer;

/// A run that was carried out.
#[derive(Debug)]
pub struct Carried {
    /// What was measured.
    pub report: Report,
    /// The result file, if one was asked for. A report whose file cannot be written is not lost.
    pub saved: Result<Option<PathBuf>, ReportError>,
}

impl RunOptions {
    /// Prepares a run, executes it and saves its result, if that is asked for. A tool with
    /// several runs gives each [`Surroundings::for_one_run`].
    ///
    /// # Errors
    /// If the run cannot begin or cannot go on. Failed requests are no error: they are in the
    /// report.
    pub async fn carry_out(
        &self,
        around: Surroundings,
        observer: &mut dyn Observer,
    ) -> Result<Carried, OptionsError> {
        let (run, saving) = self.prepare(around).await?;
        let report = run.execute(observer).await?;
        let saved = saving.map(|saving| saving.save(&report)).transpose();
        Ok(Carried { report, saved })
    }
}
