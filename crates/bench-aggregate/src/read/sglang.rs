//! `bench_serving` of SGLang: a run on each line.

use bench_report::{MetricStats, Origin, RequestSample, RunResult, Statistic, Tool};
use serde::Deserialize;
use serde_json::Value;

use super::Taken;
use super::json::Document;
use super::value::{count, number, text};

/// Keys that have a place of their own in a run.
const TAKEN: &[&str] = &[
    "tag",
    "backend",
    "request_rate",
    "max_concurrency",
    "duration",
    "completed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "output_throughput",
    "total_throughput",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    input_lens: Vec<u64>,
    output_lens: Vec<u64>,
    ttfts: Vec<Option<f64>>,
    itls: Vec<Vec<Option<f64>>>,
    errors: Vec<Option<String>>,
}

pub(super) fn read(document: &Document, details: bool) -> Result<Taken, String> {
    let get = |key| document.get(key);
    let server = |key: &str| text(document.at("server_info", key));
    let completed = count(get("completed"));
    let random = text(get("dataset_name")).is_some_and(|name| name.starts_with("random"));
    let length = |key| count(get(key)).filter(|_| random);
    let mut run = RunResult {
        origin: Origin {
            tool: Tool::SglangBench,
            ..Origin::default()
        },
        backend: text(get("backend")),
        label: text(get("tag")),
        model_id: server("/served_model_name").or_else(|| server("/model_path")),
        tokenizer_id: server("/tokenizer_path"),
        request_rate: number(get("request_rate")),
        max_concurrency: count(get("max_concurrency")),
        input_len: length("random_input_len"),
        output_len: length("random_output_len"),
        duration: number(get("duration")),
        completed,
        total_input_tokens: count(get("total_input_tokens")),
        total_output_tokens: count(get("total_output_tokens")),
        request_throughput: number(get("request_throughput")),
        output_throughput: number(get("output_throughput")),
        total_token_throughput: number(get("total_throughput")),
        ..RunResult::default()
    };
    for (key, value) in document.scalars() {
        match statistic(key, value) {
            Some((statistic, metric, value)) if completed != Some(0) => {
                put(&mut run.statistics, statistic, metric, value);
            }
            None if !TAKEN.contains(&key) || unread_rate(key, value) => {
                run.more.push((key.to_owned(), value.clone()));
            }
            _ => {}
        }
    }
    if document.has("output_lens") {
        let requests = requests(document.whole()?);
        let failed = requests.iter().filter(|request| !request.success).count();
        run.num_prompts = Some(requests.len() as u64);
        run.failed = Some(failed as u64);
        if details {
            run.requests = requests;
        }
    }
    Ok(run.into())
}

/// A rate such as `trace`, which is no number.
fn unread_rate(key: &str, value: &Value) -> bool {
    key == "request_rate" && number(Some(value)).is_none()
}

fn statistic<'a>(key: &'a str, value: &Value) -> Option<(Statistic, &'a str, f64)> {
    let (statistic, metric) = Statistic::parse_key(key)?;
    let metric = if metric == "e2e_latency" {
        "e2el"
    } else {
        metric
    };
    Some((statistic, metric, value.as_f64()?))
}

fn put(all: &mut Vec<MetricStats>, statistic: Statistic, metric: &str, value: f64) {
    match all.iter_mut().find(|stats| stats.metric == metric) {
        Some(stats) => stats.values.push((statistic, value)),
        None => all.push(MetricStats {
            metric: metric.to_owned(),
            values: vec![(statistic, value)],
        }),
    }
}

/// The requests. A failed one has zeros and nothing in its lists; when they were sent and when
/// they ended is not told.
fn requests(details: Details) -> Vec<RequestSample> {
    let mut inputs = details.input_lens.into_iter();
    let mut ttfts = details.ttfts.into_iter();
    let mut gaps = details.itls.into_iter();
    let mut errors = details.errors.into_iter();
    let sample = |output: u64| {
        let error = errors.next().flatten().filter(|error| !error.is_empty());
        let success = error.is_none() && output > 0;
        RequestSample {
            success,
            error,
            ttft: ttfts.next().flatten().filter(|ttft| success && *ttft > 0.0),
            // Of a request with a gap that is not known nothing is said about the gaps.
            gaps: gaps
                .next()
                .filter(|_| success)
                .and_then(|gaps| gaps.into_iter().collect())
                .unwrap_or_default(),
            input_tokens: inputs.next(),
            output_tokens: success.then_some(output),
            ..RequestSample::default()
        }
    };
    details.output_lens.into_iter().map(sample).collect()
}
