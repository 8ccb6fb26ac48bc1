use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bench_metrics::{Convention, Distribution, Metric, Summary, e2el};
use bench_types::{Nanos, RequestRecord};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{Column, Report, ReportError, ScheduleKind, Setup, Statistic, VllmResult};

/// The tool in whose format a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultFormat {
    /// The object of `vllm bench serve`, with all else under `bench`.
    #[default]
    Vllm,
    /// The line of SGLang's `bench_serving`.
    Sglang,
}

/// Its name in options.
impl fmt::Display for ResultFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResultFormat::Vllm => "vllm",
            ResultFormat::Sglang => "sglang",
        })
    }
}

impl FromStr for ResultFormat {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<ResultFormat, ReportError> {
        match text {
            "vllm" => Ok(ResultFormat::Vllm),
            "sglang" => Ok(ResultFormat::Sglang),
            _ => Err(ReportError::ResultFormat {
                text: text.to_owned(),
            }),
        }
    }
}

/// The metrics of a line, by the names they have there.
const METRICS: [(&str, &str); 4] = [
    ("e2el", "e2e_latency"),
    ("ttft", "ttft"),
    ("tpot", "tpot"),
    ("itl", "itl"),
];

const PERCENTILES: [f64; 3] = [90.0, 95.0, 99.0];

/// A rate without a limit as Python writes it, which is no JSON: see [`SglangResult::line`].
const INFINITY: &str = "Infinity";

/// A result in the schema of SGLang's `bench_serving` 0.5.23. What was not measured is null.
#[derive(Clone, Debug, Serialize)]
pub struct SglangResult<'a> {
    tag: Option<&'a str>,
    backend: &'a str,
    dataset_name: Value,
    request_rate: Value,
    max_concurrency: Option<u64>,
    sharegpt_output_len: Value,
    random_input_len: Value,
    random_output_len: Value,
    random_range_ratio: Option<f64>,
    server_info: Option<&'a Value>,
    duration: f64,
    completed: u64,
    total_input_tokens: u64,
    total_input_text_tokens: Option<u64>,
    total_input_vision_tokens: Option<u64>,
    total_output_tokens: Option<u64>,
    /// Nothing is counted twice.
    total_output_tokens_retokenized: Option<u64>,
    request_throughput: f64,
    input_throughput: f64,
    output_throughput: Option<f64>,
    total_throughput: f64,
    /// By their keys.
    #[serde(flatten, serialize_with = "in_order")]
    statistics: Vec<(String, Option<f64>)>,
    concurrency: f64,
    /// The server is not asked for it.
    accept_length: Option<f64>,
    max_output_tokens_per_s: Option<f64>,
    max_concurrent_requests: Option<u64>,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

/// An entry for each request, in the order of the dataset.
#[derive(Clone, Debug, Serialize)]
struct Details<'a> {
    input_lens: Option<Column<'a, u32>>,
    output_lens: Option<Column<'a, u32>>,
    ttfts: Option<Column<'a, f64>>,
    itls: Option<Column<'a, Vec<f64>>>,
    generated_texts: Option<Column<'a, Cow<'a, str>>>,
    errors: Option<Column<'a, String>>,
}

impl<'a> SglangResult<'a> {
    /// The result of a run, whose records are [`VllmResult::in_order`]; with `detailed`, every
    /// array has an entry for each request.
    pub fn of(
        report: &'a Report,
        records: &'a [&'a RequestRecord],
        detailed: bool,
    ) -> SglangResult<'a> {
        let Report { setup, summary, .. } = report;
        let option = |key: &str| setup.options.get(key).cloned().unwrap_or_default();
        let input = summary.tokens.input;
        let text_only = !has_pictures(setup);
        let peak = summary.vllm.peak;
        let completed = || records.iter().filter(|record| record.outcome.is_success());
        let facts = &report.facts;
        let end = facts.window.map(|span| facts.start.saturating_add(span));
        let busy: Nanos = completed()
            .filter_map(|record| busy(record, end))
            .fold(Nanos::ZERO, Nanos::saturating_add);
        SglangResult {
            tag: setup.label.as_deref(),
            backend: backend(setup),
            dataset_name: dataset_name(setup),
            request_rate: rate(setup),
            max_concurrency: setup.max_concurrency,
            sharegpt_output_len: option("sharegpt-output-len"),
            random_input_len: length(setup, "input-len", "random-input-len"),
            random_output_len: length(setup, "output-len", "random-output-len"),
            random_range_ratio: range_ratio(&option("random-range-ratio")),
            server_info: server_info(setup),
            duration: summary.duration_s,
            completed: summary.requests.completed,
            total_input_tokens: input,
            total_input_text_tokens: text_only.then_some(input),
            total_input_vision_tokens: text_only.then_some(0),
            total_output_tokens: summary.tokens.output,
            total_output_tokens_retokenized: None,
            request_throughput: summary.throughput.requests_per_s,
            input_throughput: input_throughput(summary),
            output_throughput: summary.throughput.output_tokens_per_s,
            total_throughput: summary.throughput.total_tokens_per_s,
            statistics: METRICS
                .iter()
                .flat_map(|(name, there)| stats(name, there, completed()))
                .collect(),
            concurrency: per_second(busy.as_secs_f64(), summary.duration_s),
            accept_length: None,
            max_output_tokens_per_s: peak.and_then(|peak| peak.output_tokens_per_s),
            max_concurrent_requests: peak.map(|peak| peak.concurrent_requests),
            details: detailed.then(|| {
                let result = VllmResult::of(report, records, true);
                Details {
                    input_lens: result.input_lens,
                    output_lens: result.output_lens,
                    ttfts: result.ttfts,
                    itls: result.itls,
                    generated_texts: result.generated_texts,
                    errors: result.errors,
                }
            }),
        }
    }

    /// The line, as Python writes and reads it: a rate without a limit is the word `Infinity`.
    pub(crate) fn line(&self) -> serde_json::Result<String> {
        let line = serde_json::to_string(self)?;
        // Quotes inside of texts have a backslash before them, so this is the key.
        let (quoted, bare) = (
            format!(r#""request_rate":"{INFINITY}""#),
            format!(r#""request_rate":{INFINITY}"#),
        );
        Ok(line.replacen(&quoted, &bare, 1))
    }
}

impl Setup {
    /// The default name of a file in the format of SGLang's `bench_serving`:
    /// `{backend}_{MMDD}_{number}_{dataset}.jsonl`, with both lengths for random tokens.
    pub fn sglang_file_name(&self) -> String {
        let day = self.date.get(4..8).unwrap_or_default();
        let backend = backend(self);
        let prompts = self.options.get("num-prompts").and_then(Value::as_u64);
        let prompts = prompts.unwrap_or(self.num_prompts);
        let dataset = self.options.get("dataset-name").and_then(Value::as_str);
        let what = match dataset {
            _ if !mix(self).is_empty() => "mix".to_owned(),
            Some(name) if name.starts_with("random") => format!(
                "{}_{}",
                length(self, "input-len", "random-input-len"),
                length(self, "output-len", "random-output-len")
            ),
            Some(name) => name.to_owned(),
            None => "own".to_owned(),
        };
        format!("{backend}_{day}_{prompts}_{what}.jsonl")
    }
}

/// The backend by the name that the user gave it.
fn backend(setup: &Setup) -> &str {
    let given = setup.options.get("backend").and_then(Value::as_str);
    given.unwrap_or(&setup.backend)
}

/// The parts of `--mix`, each with its weight.
fn mix(setup: &Setup) -> Vec<&str> {
    let parts = setup.options.get("mix").and_then(Value::as_array);
    parts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The dataset, or all parts of a mix.
fn dataset_name(setup: &Setup) -> Value {
    let parts = mix(setup);
    if parts.is_empty() {
        return setup
            .options
            .get("dataset-name")
            .cloned()
            .unwrap_or_default();
    }
    parts.join(",").into()
}

fn rate(setup: &Setup) -> Value {
    let kind = setup.schedule.as_ref().map(|schedule| schedule.kind);
    match kind {
        Some(ScheduleKind::Trace) => ScheduleKind::Trace.to_string().into(),
        _ if setup.request_rate.is_finite() => setup.request_rate.into(),
        _ => INFINITY.into(),
    }
}

/// A length that an option for all datasets may set.
fn length(setup: &Setup, for_all: &str, own: &str) -> Value {
    let option = |key| setup.options.get(key).filter(|value| !value.is_null());
    option(for_all).or(option(own)).cloned().unwrap_or_default()
}

/// The ratio of the least to the greatest length, as the format has it, if that says it all.
fn range_ratio(option: &Value) -> Option<f64> {
    match option.as_f64() {
        Some(0.0) => Some(1.0),
        Some(_) => None,
        None => option.get("from")?.as_f64(),
    }
}

fn server_info(setup: &Setup) -> Option<&Value> {
    let mut servers = setup.server_info.values();
    servers.find_map(|answers| answers.get("server_info"))
}

/// Whether input tokens may be those of pictures, which nobody counts apart.
fn has_pictures(setup: &Setup) -> bool {
    let name = dataset_name(setup);
    name.as_str()
        .is_some_and(|name| ["mm", "image", "hf"].iter().any(|part| name.contains(part)))
}

/// How long a request was under way, up to the end of the time that the run was limited to.
fn busy(record: &RequestRecord, end: Option<Nanos>) -> Option<Nanos> {
    let whole = e2el(record, Convention::Vllm)?;
    let left = end.zip(record.timeline.sent);
    Some(left.map_or(whole, |(end, sent)| whole.min(end.since(sent))))
}

/// Of a run that was limited in time, the input tokens that were read in it.
fn input_throughput(summary: &Summary) -> f64 {
    let Summary { throughput, .. } = summary;
    match summary.time_limit {
        Some(_) => {
            let output = throughput.output_tokens_per_s.unwrap_or(0.0);
            (throughput.total_tokens_per_s - output).max(0.0)
        }
        None => per_second(summary.tokens.input as f64, summary.duration_s),
    }
}

fn per_second(amount: f64, seconds: f64) -> f64 {
    match seconds > 0.0 {
        true => amount / seconds,
        false => 0.0,
    }
}

/// The statistics of a metric, by their keys. Null stands where nothing was measured.
fn stats<'r>(
    metric: &str,
    name: &str,
    completed: impl Iterator<Item = &'r &'r RequestRecord>,
) -> Vec<(String, Option<f64>)> {
    let mut samples = Vec::new();
    if let Some(metric) = Metric::find(metric) {
        for record in completed {
            (metric.observe)(record, Convention::Vllm, &mut samples);
        }
    }
    let distribution = Distribution::of(&mut samples, &PERCENTILES);
    let percentiles = PERCENTILES.map(Statistic::Percentile);
    [Statistic::Mean, Statistic::Median, Statistic::Std]
        .into_iter()
        .chain(percentiles)
        .map(|statistic| (statistic.key(name), statistic.of(&distribution)))
        .collect()
}

fn in_order<S: Serializer>(
    entries: &[(String, Option<f64>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
}
