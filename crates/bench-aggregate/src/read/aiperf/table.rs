//! The table of a run, with numbers rounded to two places.

use std::path::Path;

use bench_report::{Condition, Origin, RunResult, Statistic, Tool};
use csv::StringRecord;

use crate::read::value::stats;
use crate::read::{Refusal, Taken};

/// How the first line begins.
const HEADER: &str = "Metric,avg,";

pub(in crate::read) fn is_table(header: &str) -> bool {
    header.trim_start_matches('\u{feff}').starts_with(HEADER)
}

pub(in crate::read) fn table(path: &Path) -> Result<Taken, Refusal> {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path);
    let rows = reader.and_then(|reader| reader.into_records().collect::<Result<Vec<_>, _>>());
    let rows = rows.map_err(|error| format!("is no valid table: {error}"))?;
    let number = |name: &str| {
        rows.iter()
            .find(|row| &row[0] == name)?
            .get(1)?
            .parse()
            .ok()
    };
    let count = |name: &str| number(name).map(|number: f64| number as u64);
    let completed = count("Request Count");
    let all = count("Completed Requests (Success + Error)");
    let names: Vec<&str> = rows
        .first()
        .map(|row| row.iter().collect())
        .unwrap_or_default();
    let metrics = [
        ("ttft", "Time to First Token (ms)"),
        ("tpot", "Inter Token Latency (ms)"),
        ("itl", "Inter Chunk Latency (ms)"),
        ("e2el", "Request Latency (ms)"),
    ];
    let statistics = metrics.iter().filter_map(|(ours, theirs)| {
        let row = rows.iter().find(|row| &row[0] == *theirs)?;
        stats(ours, statistics(&names, row))
    });
    Ok(Taken::from(RunResult {
        origin: Origin {
            tool: Tool::Aiperf,
            ..Origin::default()
        },
        duration: number("Benchmark Duration (sec)"),
        completed,
        failed: all
            .zip(completed)
            .and_then(|(all, done)| all.checked_sub(done)),
        total_input_tokens: count("Total Input Sequence Length (tokens)"),
        total_output_tokens: count("Total Output Sequence Length (tokens)"),
        request_throughput: number("Request Throughput (requests/sec)"),
        request_goodput: number("Goodput (requests/sec)"),
        output_throughput: number("Output Token Throughput (tokens/sec)"),
        total_token_throughput: number("Total Token Throughput (tokens/sec)"),
        statistics: statistics.collect(),
        condition: Condition {
            warnings: vec![
                "aiperf rounds the numbers of its tables to two places; those of its JSON are exact"
                    .to_owned(),
            ],
            ..Condition::default()
        },
        ..RunResult::default()
    }))
}

fn statistics<'a>(
    names: &'a [&str],
    row: &'a StringRecord,
) -> impl Iterator<Item = (Statistic, Option<f64>)> + 'a {
    let cells = names.iter().zip(row).skip(1);
    cells.flat_map(|(name, cell)| {
        let statistic = match *name {
            "avg" => Some(Statistic::Mean),
            "std" => Some(Statistic::Std),
            name => name
                .strip_prefix('p')
                .and_then(|p| p.parse().ok())
                .map(Statistic::Percentile),
        };
        let median = (*name == "p50").then_some(Statistic::Median);
        let value = cell.parse().ok();
        statistic.into_iter().chain(median).map(move |s| (s, value))
    })
}
