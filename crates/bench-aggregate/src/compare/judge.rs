//! From the runs of both sides to verdicts: first every difference with its p-value, then all
//! of them together by Holm.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bench_metrics::stats::{Interval, Resampling, holm_levels};
use bench_report::RunResult;

use super::contrast::Contrast;
use super::load::Group;
use super::{
    ALPHA, CompareOptions, FailOn, Failures, Gate, Gated, Limit, Measure, Method, Passage, Point,
    Row, Verdict,
};
use super::{comparable, within};
use crate::AggregateError;

/// What to compare, and by which limits.
pub(super) struct Rules {
    measures: Vec<Measure>,
    margins: Vec<super::Margin>,
    gates: Vec<Gate>,
    fail_on: FailOn,
}

impl Rules {
    pub(super) fn of(options: &CompareOptions) -> Rules {
        let mut measures = match options.metrics.is_empty() {
            true => Measure::defaults(),
            false => options.metrics.clone(),
        };
        for gate in &options.fail_if {
            if !measures.contains(&gate.measure) {
                measures.push(gate.measure.clone());
            }
        }
        Rules {
            measures,
            margins: options.margin.clone(),
            gates: options.fail_if.clone(),
            fail_on: options.fail_on,
        }
    }

    /// Its own margin, else the last one for everything, else 2 %.
    fn margin(&self, measure: &Measure) -> f64 {
        let last = |of: Option<&Measure>| {
            let found = self.margins.iter().rev().find(|m| m.measure.as_ref() == of);
            found.map(|margin| margin.share)
        };
        last(Some(measure)).or(last(None)).unwrap_or(DEFAULT_MARGIN)
    }
}

pub(super) const DEFAULT_MARGIN: f64 = 0.02;

/// A point whose differences are not judged yet.
pub(super) struct Draft {
    point: Point,
    differences: Vec<Difference>,
}

struct Difference {
    measure: Measure,
    a: f64,
    b: f64,
    /// The difference with its error, or why there is none.
    contrast: Result<Contrast, String>,
}

pub(super) fn draft(
    a: &Group,
    b: &Group,
    rules: &Rules,
    how: &Resampling,
    detail: &mut dyn FnMut(&RunResult) -> Result<RunResult, AggregateError>,
) -> Result<Draft, AggregateError> {
    let (differences, method) = match (&a.runs[..], &b.runs[..]) {
        ([one], [other]) => {
            let (one, other) = (with_requests(one, detail)?, with_requests(other, detail)?);
            by_requests(&one, &other, rules, how)
        }
        _ => by_runs(a, b, rules),
    };
    let one_sided = rules.measures.iter().filter(|measure| {
        let told = |group: &Group| group.runs.iter().any(|r| measure.reported(r).is_some());
        let compared = differences.iter().any(|d| d.measure == **measure);
        !compared && told(a) != told(b)
    });
    let files = |group: &Group| -> Vec<PathBuf> {
        group
            .runs
            .iter()
            .map(|run| run.origin.path.clone())
            .collect()
    };
    Ok(Draft {
        point: Point {
            load: a.load.clone(),
            files: [files(a), files(b)],
            method,
            setup: comparable::differences(&a.runs, &b.runs),
            failures: [failures(&a.runs), failures(&b.runs)],
            rows: Vec::new(),
            one_sided: one_sided.cloned().collect(),
        },
        differences,
    })
}

/// Over all runs of a side; `None` if one of them does not tell.
fn failures(runs: &[RunResult]) -> Option<Failures> {
    let mut sum = Failures {
        failed: 0,
        requests: 0,
    };
    for run in runs {
        // Where only completed requests are told, the rest of those asked for failed.
        let completed = run.completed?;
        let planned = run.num_prompts.map(|n| n.saturating_sub(completed));
        let failed = run.failed.or(planned)?;
        sum.failed += failed;
        sum.requests += failed + completed;
    }
    Some(sum)
}

fn with_requests(
    run: &RunResult,
    detail: &mut dyn FnMut(&RunResult) -> Result<RunResult, AggregateError>,
) -> Result<RunResult, AggregateError> {
    match run.requests.is_empty() {
        true => detail(run),
        false => Ok(run.clone()),
    }
}

fn by_runs(a: &Group, b: &Group, rules: &Rules) -> (Vec<Difference>, Method) {
    let values = |group: &Group, measure: &Measure| -> Vec<f64> {
        group
            .runs
            .iter()
            .filter_map(|run| measure.reported(run))
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let difference = |measure: &Measure| {
        let (of_a, of_b) = (values(a, measure), values(b, measure));
        if of_a.is_empty() || of_b.is_empty() {
            return None;
        }
        let contrast = Contrast::of_runs(&of_a, &of_b);
        Some(Difference {
            measure: measure.clone(),
            a: mean(&of_a),
            b: mean(&of_b),
            contrast: contrast.ok_or_else(|| "only one run on either side tells it".to_owned()),
        })
    };
    let single = a.runs.len() == 1 || b.runs.len() == 1;
    let method = if single {
        Method::RunAgainstRuns
    } else {
        Method::Runs
    };
    (
        rules.measures.iter().filter_map(difference).collect(),
        method,
    )
}

fn by_requests(
    a: &RunResult,
    b: &RunResult,
    rules: &Rules,
    how: &Resampling,
) -> (Vec<Difference>, Method) {
    let lacking: Vec<&RunResult> = [a, b]
        .into_iter()
        .filter(|r| r.requests.is_empty())
        .collect();
    if !lacking.is_empty() {
        let reason = match lacking.len() {
            2 => "no samples in either run (bench-serve --save-detailed saves them)".to_owned(),
            _ => format!("no samples in {}", lacking[0].origin.path.display()),
        };
        let differences = rules.measures.iter().filter_map(|measure| {
            Some(Difference {
                measure: measure.clone(),
                a: measure.reported(a)?,
                b: measure.reported(b)?,
                contrast: Err(reason.clone()),
            })
        });
        return (differences.collect(), Method::None);
    }
    let of_a = within::estimates(a, &rules.measures, how);
    // Another seed, so that the resamples of both sides have nothing to do with each other.
    let other = Resampling {
        seed: how.seed.wrapping_add(1),
        ..*how
    };
    let of_b = within::estimates(b, &rules.measures, &other);
    let found = rules.measures.iter().zip(of_a.into_iter().zip(of_b));
    let differences = found.filter_map(|(measure, (of_a, of_b))| {
        let contrast = match (of_a, of_b) {
            (Ok(of_a), Ok(of_b)) => Ok(Contrast::welch(of_a, of_b)),
            (Err(reason), Ok(_)) => Err(format!("A: {reason}")),
            (Ok(_), Err(reason)) => Err(format!("B: {reason}")),
            (Err(of_a), Err(of_b)) if of_a == of_b => Err(of_a),
            (Err(of_a), Err(of_b)) => Err(format!("A: {of_a}; B: {of_b}")),
        };
        let told = |run| measure.reported(run);
        let (value_a, value_b) = match &contrast {
            Ok(contrast) => (contrast.a, contrast.b),
            Err(_) => (told(a)?, told(b)?),
        };
        Some(Difference {
            measure: measure.clone(),
            a: value_a,
            b: value_b,
            contrast,
        })
    });
    (differences.collect(), Method::Requests)
}

/// Judges all differences of all points as one family.
pub(super) fn settle(drafts: Vec<Draft>, rules: &Rules) -> Vec<Point> {
    let all = drafts.iter().flat_map(|draft| &draft.differences);
    let known = all.filter_map(|difference| difference.contrast.as_ref().ok());
    let p_values: Vec<f64> = known.map(Contrast::p_value).collect();
    let mut levels = holm_levels(&p_values, ALPHA).into_iter();
    let mut points = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut point = draft.point;
        for difference in draft.differences {
            let level = match difference.contrast {
                Ok(_) => levels.next().unwrap_or(ALPHA),
                Err(_) => ALPHA,
            };
            point.rows.push(row(difference, level, rules));
        }
        points.push(point);
    }
    points
}

fn row(difference: Difference, level: f64, rules: &Rules) -> Row {
    let Difference {
        measure,
        a,
        b,
        contrast,
    } = difference;
    let margin = rules.margin(&measure);
    let mut row = Row {
        a,
        b,
        relative: (a > 0.0).then(|| (b - a) / a),
        relative_interval: None,
        absolute_interval: None,
        b_interval: None,
        margin,
        detectable: None,
        verdict: Verdict::Inconclusive,
        reason: None,
        measure,
    };
    match contrast {
        Ok(contrast) => {
            row.relative_interval = contrast.relative(level);
            row.absolute_interval = contrast.absolute(level);
            row.b_interval = contrast.side_b(level);
            row.detectable = contrast.detectable(level);
            let relative = row
                .relative_interval
                .map(|interval| (interval, Some(margin)));
            let judged = relative.or(row.absolute_interval.map(|interval| (interval, None)));
            if let Some((interval, margin)) = judged {
                row.verdict = Verdict::of(&interval, margin, &row.measure);
            }
        }
        Err(reason) => row.reason = Some(reason),
    }
    row
}

/// Holds every gate against every point.
pub(super) fn gates(points: &[Point], rules: &Rules) -> Result<Vec<Gated>, AggregateError> {
    let mut gated = Vec::new();
    for gate in &rules.gates {
        let held = points.iter().enumerate();
        let held: Vec<Gated> = held
            .map(|(index, point)| hold(gate, index, point, rules.fail_on))
            .collect();
        if held.iter().all(|gated| gated.passage == Passage::Untold) {
            return Err(AggregateError::GateWithoutNumber {
                gate: gate.to_string(),
                key: gate.measure.key(),
                known: known(points),
            });
        }
        gated.extend(held);
    }
    Ok(gated)
}

fn hold(gate: &Gate, index: usize, point: &Point, on: FailOn) -> Gated {
    let row = point.rows.iter().find(|row| row.measure == gate.measure);
    let nothing_left = point.failures[1].is_some_and(|b| b.failed == b.requests);
    let held = row
        .and_then(|row| held(gate, row))
        .filter(|_| !nothing_left);
    let passage = match &held {
        Some((value, interval)) => gate.judge(*value, interval.as_ref(), on),
        None if nothing_left => Passage::Missed,
        None => Passage::Untold,
    };
    Gated {
        gate: gate.clone(),
        point: index,
        passage,
        value: held.map(|(value, _)| value),
        interval: held.and_then(|(_, interval)| interval),
    }
}

/// What a gate is about: the change, or side B.
fn held(gate: &Gate, row: &Row) -> Option<(f64, Option<Interval>)> {
    match gate.limit {
        Limit::Change(_) => Some((row.relative?, row.relative_interval)),
        Limit::Value(_) => Some((row.b, row.b_interval)),
    }
}

fn known(points: &[Point]) -> String {
    let rows = points.iter().flat_map(|point| &point.rows);
    let keys: BTreeSet<String> = rows.map(|row| row.measure.key()).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    keys.join(", ")
}
