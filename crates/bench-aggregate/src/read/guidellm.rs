//! guidellm: several benchmarks in a file.
//!
//! Its "time per output token" contains the TTFT, and its "inter-token latency" is a mean for
//! each request, weighted by tokens in its statistics. TPOT and E2EL in the usual sense are
//! computed from its requests.

use std::collections::BTreeMap;

use bench_report::{
    Condition, MetricStats, Origin, RequestSample, RunResult, Statistic, Tool, date_stamp,
};
use serde::Deserialize;
use serde_json::Value;

use super::Taken;
use super::from_requests;
use super::json::Document;
use super::value::{count, further, number, stats, text};

#[derive(Deserialize)]
struct File {
    benchmarks: Vec<Benchmark>,
}

#[derive(Deserialize)]
struct Benchmark {
    config: Value,
    metrics: Metrics,
    #[serde(default)]
    requests: Option<Requests>,
    #[serde(default)]
    warnings: Vec<Warning>,
    start_time: Option<f64>,
    duration: Option<f64>,
    warmup_duration: Option<f64>,
    cooldown_duration: Option<f64>,
}

#[derive(Deserialize)]
struct Metrics {
    request_totals: Totals,
    request_goodput: Option<f64>,
    slo_attainment: Option<f64>,
    requests_per_second: Option<ByStatus>,
    request_concurrency: Option<ByStatus>,
    request_latency: Option<ByStatus>,
    prompt_token_count: Option<ByStatus>,
    output_token_count: Option<ByStatus>,
    output_tokens_per_second: Option<ByStatus>,
    tokens_per_second: Option<ByStatus>,
    time_to_first_token_ms: Option<ByStatus>,
    time_per_output_token_ms: Option<ByStatus>,
    inter_token_latency_ms: Option<ByStatus>,
}

#[derive(Deserialize)]
struct Totals {
    successful: u64,
    errored: u64,
    incomplete: u64,
    total: u64,
}

#[derive(Deserialize)]
struct ByStatus {
    successful: Option<Spread>,
}

#[derive(Deserialize)]
struct Spread {
    mean: Option<f64>,
    median: Option<f64>,
    std_dev: Option<f64>,
    total_sum: Option<f64>,
    #[serde(default)]
    percentiles: BTreeMap<String, Option<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Requests {
    successful: Option<Vec<Request>>,
    errored: Option<Vec<Request>>,
    incomplete: Option<Vec<Request>>,
}

#[derive(Deserialize)]
struct Request {
    request_id: Option<String>,
    info: Info,
    prompt_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Info {
    error: Option<String>,
    #[serde(default)]
    timings: Timings,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Timings {
    targeted_start: Option<f64>,
    request_start: Option<f64>,
    first_token_iteration: Option<f64>,
    last_token_iteration: Option<f64>,
}

#[derive(Deserialize)]
struct Warning {
    message: Option<String>,
    note: Option<String>,
}

pub(super) fn read(document: &Document, details: bool) -> Result<Taken, String> {
    let file: File = document.whole()?;
    if file.benchmarks.is_empty() {
        return Err("has no benchmark".to_owned());
    }
    let benchmarks = file.benchmarks.into_iter();
    Ok(Taken {
        runs: benchmarks.map(|b| run(document, b, details)).collect(),
        left_out: Vec::new(),
    })
}

fn run(document: &Document, benchmark: Benchmark, details: bool) -> RunResult {
    let config = |pointer| benchmark.config.pointer(pointer);
    let spec = |pointer| document.at("config", pointer);
    let metrics = &benchmark.metrics;
    let totals = &metrics.request_totals;
    let requests = samples(benchmark.requests.unwrap_or_default());
    let answered = requests.iter().filter(|request| request.success).count();
    let load = load(config("/strategy"));
    let mean = |by: &Option<ByStatus>| spread(by)?.mean;
    let sum = |by: &Option<ByStatus>| count(Some(&spread(by)?.total_sum.into()));
    let notes = benchmark.warnings.into_iter();
    RunResult {
        origin: Origin {
            tool: Tool::Guidellm,
            ..Origin::default()
        },
        date: benchmark.start_time.map(date_stamp),
        backend: text(config("/backend/kind")),
        model_id: text(config("/backend/model")),
        tokenizer_id: text(spec("/spec/tokenizer/model")),
        num_prompts: Some(totals.total),
        request_rate: load.rate,
        max_concurrency: load.concurrency,
        input_len: count(spec("/spec/data/0/prompt_tokens")),
        output_len: count(spec("/spec/data/0/output_tokens")),
        duration: benchmark.duration,
        completed: Some(totals.successful),
        failed: Some(totals.errored + totals.incomplete),
        total_input_tokens: sum(&metrics.prompt_token_count),
        total_output_tokens: sum(&metrics.output_token_count),
        request_throughput: mean(&metrics.requests_per_second),
        request_goodput: metrics.request_goodput,
        output_throughput: mean(&metrics.output_tokens_per_second),
        total_token_throughput: mean(&metrics.tokens_per_second),
        statistics: if totals.successful == 0 {
            Vec::new()
        } else if answered as u64 == totals.successful {
            from_requests::statistics(&requests)
        } else {
            // Not every request is in the file; of these the TTFT alone is what others mean.
            first_token(&metrics.time_to_first_token_ms)
                .into_iter()
                .collect()
        },
        more: [
            further("strategy", text(config("/strategy/type_"))),
            further("incomplete_requests", Some(totals.incomplete)),
            further("warmup_duration", benchmark.warmup_duration),
            further("cooldown_duration", benchmark.cooldown_duration),
            further("slo_attainment", metrics.slo_attainment),
            further(
                "request_concurrency_mean",
                mean(&metrics.request_concurrency),
            ),
            further("request_latency_mean", mean(&metrics.request_latency)),
            further(
                "time_per_output_token_ms_mean",
                mean(&metrics.time_per_output_token_ms),
            ),
            further(
                "inter_token_latency_ms_mean",
                mean(&metrics.inter_token_latency_ms),
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
        condition: Condition {
            warnings: notes.filter_map(|w| w.message.or(w.note)).collect(),
            ..Condition::default()
        },
        requests: if details { requests } else { Vec::new() },
        ..RunResult::default()
    }
}

fn spread(by: &Option<ByStatus>) -> Option<&Spread> {
    by.as_ref()?.successful.as_ref()
}

fn first_token(by: &Option<ByStatus>) -> Option<MetricStats> {
    let spread = spread(by)?;
    let percentile = |(name, value): (&String, &Option<f64>)| {
        // `p05` is the 5th, `p999` the 99.9th.
        let p = match name.as_str() {
            "p001" => 0.1,
            "p999" => 99.9,
            name => name.strip_prefix('p')?.parse().ok()?,
        };
        Some((Statistic::Percentile(p), *value))
    };
    let percentiles = spread.percentiles.iter().filter_map(percentile);
    let others = [
        (Statistic::Mean, spread.mean),
        (Statistic::Median, spread.median),
        (Statistic::Std, spread.std_dev),
    ];
    stats("ttft", others.into_iter().chain(percentiles))
}

/// What was sent how fast.
struct Load {
    rate: Option<f64>,
    concurrency: Option<u64>,
}

fn load(strategy: Option<&Value>) -> Load {
    let get = |key: &str| strategy.and_then(|strategy| strategy.get(key));
    let kind = get("type_").and_then(Value::as_str).unwrap_or_default();
    let concurrency = count(get("streams")).or_else(|| count(get("max_concurrency")));
    match kind {
        "synchronous" => Load {
            rate: Some(f64::INFINITY),
            concurrency: Some(1),
        },
        "concurrent" | "throughput" => Load {
            rate: Some(f64::INFINITY),
            concurrency,
        },
        _ => Load {
            rate: number(get("rate")),
            concurrency: count(get("max_concurrency")),
        },
    }
}

fn samples(requests: Requests) -> Vec<RequestSample> {
    let of = |requests: Option<Vec<Request>>, success: bool| {
        let requests = requests.unwrap_or_default().into_iter();
        requests.map(move |request| sample(request, success))
    };
    let successful = of(requests.successful, true);
    let errored = of(requests.errored, false);
    let incomplete = of(requests.incomplete, false);
    successful.chain(errored).chain(incomplete).collect()
}

/// A request. Of its tokens in between it is not told when they came.
fn sample(request: Request, success: bool) -> RequestSample {
    let timings = &request.info.timings;
    let start = timings.request_start;
    let since_start = |stamp: Option<f64>| Some(stamp? - start?).filter(|_| success);
    RequestSample {
        id: request.request_id,
        success,
        error: request.info.error.filter(|_| !success),
        start,
        client_queue: start.zip(timings.targeted_start).map(|(s, t)| s - t),
        ttft: since_start(timings.first_token_iteration),
        e2el: since_start(timings.last_token_iteration),
        input_tokens: request.prompt_tokens,
        output_tokens: request.output_tokens.filter(|_| success),
        ..RequestSample::default()
    }
}
