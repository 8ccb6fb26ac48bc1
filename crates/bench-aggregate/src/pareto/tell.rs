//! The frontier as a command: runs from files, and a table of them.

use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use bench_metrics::Slo;
use bench_report::{RunResult, Statistic};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Pareto, ParetoPoint, ParetoRules, pareto};
use crate::compare::Load;
use crate::output::{Answer, Output};
use crate::{AggregateError, ReadOptions, Skipped, read_all};

/// Which runs are put between the speed of one user and the throughput of the whole.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct ParetoOptions {
    /// Result files, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Number of GPUs behind the server: throughput is told for each
    #[arg(long, value_name = "N")]
    pub gpus: Option<NonZeroU32>,

    /// Objectives in milliseconds, such as ttft:500 tpot:50: which runs keep them
    #[arg(long, value_name = "METRIC:MS", num_args = 1..)]
    pub slo: Vec<String>,

    /// Statistic of a run that has to keep the objectives: mean, median, p90, p99 ...
    #[arg(long, value_name = "STATISTIC", default_value = "p99", value_parser = statistic)]
    pub slo_statistic: Statistic,

    /// Form of the answer
    #[arg(long, value_name = "FORM", default_value = "console")]
    pub format: ParetoFormat,

    /// Writes the answer to a file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long, requires = "output")]
    pub overwrite: bool,

    /// Fail at the first file that is no result
    #[arg(long)]
    pub strict: bool,
}

/// Form in which points are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ParetoFormat {
    /// A table for the terminal
    #[default]
    Console,
    /// A line for each point: a run, or the mean of its repeats
    Csv,
    /// An object for each point: a run, or the mean of its repeats
    Json,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ParetoTold {
    /// In the form that was asked for.
    pub answer: Answer,
    /// What the user should know, a sentence each.
    pub notes: Vec<String>,
}

/// Reads runs and tells where they stand.
///
/// # Errors
/// If an objective makes no sense, nothing can be read, no run has the numbers, or the file
/// cannot be written.
pub fn tell_pareto(options: &ParetoOptions) -> Result<ParetoTold, AggregateError> {
    let slo = Slo::parse(&options.slo).map_err(|source| AggregateError::Slo { source })?;
    let rules = ParetoRules {
        gpus: options.gpus,
        slo,
        slo_statistic: options.slo_statistic,
    };
    let output = Output::named(options.output.as_ref(), options.overwrite)?;
    let how = ReadOptions {
        details: false,
        strict: options.strict,
    };
    let found = read_all(&options.paths, &how)?;
    let pareto = pareto(&found.runs, &rules);
    let mut notes: Vec<String> = found.skipped.iter().map(Skipped::to_string).collect();
    let without = pareto.missing.iter().map(|no| {
        let path = found.runs[no.run].origin.path.display();
        format!("{path} has no point: {}", no.reason)
    });
    notes.extend(without);
    if pareto.points.is_empty() {
        return Err(AggregateError::NoPoints {
            why: notes.join("; "),
        });
    }
    let text = match options.format {
        ParetoFormat::Console => console(&pareto, &found.runs, options),
        ParetoFormat::Csv => csv(&rows(&pareto, &found.runs))?,
        ParetoFormat::Json => json(&rows(&pareto, &found.runs))?,
    };
    let answer = Answer::give(text, output.as_ref())?;
    Ok(ParetoTold { answer, notes })
}

fn statistic(word: &str) -> Result<Statistic, String> {
    let key = format!("{word}_x_ms");
    let known = Statistic::parse_key(&key).map(|(statistic, _)| statistic);
    known.ok_or_else(|| "write mean, median, or a percentile such as p90 or p99".to_owned())
}

/// A point with what its runs say about themselves.
#[derive(Serialize)]
struct Row<'a> {
    model_id: Option<&'a str>,
    backend: Option<&'a str>,
    tool: String,
    dataset: Option<&'a str>,
    input_len: Option<u64>,
    output_len: Option<u64>,
    max_concurrency: Option<u64>,
    request_rate: Option<f64>,
    user_tokens_per_s: f64,
    user_speed_from: super::SpeedSource,
    output_tokens_per_s: f64,
    frontier: bool,
    meets_slo: Option<bool>,
    runs: usize,
    filename: String,
}

fn rows<'a>(pareto: &'a Pareto, runs: &'a [RunResult]) -> Vec<Row<'a>> {
    let row = |point: &'a ParetoPoint| {
        let run = first(point, runs)?;
        let workload = &pareto.workloads[point.workload];
        Some(Row {
            model_id: workload.model_id.as_deref(),
            backend: run.backend.as_deref(),
            tool: workload.tool.to_string(),
            dataset: workload.dataset.as_deref(),
            input_len: run.input_len,
            output_len: run.output_len,
            max_concurrency: run.max_concurrency,
            // JSON has no infinity: no rate is no number.
            request_rate: run.request_rate.filter(|rate| rate.is_finite()),
            user_tokens_per_s: point.user_speed,
            user_speed_from: point.speed_source,
            output_tokens_per_s: point.throughput,
            frontier: point.frontier,
            meets_slo: point.meets_slo,
            runs: point.runs.len(),
            filename: files(point, runs, |path| path.as_os_str()),
        })
    };
    pareto.points.iter().filter_map(row).collect()
}

/// Repeats differ in nothing that is told of them.
fn first<'a>(point: &ParetoPoint, runs: &'a [RunResult]) -> Option<&'a RunResult> {
    point.runs.first().map(|&run| &runs[run])
}

/// Where the runs of a point were read, as tables of `bench-aggregate --group` tell it.
fn files(point: &ParetoPoint, runs: &[RunResult], part: fn(&Path) -> &OsStr) -> String {
    let names = point.runs.iter().map(|&run| {
        let origin = &runs[run].origin;
        let name = part(&origin.path).to_string_lossy();
        match origin.entry {
            Some(entry) => format!("{name}:{entry}"),
            None => name.into_owned(),
        }
    });
    names.collect::<Vec<_>>().join(";")
}

fn csv(rows: &[Row<'_>]) -> Result<String, AggregateError> {
    let failed = |source: csv::Error| AggregateError::Table { source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|e| failed(e.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn json(rows: &[Row<'_>]) -> Result<String, AggregateError> {
    let text = serde_json::to_string_pretty(rows);
    let text = text.map_err(|source| AggregateError::Json { source })?;
    Ok(text + "\n")
}

fn console(pareto: &Pareto, runs: &[RunResult], options: &ParetoOptions) -> String {
    let per = if options.gpus.is_some() {
        "tok/s/GPU"
    } else {
        "tok/s"
    };
    let head = [
        "",
        "tok/s/user",
        per,
        "SLO",
        "runs",
        "load",
        "model",
        "file",
    ];
    let mut order: Vec<&ParetoPoint> = pareto.points.iter().collect();
    order.sort_by(|a, b| {
        let by_speed = b.user_speed.total_cmp(&a.user_speed);
        a.workload.cmp(&b.workload).then(by_speed)
    });
    let mut table = vec![(None, head.map(str::to_owned))];
    for point in order {
        let Some(run) = first(point, runs) else {
            continue;
        };
        let mark = if point.frontier { "*" } else { "" };
        let slo = match point.meets_slo {
            Some(true) => "kept",
            Some(false) => "missed",
            None => "-",
        };
        let cells = [
            mark.to_owned(),
            format!("{:.2}", point.user_speed),
            format!("{:.2}", point.throughput),
            slo.to_owned(),
            point.runs.len().to_string(),
            Load::of_run(run).to_string(),
            run.model_id.clone().unwrap_or_default(),
            files(point, runs, |path| path.file_name().unwrap_or_default()),
        ];
        table.push((Some(point.workload), cells));
    }
    aligned(&table, &pareto.workload_names()) + &legend(pareto, options)
}

/// Columns, with the name of a workload above its points if it has one.
fn aligned(table: &[(Option<usize>, [String; 8])], names: &[String]) -> String {
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let widths = table.iter().map(|(_, row)| row[column].chars().count());
        widths.max().unwrap_or(0)
    });
    let mut page = String::new();
    let mut last = None;
    for (workload, row) in table {
        let name = workload.filter(|_| last != *workload).map(|at| &names[at]);
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            page += &format!("{name}:\n");
        }
        last = *workload;
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            1 | 2 | 4 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        page += cells.collect::<Vec<_>>().join("  ").trim_end();
        page.push('\n');
    }
    page
}

fn legend(pareto: &Pareto, options: &ParetoOptions) -> String {
    let mut sources: Vec<String> = Vec::new();
    for point in &pareto.points {
        let source = point.speed_source.to_string();
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let of = match pareto.workloads.len() {
        1 => "",
        _ => " of its workload (model, tool, dataset, lengths)",
    };
    let mut text = format!(
        "*: on the frontier{of}. tok/s/user: {}.\n",
        sources.join(", or ")
    );
    if pareto.points.iter().any(|point| point.runs.len() > 1) {
        text += "A point of several runs is the mean over these repeats.\n";
    }
    if !options.slo.is_empty() {
        let slo = options.slo.join(" ");
        text += &format!("SLO: {} within {slo}.", options.slo_statistic);
        if let Some(speed) = pareto.slo_speed {
            text += &format!(" The limit of TPOT is {speed:.2} tok/s/user.");
        }
        text.push('\n');
    }
    text
}
