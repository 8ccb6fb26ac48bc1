//! The requests of a run, one on each line.

use std::path::Path;

use bench_report::{Origin, RequestSample, RunResult, Tool, date_stamp};
use serde::Deserialize;
use serde_json::Value;

use super::each_line;
use crate::read::from_requests::summarise;
use crate::read::json::Document;
use crate::read::lines::Lines;
use crate::read::{Refusal, Taken};

#[derive(Deserialize)]
struct Request {
    metadata: Metadata,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    x_request_id: Option<String>,
    credit_issued_ns: Option<u64>,
    request_start_ns: u64,
    benchmark_phase: Option<String>,
    #[serde(default)]
    was_cancelled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    request_latency: Option<Measured<f64>>,
    time_to_first_token: Option<Measured<f64>>,
    inter_chunk_latency: Option<Measured<Vec<f64>>>,
    input_sequence_length: Option<Measured<f64>>,
    output_sequence_length: Option<Measured<f64>>,
}

#[derive(Deserialize)]
struct Measured<T> {
    value: T,
    unit: Unit,
}

#[derive(Clone, Copy, Deserialize)]
enum Unit {
    #[serde(rename = "ns")]
    Nanos,
    #[serde(rename = "us")]
    Micros,
    #[serde(rename = "ms")]
    Millis,
    #[serde(rename = "sec", alias = "s")]
    Seconds,
    #[serde(rename = "tokens")]
    Tokens,
}

impl Unit {
    fn per_second(self) -> f64 {
        match self {
            Unit::Nanos => 1e9,
            Unit::Micros => 1e6,
            Unit::Millis => 1e3,
            Unit::Seconds | Unit::Tokens => 1.0,
        }
    }
}

/// A run of which only the requests are known; its numbers are computed from them.
pub(in crate::read) fn requests(
    first: &Document,
    lines: &mut Lines,
    details: bool,
) -> Result<Taken, Refusal> {
    let mut all = Requests::default();
    all.add(first)?;
    each_line(lines, |line| all.add(line))?;
    let start = all.starts.iter().copied().min();
    let mut run = RunResult {
        origin: Origin {
            tool: Tool::Aiperf,
            ..Origin::default()
        },
        date: start.map(|ns| date_stamp(ns as f64 / 1e9)),
        requests: all.samples(),
        ..RunResult::default()
    };
    summarise(&mut run);
    if !details {
        run.requests.clear();
    }
    let left_out = match all.warmups {
        0 => Vec::new(),
        count => vec![format!("{count} requests of the warm-up left out")],
    };
    Ok(Taken {
        runs: vec![run],
        left_out,
    })
}

/// The requests beside a summary.
pub(super) fn beside(path: &Path) -> Result<Vec<RequestSample>, String> {
    let mut lines = Lines::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut all = Requests::default();
    each_line(&mut lines, |line| all.add(line))?;
    Ok(all.samples())
}

#[derive(Default)]
struct Requests {
    samples: Vec<RequestSample>,
    /// When each was sent, in nanoseconds since 1970: more digits than a float has.
    starts: Vec<u64>,
    warmups: usize,
}

impl Requests {
    fn add(&mut self, line: &Document) -> Result<(), String> {
        let request: Request = line.whole()?;
        let metadata = &request.metadata;
        if metadata
            .benchmark_phase
            .as_deref()
            .is_some_and(|phase| phase != "profiling")
        {
            self.warmups += 1;
            return Ok(());
        }
        self.starts.push(metadata.request_start_ns);
        self.samples.push(sample(request));
        Ok(())
    }

    /// The requests in the order in which they were sent, in seconds since the first one.
    fn samples(&mut self) -> Vec<RequestSample> {
        let first = self.starts.iter().copied().min().unwrap_or_default();
        let samples = std::mem::take(&mut self.samples).into_iter();
        let mut samples: Vec<(u64, RequestSample)> =
            self.starts.iter().copied().zip(samples).collect();
        samples.sort_by_key(|(start, _)| *start);
        let since_first = |(start, sample)| RequestSample {
            start: Some((start - first) as f64 / 1e9),
            ..sample
        };
        samples.into_iter().map(since_first).collect()
    }
}

fn sample(request: Request) -> RequestSample {
    let Request {
        metadata,
        metrics,
        error,
    } = request;
    let cancelled = metadata.was_cancelled.then(|| "cancelled".to_owned());
    let error = error
        .filter(|error| !error.is_null())
        .map(|error| told(&error));
    let error = error.or(cancelled);
    let success = error.is_none() && metrics.request_latency.is_some();
    let seconds = |measured: Option<Measured<f64>>| {
        let seconds = measured.map(|m| m.value / m.unit.per_second());
        seconds.filter(|_| success)
    };
    let gaps = metrics.inter_chunk_latency.filter(|_| success);
    let gaps = gaps.map(|gaps| {
        let unit = gaps.unit.per_second();
        gaps.value.iter().map(|gap| gap / unit).collect()
    });
    let tokens = |measured: Option<Measured<f64>>| measured.map(|m| m.value as u64);
    let credit = metadata.credit_issued_ns;
    let waited = credit.and_then(|credit| metadata.request_start_ns.checked_sub(credit));
    RequestSample {
        id: metadata.x_request_id,
        success,
        error,
        client_queue: waited.map(|ns| ns as f64 / 1e9),
        ttft: seconds(metrics.time_to_first_token),
        e2el: seconds(metrics.request_latency),
        gaps: gaps.unwrap_or_default(),
        input_tokens: tokens(metrics.input_sequence_length),
        output_tokens: tokens(metrics.output_sequence_length).filter(|_| success),
        ..RequestSample::default()
    }
}

fn told(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message
        .as_str()
        .map_or_else(|| message.to_string(), str::to_owned)
}
