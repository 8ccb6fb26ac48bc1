use clap::Args;
use serde::{Deserialize, Serialize};

/// How long a run lasts, where the number of requests does not say it.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Load")]
pub struct ExtentOptions {
    /// Send requests for this long, round and round unless --num-prompts says how many
    ///
    /// Those under way may end within --grace-period. Latencies are those of all requests that
    /// were sent in the time; throughput is what was done in it. Requests that outlast the grace
    /// period are censored: neither completed nor failed, and slower than all others in
    /// percentiles with failures.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,

    /// Let requests that are not measured lead up to the load for this long, without a gap
    ///
    /// They are prompts of the same dataset by another seed. --num-warmups ends them by their
    /// number; of both, whichever comes first ends them.
    #[arg(long, value_name = "SECONDS")]
    pub warmup_duration: Option<f64>,

    /// Let requests that are not measured lead up to the load until the server is steady
    ///
    /// It is when throughput and median TTFT have kept within 10 % over four windows. It is
    /// waited for until --warmup-duration is over, or 300 s.
    #[arg(long)]
    pub warmup_until_stable: bool,
}
