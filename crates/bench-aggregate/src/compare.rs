//! Two sides of runs, and whether they differ by more than chance.

mod comparable;
mod console;
mod contrast;
mod gate;
mod judge;
mod junit;
mod load;
mod markdown;
mod measure;
mod options;
mod text;
mod within;

use std::path::PathBuf;

use bench_metrics::stats::{Interval, Resampling};
use bench_report::RunResult;

pub use comparable::{SetupDifference, Weight};
pub use contrast::Verdict;
pub use gate::{Beyond, FailOn, Gate, Limit, Margin, Passage};
pub use load::Load;
pub use measure::{Measure, Rate};
pub use options::{CompareFormat, CompareOptions};

use crate::output::{Answer, Output};
use crate::{AggregateError, Found, ReadOptions, Rereader, Skipped, read_all};
use judge::Rules;
use load::{Group, matched};

/// Chance of any false alarm in a whole comparison, and of anything else it says being wrong.
pub(crate) const ALPHA: f64 = 0.05;

/// What became of comparing two sides.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// A point for each load that both sides have.
    pub points: Vec<Point>,
    /// Loads that only side A has, with the number of runs.
    pub only_a: Vec<(Load, usize)>,
    /// Loads that only side B has, with the number of runs.
    pub only_b: Vec<(Load, usize)>,
    /// Files of either side that are no results.
    pub skipped: Vec<Skipped>,
    /// How the gates came out, point by point.
    pub gates: Vec<Gated>,
}

/// Two sides under one load.
#[derive(Clone, Debug)]
pub struct Point {
    /// The load; that of side A, should they differ.
    pub load: Load,
    /// Files of the runs on either side.
    pub files: [Vec<PathBuf>; 2],
    /// Where the errors come from.
    pub method: Method,
    /// What differs in the setups, the serious first.
    pub setup: Vec<SetupDifference>,
    /// How many requests of either side failed, if it is told.
    pub failures: [Option<Failures>; 2],
    /// Every number that both sides have.
    pub rows: Vec<Row>,
    /// Numbers that only side A has, and those that only side B has.
    pub one_sided: [Vec<Measure>; 2],
}

impl Point {
    fn has_one_sided(&self) -> bool {
        self.one_sided.iter().any(|side| !side.is_empty())
    }
}

/// Requests that were not answered whole. Latencies are those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Requests not answered whole.
    pub failed: u64,
    /// Requests in all.
    pub requests: u64,
}

impl Failures {
    /// Those of a run; `None` if its file does not tell.
    pub fn of(run: &RunResult) -> Option<Failures> {
        // Where only completed requests are told, the rest of those asked for failed.
        let completed = run.completed?;
        let planned = run.num_prompts.map(|n| n.saturating_sub(completed));
        let failed = run.failed.or(planned)?;
        Some(Failures {
            failed,
            requests: failed + completed,
        })
    }

    /// The share that failed; `None` without requests.
    pub fn share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }
}

/// Where the errors of numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// From several runs on each side (Welch).
    Runs,
    /// From several runs on one side and a single run on the other (Student).
    RunAgainstRuns,
    /// From the requests of one run on each side (batch means and block bootstrap).
    Requests,
    /// From nowhere: one run on each side, and the requests of one of them or both are not told.
    None,
}

/// One number on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which number.
    pub measure: Measure,
    /// How many runs of each side have it. Unless all have it nothing is judged by it.
    pub told: [usize; 2],
    /// On side A; the mean over the runs that have it, if there are several.
    pub a: f64,
    /// On side B.
    pub b: f64,
    /// `(b - a) / a`; `None` if A is not above 0.
    pub relative: Option<f64>,
    /// The relative difference with the interval by which it was judged.
    pub relative_interval: Option<Interval>,
    /// The difference in its unit, with the same interval times A.
    pub absolute_interval: Option<Interval>,
    /// Side B with an interval of its own.
    pub b_interval: Option<Interval>,
    /// Relative difference that does not matter, as a share.
    pub margin: f64,
    /// Least relative increase that would be seen four times in five.
    pub detectable: Option<f64>,
    /// What it means.
    pub verdict: Verdict,
    /// Why it is inconclusive, where that is not for chance.
    pub reason: Option<String>,
}

/// A load that gates are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// One of the points, by its index.
    Point(usize),
    /// One of the loads that only side A has, by its index.
    OnlyA(usize),
}

/// A gate at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Gated {
    /// The gate.
    pub gate: Gate,
    /// At which load.
    pub place: Place,
    /// How it came out.
    pub passage: Passage,
    /// What was held against the limit: a share or a number with its unit; `None` if there is
    /// none.
    pub value: Option<f64>,
    /// Its interval, if it has one.
    pub interval: Option<Interval>,
    /// Why there is nothing to hold, or not from every run.
    pub reason: Option<String>,
}

impl Comparison {
    /// Gates that were missed.
    pub fn missed(&self) -> impl Iterator<Item = &Gated> {
        let missed = |gated: &&Gated| gated.passage == Passage::Missed;
        self.gates.iter().filter(missed)
    }

    /// What became of the gates that did not pass, a sentence each.
    pub fn gate_notes(&self) -> Vec<String> {
        let failed = self
            .gates
            .iter()
            .filter(|gated| gated.passage != Passage::Passed);
        failed.map(|gated| text::gate(gated, self)).collect()
    }

    /// The whole as a text.
    pub fn render(&self, format: CompareFormat) -> Result<String, AggregateError> {
        match format {
            CompareFormat::Console => Ok(console::render(self)),
            CompareFormat::Markdown => Ok(markdown::render(self)),
            CompareFormat::Junit => junit::render(self),
        }
    }
}

/// Compares two sides as they lie in files.
///
/// # Errors
/// If a side has no run, no load is on both sides, or no result has a number that a gate is
/// about.
pub fn compare(options: &CompareOptions) -> Result<Comparison, AggregateError> {
    let read = |path: &PathBuf| -> Result<Found, AggregateError> {
        let how = ReadOptions {
            details: false,
            strict: options.strict,
        };
        let found = read_all(std::slice::from_ref(path), &how)?;
        if found.runs.is_empty() {
            let skipped = found.skipped.iter().map(|skipped| format!("; {skipped}"));
            return Err(AggregateError::NoRuns {
                path: path.clone(),
                skipped: skipped.collect(),
            });
        }
        Ok(found)
    };
    let (a, b) = (read(&options.a)?, read(&options.b)?);
    let mut rereader = Rereader::default();
    let mut detail = |run: &RunResult| detailed(run, options.strict, &mut rereader);
    let mut comparison = compare_runs(a.runs, b.runs, options, &mut detail)?;
    comparison.skipped = a.skipped;
    comparison.skipped.extend(b.skipped);
    Ok(comparison)
}

/// Compares two sides as they lie in files and says it in the form that the options ask for,
/// written to their file if they name one.
///
/// # Errors
/// As those of [`compare`], and if the file is not welcome or cannot be written.
pub fn tell_comparison(options: &CompareOptions) -> Result<(Comparison, Answer), AggregateError> {
    let output = Output::named(options.output.as_ref(), options.overwrite)?;
    let comparison = compare(options)?;
    let text = comparison.render(options.format)?;
    let answer = Answer::give(text, output.as_ref())?;
    Ok((comparison, answer))
}

/// Compares two sides of runs. Where a load has one run on each side and these are without
/// requests, `detail` is asked for the run with them.
///
/// # Errors
/// As those of [`compare`], and those of `detail`.
pub fn compare_runs(
    a: Vec<RunResult>,
    b: Vec<RunResult>,
    options: &CompareOptions,
    detail: &mut dyn FnMut(&RunResult) -> Result<Detailed, AggregateError>,
) -> Result<Comparison, AggregateError> {
    let matched = matched(a, b);
    let count = |groups: Vec<Group>| -> Vec<(Load, usize)> {
        let counted = groups
            .into_iter()
            .map(|group| (group.load, group.runs.len()));
        counted.collect()
    };
    if matched.pairs.is_empty() {
        let loads = |groups: &[Group]| -> String {
            let loads = groups
                .iter()
                .map(|group| text::clean(&format!("({})", group.load)));
            loads.collect::<Vec<_>>().join(", ")
        };
        return Err(AggregateError::NoCommonLoad {
            a: options.a.clone(),
            b: options.b.clone(),
            loads_a: loads(&matched.only_a),
            loads_b: loads(&matched.only_b),
        });
    }
    let rules = Rules::of(options);
    let how = Resampling {
        resamples: options.resamples,
        seed: options.seed,
    };
    let mut drafts = Vec::new();
    for (a, b) in &matched.pairs {
        drafts.push(judge::draft(a, b, &rules, &how, detail)?);
    }
    let points = judge::settle(drafts, &rules);
    if points.iter().all(|point| point.rows.is_empty()) {
        return Err(AggregateError::NothingInCommon {
            a: options.a.clone(),
            b: options.b.clone(),
        });
    }
    let only_a = count(matched.only_a);
    let gates = judge::gates(&points, only_a.len(), &rules)?;
    Ok(Comparison {
        points,
        only_a,
        only_b: count(matched.only_b),
        skipped: Vec::new(),
        gates,
    })
}

/// A run that was asked for its requests.
#[derive(Clone, Debug)]
pub enum Detailed {
    /// The run, with its requests if its file has them.
    Run(Box<RunResult>),
    /// Why they cannot be read.
    Unreadable(String),
}

/// The same run with its requests.
fn detailed(
    run: &RunResult,
    strict: bool,
    rereader: &mut Rereader,
) -> Result<Detailed, AggregateError> {
    let mut found = None;
    let read = rereader.read(&run.origin.path, &[run.origin.entry], &mut |again| {
        found = Some(again);
    });
    match (read, found) {
        (Ok(()), Some(found)) => Ok(Detailed::Run(Box::new(found))),
        (Ok(()), None) => Ok(Detailed::Unreadable(format!(
            "{}: the run is no longer there; the file changed meanwhile",
            run.origin.path.display()
        ))),
        (Err(Skipped { path, reason }), _) if strict => {
            Err(AggregateError::NotAResult { path, reason })
        }
        (Err(skipped), _) => Ok(Detailed::Unreadable(skipped.to_string())),
    }
}
