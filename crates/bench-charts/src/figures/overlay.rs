//! Several runs in the same panels.

use std::collections::BTreeSet;

use bench_report::RunResult;

use super::dimension::tags;
use super::series::counted;
use crate::{Ink, Layer, Marks};

/// How many runs a panel shows on top of each other.
const RUNS: usize = 6;

/// A run with its name and colour among others.
pub(crate) struct Shown<'a> {
    pub(crate) run: &'a RunResult,
    /// Its name; `None` for a run alone.
    pub(crate) name: Option<String>,
    pub(crate) ink: Ink,
}

impl Shown<'_> {
    /// A layer of this run, with its name in the legend.
    pub(crate) fn layer(&self, marks: Marks) -> Layer {
        self.named_layer(self.name.clone(), marks)
    }

    /// A layer of this run.
    pub(crate) fn named_layer(&self, name: Option<String>, marks: Marks) -> Layer {
        Layer {
            name,
            ink: self.ink,
            tags: tags([self.run]),
            marks,
        }
    }
}

/// As many runs as can be told apart. What is not shown is noted.
pub(crate) fn shown<'a>(runs: &[&'a RunResult], notes: &mut Vec<String>) -> Vec<Shown<'a>> {
    if runs.len() > RUNS {
        let rest = counted(runs.len() - RUNS, "further run");
        notes.push(format!("{rest} not shown; {RUNS} can be told apart"));
    }
    let names = names(runs);
    let runs = runs.iter().copied().take(RUNS).zip(names).enumerate();
    let alone = runs.len() == 1;
    runs.map(|(index, (run, name))| Shown {
        run,
        name: (!alone).then_some(name),
        ink: Ink::Series(index),
    })
    .collect()
}

/// Names that tell runs apart: their labels if these do, or else their files.
fn names(runs: &[&RunResult]) -> Vec<String> {
    let labels: Vec<&str> = runs.iter().filter_map(|run| run.label.as_deref()).collect();
    let distinct: BTreeSet<&str> = labels.iter().copied().collect();
    if distinct.len() == runs.len() {
        return labels.into_iter().map(str::to_owned).collect();
    }
    let file = |run: &RunResult| {
        let stem = run.origin.path.file_stem();
        stem.map(|stem| stem.to_string_lossy().into_owned())
    };
    let stems: BTreeSet<Option<String>> = runs.iter().map(|run| file(run)).collect();
    runs.iter()
        .map(|run| match file(run) {
            Some(stem) if stems.len() == runs.len() => stem,
            _ => run.origin.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    fn labelled(concurrency: u64, label: &str) -> RunResult {
        RunResult {
            label: Some(label.to_owned()),
            ..run(concurrency)
        }
    }

    #[test]
    fn runs_are_named_by_what_tells_them_apart() {
        let (a, b) = (labelled(1, "before"), labelled(2, "after"));
        assert_eq!(names(&[&a, &b]), ["before", "after"]);
        let same = labelled(2, "before");
        assert_eq!(names(&[&a, &same]), ["mc1", "mc2"]);
        let mut second = run(1);
        second.origin.entry = Some(2);
        assert_eq!(names(&[&run(1), &second]), ["mc1.json", "mc1.json (run 2)"]);
    }

    #[test]
    fn too_many_runs_are_left_out_and_counted() {
        let runs: Vec<RunResult> = (1..=9).map(run).collect();
        let runs: Vec<&RunResult> = runs.iter().collect();
        let mut notes = Vec::new();
        assert_eq!(shown(&runs, &mut notes).len(), RUNS);
        assert_eq!(notes, ["3 further runs not shown; 6 can be told apart"]);
        let alone = shown(&runs[..1], &mut notes);
        assert_eq!(alone[0].name, None);
        assert_eq!(notes.len(), 1);
    }
}
