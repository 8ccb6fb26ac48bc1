//! Many runs of one configuration: a point for each combination of what is swept.

mod config;
mod error;
mod flags;
mod folder;
mod hooks;
mod knees;
mod manifest;
mod options;
mod outcome;
mod plan;
mod run;
mod stored;
mod told;
mod yaml;

pub use error::SweepError;
pub use options::SweepOptions;
pub use outcome::SweepOutcome;
pub use plan::SweepPlan;
pub use run::Sweep;
