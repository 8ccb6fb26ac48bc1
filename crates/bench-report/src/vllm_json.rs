use std::borrow::Cow;
use std::fmt;

use bench_metrics::{
    Convention, Distribution, Metric, SelfAudit, Summary, Unit, choice_gaps, e2el, queue_time, ttft,
};
use bench_types::{Nanos, RequestRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::{Column, RateChange, Report, ReportError, SCHEMA_VERSION};

/// A result in the schema of `vllm bench serve` 0.32, with all else under `bench`.
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
    #[serde(with = "rate")]
    pub request_rate: f64,
    /// Shape of the gaps between requests.
    #[serde(default)]
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
    /// Output tokens of completed requests.
    pub total_output_tokens: u64,
    /// Completed requests per second.
    pub request_throughput: f64,
    /// Good requests per second, if objectives were set.
    #[serde(default)]
    pub request_goodput: Option<f64>,
    /// Output tokens per second.
    pub output_throughput: f64,
    /// Prompt and output tokens per second.
    pub total_token_throughput: f64,
    /// Prompt tokens of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_lens: Option<Column<'a, u32>>,
    /// Output tokens of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_lens: Option<Column<'a, u32>>,
    /// Time to first token of each request in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfts: Option<Column<'a, f64>>,
    /// Gaps between the chunks of each request in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub itls: Option<Column<'a, Vec<f64>>>,
    /// End-to-end latency of each request in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latencies: Option<Column<'a, f64>>,
    /// When each request was sent, in seconds on the clock of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_times: Option<Column<'a, f64>>,
    /// How long each request waited in the client, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_times: Option<Column<'a, f64>>,
    /// The answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_texts: Option<Column<'a, Cow<'a, str>>>,
    /// What went wrong with each request; empty if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Column<'a, String>>,
    /// Most chunks in a bucket of one second.
    #[serde(default)]
    pub max_output_tokens_per_s: f64,
    /// Most requests in a bucket of one second.
    #[serde(default)]
    pub max_concurrent_requests: u64,
    /// Inverse real-time factor, for audio only.
    #[serde(default)]
    pub rtfx: f64,
    /// Changes of the rate during a ramp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rps_change_events: Option<Vec<RateChange>>,
    /// Statistics in milliseconds, each a key of its own such as `p99_ttft_ms`.
    #[serde(flatten, with = "statistics")]
    pub statistics: Vec<MetricStats>,
    /// Keys of other tools.
    #[serde(flatten, with = "extra")]
    pub extra: Vec<(String, Value)>,
    /// What the schema of `vllm bench serve` has no place for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<Box<Bench>>,
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
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
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

/// What this toolkit adds to a result, under the key `bench`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bench {
    /// Version of this part of the schema.
    pub schema_version: u32,
    /// The server was the built-in simulator.
    pub simulated: bool,
    /// The run was stopped before its end.
    pub partial: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// All numbers under all conventions.
    #[serde(flatten)]
    pub summary: Summary,
    /// How well the client itself did.
    pub self_audit: SelfAudit,
    /// What it takes to run this again.
    pub reproducibility: Reproducibility,
    /// The resolved options, whole.
    pub options: Value,
}

/// What it takes to run a benchmark again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reproducibility {
    /// Name and version of the tool.
    pub tool: String,
    /// Where requests went.
    pub targets: Vec<String>,
    /// Fingerprint of the dataset.
    pub dataset_hash: Option<String>,
    /// Wall-clock time at zero of the run's clock, in seconds since 1970.
    pub epoch_unix: f64,
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
        let peak = summary.vllm.peak.unwrap_or_default();
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
            total_output_tokens: summary.tokens.output,
            request_throughput: summary.throughput.requests_per_s,
            request_goodput: summary.vllm.goodput.map(|goodput| goodput.requests_per_s),
            output_throughput: summary.throughput.output_tokens_per_s,
            total_token_throughput: summary.throughput.total_tokens_per_s,
            input_lens: detailed.then(|| Column::computed(records, |r| r.prompt_tokens)),
            output_lens: detailed.then(|| Column::computed(records, output_len)),
            ttfts: detailed.then(|| Column::computed(records, |r| seconds(r, ttft))),
            itls: detailed.then(|| Column::computed(records, gaps)),
            latencies: Some(Column::computed(records, |r| seconds(r, e2el))),
            start_times: detailed.then(|| Column::computed(records, start_time)),
            queue_times: Some(Column::computed(records, |r| {
                queue_time(r).unwrap_or_default().as_secs_f64()
            })),
            generated_texts: detailed.then(|| Column::computed(records, generated_text)),
            errors: detailed.then(|| Column::computed(records, error)),
            max_output_tokens_per_s: peak.output_tokens_per_s,
            max_concurrent_requests: peak.concurrent_requests,
            rtfx: 0.0,
            rps_change_events: ramp_up.map(|ramp_up| ramp_up.changes.clone()),
            statistics: metric_stats(report),
            extra: Vec::new(),
            bench: Some(Box::new(Bench::of(report))),
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

impl Bench {
    fn of(report: &Report) -> Bench {
        Bench {
            schema_version: SCHEMA_VERSION,
            simulated: report.facts.simulated,
            partial: report.is_partial(),
            warnings: report.warnings.clone(),
            summary: report.summary.clone(),
            self_audit: report.audit.clone(),
            reproducibility: Reproducibility {
                tool: report.setup.tool.clone(),
                targets: report.setup.targets.clone(),
                dataset_hash: report.setup.dataset_hash.clone(),
                epoch_unix: report.facts.epoch_unix,
            },
            options: report.setup.options.clone(),
        }
    }
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
    let timeline = &record.timeline;
    timeline.sent.unwrap_or(timeline.released).as_secs_f64()
}

fn generated_text(record: &RequestRecord) -> Cow<'_, str> {
    let transcript = record.transcript.as_ref();
    let transcript = transcript.filter(|_| record.outcome.is_success());
    Cow::Borrowed(transcript.map_or("", |transcript| &transcript.text))
}

fn error(record: &RequestRecord) -> String {
    record
        .outcome
        .failure()
        .map_or_else(String::new, ToString::to_string)
}

/// The statistics of one metric, in the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStats {
    /// Name of the metric, such as `ttft`.
    pub metric: String,
    /// What is known of it, in milliseconds.
    pub values: Vec<(Statistic, f64)>,
}

fn metric_stats(report: &Report) -> Vec<MetricStats> {
    let stats = |metric: &&'static Metric| {
        // vLLM's rules where it has the metric, else ours.
        let summary = &report.summary;
        let vllm = summary.vllm.metric(metric);
        let distribution = vllm.or_else(|| summary.strict.metric(metric))?;
        let percentiles = distribution.percentiles.iter();
        let percentiles = percentiles.map(|percentile| Statistic::Percentile(percentile.p));
        let values = [Statistic::Mean, Statistic::Median, Statistic::Std]
            .into_iter()
            .chain(percentiles)
            .map(|statistic| (statistic, statistic.of(distribution).unwrap_or(0.0)));
        Some(MetricStats {
            metric: metric.name.to_owned(),
            values: values.collect(),
        })
    };
    let metrics = report.setup.metrics.iter();
    let metrics = metrics.filter(|metric| metric.unit == Unit::Millis);
    metrics.filter_map(stats).collect()
}

/// A number that sums up a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// 50th percentile.
    Median,
    /// Population standard deviation.
    Std,
    /// A percentile, 0 to 100.
    Percentile(f64),
}

impl Statistic {
    /// Its value, if it was computed and there are samples.
    pub fn of(self, distribution: &Distribution) -> Option<f64> {
        let computed = match self {
            Statistic::Mean => Some(distribution.mean),
            Statistic::Median => Some(distribution.median),
            Statistic::Std => Some(distribution.std),
            Statistic::Percentile(p) => distribution.percentile(p),
        };
        computed.filter(|_| distribution.count > 0)
    }

    /// Its key for a metric in a result, such as `p99_ttft_ms`.
    pub fn key(self, metric: &str) -> String {
        format!("{self}_{metric}_ms")
    }

    /// Takes a key such as `p99_ttft_ms` apart into statistic and metric.
    pub fn parse_key(key: &str) -> Option<(Statistic, &str)> {
        let (statistic, metric) = key.strip_suffix("_ms")?.split_once('_')?;
        let statistic = match statistic {
            "mean" => Statistic::Mean,
            "median" => Statistic::Median,
            "std" => Statistic::Std,
            _ => {
                let p = statistic.strip_prefix('p')?;
                let p = p.starts_with(|c: char| c.is_ascii_digit()).then_some(p)?;
                Statistic::Percentile(p.parse().ok()?)
            }
        };
        Some((statistic, metric))
    }
}

/// The first word of its key: `mean`, `p99`, `p99.9`.
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Median => f.write_str("median"),
            Statistic::Std => f.write_str("std"),
            Statistic::Percentile(p) => write!(f, "p{p}"),
        }
    }
}

/// `"inf"` for a rate without limit.
mod rate {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(rate: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if rate.is_finite() {
            serializer.serialize_f64(*rate)
        } else {
            serializer.serialize_str("inf")
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Rate {
            Number(f64),
            Text(String),
        }
        match Rate::deserialize(deserializer)? {
            Rate::Number(rate) => Ok(rate),
            Rate::Text(text) => text.parse().map_err(|_| {
                D::Error::custom(format_args!(
                    "request_rate is '{text}', no number or \"inf\""
                ))
            }),
        }
    }
}

/// A flattened map, entry by entry in the order of the file.
mod entries {
    use std::fmt;

    use serde::Deserializer;
    use serde::de::{MapAccess, Visitor};
    use serde_json::Value;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, Value)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the remaining keys of a result")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Remaining keys whose value is a text.
mod metadata {
    use serde::{Deserializer, Serializer};
    use serde_json::Value;

    use super::entries;

    pub(super) fn serialize<S: Serializer>(
        pairs: &[(String, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, String)>, D::Error> {
        let texts = |(key, value)| match value {
            Value::String(text) => Some((key, text)),
            _ => None,
        };
        let entries = entries::deserialize(deserializer)?;
        Ok(entries.into_iter().filter_map(texts).collect())
    }
}

/// Remaining keys that name a statistic and whose value is a number.
mod statistics {
    use serde::{Deserializer, Serializer};

    use super::{MetricStats, Statistic, entries};

    pub(super) fn serialize<S: Serializer>(
        stats: &[MetricStats],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let keys = |stats: &MetricStats| {
            let values = stats.values.iter();
            let keys = values.map(|(statistic, value)| (statistic.key(&stats.metric), *value));
            keys.collect::<Vec<_>>()
        };
        serializer.collect_map(stats.iter().flat_map(keys))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<MetricStats>, D::Error> {
        let mut all: Vec<MetricStats> = Vec::new();
        for (key, value) in entries::deserialize(deserializer)? {
            let (Some((statistic, metric)), Some(value)) =
                (Statistic::parse_key(&key), value.as_f64())
            else {
                continue;
            };
            match all.iter_mut().find(|stats| stats.metric == metric) {
                Some(stats) => stats.values.push((statistic, value)),
                None => all.push(MetricStats {
                    metric: metric.to_owned(),
                    values: vec![(statistic, value)],
                }),
            }
        }
        Ok(all)
    }
}

/// Remaining keys that are neither.
mod extra {
    use serde::{Deserializer, Serializer};
    use serde_json::Value;

    use super::{Statistic, entries};

    pub(super) fn serialize<S: Serializer>(
        pairs: &[(String, Value)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        let other = |(key, value): &(String, Value)| {
            let statistic = value.is_number() && Statistic::parse_key(key).is_some();
            !value.is_string() && !statistic
        };
        let entries = entries::deserialize(deserializer)?;
        Ok(entries.into_iter().filter(other).collect())
    }
}
