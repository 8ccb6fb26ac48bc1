use std::fmt;

use serde::{Deserialize, Serialize};

/// When the requests of a run were to leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// What kind it is.
    pub kind: ScheduleKind,
    /// What it is, in words.
    pub text: String,
    /// When the last request was to leave, in seconds from the start.
    pub last_s: f64,
    /// Requests per second up to then; `None` if they all leave at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_rps: Option<f64>,
}

/// How the send times of a run were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// One rate.
    Rate,
    /// A rate that changes from the first request to the last.
    Ramp,
    /// Rates that follow each other.
    Stages,
    /// Recorded times.
    Trace,
}

/// As in a result: `stages`.
impl fmt::Display for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScheduleKind::Rate => "rate",
            ScheduleKind::Ramp => "ramp",
            ScheduleKind::Stages => "stages",
            ScheduleKind::Trace => "trace",
        })
    }
}
