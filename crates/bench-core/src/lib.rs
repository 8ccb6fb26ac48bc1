#![doc = include_str!("../README.md")]

mod alarm;
mod answer;
mod answers;
mod arrivals;
mod builder;
mod cancellation;
mod classes;
#[cfg(feature = "cli")]
pub mod cli;
mod collector;
mod control;
mod conversation;
mod engine;
mod error;
mod exchange;
mod hands;
mod history;
mod host;
mod lazy;
mod lora;
mod observer;
mod pacer;
mod plan;
mod prefix_cache;
mod probe;
mod provenance;
mod ready;
mod record_log;
mod request_ids;
mod run;
pub mod search;
mod secrets;
mod sender;
mod servers;
mod session;
mod stability;
mod stop;
mod stream;
mod tickets;
mod unfinished;
mod warm_up;
mod watchdog;
mod worker;

pub use arrivals::{Arrivals, ArrivalsError, Ramp, RampOver, RampStrategy, Stage};
pub use bench_backends as backends;
pub use bench_datasets as datasets;
pub use bench_http::{ProxyOptions, TargetOptions, TlsOptions};
pub use bench_metrics as metrics;
pub use bench_report as report;
pub use bench_types as types;
pub use builder::{Description, RunBuilder};
pub use cancellation::{CancelAfter, Cancellation, CancellationError};
pub use control::{Control, Profile};
pub use error::RunError;
pub use lora::{Lora, LoraAssignment};
pub use observer::{Observer, Phase, Progress};
pub use plan::{RequestOptions, Timeouts};
pub use record_log::{LogPlace, RecordLogOptions};
pub use request_ids::RequestIds;
pub use run::Run;
pub use servers::Balance;
pub use stop::StopHandle;
pub use warm_up::WarmUpLimits;

/// Name and version of this library, for results.
pub fn tool() -> String {
    concat!("bench-core ", env!("CARGO_PKG_VERSION")).to_owned()
}
