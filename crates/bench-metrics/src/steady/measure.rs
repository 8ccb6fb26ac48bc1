//! The numbers of a stretch of a run.

use std::collections::BTreeMap;

use bench_types::{RequestRecord, RunFacts, Task};

use super::find::Found;
use super::{Concurrency, SteadyNumbers, SteadyWindow};
use crate::measurable::{comes_whole, has};
use crate::metric::output_tokens_at;
use crate::slo::ratio;
use crate::window::Window;
use crate::{Convention, Distribution, Metric, PART_METRICS, SummaryOptions, Throughput};

/// A stretch that is shorter is a moment, in seconds and as a share of the run.
const SHORTEST_S: f64 = 10.0;
const SHORTEST_SHARE: f64 = 0.1;

pub(super) fn measure(
    records: &[&RequestRecord],
    concurrency: &Concurrency,
    found: Found,
    facts: &RunFacts,
    options: &SummaryOptions,
) -> SteadyWindow {
    let seconds = found.end.since(found.start).as_secs_f64();
    let run = Window::of(facts).seconds;
    let short = seconds < SHORTEST_S || seconds < SHORTEST_SHARE * run;
    SteadyWindow {
        start_s: found.start.since(facts.start).as_secs_f64(),
        end_s: found.end.since(facts.start).as_secs_f64(),
        duration_s: seconds,
        run_share: ratio(seconds, run),
        numbers: (!short).then(|| numbers(records, concurrency, found, options)),
    }
}

fn numbers(
    records: &[&RequestRecord],
    concurrency: &Concurrency,
    found: Found,
    options: &SummaryOptions,
) -> SteadyNumbers {
    let seconds = found.end.since(found.start).as_secs_f64();
    let completed = records.iter().copied();
    let completed = completed.filter(|record| record.outcome.is_success());
    let sent_inside = |record: &&RequestRecord| {
        let sent = record.timeline.sent;
        sent.is_some_and(|sent| found.has(sent))
    };
    let started: Vec<&RequestRecord> = completed.clone().filter(sent_inside).collect();
    let ended = completed
        .clone()
        .filter(|record| found.has(record.timeline.closed));
    let requests_completed = ended.count() as u64;
    let input: u64 = started
        .iter()
        .map(|record| u64::from(record.prompt_tokens))
        .sum();
    let whole = comes_whole(options.task, options.streamed);
    let output = (options.task != Task::Pool).then(|| {
        let tokens = |record: &RequestRecord| output_tokens_at(record, |at| found.has(at));
        completed.map(tokens).sum::<f64>()
    });
    let output = output.filter(|tokens| *tokens > 0.0 || !whole);
    SteadyNumbers {
        average_concurrency: concurrency.average(found.start, found.end),
        requests_started: started.len() as u64,
        requests_completed,
        throughput: Throughput {
            requests_per_s: ratio(requests_completed as f64, seconds),
            output_tokens_per_s: output.map(|tokens| ratio(tokens, seconds)),
            total_tokens_per_s: ratio(input as f64 + output.unwrap_or(0.0), seconds),
        },
        input_tokens_per_s: ratio(input as f64, seconds),
        metrics: read(&started, Convention::Strict, &PART_METRICS, options),
        vllm: read(&started, Convention::Vllm, &["ttft", "tpot"], options),
    }
}

/// Percentiles that the window has beside those the user asked for.
const PERCENTILES: [f64; 2] = [90.0, 99.0];

fn read(
    started: &[&RequestRecord],
    convention: Convention,
    names: &[&str],
    options: &SummaryOptions,
) -> BTreeMap<String, Distribution> {
    let mut percentiles = options.percentiles.clone();
    percentiles.extend(PERCENTILES);
    percentiles.sort_unstable_by(f64::total_cmp);
    percentiles.dedup();
    let mut samples = Vec::new();
    let metrics = names.iter().filter_map(|name| Metric::find(name));
    let metrics = metrics.filter(|metric| has(metric, options.task, options.streamed));
    let read = metrics.map(|metric| {
        samples.clear();
        for record in started {
            (metric.observe)(record, convention, &mut samples);
        }
        let distribution = Distribution::of(&mut samples, &percentiles);
        (metric.name.to_owned(), distribution)
    });
    read.collect()
}
