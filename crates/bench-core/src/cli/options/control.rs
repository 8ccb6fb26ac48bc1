use clap::Args;
use serde::{Deserialize, Serialize};

/// What is asked of the servers beside the load.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Server control")]
pub struct ControlOptions {
    /// Empty the servers' prefix caches right before the measured load
    ///
    /// By /reset_prefix_cache (vLLM) or /flush_cache (SGLang).
    #[arg(long, visible_alias = "flush-cache")]
    pub reset_prefix_cache: bool,

    /// How long a server may take until it has nothing to do and empties its cache
    #[arg(long, value_name = "SECONDS",
        default_value_t = ControlOptions::default().flush_cache_timeout)]
    pub flush_cache_timeout: f64,

    /// Run the servers' profilers during the measured load
    ///
    /// By /start_profile and /stop_profile; the servers must have been started with a profiler.
    #[arg(long)]
    pub profile: bool,

    /// Start profiling once this many requests are under way, rather than before the first
    #[arg(long, value_name = "N", requires = "profile")]
    pub profile_batch_threshold: Option<u64>,

    /// Stop profiling after this long, rather than after the last request
    #[arg(long, value_name = "SECONDS", requires = "profile")]
    pub profile_duration: Option<f64>,
}

impl Default for ControlOptions {
    fn default() -> Self {
        ControlOptions {
            reset_prefix_cache: false,
            flush_cache_timeout: 10.0,
            profile: false,
            profile_batch_threshold: None,
            profile_duration: None,
        }
    }
}
