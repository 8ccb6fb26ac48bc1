use std::borrow::Cow;

use bench_metrics::{Convention, choice_gaps, comes_whole, e2el, queue_time, ttft};
use bench_types::{Nanos, RequestRecord, RunFacts, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::flat::{extra, metadata, nullable, statistics};
use crate::per_request::start;
use crate::report::local_time;
use crate::statistic::metric_stats;
use crate::{
    Bench, Column, DetailedBench, MetricStats, PerRequest, RampUp, RateChange, RateStep, Report,
    ReportError, Statistic, VllmSteadyState, column, setup_json,
};

/// A result in the schema of `vllm bench serve` 0.32, with all else under `bench`.
///
/// What a run does not have is absent: output tokens where none are generated, times of
/// single tokens where answers come whole.
///
/// The order of the fields is the order of the keys. Results of `vllm bench serve` itself
/// are read and written again without loss.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VllmResult<'a> {
    /// When the run began, `YYYYmmdd-HHMMSS`.
    pub date: String,
    /// The same as `backend`.
    pub endpoint_type: String,
    /// Name of the backend.
    #[serde(default)]
    pub backend: String,
    /// The user's name for the run.
    #[serde(default)]
    pub label: Option<String>,
    /// The model as the server knows it.
    pub model_id: String,
    /// The tokenizer, if one was used.
    #[serde(default)]
    pub tokenizer_id: Option<String>,
    /// Number of requests asked for.
    pub num_prompts: u64,
    /// Pairs given by the user, each a key of its own.
    #[serde(flatten, with = "metadata")]
    pub metadata: Vec<(String, String)>,
    /// Requests per second; infinity is written as `"inf"`.
    #[serde(with = "setup_json::number")]
    pub request_rate: f64,
    /// Shape of the gaps between requests; infinity is written as `"inf"`.
    #[serde(default, with = "setup_json::number")]
    pub burstiness: f64,
    /// Most requests under way at once.
    #[serde(default)]
    pub max_concurrency: Option<u64>,
    /// `linear` or `exponential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up_strategy: Option<String>,
    /// Requests per second at the start of a ramp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up_start_rps: Option<Number>,
    /// Requests per second at the end of a ramp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up_end_rps: Option<Number>,
    /// Seconds from the start of the run to the end of the last request.
    pub duration: f64,
    /// Requests answered whole.
    pub completed: u64,
    /// Requests not answered whole.
    #[serde(default)]
    pub failed: u64,
    /// Prompt tokens of completed requests.
    pub total_input_tokens: u64,
    /// Inputs of completed requests, for pooling only: texts of batches, documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_input_sequences: Option<u64>,
    /// Output tokens of completed requests, if the task generates any and they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_output_tokens: Option<u64>,
    /// Completed requests per second.
    pub request_throughput: f64,
    /// Good requests per second; null if no objectives were set, absent besides for pooling.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "nullable::deserialize"
    )]
    pub request_goodput: Option<Option<f64>>,
    /// Inputs per second, for pooling only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_sequence_throughput: Option<f64>,
    /// Output tokens per second, if the task generates any and they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_throughput: Option<f64>,
    /// Prompt and output tokens per second.
    pub total_token_throughput: f64,
    /// Prompt tokens of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_lens: Option<Column<'a, u32>>,
    /// Output tokens of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_lens: Option<Column<'a, u32>>,
    /// Time to first token of each request in seconds; NaN where a file has null, as in all times.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "column::known"
    )]
    pub ttfts: Option<Column<'a, f64>>,
    /// Gaps between the chunks of each request in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "column::known_lists"
    )]
    pub itls: Option<Column<'a, Vec<f64>>>,
    /// End-to-end latency of each request in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "column::known"
    )]
    pub latencies: Option<Column<'a, f64>>,
    /// When each request was sent, in seconds on the clock of the run.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "column::known"
    )]
    pub start_times: Option<Column<'a, f64>>,
    /// How long each request waited in the client, in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "column::known"
    )]
    pub queue_times: Option<Column<'a, f64>>,
    /// The answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_texts: Option<Column<'a, Cow<'a, str>>>,
    /// What went wrong with each request; empty if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Column<'a, String>>,
    /// Most chunks in a bucket of one second, if answers are streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens_per_s: Option<f64>,
    /// Most requests in a bucket of one second; not for pooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_requests: Option<u64>,
    /// Inverse real-time factor: seconds of audio transcribed per second. 0 for generation,
    /// absent for pooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtfx: Option<f64>,
    /// Changes of the rate during a ramp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rps_change_events: Option<Vec<RateChange>>,
    /// Probes answered whole; this and the following only if probes were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_completed: Option<u64>,
    /// Probes not answered whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_failed: Option<u64>,
    /// Median end-to-end latency of the probes in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_median_e2el_ms: Option<f64>,
    /// Its 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_p99_e2el_ms: Option<f64>,
    /// Its maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_max_e2el_ms: Option<f64>,
    /// The stretch in which a closed loop was full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_state: Option<Box<VllmSteadyState>>,
    /// Statistics in milliseconds, each a key of its own such as `p99_ttft_ms`.
    #[serde(flatten, with = "statistics")]
    pub statistics: Vec<MetricStats>,
    /// Keys of other tools.
    #[serde(flatten, with = "extra")]
    pub extra: Vec<(String, Value)>,
    /// What the schema of `vllm bench serve` has no place for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<Box<DetailedBench<'a>>>,
}

/// Every key that is not the user's, for [`check_metadata`].
const KEYS: &[&str] = &[
    "date",
    "endpoint_type",
    "backend",
    "label",
    "model_id",
    "tokenizer_id",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "ramp_up_strategy",
    "ramp_up_start_rps",
    "ramp_up_end_rps",
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_input_sequences",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "input_sequence_throughput",
    "output_throughput",
    "total_token_throughput",
    "input_lens",
    "output_lens",
    "ttfts",
    "itls",
    "latencies",
    "start_times",
    "queue_times",
    "generated_texts",
    "errors",
    "max_output_tokens_per_s",
    "max_concurrent_requests",
    "rtfx",
    "rps_change_events",
    "probe_completed",
    "probe_failed",
    "probe_median_e2el_ms",
    "probe_p99_e2el_ms",
    "probe_max_e2el_ms",
    "steady_state",
    "bench",
];

/// Refuses metadata that would hide a key of the result. Called before a run.
pub fn check_metadata(metadata: &[(String, String)]) -> Result<(), ReportError> {
    let reserved = |key: &str| KEYS.contains(&key) || Statistic::parse_key(key).is_some();
    match metadata.iter().find(|(key, _)| reserved(key)) {
        None => Ok(()),
        Some((key, _)) => Err(ReportError::ReservedKey { key: key.clone() }),
    }
}

impl<'a> VllmResult<'a> {
    /// The records of a report in the order of the dataset, as [`VllmResult::of`] wants them.
    pub fn in_order(report: &'a Report) -> Vec<&'a RequestRecord> {
        let mut records: Vec<&RequestRecord> = report.records.iter().collect();
        records.sort_by_key(|record| record.id);
        records
    }

    /// The result of a run; with `detailed`, every array has an entry for each request.
    pub fn of(report: &Report, records: &'a [&'a RequestRecord], detailed: bool) -> VllmResult<'a> {
        let Report { setup, summary, .. } = report;
        let ramp_up = setup.ramp_up.as_ref();
        let generated = setup.task != Task::Pool;
        let streams = !comes_whole(setup.task, setup.streamed);
        let peak = summary.vllm.peak.filter(|_| generated);
        let goodput = summary.vllm.goodput.map(|goodput| goodput.requests_per_s);
        let probes = report.probes.as_ref();
        VllmResult {
            date: setup.date.clone(),
            endpoint_type: setup.backend.clone(),
            backend: setup.backend.clone(),
            label: setup.label.clone(),
            model_id: setup.model_id.clone(),
            tokenizer_id: setup.tokenizer_id.clone(),
            num_prompts: setup.num_prompts,
            metadata: setup.metadata.clone(),
            request_rate: setup.request_rate,
            burstiness: setup.burstiness,
            max_concurrency: setup.max_concurrency,
            ramp_up_strategy: ramp_up.map(|ramp_up| ramp_up.strategy.clone()),
            ramp_up_start_rps: ramp_up.and_then(|ramp_up| number(ramp_up.start_rps)),
            ramp_up_end_rps: ramp_up.and_then(|ramp_up| number(ramp_up.end_rps)),
            duration: summary.duration_s,
            completed: summary.requests.completed,
            failed: summary.requests.failed,
            total_input_tokens: summary.tokens.input,
            total_input_sequences: summary.inputs.map(|inputs| inputs.total),
            total_output_tokens: summary.tokens.output,
            request_throughput: summary.throughput.requests_per_s,
            request_goodput: Some(goodput).filter(|goodput| generated || goodput.is_some()),
            input_sequence_throughput: summary.inputs.map(|inputs| inputs.per_s),
            output_throughput: summary.throughput.output_tokens_per_s,
            total_token_throughput: summary.throughput.total_tokens_per_s,
            input_lens: detailed.then(|| Column::computed(records, |r| r.prompt_tokens)),
            output_lens: (detailed && summary.tokens.output.is_some())
                .then(|| Column::computed(records, output_len)),
            ttfts: (detailed && streams).then(|| Column::computed(records, |r| seconds(r, ttft))),
            itls: (detailed && streams).then(|| Column::computed(records, gaps)),
            latencies: Some(Column::computed(records, |r| seconds(r, e2el))),
            start_times: detailed.then(|| Column::computed(records, start_time)),
            queue_times: Some(Column::computed(records, |r| {
                queue_time(r).unwrap_or_default().as_secs_f64()
            })),
            generated_texts: (detailed && generated)
                .then(|| Column::computed(records, generated_text)),
            errors: detailed.then(|| Column::computed(records, error)),
            max_output_tokens_per_s: peak.and_then(|peak| peak.output_tokens_per_s),
            max_concurrent_requests: peak.map(|peak| peak.concurrent_requests),
            rtfx: generated.then(|| summary.audio.map_or(0.0, |audio| audio.rtfx)),
            rps_change_events: ramp_up.map(|ramp_up| rate_changes(ramp_up, &report.facts)),
            probe_completed: probes.map(|probes| probes.completed),
            probe_failed: probes.map(|probes| probes.failed),
            probe_median_e2el_ms: probes.map(|probes| probes.e2el.median),
            probe_p99_e2el_ms: probes.map(|probes| probes.e2el.percentile(99.0).unwrap_or(0.0)),
            probe_max_e2el_ms: probes.map(|probes| probes.e2el.max),
            steady_state: VllmSteadyState::of(report).map(Box::new),
            statistics: metric_stats(report),
            extra: Vec::new(),
            bench: Some(Box::new(DetailedBench {
                run: Bench::of(report),
                per_request: detailed.then(|| PerRequest::of(records, streams)),
            })),
        }
    }

    /// A statistic in milliseconds, if the result has it.
    pub fn statistic(&self, metric: &str, statistic: Statistic) -> Option<f64> {
        let stats = self
            .statistics
            .iter()
            .find(|stats| stats.metric == metric)?;
        let found = stats.values.iter().find(|(known, _)| *known == statistic)?;
        Some(found.1)
    }
}

/// When the rate changed, by the clock on the wall.
fn rate_changes(ramp_up: &RampUp, facts: &RunFacts) -> Vec<RateChange> {
    let change = |step: &RateStep| {
        let at = facts.epoch_unix + (facts.start + step.after).as_secs_f64();
        RateChange {
            rps: step.rps,
            timestamp: local_time(at, "%Y-%m-%dT%H:%M:%S.%6f"),
        }
    };
    ramp_up.steps.iter().map(change).collect()
}

/// A whole number without a decimal point, as Python writes an `int`.
fn number(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        Some(Number::from(value as u64))
    } else {
        Number::from_f64(value)
    }
}

// What `vllm bench serve` writes for one request; zero or nothing for a failed one.

fn output_len(record: &RequestRecord) -> u32 {
    if record.outcome.is_success() {
        record.output_tokens
    } else {
        0
    }
}

fn seconds(record: &RequestRecord, span: fn(&RequestRecord, Convention) -> Option<Nanos>) -> f64 {
    let completed = record.outcome.is_success();
    let span = completed.then(|| span(record, Convention::Vllm)).flatten();
    span.unwrap_or_default().as_secs_f64()
}

fn gaps(record: &RequestRecord) -> Vec<f64> {
    if record.outcome.is_success() {
        choice_gaps(record).map(Nanos::as_secs_f64).collect()
    } else {
        Vec::new()
    }
}

fn start_time(record: &RequestRecord) -> f64 {
    start(record).as_secs_f64()
}

fn generated_text(record: &RequestRecord) -> Cow<'_, str> {
    let transcript = record.transcript.as_ref();
    let transcript = transcript.filter(|_| record.outcome.is_success());
    Cow::Borrowed(transcript.map_or("", |transcript| &transcript.text))
}

fn error(record: &RequestRecord) -> String {
    record.outcome.problem().unwrap_or_default()
}
