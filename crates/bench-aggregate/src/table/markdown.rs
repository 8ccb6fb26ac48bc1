use std::io::{self, BufWriter, Write};

use super::{Cell, Table};

/// The columns that are shown, as far as there is anything in them. All of them would not fit a
/// page.
const SHOWN: &[&str] = &[
    "date",
    "model_id",
    "backend",
    "tool",
    "label",
    "input_len",
    "output_len",
    "max_concurrency",
    "request_rate",
    "runs",
    "completed",
    "failed",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
    "mean_ttft_ms",
    "p99_ttft_ms",
    "mean_tpot_ms",
    "p99_tpot_ms",
    "mean_itl_ms",
    "p99_itl_ms",
    "mean_e2el_ms",
    "p99_e2el_ms",
    "filename",
    "note",
];

/// Writes the main columns with two decimals.
pub(super) fn write(table: &Table, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let used = |name: &&&str| {
        let place = table.places.get(**name).copied()?;
        let mut cells = table.rows.iter().map(|row| table.cell(row, place));
        cells.any(|cell| *cell != Cell::Empty).then_some(place)
    };
    let places = SHOWN.iter().filter_map(|name| Some((*name, used(&name)?)));
    let places: Vec<(&str, usize)> = places.collect();
    let names: Vec<&str> = places.iter().map(|(name, _)| *name).collect();
    writeln!(out, "| {} |", names.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(names.len()))?;
    for row in &table.rows {
        let cells = places
            .iter()
            .map(|(name, place)| told(table, row, name, *place));
        writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    out.flush()
}

/// A cell, with half of its interval if it has one.
fn told(table: &Table, row: &[Cell], name: &str, place: usize) -> String {
    let cell = match table.cell(row, place) {
        Cell::Float(number) if number.is_finite() => format!("{number:.2}"),
        cell => cell.to_string(),
    };
    let end = |which: &str| {
        let place = table.places.get(&format!("{name}_ci95_{which}"))?;
        match table.cell(row, *place) {
            Cell::Float(number) => Some(*number),
            _ => None,
        }
    };
    match (end("low"), end("high")) {
        (Some(low), Some(high)) => format!("{cell} ± {:.2}", (high - low) / 2.0),
        _ => escaped(&cell),
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
