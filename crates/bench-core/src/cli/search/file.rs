//! The record of a search, beside its results.

use std::fs;
use std::io;
use std::path::Path;

use bench_metrics::Convention;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::RunOptions;
use super::plan::SearchPlan;
use super::{SearchError, SearchOptions};
use crate::search::{Answer, Axis, Contradiction, Interval, Point};

/// Its name in the folder of the search.
pub(super) const NAME: &str = "search.json";

const SCHEMA_VERSION: u32 = 1;

/// A search as far as it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SearchFile {
    schema_version: u32,
    /// Name and version of the tool that wrote it last.
    pub(super) tool: String,
    pub(super) setting: Setting,
    /// Runs that were begun: no two of them have the same prompts.
    pub(super) runs: u64,
    /// In the order of measuring.
    pub(super) points: Vec<Measured>,
    /// Once it is known.
    pub(super) answer: Option<Answer>,
    pub(super) interval: Option<Interval>,
    pub(super) contradictions: Vec<Contradiction>,
}

/// What must be the same for points to be comparable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) axis: Axis,
    pub(super) slo: Vec<String>,
    pub(super) required: Vec<f64>,
    pub(super) view: Convention,
    pub(super) error_rate: f64,
    /// The settings of the simulated server, if it is one.
    pub(super) simulator: Option<Value>,
    pub(super) options: Map<String, Value>,
}

/// A point of a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The load and what was found.
    #[serde(flatten)]
    pub point: Point,
    /// The result file, in the folder of the search.
    pub file: String,
    /// The seed of its prompts and its arrivals.
    pub seed: u64,
    /// How it came to its end.
    pub ending: Ending,
    /// The most requests it could have had.
    pub planned: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered whole.
    pub completed: u64,
    /// Requests that the client hung up on, as the workload says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// From its start to the end of its last request, in seconds.
    pub duration_s: f64,
    /// Completed requests per second.
    pub request_throughput: f64,
    /// Generated tokens per second, if they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_throughput: Option<f64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Measured {
    /// Requests that were sent and not answered whole, through no choice of the workload.
    pub(super) fn failed(&self) -> u64 {
        let answered = self.completed.saturating_add(self.cancelled);
        self.sent.saturating_sub(answered)
    }
}

/// How a point came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was stopped because the verdict was certain.
    Decided,
    /// It was stopped after --max-duration.
    OutOfTime,
    /// All its requests were sent.
    Complete,
}

/// Options of a run that say nothing about what is measured at a load, or that the search sets.
const ELSEWHERE: [&str; 21] = [
    "append-result",
    "disable-tqdm",
    "goodput",
    "grace-period",
    "label",
    "max-failure-rate",
    "metadata",
    "metric-percentiles",
    "no-record-log",
    "num-prompts",
    "overwrite",
    "percentile-metrics",
    "record-log",
    "report",
    "request-rate",
    "result-dir",
    "result-filename",
    "save-detailed",
    "save-requests",
    "save-result",
    "stall-ms",
];

impl Setting {
    fn new(plan: &SearchPlan, simulator: Option<Value>) -> Setting {
        let SearchOptions { error_rate, .. } = plan.options;
        let objectives = plan.judge.objectives.iter();
        Setting {
            axis: plan.space.axis(),
            slo: objectives.map(ToString::to_string).collect(),
            required: plan.required(),
            view: plan.judge.convention,
            error_rate,
            simulator,
            options: options(&plan.run),
        }
    }

    /// What is not the same as in `before`.
    fn changes(&self, before: &Setting) -> Vec<String> {
        let of_search = [
            (self.axis != before.axis, "--max-rate or --max-concurrency"),
            (self.slo != before.slo, "--slo"),
            (self.required != before.required, "--slo-attainment"),
            (self.view != before.view, "--slo-view"),
            (self.error_rate != before.error_rate, "--error-rate"),
            (self.simulator != before.simulator, "the simulated server"),
        ];
        let of_search = of_search.into_iter().filter(|(changed, _)| *changed);
        let mut changes: Vec<String> = of_search.map(|(_, name)| name.to_owned()).collect();
        let null = &Value::Null;
        let mut keys: Vec<&String> = self.options.keys().chain(before.options.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let now = self.options.get(key).unwrap_or(null);
            let then = before.options.get(key).unwrap_or(null);
            if now != then {
                changes.push(format!("--{key} {then} -> {now}"));
            }
        }
        changes
    }
}

/// The options that points must have in common.
fn options(run: &RunOptions) -> Map<String, Value> {
    let options = serde_json::to_value(run).unwrap_or_default();
    let mut options = match options {
        Value::Object(options) => options,
        _ => Map::new(),
    };
    options.retain(|key, _| !ELSEWHERE.contains(&key.as_str()));
    options
}

impl SearchFile {
    /// Of a search that begins.
    pub(super) fn new(plan: &SearchPlan, tool: &str, simulator: Option<Value>) -> SearchFile {
        SearchFile {
            schema_version: SCHEMA_VERSION,
            tool: tool.to_owned(),
            setting: Setting::new(plan, simulator),
            runs: 0,
            points: Vec::new(),
            answer: None,
            interval: None,
            contradictions: Vec::new(),
        }
    }

    /// Takes over the points of the search in `dir`.
    ///
    /// # Errors
    /// If there is none, or if it was made with other options.
    pub(super) fn resume(&mut self, dir: &Path) -> Result<(), SearchError> {
        let path = dir.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(SearchError::Read { path, source }),
        };
        let before: SearchFile = match serde_json::from_slice(&text) {
            Ok(before) => before,
            Err(source) => return Err(SearchError::Parse { path, source }),
        };
        let changes = self.setting.changes(&before.setting);
        if !changes.is_empty() {
            let dir = dir.to_owned();
            return Err(SearchError::Changed { dir, changes });
        }
        self.runs = before.runs;
        self.points = before.points;
        Ok(())
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(super) fn write(&self, dir: &Path) -> Result<(), SearchError> {
        let path = dir.join(NAME);
        let draft = dir.join(format!(".{NAME}.{}.tmp", std::process::id()));
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, &path));
        written.map_err(|source| SearchError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(change: impl FnOnce(&mut RunOptions, &mut SearchOptions)) -> Setting {
        let mut run = RunOptions::default();
        let mut options = SearchOptions {
            max_rate: true,
            slo: vec!["ttft:p99<=500ms".to_owned()],
            ..SearchOptions::default()
        };
        change(&mut run, &mut options);
        Setting::new(&SearchPlan::new(run, options).unwrap(), None)
    }

    #[test]
    fn what_changes_the_points_is_named_and_nothing_else() {
        let before = setting(|_, _| {});
        let told = |change: fn(&mut RunOptions, &mut SearchOptions)| {
            setting(change).changes(&before).join(", ")
        };
        assert_eq!(told(|_, o| o.slo = vec!["ttft:p99<=0.5s".into()]), "");
        assert_eq!(told(|_, o| o.slo = vec!["ttft:p99<=1s".into()]), "--slo");
        assert_eq!(told(|_, o| o.max = Some(50.0)), "");
        assert_eq!(told(|_, o| o.min_requests = 7), "");
        assert_eq!(told(|r, _| r.load.num_prompts = Some(7)), "");
        assert_eq!(told(|r, _| r.result.result_dir = "elsewhere".into()), "");
        assert_eq!(told(|r, _| r.load.seed = 7), "--seed 0 -> 7");
        assert_eq!(
            told(|r, _| r.load.max_concurrency = Some(64)),
            "--max-concurrency null -> 64"
        );
    }
}
