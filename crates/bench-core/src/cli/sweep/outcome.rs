//! What a sweep found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bench_report::Banner;

use super::knees::knees;
use super::manifest::State;
use super::stored::Stored;

/// A sweep that is over, or was stopped.
#[derive(Debug)]
pub struct SweepOutcome {
    dir: PathBuf,
    rows: Vec<Row>,
    planned: usize,
}

/// A run of a point.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) point: String,
    pub(super) stem: String,
    pub(super) values: Vec<(String, String)>,
    pub(super) state: State,
    pub(super) reason: Option<String>,
    pub(super) stored: Option<Stored>,
    /// It was measured before.
    pub(super) kept: bool,
}

/// A column of the summary: its head, and where its numbers come from.
type Column = (&'static str, fn(&Stored) -> Option<f64>);

const COLUMNS: [Column; 8] = [
    ("req/s", |of| of.request_throughput),
    ("out tok/s", |of| of.output_throughput),
    ("TTFT p50", |of| of.median_ttft_ms),
    ("TTFT p99", |of| of.p99_ttft_ms),
    ("TPOT p50", |of| of.median_tpot_ms),
    ("TPOT p99", |of| of.p99_tpot_ms),
    ("E2EL p50", |of| of.median_e2el_ms),
    ("E2EL p99", |of| of.p99_e2el_ms),
];

impl SweepOutcome {
    pub(super) fn new(dir: PathBuf, mut rows: Vec<Row>, planned: usize) -> SweepOutcome {
        // Runs of a point together, points in the order in which they were met.
        let points: Vec<String> = rows.iter().map(|row| row.point.clone()).collect();
        rows.sort_by_key(|row| points.iter().position(|point| *point == row.point));
        SweepOutcome { dir, rows, planned }
    }

    /// The folder of the results.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether every run of every point has a result.
    pub fn is_complete(&self) -> bool {
        self.count(State::Done) + self.count(State::Missed) == self.planned
    }

    /// How many runs missed what the user demands of them.
    pub fn missed(&self) -> usize {
        self.count(State::Missed)
    }

    fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// What there is to know at the end: a table of all runs, where throughput saturates, what
    /// failed, and what to do with the results.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let mut measured = self.rows.iter().filter_map(|row| row.stored.as_ref());
        if measured.any(Stored::is_simulated) {
            text += &format!("{}\n", Banner::simulated());
        }
        text += &format!("{:=^78}\n", " Sweep ");
        text += &self.table();
        text += &knees(&self.rows);
        text += &self.troubles();
        let dir = self.dir.display();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "Results in {dir}; as a table and as charts:\n  bench-aggregate {dir}\n  \
             bench-plot --all {dir}"
        );
        text
    }

    fn table(&self) -> String {
        let measured = || self.rows.iter().filter_map(|row| row.stored.as_ref());
        let columns: Vec<&Column> = COLUMNS
            .iter()
            .filter(|(_, number)| measured().any(|stored| number(stored).is_some()))
            .collect();
        let stems = self.rows.iter().map(|row| row.stem.len());
        let width = stems.max().unwrap_or(0).max("point".len());
        let mut text = format!("{:<width$}", "point");
        for (head, _) in &columns {
            // Writing to a String cannot fail.
            let _ = write!(text, " {head:>10}");
        }
        text += "   failed\n";
        for row in &self.rows {
            let _ = write!(text, "{:<width$}", row.stem);
            let Some(stored) = &row.stored else {
                text += &format!(" {}\n", row.state.name());
                continue;
            };
            for (_, number) in &columns {
                let _ = match number(stored) {
                    Some(number) => write!(text, " {number:>10.2}"),
                    None => write!(text, " {:>10}", "-"),
                };
            }
            let _ = writeln!(text, " {:>8}{}", stored.failed, row.remarks(stored));
        }
        text += "Times in ms.\n";
        text
    }

    fn troubles(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            if let Some(reason) = &row.reason {
                let _ = writeln!(text, "{} {}: {reason}", row.stem, row.state.name());
            }
        }
        let left = self.planned - self.count(State::Done) - self.count(State::Missed);
        if left > 0 {
            let (dir, all) = (self.dir.display(), self.planned);
            let _ = writeln!(
                text,
                "{left} of {all} runs have no result; the same command with --resume {dir} \
                 measures them"
            );
        }
        text
    }
}

impl Row {
    /// What must not be overlooked, behind its numbers.
    fn remarks(&self, stored: &Stored) -> String {
        let mut remarks = String::new();
        if self.state != State::Done {
            remarks += &format!(" {}", self.state.name());
        }
        if stored.is_client_limited() {
            remarks += " client limited";
        }
        remarks
    }

    /// The run in one line.
    pub(super) fn told(&self) -> String {
        let mut parts = Vec::new();
        match (&self.state, self.kept) {
            (State::Pending, _) => return "stopped".to_owned(),
            (State::Done, true) => parts.push("kept".to_owned()),
            (State::Done, false) => {}
            (state, _) => parts.push(state.name().to_owned()),
        }
        parts.extend(self.reason.clone());
        if let Some(stored) = &self.stored {
            parts.extend(numbers(stored));
        }
        parts.join(", ")
    }
}

fn numbers(stored: &Stored) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(rate) = stored.request_throughput {
        parts.push(format!("{rate:.2} req/s"));
    }
    if let Some(rate) = stored.output_throughput {
        parts.push(format!("{rate:.1} tok/s"));
    }
    for (name, median, p99) in [
        ("TTFT", stored.median_ttft_ms, stored.p99_ttft_ms),
        ("TPOT", stored.median_tpot_ms, stored.p99_tpot_ms),
        ("E2EL", stored.median_e2el_ms, stored.p99_e2el_ms),
    ] {
        match (median, p99) {
            (Some(median), Some(p99)) => {
                parts.push(format!("{name} p50/p99 {median:.1}/{p99:.1} ms"));
            }
            (Some(median), None) => parts.push(format!("{name} p50 {median:.1} ms")),
            _ => {}
        }
    }
    if stored.failed > 0 {
        parts.push(format!("{} failed", stored.failed));
    }
    if stored.is_client_limited() {
        parts.push("client limited".to_owned());
    }
    parts
}
