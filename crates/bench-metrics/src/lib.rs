#![doc = include_str!("../README.md")]

mod audit;
mod beside;
mod distribution;
mod error;
mod judge;
mod knee;
mod measurable;
mod metric;
mod objective;
mod peak;
mod prefix_cache;
mod reader;
mod sequential;
mod slo;
pub mod stats;
mod steady;
mod summary;
pub mod tokens;
mod turns;
mod window;

pub use audit::{LimitReason, SelfAudit, WorkerAudit};
pub use beside::{Probes, WarmUp};
pub use distribution::{Distribution, Percentile, Place, parse_percentiles};
pub use error::MetricsError;
pub use judge::{Finding, Judge, JudgeOptions, Judgement, Verdict};
pub use knee::{Growth, growth, knee};
pub use measurable::{check_measurable, comes_whole, default_metrics, measurable};
pub use metric::{
    Convention, METRICS, Metric, PART_METRICS, Unit, choice_gaps, chunk_tokens_known, e2el,
    parse_metrics, queue_time, ttft,
};
pub use objective::{Limit, Objective};
pub use peak::Peak;
pub use prefix_cache::{CacheDifference, PrefixCache};
pub use sequential::Tally;
pub use slo::{Goodput, Slo};
pub use steady::{
    Concurrency, NoSteadyState, STEADY_SHARE, SteadyLoad, SteadyMethod, SteadyNumbers, SteadyState,
    SteadyWindow, mser5,
};
pub use summary::{
    AudioTotals, Cancellations, Counts, FailureCount, InputTotals, SourceCount, Stalls, Summary,
    SummaryOptions, Throughput, TimeLimit, TokenTotals, View, was_sent,
};
pub use turns::{SessionSummary, TurnSummary};
