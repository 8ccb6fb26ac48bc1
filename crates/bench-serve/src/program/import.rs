//! Traces of other formats.

use std::process::ExitCode;

use bench_core::datasets::{DatasetError, ImportOptions, import_trace};
use bench_serve::ImportLine;

use super::exit::{FAILED, ProgramError, USAGE};
use super::process::print;

/// Carries out the import of a command line and prints what came of it.
pub(crate) fn import(line: &ImportLine) -> Result<ExitCode, ProgramError> {
    let options = ImportOptions {
        from: line.from,
        output_tokens: line.output_tokens,
        overwrite: line.overwrite,
    };
    let summary = import_trace(&line.input, &line.output, &options);
    let summary = summary.map_err(|error| ProgramError::new(code(&error), error))?;
    print(&summary.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the input is the user's to mend, as with a dataset's file.
fn code(error: &DatasetError) -> u8 {
    match error {
        DatasetError::Write { .. } => FAILED,
        _ => USAGE,
    }
}
