//! The search for the greatest load at which objectives hold, point by point.

mod error;
mod file;
mod options;
mod outcome;
mod plan;
mod run;
mod watch;

pub use error::SearchError;
pub use file::{Ending, Measured};
pub use options::{SearchOptions, SloView};
pub use outcome::{Ended, SearchOutcome};
pub use plan::SearchPlan;
pub use run::Search;
