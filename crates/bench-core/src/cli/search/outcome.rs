//! What a search found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bench_metrics::{Convention, Finding, Objective, Verdict};

use super::file::{NAME, SearchFile};
use super::plan::{SearchPlan, short};
use super::{Ending, Measured};
use crate::search::{Answer, Interval};

/// A search that is over, or was stopped.
#[derive(Debug)]
pub struct SearchOutcome {
    plan: SearchPlan,
    dir: PathBuf,
    file: SearchFile,
    ended: Ended,
}

/// How a search came to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    /// It found an answer.
    Found(Answer),
    /// The user stopped it before.
    Stopped,
}

impl SearchOutcome {
    pub(super) fn new(
        plan: SearchPlan,
        dir: PathBuf,
        mut file: SearchFile,
        ended: Ended,
    ) -> SearchOutcome {
        let load = |measured: &Measured| measured.point.load;
        file.points.sort_by(|a, b| load(a).total_cmp(&load(b)));
        SearchOutcome {
            plan,
            dir,
            file,
            ended,
        }
    }

    /// How it came to its end.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// Whether any request of any point was answered whole. If none was, the server does
    /// not serve, whatever the load.
    pub fn has_completed_any(&self) -> bool {
        self.file.points.iter().any(|m| m.completed > 0)
    }

    /// The folder of the results.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The points, by their load.
    pub fn points(&self) -> &[Measured] {
        &self.file.points
    }

    /// Where the greatest load that holds lies.
    pub fn interval(&self) -> Option<Interval> {
        self.file.interval
    }

    /// What was found, to be read by people: a table of the points and the answer.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let axis = self.plan.space.axis();
        let title = format!(" Greatest {axis} within objectives ");
        writeln!(out, "{title:=^72}")?;
        self.write_objectives(out)?;
        self.write_table(out)?;
        writeln!(out, "{:-<72}", "")?;
        self.write_answer(out)?;
        self.write_doubts(out)?;
        writeln!(out, "Results: {}", self.dir.join(NAME).display())
    }

    fn write_objectives(&self, out: &mut String) -> std::fmt::Result {
        for (number, objective) in (1..).zip(&self.plan.judge.objectives) {
            let needed = percent(objective.share());
            let of = match objective {
                Objective::Percentile { limit, .. } if !limit.metric.per_request => {
                    "of the samples of a request, on average"
                }
                _ => "of the requests",
            };
            writeln!(out, "[{number}] {objective}: kept by {needed} {of}")?;
        }
        let from = match self.plan.judge.convention {
            Convention::Vllm => "as vllm bench serve does",
            Convention::Strict => "from when they were sent",
            Convention::Intended => "from when they were meant to be sent",
        };
        writeln!(out, "Requests are timed {from}; failed ones keep nothing.")
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "{:>9} {:>9} {:>7}", "load", "requests", "failed")?;
        write!(out, " {:>9} {:>10}", "req/s", "out tok/s")?;
        for number in 1..=self.plan.judge.objectives.len() {
            write!(out, " {:>8}", format!("[{number}]"))?;
        }
        writeln!(out, "  verdict")?;
        for measured in &self.file.points {
            let load = short(measured.point.load);
            let failed = measured.failed();
            write!(out, "{load:>9} {:>9} {failed:>7}", measured.sent)?;
            let tokens = measured.output_throughput;
            let tokens = tokens.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
            write!(out, " {:>9.2} {tokens:>10}", measured.request_throughput)?;
            for finding in &measured.point.judgement.findings {
                write!(out, " {:>8}", seen(finding))?;
            }
            writeln!(out, "  {}", verdict(measured))?;
        }
        Ok(())
    }

    fn write_answer(&self, out: &mut String) -> std::fmt::Result {
        let axis = self.plan.space.axis();
        let unit = axis.unit();
        match self.ended {
            Ended::Stopped => writeln!(
                out,
                "Stopped before the answer was known. --resume {} goes on.",
                self.dir.display()
            )?,
            Ended::Found(Answer::Between { holds, misses }) => {
                let (holds, misses) = (short(holds), short(misses));
                writeln!(
                    out,
                    "The objectives hold up to {holds} {unit}, and not at {misses}."
                )?;
            }
            Ended::Found(Answer::AlwaysHolds { greatest }) => writeln!(
                out,
                "The objectives hold even at {} {unit}, the greatest load of the search: they \
                 were never missed. A greater --max may show where they are.",
                short(greatest)
            )?,
            Ended::Found(Answer::NeverHolds { smallest }) => writeln!(
                out,
                "The objectives are missed even at {} {unit}, the smallest load of the search.",
                short(smallest)
            )?,
        }
        if let Some(Interval {
            low,
            high,
            confidence,
        }) = self.file.interval
        {
            let end = |load: Option<f64>, none: &str| load.map_or(none.to_owned(), short);
            writeln!(
                out,
                "{} interval of the greatest load: {} to {} {unit}",
                percent(confidence),
                end(low, "less than measured"),
                end(high, "more than measured"),
            )?;
        }
        self.write_first_to_break(out)
    }

    /// The objectives that the smallest load with a miss did not keep.
    fn write_first_to_break(&self, out: &mut String) -> std::fmt::Result {
        let missed = |m: &&Measured| m.point.judgement.verdict == Verdict::Misses;
        let Some(first) = self.file.points.iter().find(missed) else {
            return Ok(());
        };
        let findings = first.point.judgement.findings.iter();
        for (objective, finding) in self.plan.judge.objectives.iter().zip(findings) {
            if finding.verdict == Verdict::Misses {
                writeln!(
                    out,
                    "First to break: {objective}, kept by {} at {} {} ({} needed)",
                    seen(finding),
                    short(first.point.load),
                    self.plan.space.axis().unit(),
                    percent(objective.share()),
                )?;
            }
        }
        Ok(())
    }

    /// What speaks against the answer.
    fn write_doubts(&self, out: &mut String) -> std::fmt::Result {
        let unit = self.plan.space.axis().unit();
        let loads = |filter: fn(&&Measured) -> bool| {
            let found = self.file.points.iter().filter(filter);
            let loads: Vec<String> = found.map(|m| short(m.point.load)).collect();
            (!loads.is_empty()).then(|| loads.join(", "))
        };
        if let Some(loads) = loads(|m| m.point.judgement.certain_after.is_none()) {
            writeln!(
                out,
                "uncertain: at {loads} {unit} the share that was seen decides, which is near the \
                 one needed or of too few requests; more --num-prompts and --max-duration help"
            )?;
        }
        let rising =
            |m: &&Measured| m.point.judgement.rising && m.point.judgement.verdict == Verdict::Holds;
        if let Some(loads) = loads(rising) {
            writeln!(
                out,
                "rising: at {loads} {unit} latencies still rose when the point ended; a longer one \
                 (--min-duration) might miss"
            )?;
        }
        for found in &self.file.contradictions {
            let objective = self.plan.judge.objectives.get(found.objective);
            let objective = objective.map_or_else(String::new, ToString::to_string);
            writeln!(
                out,
                "not monotone: {objective} is kept worse at {} than at {} {unit}, by more than \
                 chance; is anything else using the server, or does it still warm up?",
                short(found.load),
                short(found.greater),
            )?;
        }
        Ok(())
    }
}

/// One line about a point.
pub(super) fn told(plan: &SearchPlan, measured: &Measured) -> String {
    let judgement = &measured.point.judgement;
    let objectives = plan.judge.objectives.iter();
    let kept: Vec<String> = objectives
        .zip(&judgement.findings)
        .map(|(objective, finding)| format!("{objective} kept by {}", seen(finding)))
        .collect();
    let ending = match measured.ending {
        Ending::Decided => "stopped as decided",
        Ending::OutOfTime => "out of time",
        Ending::Complete => "complete",
    };
    format!(
        "{} {} {}: {} ({} requests in {:.1} s, {ending})",
        short(measured.point.load),
        plan.space.axis().unit(),
        verdict(measured),
        kept.join(", "),
        measured.sent,
        measured.duration_s,
    )
}

fn verdict(measured: &Measured) -> &'static str {
    let judgement = &measured.point.judgement;
    match (judgement.verdict, judgement.certain_after) {
        (Verdict::Holds, Some(_)) => "holds",
        (Verdict::Holds, None) => "holds, uncertain",
        (Verdict::Misses, Some(_)) => "misses",
        (Verdict::Misses, None) => "misses, uncertain",
    }
}

/// The share that was seen.
fn seen(finding: &Finding) -> String {
    match finding.tally.share() {
        None => "-".to_owned(),
        // Not rounded up to what it is not.
        Some(share) => format!("{:.2} %", (share * 1e4).floor() / 100.0),
    }
}

/// A share that was asked for, without digits that nobody gave.
fn percent(share: f64) -> String {
    let rounded = (share * 1e8).round() / 1e6;
    format!("{rounded} %")
}
