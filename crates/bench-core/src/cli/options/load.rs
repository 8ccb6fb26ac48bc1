use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::serial::float;

/// How many requests are sent, and when.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Number of requests; 1000 if nothing else says how many
    #[arg(long, value_name = "N")]
    pub num_prompts: Option<usize>,

    /// Requests per second; `inf` sends as fast as --max-concurrency lets
    #[arg(long, value_name = "RPS", default_value_t = LoadOptions::default().request_rate)]
    #[serde(with = "float")]
    pub request_rate: f64,

    /// Shape of the gaps between requests: 1 is a Poisson process, less is burstier, `inf` is
    /// a constant gap
    #[arg(long, value_name = "SHAPE", default_value_t = LoadOptions::default().burstiness)]
    #[serde(with = "float")]
    pub burstiness: f64,

    /// Most requests under way at once
    ///
    /// With a rate, a request that finds no free slot waits; its intended latency counts the
    /// wait.
    #[arg(long, value_name = "N")]
    pub max_concurrency: Option<usize>,

    /// Requests that lead up to the load without a gap and are not measured; prompts of the same
    /// dataset by another seed
    #[arg(long, visible_alias = "warmup-requests", value_name = "N", default_value_t = LoadOptions::default().num_warmups)]
    pub num_warmups: usize,

    /// Seed of everything drawn: prompts, lengths, arrival times
    #[arg(long, value_name = "SEED", default_value_t = LoadOptions::default().seed)]
    pub seed: u64,
}

impl LoadOptions {
    /// The number of requests where nothing says how many.
    pub const NUM_PROMPTS: usize = 1000;

    /// The number of requests.
    pub fn requests(&self) -> usize {
        self.num_prompts.unwrap_or(LoadOptions::NUM_PROMPTS)
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            num_prompts: None,
            request_rate: f64::INFINITY,
            burstiness: 1.0,
            max_concurrency: None,
            num_warmups: 0,
            seed: 0,
        }
    }
}
