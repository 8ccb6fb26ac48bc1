use clap::Args;
use serde::{Deserialize, Serialize};

use crate::CancelAfter;

/// Limits and disturbances of the load.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Load")]
pub struct BesideOptions {
    /// Most requests that wait for their first token at once
    ///
    /// Others that have a slot wait in the client. The wait is not part of the TTFT, but of the
    /// intended one.
    #[arg(long, value_name = "N")]
    pub prefill_concurrency: Option<usize>,

    /// Send this many one-token requests per second beside the load, on connections of their own,
    /// and report their latency apart
    #[arg(long, value_name = "RPS", default_value_t = BesideOptions::default().probe_request_rate)]
    pub probe_request_rate: f64,

    /// Share of the requests, 0 to 1, that the client hangs up on, chosen by the seed
    ///
    /// They are neither completed nor failed, and are reported apart.
    #[arg(long, value_name = "SHARE", requires = "cancel_after")]
    pub cancel_rate: Option<f64>,

    /// When it hangs up on them: after a time (2s, 500ms) or a number of tokens (10tokens)
    #[arg(long, value_name = "WHEN", requires = "cancel_rate")]
    pub cancel_after: Option<CancelAfter>,
}
