#![doc = include_str!("../README.md")]

mod bench;
mod breakdown;
mod column;
mod console;
mod destination;
mod error;
mod flat;
mod per_request;
mod provenance;
pub mod record_log;
mod report;
mod requests_file;
mod run_result;
mod schedule;
mod sections;
mod setup_json;
mod sglang_json;
mod statistic;
mod steady_state;
mod vllm_json;

pub use bench::{Bench, Reproducibility};
pub use breakdown::{Breakdown, Part, PartCounts};
pub use column::Column;
pub use console::{console, serving_block};
pub use destination::{Destination, PageFile, free_name};
pub use error::ReportError;
pub use per_request::{DetailedBench, PerRequest};
pub use provenance::{Host, Provenance, Seeds};
pub use report::{
    RampUp, RateChange, RateStep, Report, SCHEMA_VERSION, Setup, date_stamp, date_stamp_of,
};
pub use requests_file::{
    ClientMetrics, Content, DetailedData, RequestEntry, RequestParams, RequestsExport,
    RequestsFile, RequestsFormat, RequestsMetadata, ServerMetrics, TokenCounts,
};
pub use run_result::{Condition, Origin, RequestSample, RunResult, ServerTimes, Tool};
pub use schedule::{Schedule, ScheduleKind};
pub use sections::{Account, Banner, ConventionRow, PartTable, Section, serving_sections};
pub use sglang_json::{ResultFormat, SglangResult};
pub use statistic::{MetricStats, Statistic};
pub use steady_state::{VllmSteadyState, VllmWindow};
pub use vllm_json::{VllmResult, check_metadata};
