//! aiperf: the summary of a run, its requests, and its table.
//!
//! Its "inter token latency" is (latency - TTFT) / (tokens - 1) for each request, which others
//! call TPOT; its "inter chunk latency" are the gaps that others call ITL.

mod requests;
mod table;

use std::path::Path;

use bench_report::{Condition, MetricStats, Origin, RunResult, Statistic, Tool, date_stamp_of};
use serde_json::Value;

use super::json::Document;
use super::lines::Lines;
use super::value::{count, number, stats, text};
use super::{Taken, walk};
pub(super) use requests::requests;
pub(super) use table::{is_table, table};

/// Metrics that have a place of their own in a run.
const TAKEN: &[&str] = &[
    "time_to_first_token",
    "inter_token_latency",
    "inter_chunk_latency",
    "request_latency",
    "request_throughput",
    "output_token_throughput",
    "total_token_throughput",
    "goodput",
    "request_count",
    "error_request_count",
    "total_isl",
    "total_osl",
    "total_output_tokens",
];

/// The summary, and the requests from the file beside it.
pub(super) fn summary(document: &Document, path: &Path, details: bool) -> Result<Taken, String> {
    let mut run = run(document);
    let beside = walk::aiperf_requests(path).filter(|_| details);
    if let Some(beside) = beside {
        run.requests = requests::beside(&beside).map_err(|reason| {
            format!("has its requests in {}, which {reason}", beside.display())
        })?;
    }
    Ok(run.into())
}

fn run(document: &Document) -> RunResult {
    let input = |pointer| document.at("input_config", pointer);
    let average = |key: &str| number(document.at(key, "/avg"));
    let total = |key: &str| count(document.at(key, "/avg"));
    let completed = total("request_count");
    let load = load(input("/phases"));
    let date = document.get("start_time").and_then(Value::as_str);
    let partial = document.get("was_cancelled").and_then(Value::as_bool);
    RunResult {
        origin: Origin {
            tool: Tool::Aiperf,
            ..Origin::default()
        },
        date: date.and_then(date_stamp_of),
        backend: text(input("/endpoint/type")),
        model_id: text(input("/models/items/0/name")),
        tokenizer_id: text(input("/tokenizer/name")),
        num_prompts: load.requests,
        request_rate: load.rate,
        max_concurrency: load.concurrency,
        input_len: count(input("/datasets/0/prompts/isl/mean")),
        output_len: count(input("/datasets/0/prompts/osl/mean")),
        duration: average("benchmark_duration"),
        completed,
        failed: total("error_request_count")
            .or_else(|| total("completed_request_count")?.checked_sub(completed?)),
        total_input_tokens: total("total_isl"),
        total_output_tokens: total("total_osl"),
        request_throughput: average("request_throughput"),
        request_goodput: average("goodput"),
        output_throughput: average("output_token_throughput"),
        total_token_throughput: average("total_token_throughput"),
        statistics: statistics(document),
        more: further(document),
        condition: Condition {
            partial,
            ..Condition::default()
        },
        ..RunResult::default()
    }
}

fn statistics(document: &Document) -> Vec<MetricStats> {
    // With tokens counted for each chunk, the first chunk's are left out of the divisor, and the
    // quotient is no TPOT.
    let by_chunk = document.at("input_config", "/endpoint/per_chunk_usage");
    let by_chunk = by_chunk.and_then(Value::as_bool) == Some(true);
    let metrics = [
        ("ttft", "time_to_first_token"),
        ("tpot", "inter_token_latency"),
        ("itl", "inter_chunk_latency"),
        ("e2el", "request_latency"),
    ];
    let metrics = metrics
        .into_iter()
        .filter(|(ours, _)| !(by_chunk && *ours == "tpot"));
    metrics
        .filter_map(|(ours, theirs)| spread(ours, document.get(theirs)?))
        .collect()
}

fn spread(metric: &str, values: &Value) -> Option<MetricStats> {
    let values = values.as_object()?;
    let get = |key: &str| number(values.get(key));
    let percentiles = values.iter().filter_map(|(key, value)| {
        let p = key.strip_prefix('p')?.parse().ok()?;
        Some((Statistic::Percentile(p), value.as_f64()))
    });
    let mut percentiles: Vec<_> = percentiles.collect();
    percentiles.sort_by_key(|(statistic, _)| match statistic {
        Statistic::Percentile(p) => p.to_bits(),
        _ => 0,
    });
    let others = [
        (Statistic::Mean, get("avg")),
        (Statistic::Median, get("p50")),
        (Statistic::Std, get("std")),
    ];
    stats(metric, others.into_iter().chain(percentiles))
}

/// Metrics of its own under the names it gives them: the mean, and the median and the 99th
/// percentile where there are several values.
fn further(document: &Document) -> Vec<(String, Value)> {
    let version = text(document.get("aiperf_version"));
    let version = version.map(|version| ("aiperf_version".to_owned(), version.into()));
    let metrics = document.keys().filter(|key| !TAKEN.contains(key));
    let values = metrics.flat_map(|key| {
        let of = |statistic: &str| number(document.at(key, &format!("/{statistic}")));
        let unit = document.at(key, "/unit").and(of("avg"));
        let several = of("p50").is_some();
        let rest = ["p50", "p99"].map(|p| (format!("{key}_{p}"), of(p)));
        let mean = if several {
            format!("{key}_avg")
        } else {
            key.to_owned()
        };
        let all = [(mean, unit)].into_iter().chain(rest);
        all.filter_map(|(key, value)| Some((key, value?.into())))
            .collect::<Vec<(String, Value)>>()
    });
    version.into_iter().chain(values).collect()
}

/// What was sent how fast.
#[derive(Default)]
struct Load {
    requests: Option<u64>,
    rate: Option<f64>,
    concurrency: Option<u64>,
}

/// The load of the phase that was measured; nothing is said of several.
fn load(phases: Option<&Value>) -> Load {
    let phases = phases.and_then(Value::as_array).into_iter().flatten();
    let mut measured = phases.filter(|phase| phase["kind"] == "profiling");
    let (Some(phase), None) = (measured.next(), measured.next()) else {
        return Load::default();
    };
    let concurrency = count(phase.get("concurrency"));
    let closed = phase["type"] == "concurrency";
    Load {
        requests: count(phase.get("requests")),
        rate: number(phase.get("rate")).or(closed.then_some(f64::INFINITY)),
        concurrency,
    }
}

/// Reads the lines of a file of requests that follow the first one.
fn each_line(
    lines: &mut Lines,
    mut each: impl FnMut(&Document) -> Result<(), String>,
) -> Result<(), String> {
    loop {
        let line = lines
            .next()
            .map_err(|error| format!("cannot be read: {error}"))?;
        let Some(line) = line else {
            return Ok(());
        };
        let number = lines.number();
        Document::parse(line)
            .and_then(|document| each(&document))
            .map_err(|reason| format!("is damaged: line {number} {reason}"))?;
    }
}
