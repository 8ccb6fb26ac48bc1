//! Exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

use bench_core::cli::OptionsError;
use bench_core::cli::search::SearchError;
use bench_core::cli::sweep::SweepError;
use bench_core::report::ReportError;
use bench_serve::SimulatorError;

/// The run could not be carried out, or no request succeeded.
pub(crate) const FAILED: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// The run missed what the user demanded of it.
pub(crate) const MISSED: u8 = 3;
/// Ctrl-C, twice.
pub(crate) const INTERRUPTED: i32 = 130;

/// Why the program ends early.
pub(crate) struct ProgramError {
    code: u8,
    message: String,
}

impl ProgramError {
    /// With an exit code of this module.
    pub(crate) fn new(code: u8, error: impl fmt::Display) -> ProgramError {
        let message = error.to_string();
        ProgramError { code, message }
    }

    /// Of a thing that cannot be, if the program is right.
    pub(crate) fn bug(error: impl fmt::Display) -> ProgramError {
        ProgramError::new(FAILED, format!("{error}; this is a bug, please report it"))
    }

    /// Prints it, and is its exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        eprintln!("error: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl From<OptionsError> for ProgramError {
    fn from(error: OptionsError) -> ProgramError {
        let code = if error.is_usage() { USAGE } else { FAILED };
        ProgramError::new(code, error)
    }
}

impl From<SearchError> for ProgramError {
    fn from(error: SearchError) -> ProgramError {
        let code = if error.is_usage() { USAGE } else { FAILED };
        ProgramError::new(code, error)
    }
}

impl From<SweepError> for ProgramError {
    fn from(error: SweepError) -> ProgramError {
        let code = if error.is_usage() { USAGE } else { FAILED };
        ProgramError::new(code, error)
    }
}

impl From<ReportError> for ProgramError {
    fn from(error: ReportError) -> ProgramError {
        ProgramError::new(FAILED, error)
    }
}

impl From<SimulatorError> for ProgramError {
    fn from(error: SimulatorError) -> ProgramError {
        ProgramError::new(USAGE, error)
    }
}

/// Standard output cannot be written to.
impl From<io::Error> for ProgramError {
    fn from(error: io::Error) -> ProgramError {
        ProgramError::new(FAILED, format!("the report cannot be printed: {error}"))
    }
}
