//! The tables that tell of one run.

use std::collections::BTreeMap;

use bench_metrics::{Distribution, Metric};
use bench_report::{Account, ConventionRow, PartTable, RunResult, Section, serving_sections};
use serde_json::Value;

use super::table::{Cell, Heading, Row, Table};

/// The numbers of the console, under the names of the console.
pub(super) fn key_figures(run: &RunResult) -> Vec<Table> {
    serving_sections(run)
        .iter()
        .filter(|section| !section.rows.is_empty())
        .map(Table::of_section)
        .collect()
}

/// Every statistic under every convention.
pub(super) fn conventions(account: &Account<'_>) -> Option<Table> {
    let rows = account.conventions();
    if rows.is_empty() {
        return None;
    }
    let mut head = vec![Heading::text("Statistic")];
    head.extend(ConventionRow::COLUMNS.map(Heading::number));
    if account.has_losses() {
        head.push(Heading::number(ConventionRow::WITH_FAILURES));
    }
    let columns = head.len() - 1;
    let row = |row: &ConventionRow| {
        let mut cells: Vec<Cell> = row.cells().into_iter().map(Cell::number_text).collect();
        cells.resize_with(columns, || Cell::number_text(""));
        Row::new(&row.label, cells)
    };
    Some(Table {
        caption: "Latency and goodput under each convention".to_owned(),
        head,
        rows: rows.iter().map(row).collect(),
        sortable: false,
    })
}

const PERCENTILES: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];
const METRICS: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];

/// The distributions of the latencies: of the single requests where the result has them, else
/// what it says of them.
pub(super) fn percentiles(run: &RunResult) -> Option<Table> {
    let measured: Vec<Row> = METRICS
        .into_iter()
        .filter_map(|name| measured(run, name))
        .collect();
    if measured.is_empty() {
        return recorded(run);
    }
    let mut head = vec![Heading::text("Metric (ms)")];
    head.extend(["samples", "mean", "std", "min"].map(Heading::number));
    head.extend(PERCENTILES.map(|p| Heading::number(format!("p{p}"))));
    head.push(Heading::number("max"));
    Some(Table {
        caption: "Percentiles of the latencies in milliseconds".to_owned(),
        head,
        rows: measured,
        sortable: false,
    })
}

fn measured(run: &RunResult, name: &'static str) -> Option<Row> {
    let mut samples = run.samples(name);
    if samples.is_empty() {
        return None;
    }
    let all = Distribution::of(&mut samples, &PERCENTILES);
    let mut cells = vec![Cell::number(Some(all.count as f64), 0)];
    cells.extend([all.mean, all.std, all.min].map(|value| Cell::number(Some(value), 2)));
    cells.extend(PERCENTILES.map(|p| Cell::number(all.percentile(p), 2)));
    cells.push(Cell::number(Some(all.max), 2));
    Some(Row::new(label(name), cells))
}

fn recorded(run: &RunResult) -> Option<Table> {
    let mut columns = Vec::new();
    for (statistic, _) in run.statistics.iter().flat_map(|stats| &stats.values) {
        if !columns.contains(statistic) {
            columns.push(*statistic);
        }
    }
    if columns.is_empty() {
        return None;
    }
    let head = columns
        .iter()
        .map(|statistic| Heading::number(statistic.to_string()));
    let rows = run.statistics.iter().map(|stats| {
        let value = |statistic| run.statistic(&stats.metric, statistic);
        let cells = columns
            .iter()
            .map(|statistic| Cell::number(value(*statistic), 2));
        Row::new(label(&stats.metric), cells.collect())
    });
    Some(Table {
        caption: "Statistics of the latencies in milliseconds".to_owned(),
        head: std::iter::once(Heading::text("Metric (ms)"))
            .chain(head)
            .collect(),
        rows: rows.collect(),
        sortable: false,
    })
}

fn label(metric: &str) -> &str {
    Metric::find(metric).map_or(metric, |metric| metric.label)
}

/// Failed requests by class, or by what was said where there are no classes.
pub(super) fn failures(run: &RunResult) -> Option<Table> {
    let rows: Vec<Row> = match &run.bench {
        Some(bench) => {
            let failures = bench.summary.failures.iter();
            failures
                .map(|one| failure(&one.class, one.count, &one.example))
                .collect()
        }
        None => failures_by_text(run),
    };
    if rows.is_empty() {
        return None;
    }
    Some(Table {
        caption: "Failed requests by class, with what the first of each said".to_owned(),
        head: vec![
            Heading::text("Class"),
            Heading::number("Requests"),
            Heading::text("Example"),
        ],
        rows,
        sortable: false,
    })
}

fn failure(class: &str, count: u64, example: &str) -> Row {
    let cells = vec![Cell::number(Some(count as f64), 0), Cell::text(example)];
    Row::new(class, cells)
}

/// The commonest first, by the first line of what went wrong.
fn failures_by_text(run: &RunResult) -> Vec<Row> {
    const MOST: usize = 20;
    let mut classes: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for error in run
        .requests
        .iter()
        .filter_map(|request| request.error.as_deref())
    {
        let class = error.lines().next().unwrap_or_default();
        classes.entry(class).or_insert((0, error)).0 += 1;
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let rest: u64 = classes.iter().skip(MOST).map(|(_, (count, _))| count).sum();
    let shown = classes.into_iter().take(MOST);
    let mut rows: Vec<Row> = shown
        .map(|(class, (count, example))| failure(class, count, example))
        .collect();
    if rest > 0 {
        rows.push(failure("others", rest, ""));
    }
    rows
}

/// The load shape, peaks, stalls, the steady state, what was sent beside the load, and the
/// client's account of itself.
pub(super) fn audit(account: &Account<'_>) -> Vec<Table> {
    let sections: Vec<Section> = account
        .load()
        .into_iter()
        .chain(account.streams())
        .chain(account.steady())
        .chain(account.beside())
        .chain(account.sessions())
        .chain([account.self_audit()])
        .collect();
    sections.iter().map(Table::of_section).collect()
}

/// The numbers of each server, of each model, of each class and of each turn.
pub(super) fn breakdown(account: &Account<'_>) -> Vec<Table> {
    account
        .parts()
        .chain(account.turns())
        .map(of_parts)
        .collect()
}

fn of_parts(parts: PartTable) -> Table {
    let columns = parts.columns.into_iter().map(Heading::number);
    let row = |(name, cells): (String, Vec<String>)| {
        Row::new(name, cells.into_iter().map(Cell::number_text).collect())
    };
    Table {
        caption: parts.title.to_owned(),
        head: std::iter::once(Heading::text("Name"))
            .chain(columns)
            .collect(),
        rows: parts.rows.into_iter().map(row).collect(),
        sortable: false,
    }
}

/// What it takes to run this again: all that the result tells of it.
pub(super) fn reproducibility(run: &RunResult) -> Vec<Table> {
    let Some(bench) = &run.bench else {
        return of_pairs("Further keys of the result", run.more.clone())
            .into_iter()
            .collect();
    };
    let facts = serde_json::to_value(&bench.reproducibility).unwrap_or_default();
    let servers = Value::Object(bench.servers.clone());
    let tables = [
        ("Reproducibility", facts),
        ("What the servers say about themselves", servers),
        ("Options of the run", bench.options.clone()),
    ];
    tables
        .into_iter()
        .filter_map(|(caption, value)| of_pairs(caption, flat(value)))
        .collect()
}

fn of_pairs(caption: &str, pairs: Vec<(String, Value)>) -> Option<Table> {
    let rows = pairs.into_iter().map(|(name, value)| (name, shown(&value)));
    let rows: Vec<(String, String)> = rows.collect();
    (!rows.is_empty()).then(|| Table::of_texts(caption, rows))
}

/// Objects in objects as one, with the keys joined by dots.
fn flat(value: Value) -> Vec<(String, Value)> {
    let Value::Object(object) = value else {
        return Vec::new();
    };
    let pairs = object.into_iter().flat_map(|(key, value)| match value {
        Value::Object(_) => {
            let inner = flat(value).into_iter();
            inner
                .map(|(name, value)| (format!("{key}.{name}"), value))
                .collect()
        }
        plain => vec![(key, plain)],
    });
    pairs.collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}
