#![doc = include_str!("../README.md")]

mod arrivals;
#[cfg(feature = "cli")]
pub mod cli;
mod engine;
mod error;
mod exchange;
mod lazy;
mod observer;
mod pacer;
mod plan;
mod probe;
mod run;
mod stop;
mod stream;
mod worker;

pub use arrivals::{Arrivals, ArrivalsError};
pub use bench_backends as backends;
pub use bench_datasets as datasets;
pub use bench_http::TlsOptions;
pub use bench_metrics as metrics;
pub use bench_report as report;
pub use bench_types as types;
pub use error::RunError;
pub use observer::{Observer, Phase, Progress};
pub use plan::{RequestOptions, Timeouts};
pub use run::{Description, Run, RunBuilder};
pub use stop::StopHandle;

/// Name and version of this library, for results.
pub fn tool() -> String {
    concat!("bench-core ", env!("CARGO_PKG_VERSION")).to_owned()
}
