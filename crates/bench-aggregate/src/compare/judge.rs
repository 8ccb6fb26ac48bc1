//! From the runs of both sides to verdicts: first every difference with its error, then
//! intervals that all hold at once, by Bonferroni.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bench_metrics::stats::{Interval, Resampling};
use bench_report::RunResult;

use super::contrast::Contrast;
use super::load::Group;
use super::{
    ALPHA, CompareOptions, Detailed, FailOn, Failures, Gate, Gated, Limit, Measure, Method,
    Passage, Place, Point, Row, Verdict,
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

impl Rules {
    /// How many intervals are judged by: that of the difference, and that of side B if a gate is
    /// about it.
    fn intervals(&self, measure: &Measure) -> usize {
        let about_b = |gate: &&Gate| {
            gate.measure == *measure
                && matches!(gate.limit, Limit::Value(_))
                && !measure.is_of_failures()
        };
        1 + usize::from(self.gates.iter().any(|gate| about_b(&gate)))
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
    /// How many runs of each side have the number.
    told: [usize; 2],
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
    detail: &mut dyn FnMut(&RunResult) -> Result<Detailed, AggregateError>,
) -> Result<Draft, AggregateError> {
    let (differences, method) = match (&a.runs[..], &b.runs[..]) {
        ([one], [other]) => {
            let sides = [with_requests(one, detail)?, with_requests(other, detail)?];
            match sides {
                [Detailed::Run(one), Detailed::Run(other)] => by_requests(&one, &other, rules, how),
                sides => {
                    let reasons = sides.into_iter().filter_map(|side| match side {
                        Detailed::Unreadable(reason) => Some(reason),
                        Detailed::Run(_) => None,
                    });
                    let reasons: Vec<String> = reasons.collect();
                    without_requests(one, other, rules, &reasons.join("; "))
                }
            }
        }
        _ => by_runs(a, b, rules),
    };
    let only = |side: &Group, other: &Group| -> Vec<Measure> {
        let told = |group: &Group, measure: &Measure| {
            group.runs.iter().any(|run| measure.reported(run).is_some())
        };
        let compared = |measure: &Measure| differences.iter().any(|d| d.measure == *measure);
        let only = rules
            .measures
            .iter()
            .filter(|m| !compared(m) && told(side, m) && !told(other, m));
        only.cloned().collect()
    };
    let one_sided = [only(a, b), only(b, a)];
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
            one_sided,
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
        let of_run = Failures::of(run)?;
        sum.failed += of_run.failed;
        sum.requests += of_run.requests;
    }
    Some(sum)
}

fn with_requests(
    run: &RunResult,
    detail: &mut dyn FnMut(&RunResult) -> Result<Detailed, AggregateError>,
) -> Result<Detailed, AggregateError> {
    match run.requests.is_empty() {
        true => detail(run),
        false => Ok(Detailed::Run(Box::new(run.clone()))),
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
        // The runs that lack it may be those that went wrong: the others say nothing about them.
        let lacking = [
            ("A", of_a.len(), a.runs.len()),
            ("B", of_b.len(), b.runs.len()),
        ];
        let lacking = lacking.into_iter().filter(|(_, told, runs)| told < runs);
        let lacking: Vec<String> = lacking
            .map(|(side, told, runs)| format!("only {told} of {runs} runs of {side} has it"))
            .collect();
        let contrast = match lacking.is_empty() {
            true => Contrast::of_runs(&of_a, &of_b)
                .ok_or_else(|| "only one run on either side tells it".to_owned()),
            false => Err(lacking.join(", ")),
        };
        Some(Difference {
            measure: measure.clone(),
            told: [of_a.len(), of_b.len()],
            a: mean(&of_a),
            b: mean(&of_b),
            contrast,
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
        return without_requests(a, b, rules, &reason);
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
            told: [1, 1],
            a: value_a,
            b: value_b,
            contrast,
        })
    });
    (differences.collect(), Method::Requests)
}

/// Differences that nothing can be said about, for a reason.
fn without_requests(
    a: &RunResult,
    b: &RunResult,
    rules: &Rules,
    reason: &str,
) -> (Vec<Difference>, Method) {
    let differences = rules.measures.iter().filter_map(|measure| {
        Some(Difference {
            measure: measure.clone(),
            told: [1, 1],
            a: measure.reported(a)?,
            b: measure.reported(b)?,
            contrast: Err(reason.to_owned()),
        })
    });
    (differences.collect(), Method::None)
}

/// How many times an interval counts that comes from the requests of one run: those hold the true
/// number a little less often than they say, and so are made for half the errors.
const WITHIN_COUNTS: f64 = 2.0;

/// Draws the intervals of all differences of all points so that all of them hold at once, but for
/// `ALPHA`, and judges by them: `different`, `same` and gates are statements of the same intervals.
pub(super) fn settle(drafts: Vec<Draft>, rules: &Rules) -> Vec<Point> {
    let all = drafts.iter().flat_map(|draft| &draft.differences);
    let known = all.filter(|difference| difference.contrast.is_ok());
    let intervals: usize = known.map(|known| rules.intervals(&known.measure)).sum();
    let level = ALPHA / intervals.max(1) as f64;
    let mut points = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut point = draft.point;
        let level = match point.method {
            Method::Requests => level / WITHIN_COUNTS,
            Method::Runs | Method::RunAgainstRuns | Method::None => level,
        };
        for difference in draft.differences {
            point.rows.push(row(difference, level, rules));
        }
        points.push(point);
    }
    points
}

fn row(difference: Difference, level: f64, rules: &Rules) -> Row {
    let Difference {
        measure,
        told,
        a,
        b,
        contrast,
    } = difference;
    let margin = rules.margin(&measure);
    let mut row = Row {
        told,
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

/// Holds every gate against every load of side A: a load that is gone misses it.
pub(super) fn gates(
    points: &[Point],
    only_a: usize,
    rules: &Rules,
) -> Result<Vec<Gated>, AggregateError> {
    let mut gated = Vec::new();
    for gate in &rules.gates {
        let held = points.iter().enumerate();
        let held: Vec<Gated> = held
            .map(|(index, point)| hold(gate, Place::Point(index), point, rules.fail_on))
            .collect();
        let compared = |point: &Point| point.rows.iter().any(|row| row.measure == gate.measure);
        if !points
            .iter()
            .any(|point| compared(point) || answers_nothing(point))
        {
            return Err(AggregateError::GateWithoutNumber {
                gate: gate.to_string(),
                key: gate.measure.key(),
                known: known(points),
            });
        }
        gated.extend(held);
        let gone = (0..only_a).map(|index| {
            let reason = "B has no run at this load";
            nothing_held(gate, Place::OnlyA(index), Passage::Missed, reason)
        });
        gated.extend(gone);
    }
    Ok(gated)
}

fn answers_nothing(point: &Point) -> bool {
    point.failures[1].is_some_and(|b| b.failed == b.requests)
}

fn nothing_held(gate: &Gate, place: Place, passage: Passage, reason: &str) -> Gated {
    Gated {
        gate: gate.clone(),
        place,
        passage,
        value: None,
        interval: None,
        reason: Some(reason.to_owned()),
    }
}

/// What B lacks misses the gate, what only A lacks leaves it untold.
fn hold(gate: &Gate, place: Place, point: &Point, on: FailOn) -> Gated {
    let nothing = |passage, reason: &str| nothing_held(gate, place, passage, reason);
    if answers_nothing(point) {
        return nothing(Passage::Missed, "B completed no request");
    }
    let Some(row) = point.rows.iter().find(|row| row.measure == gate.measure) else {
        return match point.one_sided[0].contains(&gate.measure) {
            true => nothing(Passage::Missed, "B lacks this number"),
            false => nothing(Passage::Untold, "A lacks this number"),
        };
    };
    let runs = point.files.each_ref().map(Vec::len);
    let lacks = |side: usize| row.told[side] < runs[side];
    let reason = row.reason.as_deref().unwrap_or_default();
    let is_change = matches!(gate.limit, Limit::Change(_));
    if lacks(1) {
        return nothing(Passage::Missed, reason);
    }
    if lacks(0) && is_change {
        return nothing(Passage::Untold, reason);
    }
    let Some((value, interval)) = held(gate, row) else {
        return nothing(Passage::Untold, "there is no change relative to 0");
    };
    // A count is a fact: there is no doubt about it that an interval could tell of.
    let on = match gate.measure.is_of_failures() {
        true => FailOn::Point,
        false => on,
    };
    Gated {
        gate: gate.clone(),
        place,
        passage: gate.judge(value, interval.as_ref(), on),
        value: Some(value),
        interval,
        reason: None,
    }
}

/// What a gate is about: the change, or side B. Failures have no interval here, since they are
/// counted, and any failure is infinitely more than none.
fn held(gate: &Gate, row: &Row) -> Option<(f64, Option<Interval>)> {
    let counted = row.measure.is_of_failures();
    match gate.limit {
        Limit::Change(_) if counted && row.a == 0.0 => {
            let change = if row.b > 0.0 { f64::INFINITY } else { 0.0 };
            Some((change, None))
        }
        Limit::Change(_) => Some((row.relative?, row.relative_interval.filter(|_| !counted))),
        Limit::Value(_) => Some((row.b, row.b_interval.filter(|_| !counted))),
    }
}

fn known(points: &[Point]) -> String {
    let rows = points.iter().flat_map(|point| &point.rows);
    let keys: BTreeSet<String> = rows.map(|row| row.measure.key()).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    keys.join(", ")
}
