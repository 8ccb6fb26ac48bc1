//! Runs from reports and from results in the schema of `vllm bench serve`.

use std::vec::IntoIter;

use bench_metrics::{Convention, choice_gaps, e2el, queue_time, ttft};
use bench_types::{Nanos, RequestRecord, TokenSource};
use serde_json::Value;

use super::{Condition, Origin, RequestSample, RunResult, ServerTimes, Tool};
use crate::per_request::{chunk_tokens, failed_after, start};
use crate::{Column, DetailedBench, Report, VllmResult, date_stamp_of};

impl RunResult {
    /// A run that has just ended, with all its requests.
    pub fn of(report: &Report) -> RunResult {
        let records = VllmResult::in_order(report);
        let mut run = RunResult::from(VllmResult::of(report, &records, false));
        run.requests = records.into_iter().map(RequestSample::of).collect();
        run
    }
}

impl RequestSample {
    /// A request by the rules of `vllm bench serve`, as its result file would tell it.
    fn of(record: &RequestRecord) -> RequestSample {
        let success = record.outcome.is_success();
        let span = |span: fn(&RequestRecord, Convention) -> Option<Nanos>| {
            let span = span(record, Convention::Vllm).filter(|_| success);
            span.map(Nanos::as_secs_f64)
        };
        let tokens =
            |count: u32, source| (source != TokenSource::Unknown).then_some(u64::from(count));
        let server = record.server.unwrap_or_default();
        RequestSample {
            id: Some(record.id.to_string()),
            success,
            error: record.outcome.problem(),
            start: Some(start(record).as_secs_f64()),
            client_queue: queue_time(record).map(Nanos::as_secs_f64),
            ttft: span(ttft),
            e2el: span(e2el),
            failed_after: failed_after(record).map(Nanos::as_secs_f64),
            gaps: if success {
                choice_gaps(record).map(Nanos::as_secs_f64).collect()
            } else {
                Vec::new()
            },
            chunk_tokens: chunk_tokens(record),
            input_tokens: tokens(record.prompt_tokens, record.prompt_tokens_source),
            output_tokens: tokens(record.output_tokens, record.output_tokens_source)
                .filter(|_| success),
            server: ServerTimes {
                queue: server.queue,
                prefill: server.prefill,
                decode: server.decode,
            },
        }
    }
}

/// Where no request was answered the zeros in place of statistics are left out.
impl From<VllmResult<'_>> for RunResult {
    fn from(mut result: VllmResult<'_>) -> RunResult {
        let requests = requests(&mut result);
        let more = further(&mut result);
        let answered = result.completed > 0;
        let goodput = result.request_goodput.flatten();
        let goodput = goodput.or_else(|| misspelt_goodput(&more));
        let mut run = RunResult {
            origin: Origin {
                tool: tool(&result),
                ..Origin::default()
            },
            date: date_stamp_of(&result.date).or(Some(result.date)),
            backend: Some(result.backend)
                .filter(|backend| !backend.is_empty())
                .or(Some(result.endpoint_type)),
            label: result.label,
            model_id: Some(result.model_id),
            tokenizer_id: result.tokenizer_id,
            num_prompts: Some(result.num_prompts),
            request_rate: Some(result.request_rate),
            // A file of before the flag has none.
            burstiness: Some(result.burstiness).filter(|burstiness| *burstiness > 0.0),
            max_concurrency: result.max_concurrency,
            input_len: None,
            output_len: None,
            duration: Some(result.duration),
            completed: Some(result.completed),
            failed: Some(result.failed),
            total_input_tokens: Some(result.total_input_tokens),
            total_output_tokens: result.total_output_tokens,
            request_throughput: Some(result.request_throughput),
            request_goodput: goodput,
            output_throughput: result.output_throughput,
            total_token_throughput: Some(result.total_token_throughput),
            statistics: if answered {
                result.statistics
            } else {
                Vec::new()
            },
            condition: Condition::default(),
            more,
            bench: result.bench.map(|bench| Box::new(bench.run)),
            requests,
        };
        if let Some(bench) = &run.bench {
            run.condition = Condition {
                simulated: Some(bench.simulated),
                partial: Some(bench.partial),
                client_limited: bench.self_audit.client_limited,
                warnings: bench.warnings.clone(),
            };
        }
        run.lengths_from_options();
        run
    }
}

fn tool(result: &VllmResult<'_>) -> Tool {
    let has = |key: &str| result.extra.iter().any(|(known, _)| known == key);
    if result.bench.is_some() {
        Tool::BenchServe
    } else if has("input_throughput") {
        Tool::VllmBench
    } else {
        Tool::VllmBenchServe
    }
}

/// Some versions of `vllm bench serve` end the key with a colon.
fn misspelt_goodput(more: &[(String, Value)]) -> Option<f64> {
    let found = more.iter().find(|(key, _)| key == "request_goodput:")?;
    found.1.as_f64()
}

/// Scalar keys that have no field of their own.
fn further(result: &mut VllmResult<'_>) -> Vec<(String, Value)> {
    let text = |text: &String| Value::from(text.as_str());
    let float = |value: Option<f64>| value.map(Value::from);
    let known = [
        ("endpoint_type", Some(text(&result.endpoint_type))),
        (
            "ramp_up_strategy",
            result.ramp_up_strategy.as_ref().map(text),
        ),
        (
            "ramp_up_start_rps",
            result.ramp_up_start_rps.take().map(Value::Number),
        ),
        (
            "ramp_up_end_rps",
            result.ramp_up_end_rps.take().map(Value::Number),
        ),
        (
            "total_input_sequences",
            result.total_input_sequences.map(Value::from),
        ),
        (
            "input_sequence_throughput",
            float(result.input_sequence_throughput),
        ),
        (
            "max_output_tokens_per_s",
            float(result.max_output_tokens_per_s),
        ),
        (
            "max_concurrent_requests",
            result.max_concurrent_requests.map(Value::from),
        ),
        ("rtfx", float(result.rtfx)),
    ];
    let known = known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let metadata = result.metadata.drain(..);
    let metadata = metadata.map(|(key, value)| (key, Value::String(value)));
    let extra = result.extra.iter().filter(|(_, value)| is_scalar(value));
    known.chain(metadata).chain(extra.cloned()).collect()
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// The values of a column, one by one.
struct Entries<T>(Option<IntoIter<T>>);

impl<T> Entries<T> {
    fn of(column: Option<Column<'_, T>>) -> Entries<T> {
        Entries(column.map(|column| column.into_vec().into_iter()))
    }

    fn next(&mut self) -> Option<T> {
        self.0.as_mut()?.next()
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, ExactSizeIterator::len)
    }
}

/// What this toolkit adds to the arrays of `vllm bench serve`.
struct Further {
    failed_after: Entries<f64>,
    chunk_tokens: Entries<Vec<u32>>,
    one_each: bool,
}

impl Further {
    fn of(result: &mut VllmResult<'_>) -> Further {
        let bench = result.bench.as_deref_mut();
        let part = bench.and_then(|DetailedBench { run, per_request }| {
            let part = per_request.take()?;
            Some((part.one_each(run), part))
        });
        let (one_each, part) = part.unzip();
        let (failed_after, chunk_tokens) = part
            .map(|part| (part.failed_after, part.chunk_tokens))
            .unzip();
        Further {
            failed_after: Entries::of(failed_after),
            chunk_tokens: Entries::of(chunk_tokens.flatten()),
            one_each: one_each.unwrap_or_default(),
        }
    }

    /// The tokens of the chunks of the next request, by the gaps between them if it was
    /// answered whole in a stream.
    fn chunk_tokens(&mut self, gaps: Option<&[f64]>) -> Vec<u32> {
        match (self.one_each, gaps) {
            (true, Some(gaps)) => vec![1; gaps.len() + 1],
            _ => self.chunk_tokens.next().unwrap_or_default(),
        }
    }
}

/// The requests of a result with details. Failures have zeros and nothing in its lists.
fn requests(result: &mut VllmResult<'_>) -> Vec<RequestSample> {
    let mut inputs = Entries::of(result.input_lens.take());
    let mut outputs = Entries::of(result.output_lens.take());
    let mut ttfts = Entries::of(result.ttfts.take());
    let mut gaps = Entries::of(result.itls.take());
    let mut latencies = Entries::of(result.latencies.take());
    let mut starts = Entries::of(result.start_times.take());
    let mut queues = Entries::of(result.queue_times.take());
    let mut errors = Entries::of(result.errors.take());
    let mut further = Further::of(result);
    // Latencies and queue times stand in every result: they are no details.
    let count = inputs.len().max(starts.len()).max(errors.len());
    let sample = |_| {
        let error = errors.next().filter(|error| !error.is_empty());
        let e2el = positive(latencies.next());
        let ttft = positive(ttfts.next());
        let output = outputs.next().map(u64::from);
        let received = e2el.is_some() || ttft.is_some() || output.is_some_and(|tokens| tokens > 0);
        let success = error.is_none() && received;
        let gaps = gaps.next().filter(|gaps| success && all_known(gaps));
        let failed_after = further.failed_after.next();
        RequestSample {
            success,
            error,
            start: starts.next().filter(|start| start.is_finite()),
            client_queue: queues.next().filter(|queue| queue.is_finite()),
            ttft: ttft.filter(|_| success),
            e2el: e2el.filter(|_| success),
            failed_after: failed_after.filter(|_| !success),
            chunk_tokens: further.chunk_tokens(gaps.as_deref()),
            gaps: gaps.unwrap_or_default(),
            input_tokens: inputs.next().map(u64::from),
            output_tokens: output.filter(|_| success),
            ..RequestSample::default()
        }
    };
    (0..count).map(sample).collect()
}

/// Of a request with a gap that is not known nothing is said about the gaps.
fn all_known(gaps: &[f64]) -> bool {
    gaps.iter().all(|gap| gap.is_finite())
}

fn positive(seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|seconds| *seconds > 0.0)
}
