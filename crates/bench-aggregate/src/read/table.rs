//! Aggregates that this program wrote: a run on each row.

use std::path::Path;

use bench_report::{MetricStats, Origin, RunResult, Statistic, Tool};
use csv::StringRecord;
use serde_json::{Number, Value};

use super::{Refusal, Taken, value as values};
use crate::columns::{COLUMNS, chinese};

/// Columns by which an aggregate is known.
const KNOWN: [&str; 3] = ["model_id", "request_throughput", "filename"];

pub(super) fn is_aggregate(header: &str) -> bool {
    let header = header.trim_start_matches('\u{feff}').trim_end();
    KNOWN
        .iter()
        .all(|known| header.split(',').any(|name| name == *known))
}

pub(super) fn read(path: &Path) -> Result<Taken, Refusal> {
    let wrong = |error: csv::Error| format!("is no valid table: {error}");
    let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
    let header = reader.headers().map_err(wrong)?.clone();
    let mut taken = Taken::default();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        if !is_second_header(&row) {
            taken.runs.push(run(&header, &row));
        }
    }
    Ok(taken)
}

fn is_second_header(row: &StringRecord) -> bool {
    row.get(0).is_some() && row.get(0) == COLUMNS.first().map(|column| chinese(column)).as_deref()
}

fn run(header: &StringRecord, row: &StringRecord) -> RunResult {
    let mut run = RunResult {
        origin: Origin {
            tool: Tool::AggregateCsv,
            ..Origin::default()
        },
        ..RunResult::default()
    };
    let cells = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    for (name, cell) in cells {
        let name = name.trim_start_matches('\u{feff}');
        if !set_text(&mut run, name, cell) && !set_number(&mut run, name, cell) {
            run.more.push((name.to_owned(), value(cell)));
        }
    }
    run
}

fn set_text(run: &mut RunResult, name: &str, cell: &str) -> bool {
    let field = match name {
        "date" => &mut run.date,
        "backend" => &mut run.backend,
        "label" => &mut run.label,
        "model_id" => &mut run.model_id,
        "tokenizer_id" => &mut run.tokenizer_id,
        _ => return set_condition(run, name, cell),
    };
    *field = Some(cell.to_owned());
    true
}

fn set_condition(run: &mut RunResult, name: &str, cell: &str) -> bool {
    let field = match name {
        "simulated" => &mut run.condition.simulated,
        "partial" => &mut run.condition.partial,
        "client_limited" => &mut run.condition.client_limited,
        _ => return false,
    };
    *field = cell.parse().ok();
    field.is_some()
}

fn set_number(run: &mut RunResult, name: &str, cell: &str) -> bool {
    let number: Option<f64> = cell.parse().ok();
    let Some(number) = number else {
        return false;
    };
    if let Some((statistic, metric)) = Statistic::parse_key(name) {
        put(&mut run.statistics, statistic, metric, number);
        return true;
    }
    if let Some(field) = rate(run, name) {
        *field = Some(number);
        return true;
    }
    // Other programs that work on tables write counts with a decimal point.
    let whole = values::count(Some(&Value::from(cell)));
    match (count(run, name), whole) {
        (Some(field), Some(count)) => {
            *field = Some(count);
            true
        }
        _ => false,
    }
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

fn rate<'a>(run: &'a mut RunResult, name: &str) -> Option<&'a mut Option<f64>> {
    Some(match name {
        "request_rate" => &mut run.request_rate,
        "burstiness" => &mut run.burstiness,
        "duration" => &mut run.duration,
        "request_throughput" => &mut run.request_throughput,
        "request_goodput" => &mut run.request_goodput,
        "output_throughput" => &mut run.output_throughput,
        "total_token_throughput" => &mut run.total_token_throughput,
        _ => return None,
    })
}

fn count<'a>(run: &'a mut RunResult, name: &str) -> Option<&'a mut Option<u64>> {
    Some(match name {
        "num_prompts" => &mut run.num_prompts,
        "max_concurrency" => &mut run.max_concurrency,
        "input_len" => &mut run.input_len,
        "output_len" => &mut run.output_len,
        "completed" => &mut run.completed,
        "failed" => &mut run.failed,
        "total_input_tokens" => &mut run.total_input_tokens,
        "total_output_tokens" => &mut run.total_output_tokens,
        _ => return None,
    })
}

/// A number or a truth value if the cell is written as this program writes one, else a text, so
/// that names such as `007` stay what they are.
fn value(cell: &str) -> Value {
    match cell {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let number: Option<Number> = serde_json::from_str(cell).ok();
    match number {
        Some(number) if number.to_string() == cell => Value::Number(number),
        _ => Value::from(cell),
    }
}
