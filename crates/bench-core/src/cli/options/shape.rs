use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{RampStrategy, Stage};

/// When requests leave, where one rate does not say it.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Load")]
pub struct ShapeOptions {
    /// Let the rate go from --ramp-up-start-rps to --ramp-up-end-rps during the run
    ///
    /// By the same number of requests per second in each second, or by the same factor. The
    /// length of the run follows from the number of requests.
    #[arg(long, value_name = "HOW", requires_all = ["ramp_up_start_rps", "ramp_up_end_rps"],
        conflicts_with_all = ["request_rate", "stages"])]
    pub ramp_up_strategy: Option<RampStrategy>,

    /// Requests per second at the start of the ramp
    #[arg(long, value_name = "RPS", requires = "ramp_up_strategy")]
    pub ramp_up_start_rps: Option<f64>,

    /// Requests per second at the end of the ramp; may be less than at the start
    #[arg(long, value_name = "RPS", requires = "ramp_up_strategy")]
    pub ramp_up_end_rps: Option<f64>,

    /// Let the rate go by the number of the request instead of by time, as `vllm bench serve` does
    #[arg(long, requires = "ramp_up_strategy")]
    pub ramp_up_by_index: bool,

    /// Rates that follow each other, each for a time: 10rps:30s,0rps:5s,50rps:60s
    ///
    /// 0rps is a pause. Times are in ms, s, m or h. The number of requests follows from the
    /// stages; --num-prompts sends fewer of them.
    #[arg(long, value_name = "RATE:TIME", value_delimiter = ',', num_args = 1..,
        conflicts_with = "request_rate")]
    pub stages: Vec<Stage>,

    /// Send at the times that the dataset brings with it
    ///
    /// So it is anyway if it has times and no rate, ramp or stages are given.
    #[arg(long, alias = "use-trace-timestamps",
        conflicts_with_all = ["request_rate", "ramp_up_strategy", "stages"],
        overrides_with = "no_self_timed")]
    pub self_timed: bool,

    /// Leave aside the times that the dataset brings with it
    #[arg(long)]
    pub no_self_timed: bool,
}
