//! The results that are drawn.

use std::path::PathBuf;

use bench_aggregate::{Found, ReadOptions, read_all};
use bench_report::Tool;

use crate::PlotError;

/// The runs in files and folders, at least one; with their single requests if `details`.
pub(crate) fn read(paths: &[PathBuf], details: bool) -> Result<Found, PlotError> {
    let options = ReadOptions {
        details,
        strict: false,
    };
    let found = read_all(paths, &options)?;
    if found.runs.is_empty() {
        return Err(PlotError::NoRuns {
            paths: paths.to_vec(),
            skipped: found.skipped,
        });
    }
    Ok(found)
}

/// The rows of an aggregate CSV.
pub(crate) fn read_csv(path: &PathBuf) -> Result<Found, PlotError> {
    let found = read(std::slice::from_ref(path), false)?;
    let other = found.runs.iter().map(|run| run.origin.tool);
    match other.into_iter().find(|tool| *tool != Tool::AggregateCsv) {
        Some(tool) => Err(PlotError::NotACsv {
            path: path.clone(),
            tool: tool.to_string(),
        }),
        None => Ok(found),
    }
}
