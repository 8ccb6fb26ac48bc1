use std::path::PathBuf;

use bench_metrics::Convention;
use clap::{Args, ValueEnum};

/// What is searched, and how thoroughly.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Search")]
pub struct SearchOptions {
    /// Find the greatest request rate at which the objectives hold
    #[arg(long)]
    pub max_rate: bool,

    /// What must hold, such as ttft:p99<=500ms or e2el<=5s
    ///
    /// `metric:pNN<=time` holds if the percentile of the metric is at most that, failed requests
    /// counting as over it. What is given as `metric<=time` must be kept all at once, by a share
    /// of the requests of --slo-attainment. Several are separated by commas; times are in ms, s
    /// or us. Put quotes around them: `<` means something to a shell.
    #[arg(long, value_name = "METRIC:pNN<=TIME", required = true, num_args = 1..)]
    pub slo: Vec<String>,

    /// Share of the requests that must keep all objectives without a percentile
    #[arg(long, value_name = "SHARE", default_value_t = SearchOptions::default().slo_attainment)]
    pub slo_attainment: f64,

    /// From when on requests are timed
    #[arg(long, value_name = "VIEW", value_enum, default_value_t = SloView::Auto)]
    pub slo_view: SloView,

    /// The load measured first; 1 request per second, or 8 at once, if not given
    #[arg(long, value_name = "LOAD")]
    pub start: Option<f64>,

    /// The smallest load to try; 0.1 requests per second, or 1 at once, if not given
    #[arg(long, value_name = "LOAD")]
    pub min: Option<f64>,

    /// The greatest load to try; 10000 requests per second, or 4096 at once, if not given
    #[arg(long, value_name = "LOAD")]
    pub max: Option<f64>,

    /// The search ends once a load that misses is at most this share above one that holds
    ///
    /// 0.05 for a request rate if not given, for a concurrency 0: to the last unit.
    #[arg(long, value_name = "SHARE")]
    pub tolerance: Option<f64>,

    /// Probability with which a point may be judged wrongly when it is stopped early
    #[arg(long, value_name = "P", default_value_t = SearchOptions::default().error_rate)]
    pub error_rate: f64,

    /// A point is not stopped before this many requests have ended
    #[arg(long, value_name = "N", default_value_t = SearchOptions::default().min_requests)]
    pub min_requests: u64,

    /// A point is not stopped before requests were sent for this long
    ///
    /// A server that is a little too slow shows it only when its queue has grown. With a rate,
    /// each point has prompts for at least this long.
    #[arg(long, value_name = "SECONDS", default_value_t = SearchOptions::default().min_duration)]
    pub min_duration: f64,

    /// A point that is not decided by then is stopped; what was seen decides
    #[arg(long, value_name = "SECONDS", default_value_t = SearchOptions::default().max_duration)]
    pub max_duration: f64,

    /// Go on with the search in this folder: its points are not measured again
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
}

/// From when on the requests of a search are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SloView {
    /// From when they were meant to leave with a rate, else from when they left
    Auto,
    /// From when they were meant to leave: waiting in the client counts
    Intended,
    /// From when they left
    Strict,
    /// As `vllm bench serve` does
    Vllm,
}

impl SloView {
    pub(super) fn convention(self, paced: bool) -> Convention {
        match self {
            SloView::Auto if paced => Convention::Intended,
            SloView::Auto | SloView::Strict => Convention::Strict,
            SloView::Intended => Convention::Intended,
            SloView::Vllm => Convention::Vllm,
        }
    }
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            max_rate: false,
            slo: Vec::new(),
            slo_attainment: 0.99,
            slo_view: SloView::Auto,
            start: None,
            min: None,
            max: None,
            tolerance: None,
            error_rate: 0.05,
            min_requests: 100,
            min_duration: 30.0,
            max_duration: 600.0,
            resume: None,
        }
    }
}
