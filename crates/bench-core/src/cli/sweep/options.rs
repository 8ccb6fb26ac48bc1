use std::path::PathBuf;

use clap::Args;

/// What is swept, and how.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Sweep")]
pub struct SweepOptions {
    /// What to sweep; combos.yaml or config.yaml if not given
    #[arg(value_name = "CONFIG", help_heading = clap::builder::Resettable::Reset)]
    pub config: Option<PathBuf>,

    /// Measure each point this many times
    ///
    /// All points once, then all again, so that a slow drift of the server touches all alike.
    #[arg(long, value_name = "K", default_value_t = SweepOptions::default().num_runs)]
    pub num_runs: u32,

    /// Draw the order of the points, by --seed, for each round anew
    #[arg(long)]
    pub shuffle_order: bool,

    /// Draw the prompts and arrivals of each run by a seed of its own
    ///
    /// Else all runs of a point send requests of the same lengths at the same times, which
    /// compares best. Synthetic prompts differ nevertheless; recorded ones, and those of
    /// --fixed-prompts, a server with a prefix cache has seen by the second run, unless
    /// --reset-prefix-cache empties it before each.
    #[arg(long)]
    pub vary_seed: bool,

    /// Go on with the sweep in DIR, the last one of this model if not given
    ///
    /// Points whose result is complete and was measured with the same options are kept. What is
    /// measured again is kept beside the new result, with the ending .old.
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,

    /// Shell command to run before each point, such as one that restarts the server
    ///
    /// It finds the point in the variables BENCH_POINT, BENCH_RESULT, BENCH_MAX_CONCURRENCY,
    /// BENCH_INPUT_LEN and so on. If it fails, so does the point.
    #[arg(long, value_name = "COMMAND")]
    pub before_point: Option<String>,

    /// Shell command to run after each point, with BENCH_OUTCOME besides
    #[arg(long, value_name = "COMMAND")]
    pub after_point: Option<String>,
}

impl Default for SweepOptions {
    fn default() -> Self {
        SweepOptions {
            config: None,
            num_runs: 1,
            shuffle_order: false,
            vary_seed: false,
            resume: None,
            before_point: None,
            after_point: None,
        }
    }
}
