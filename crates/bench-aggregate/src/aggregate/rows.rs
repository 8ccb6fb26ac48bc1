//! The row of one run.

use bench_report::{RunResult, Tool};
use serde_json::Value;

use crate::columns::COLUMNS;
use crate::table::{Cell, Table};

/// Columns after the contract's that say something else than a key of that name in a file would.
const OWN: [&str; 10] = [
    "label",
    "failed",
    "tool",
    "simulated",
    "partial",
    "client_limited",
    "path",
    "entry",
    "runs",
    "note",
];

/// Adds the row of a run.
pub(super) fn add(table: &mut Table, run: &RunResult) {
    table.begin_row();
    setup(table, run);
    let counts = [
        ("completed", run.completed),
        ("failed", run.failed),
        ("total_input_tokens", run.total_input_tokens),
        ("total_output_tokens", run.total_output_tokens),
    ];
    for (key, count) in counts {
        table.set(key, count);
    }
    for key in NUMBERS {
        table.set(key, run.number(key));
    }
    for stats in &run.statistics {
        for (statistic, value) in &stats.values {
            table.set(&statistic.key(&stats.metric), Some(*value));
        }
    }
    let path = &run.origin.path;
    let name = path.file_name().map(|name| name.to_string_lossy());
    table.set("filename", name.as_deref());
    table.set("tool", Some(run.origin.tool.to_string().as_str()));
    let condition = &run.condition;
    table.set("simulated", condition.simulated);
    table.set("partial", condition.partial);
    table.set("client_limited", condition.client_limited);
    table.set("path", Some(path.to_string_lossy().as_ref()));
    table.set("entry", run.origin.entry.map(|entry| entry as u64));
    for (key, value) in &run.more {
        further(table, run, key, value);
    }
}

/// Sets a further key of a run's file, which never takes the place of what the table itself says:
/// it is then called `x_` and its name. The row of an aggregate does keep the file and the tool
/// that it names.
pub(super) fn further(table: &mut Table, run: &RunResult, key: &str, value: &Value) {
    let cell = Cell::from(value);
    if run.origin.tool == Tool::AggregateCsv {
        return table.set(key, cell);
    }
    let mut name = key.to_owned();
    while COLUMNS.contains(&name.as_str()) || OWN.contains(&name.as_str()) || table.is_set(&name) {
        name.insert_str(0, "x_");
    }
    table.set(&name, cell);
}

/// Results that are no counts.
const NUMBERS: [&str; 5] = [
    "duration",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
];

/// What a run was asked to do.
pub(super) fn setup(table: &mut Table, run: &RunResult) {
    let texts = [
        ("date", &run.date),
        ("backend", &run.backend),
        ("model_id", &run.model_id),
        ("tokenizer_id", &run.tokenizer_id),
        ("label", &run.label),
    ];
    for (key, text) in texts {
        table.set(key, text.as_deref());
    }
    let counts = [
        ("num_prompts", run.num_prompts),
        ("max_concurrency", run.max_concurrency),
        ("input_len", run.input_len),
        ("output_len", run.output_len),
    ];
    for (key, count) in counts {
        table.set(key, count);
    }
    table.set("request_rate", run.request_rate);
    table.set("burstiness", run.burstiness);
}
