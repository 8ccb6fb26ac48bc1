//! The record of a sweep, beside its results.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SweepError;
use super::plan::PlannedRun;

/// Its name in the folder of the sweep.
pub(super) const MANIFEST: &str = "sweep.json";

const SCHEMA_VERSION: u32 = 1;

/// What was to be measured and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    pub(super) tool: String,
    pub(super) config: PathBuf,
    /// The settings of the simulated server, if it was one.
    pub(super) simulator: Option<Value>,
    /// In the order of measuring.
    pub(super) points: Vec<Entry>,
}

/// One run of one point.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The result, in the folder of the sweep.
    pub(super) file: String,
    pub(super) values: Map<String, Value>,
    pub(super) state: State,
    /// Why it failed or missed a gate.
    pub(super) reason: Option<String>,
    /// How long it took, hooks included.
    pub(super) seconds: Option<f64>,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Not measured yet.
    Pending,
    /// Measured.
    Done,
    /// Measured, but it missed what the user demanded.
    Missed,
    /// Stopped before its end.
    Partial,
    /// Not measured.
    Failed,
}

impl State {
    /// As people and hooks read it.
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Done => "done",
            State::Missed => "missed",
            State::Partial => "partial",
            State::Failed => "failed",
        }
    }
}

impl Manifest {
    /// Of a sweep that begins.
    pub(super) fn new(
        tool: &str,
        config: &Path,
        simulator: Option<Value>,
        runs: &[PlannedRun],
    ) -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            tool: tool.to_owned(),
            config: config.to_owned(),
            simulator,
            points: runs.iter().map(Entry::pending).collect(),
        }
    }

    /// The record in `dir`, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(dir: &Path) -> Result<Option<Manifest>, SweepError> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SweepError::Read { path, source }),
        };
        let manifest = serde_json::from_slice(&text);
        manifest
            .map(Some)
            .map_err(|source| SweepError::Manifest { path, source })
    }

    /// Takes over what an earlier record knows, of runs that are no longer planned too.
    pub(super) fn take_over(&mut self, earlier: &Manifest) {
        for entry in &earlier.points {
            match self
                .points
                .iter_mut()
                .find(|planned| planned.file == entry.file)
            {
                Some(planned) => {
                    planned.state = entry.state;
                    planned.reason.clone_from(&entry.reason);
                    planned.seconds = entry.seconds;
                }
                None => self.points.push(entry.clone()),
            }
        }
    }

    /// The run with this result file.
    pub(super) fn entry(&self, file: &str) -> Option<&Entry> {
        self.points.iter().find(|entry| entry.file == file)
    }

    /// Notes what became of a run.
    pub(super) fn set(&mut self, file: &str, state: State, reason: Option<String>, seconds: f64) {
        if let Some(entry) = self.points.iter_mut().find(|entry| entry.file == file) {
            entry.state = state;
            entry.reason = reason;
            entry.seconds = Some(seconds);
        }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(super) fn write(&self, dir: &Path) -> Result<(), SweepError> {
        let path = dir.join(MANIFEST);
        let draft = dir.join(format!(".{MANIFEST}.{}.tmp", std::process::id()));
        let written = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, &path));
        written.map_err(|source| SweepError::Write { path, source })
    }
}

impl Entry {
    fn pending(run: &PlannedRun) -> Entry {
        let values = run.values.iter();
        Entry {
            name: run.point.clone(),
            file: run.file_name(),
            values: values
                .map(|(flag, value)| (flag.clone(), value.clone().into()))
                .collect(),
            state: State::Pending,
            reason: None,
            seconds: None,
        }
    }
}
