//! A table with a row for each run.

use std::path::Path;

use bench_metrics::Metric;
use bench_report::{RunResult, Statistic};

use super::table::{Cell, Heading, Row, Table};
use crate::caption::readable_date;
use crate::figures::{Dimension, tags};

/// A column: its heading, and the value of a run.
struct Column {
    heading: Heading,
    cell: Box<dyn Fn(&RunResult) -> Cell>,
}

/// All runs with their loads and their main numbers. What no run has gets no column.
pub(super) fn table(runs: &[RunResult]) -> Table {
    let mut columns = columns();
    columns.retain(|column| runs.iter().any(|run| !(column.cell)(run).text.is_empty()));
    let row = |run: &RunResult| Row {
        name: name(run),
        cells: columns.iter().map(|column| (column.cell)(run)).collect(),
        tags: Some(filters_of(run)),
    };
    let rows = runs.iter().map(row).collect();
    let names = Heading::text("Run");
    let headings = columns.into_iter().map(|column| column.heading);
    Table {
        caption: "Runs; click a heading to sort by it".to_owned(),
        head: std::iter::once(names).chain(headings).collect(),
        rows,
        sortable: true,
    }
}

/// The values that a run is filtered by.
pub(super) fn filters_of(run: &RunResult) -> Vec<(String, String)> {
    tags([run])
}

/// The label or the file, in few words.
pub(super) fn name(run: &RunResult) -> String {
    let file = Path::new(&run.origin.path).file_name();
    match (file, run.origin.entry) {
        (None, _) => run.label.clone().unwrap_or_else(|| run.origin.to_string()),
        (Some(file), None) => file.to_string_lossy().into_owned(),
        (Some(file), Some(entry)) => format!("{} (run {entry})", file.to_string_lossy()),
    }
}

fn columns() -> Vec<Column> {
    let text = |heading: &str, text: fn(&RunResult) -> Option<String>| Column {
        heading: Heading::text(heading),
        cell: Box::new(move |run| Cell::text(text(run).unwrap_or_default())),
    };
    let number = |heading: &str, digits: usize, value: fn(&RunResult) -> Option<f64>| Column {
        heading: Heading::number(heading),
        cell: Box::new(move |run| Cell::number(value(run), digits)),
    };
    let mut columns = vec![
        text("Date", |run| run.date.as_deref().map(readable_date)),
        text("Model", |run| run.model_id.clone()),
        text("Backend", |run| run.backend.clone()),
        text("Label", |run| run.label.clone()),
        number("Input length (tokens)", 0, |run| whole(run.input_len)),
        number("Output length (tokens)", 0, |run| whole(run.output_len)),
        number("Max. concurrency", 0, |run| whole(run.max_concurrency)),
        number("Rate (req/s)", 2, |run| run.request_rate),
        number("Completed", 0, |run| whole(run.completed)),
        number("Failed", 0, |run| whole(run.failed)),
        number("Requests (req/s)", 2, |run| run.request_throughput),
        number("Goodput (req/s)", 2, |run| run.request_goodput),
        number("Output (tok/s)", 1, |run| run.output_throughput),
        number("Total (tok/s)", 1, |run| run.total_token_throughput),
    ];
    for name in ["ttft", "tpot", "itl", "e2el"] {
        for statistic in [Statistic::Median, Statistic::Percentile(99.0)] {
            columns.push(latency(name, statistic));
        }
    }
    columns.push(text("Caution", |run| Some(caution(run))));
    columns
}

fn latency(metric: &'static str, statistic: Statistic) -> Column {
    let label = Metric::find(metric).map_or(metric, |metric| metric.label);
    let words = match statistic {
        Statistic::Median => "median".to_owned(),
        other => other.to_string(),
    };
    Column {
        heading: Heading::number(format!("{label} {words} (ms)")),
        cell: Box::new(move |run| Cell::number(run.statistic(metric, statistic), 2)),
    }
}

fn whole(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

/// What speaks against the numbers of a run.
fn caution(run: &RunResult) -> String {
    let condition = &run.condition;
    let words = [
        (condition.simulated, "simulated"),
        (condition.partial, "partial"),
        (condition.client_limited, "client limited"),
    ];
    let known = words.into_iter().filter(|(holds, _)| *holds == Some(true));
    known.map(|(_, word)| word).collect::<Vec<_>>().join(", ")
}

/// What readers can filter by: the dimensions in which the runs differ.
pub(super) fn differing(runs: &[RunResult]) -> Vec<(Dimension, Vec<String>)> {
    let values = |dimension: Dimension| {
        let values = crate::figures::distinct(dimension, runs);
        values.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = Dimension::FILTERS.into_iter();
    let all = all.map(|dimension| (dimension, values(dimension)));
    all.filter(|(_, values)| values.len() > 1).collect()
}
