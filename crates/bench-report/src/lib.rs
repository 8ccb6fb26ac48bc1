#![doc = include_str!("../README.md")]

mod column;
mod console;
mod destination;
mod error;
pub mod record_log;
mod report;
mod setup_json;
mod vllm_json;

pub use column::Column;
pub use console::{console, serving_block};
pub use destination::Destination;
pub use error::ReportError;
pub use report::{RampUp, RateChange, Report, SCHEMA_VERSION, Setup, date_stamp};
pub use vllm_json::{Bench, MetricStats, Reproducibility, Statistic, VllmResult, check_metadata};
