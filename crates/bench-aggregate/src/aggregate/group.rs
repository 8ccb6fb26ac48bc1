//! Runs that differ in nothing but their repetition, as one row.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bench_metrics::stats::t_interval;
use bench_report::{Condition, RunResult, Statistic};
use serde_json::Value;

use super::merge::merge;
use super::rows;
use crate::table::{Cell, Table};
use crate::{Rereader, Skipped};

/// Metrics whose samples are known of every request.
const METRICS: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];

/// How often the intervals hold the true mean.
const CONFIDENCE: f64 = 0.95;

/// Results that have a mean over the runs, besides the means of metrics.
const RESULTS: [&str; 9] = [
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
];

/// Further keys that name a run and do not say how it was done.
const NAMES: [&str; 4] = ["run_id", "filename", "path", "entry"];

/// Columns for what speaks for and against a run.
const VERDICTS: [Verdict; 3] = [
    ("simulated", |condition| condition.simulated),
    ("partial", |condition| condition.partial),
    ("client_limited", |condition| condition.client_limited),
];

type Verdict = (&'static str, fn(&Condition) -> Option<bool>);

/// Options that say where a result goes and how a run is told from its repetitions.
const PRIVATE_OPTIONS: [&str; 14] = [
    "seed",
    "save-result",
    "save-detailed",
    "save-requests",
    "append-result",
    "overwrite",
    "result-dir",
    "result-filename",
    "record-log",
    "no-record-log",
    "disable-tqdm",
    "report",
    "label",
    "metadata",
];

/// All groups, in the order of their first runs.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    places: HashMap<Vec<String>, usize>,
}

/// Runs that are repetitions of each other.
struct Group {
    first: RunResult,
    /// The files, and the runs in them.
    members: Vec<(PathBuf, Option<usize>)>,
    /// How many runs a verdict is known of, and of how many it is true.
    verdicts: [(usize, usize); VERDICTS.len()],
    /// The numbers of all runs that have them, by key.
    values: Vec<(String, Vec<f64>)>,
    /// Statistics other than means that any run has.
    spreads: Vec<(usize, Statistic)>,
}

impl Groups {
    pub(super) fn add(&mut self, mut run: RunResult) {
        let next = self.groups.len();
        let place = *self.places.entry(repetition_key(&run)).or_insert(next);
        // All that is needed of it stands in the key.
        run.bench = None;
        if place == next {
            self.groups.push(Group {
                members: Vec::new(),
                verdicts: Default::default(),
                values: Vec::new(),
                spreads: Vec::new(),
                first: run.clone(),
            });
        }
        self.groups[place].add(&run);
    }

    /// Adds a row for each group. Samples beyond `limit` a metric are not held in memory.
    /// Returns what could not be read again.
    pub(super) fn into_rows(self, table: &mut Table, limit: usize) -> Vec<Skipped> {
        let mut files = Rereader::default();
        let rows = self.groups.iter();
        rows.flat_map(|group| group.row(table, limit, &mut files))
            .collect()
    }
}

/// What repetitions have in common.
pub(crate) fn repetition_key(run: &RunResult) -> Vec<String> {
    let number = |number: Option<f64>| number.map_or_else(String::new, |n| n.to_string());
    let count = |count: Option<u64>| count.map_or_else(String::new, |n| n.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut key = vec![
        run.origin.tool.to_string(),
        text(&run.backend),
        text(&run.model_id),
        text(&run.tokenizer_id),
        text(&run.label),
        count(run.num_prompts),
        count(run.max_concurrency),
        count(run.input_len),
        count(run.output_len),
        number(run.request_rate),
        number(run.burstiness),
        options(run),
        // What ran to its end is another thing than what was stopped.
        (run.condition.partial == Some(true)).to_string(),
    ];
    for (name, value) in &run.more {
        if let Value::String(value) = value
            && !NAMES.contains(&name.as_str())
        {
            key.push(format!("{name}={value}"));
        }
    }
    key
}

fn options(run: &RunResult) -> String {
    let Some(bench) = &run.bench else {
        return String::new();
    };
    match &bench.options {
        Value::Object(options) => options
            .iter()
            .filter(|(name, _)| !PRIVATE_OPTIONS.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value};"))
            .collect(),
        other => other.to_string(),
    }
}

impl Group {
    fn add(&mut self, run: &RunResult) {
        let origin = &run.origin;
        self.members.push((origin.path.clone(), origin.entry));
        for ((known, yes), (_, verdict)) in self.verdicts.iter_mut().zip(VERDICTS) {
            let verdict = verdict(&run.condition);
            *known += usize::from(verdict.is_some());
            *yes += usize::from(verdict == Some(true));
        }
        for key in RESULTS {
            self.value(key, run.number(key));
        }
        for stats in &run.statistics {
            let metric = METRICS.iter().position(|metric| *metric == stats.metric);
            for (statistic, value) in &stats.values {
                match metric {
                    _ if *statistic == Statistic::Mean => {
                        self.value(&statistic.key(&stats.metric), Some(*value));
                    }
                    Some(metric) => {
                        self.value(&statistic.key(&stats.metric), Some(*value));
                        if !self.spreads.contains(&(metric, *statistic)) {
                            self.spreads.push((metric, *statistic));
                        }
                    }
                    None => {}
                }
            }
        }
    }

    fn value(&mut self, key: &str, value: Option<f64>) {
        let Some(value) = value else {
            return;
        };
        match self.values.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value),
            None => self.values.push((key.to_owned(), vec![value])),
        }
    }

    fn row(&self, table: &mut Table, limit: usize, files: &mut Rereader) -> Vec<Skipped> {
        let mut notes = Vec::new();
        table.begin_row();
        rows::setup(table, &self.first);
        table.set("runs", Some(self.members.len() as u64));
        table.set("tool", Some(self.first.origin.tool.to_string().as_str()));
        table.set("filename", Some(self.file_names().as_str()));
        for (key, value) in &self.first.more {
            if value.is_string() && !NAMES.contains(&key.as_str()) {
                rows::further(table, &self.first, key, value);
            }
        }
        self.verdicts(table, &mut notes);
        self.means(table, &mut notes);
        let unread = self.spreads(table, limit, files, &mut notes);
        table.set("note", Some(notes.join("; ").as_str()));
        unread
    }

    /// What is true of any run is true of the row.
    fn verdicts(&self, table: &mut Table, notes: &mut Vec<String>) {
        let runs = self.members.len();
        for ((known, yes), (name, _)) in self.verdicts.into_iter().zip(VERDICTS) {
            table.set(name, (known > 0).then_some(yes > 0));
            if (1..runs).contains(&yes) {
                notes.push(format!("{name}: {yes} of {runs} runs"));
            }
        }
    }

    fn file_names(&self) -> String {
        let names = self.members.iter().map(|(path, entry)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match entry {
                Some(entry) => format!("{name}:{entry}"),
                None => name.into_owned(),
            }
        });
        names.collect::<Vec<_>>().join(";")
    }

    /// Means over the runs, with their standard deviation and interval.
    fn means(&self, table: &mut Table, notes: &mut Vec<String>) {
        let is_spread = |key: &str| {
            let mut spreads = self.spreads.iter();
            spreads.any(|(metric, statistic)| statistic.key(METRICS[*metric]) == key)
        };
        for (key, values) in &self.values {
            let deviation = sample_deviation(values);
            if is_spread(key) {
                // The percentile itself is that of all samples; this is how the runs differ.
                table.set(&format!("{key}_sd"), deviation);
                continue;
            }
            if values.len() < self.members.len() {
                notes.push(format!("{key}: only {} runs have it", values.len()));
                continue;
            }
            table.set(key, mean(key, values));
            table.set(&format!("{key}_sd"), deviation);
            if let Some(interval) = t_interval(values, CONFIDENCE) {
                table.set(&format!("{key}_ci95_low"), Some(interval.low));
                table.set(&format!("{key}_ci95_high"), Some(interval.high));
            }
        }
    }

    /// Percentiles and standard deviations of all samples together. Returns what could not be
    /// read again.
    fn spreads(
        &self,
        table: &mut Table,
        limit: usize,
        files: &mut Rereader,
        notes: &mut Vec<String>,
    ) -> Vec<Skipped> {
        if let [_] = self.members[..] {
            for (metric, statistic) in &self.spreads {
                let metric = METRICS[*metric];
                table.set(
                    &statistic.key(metric),
                    self.first.statistic(metric, *statistic),
                );
            }
            return Vec::new();
        }
        let mut percentiles = vec![50.0];
        percentiles.extend(
            self.spreads
                .iter()
                .filter_map(|(_, statistic)| match statistic {
                    Statistic::Percentile(p) => Some(*p),
                    _ => None,
                }),
        );
        let mut details = Details::default();
        let merged = merge(METRICS.len(), &percentiles, limit, &mut |each| {
            details = self.replay(files, each);
        });
        let runs = self.members.len();
        notes.extend(details.unread.iter().map(|unread| {
            let name = unread.path.file_name().unwrap_or_default();
            format!("{} {}", name.to_string_lossy(), unread.reason)
        }));
        for (metric, merged) in merged.iter().enumerate() {
            let have = details.seen.saturating_sub(details.missing[metric]);
            let wanted = self.spreads.iter().filter(|(of, _)| *of == metric);
            let wanted: Vec<Statistic> = wanted.map(|(_, statistic)| *statistic).collect();
            let Some(merged) = merged
                .as_ref()
                .filter(|_| have == runs && details.seen == runs)
            else {
                if !wanted.is_empty() {
                    let metric = METRICS[metric];
                    notes.push(format!(
                        "{metric}: {have} of {runs} runs have samples, so there are no percentiles"
                    ));
                }
                continue;
            };
            for statistic in wanted {
                let value = match statistic {
                    Statistic::Std => Some(merged.std),
                    Statistic::Median => merged.percentiles.first().copied(),
                    Statistic::Percentile(p) => {
                        let place = percentiles.iter().position(|known| *known == p);
                        place.and_then(|place| merged.percentiles.get(place).copied())
                    }
                    Statistic::Mean => None,
                };
                table.set(&statistic.key(METRICS[metric]), value);
            }
        }
        details.unread
    }

    /// Reads the runs of the group once more and hands out their samples.
    fn replay(&self, files: &mut Rereader, each: &mut dyn FnMut(usize, f64)) -> Details {
        let mut details = Details::default();
        let mut members: BTreeMap<&Path, Vec<Option<usize>>> = BTreeMap::new();
        for (path, entry) in &self.members {
            members.entry(path).or_default().push(*entry);
        }
        for (path, entries) in members {
            let read = files.read(path, &entries, &mut |run| details.add(&run, each));
            details.unread.extend(read.err());
        }
        details
    }
}

/// How far the runs of a group have samples.
#[derive(Default)]
struct Details {
    seen: usize,
    /// Runs with a metric and without samples of it.
    missing: [usize; METRICS.len()],
    /// Files that could not be read again.
    unread: Vec<Skipped>,
}

impl Details {
    fn add(&mut self, run: &RunResult, each: &mut dyn FnMut(usize, f64)) {
        self.seen += 1;
        for (place, metric) in METRICS.iter().enumerate() {
            let mut any = false;
            for request in &run.requests {
                request.each_sample(metric, &mut |sample| {
                    any = true;
                    each(place, sample);
                });
            }
            // Where every answer is a single token a TPOT of 0 stands for none.
            let told = run.statistic(metric, Statistic::Mean);
            let told = told.is_some_and(|mean| mean != 0.0);
            self.missing[place] += usize::from(told && !any);
        }
    }
}

/// Counts stay whole where their mean is.
fn mean(key: &str, values: &[f64]) -> Cell {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let counted = matches!(key, "completed" | "failed")
        || key.starts_with("total_") && key.ends_with("_tokens");
    if counted && mean.fract() == 0.0 && mean < 1e15 {
        Cell::Whole(mean as i64)
    } else {
        Cell::Float(mean)
    }
}

/// Standard deviation as an estimate from a sample (divided by n - 1).
fn sample_deviation(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (n - 1.0)).sqrt())
}
