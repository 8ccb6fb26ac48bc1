//! What a sweep says while it runs, on standard error.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::manifest::State;
use super::outcome::Row;
use super::plan::{PlannedRun, SweepPlan};

/// Tells of runs as they end.
pub(super) struct Teller {
    hidden: bool,
    /// The points of the runs, in the order of measuring.
    points: Vec<String>,
    /// How many of them are over.
    over: usize,
    /// How long the last run of a point took.
    took: HashMap<String, Duration>,
    /// All that were measured, and how many those were.
    sum: (Duration, u32),
}

impl Teller {
    /// Tells what is going to be done.
    pub(super) fn new(plan: &SweepPlan, dir: &Path) -> Teller {
        let teller = Teller {
            hidden: plan.base.client.disable_tqdm,
            points: plan.runs.iter().map(|run| run.point.clone()).collect(),
            over: 0,
            took: HashMap::new(),
            sum: (Duration::ZERO, 0),
        };
        let rounds = plan.sweep.num_runs.max(1);
        let points = plan.runs.len() / usize::try_from(rounds).unwrap_or(1);
        let times = match rounds {
            1 => String::new(),
            rounds => format!(", {rounds} times each"),
        };
        teller.say(&format!(
            "Sweep of {points} points{times}; results in {}",
            dir.display()
        ));
        for note in &plan.notes {
            teller.say(&format!("note: {note}"));
        }
        teller
    }

    /// Which run of how many.
    pub(super) fn title(&self, run: &PlannedRun) -> String {
        format!("[{}/{}] {}", self.over + 1, self.points.len(), run.stem())
    }

    /// Why a run that there is a result of is done again.
    pub(super) fn again(&self, run: &PlannedRun, reason: &str) {
        self.say(&format!("{}: measured again, {reason}", run.stem()));
    }

    /// Tells of a run that is over. One that was not needed took no time.
    pub(super) fn row(&mut self, row: &Row, took: Option<Duration>) {
        let position = self.over + 1;
        if row.state != State::Pending {
            self.over += 1;
        }
        if let Some(took) = took {
            self.took.insert(row.point.clone(), took);
            self.sum = (self.sum.0 + took, self.sum.1 + 1);
        }
        let left = match self.left() {
            Some(left) if self.over < self.points.len() => format!(", ETA {}", clock(left)),
            _ => String::new(),
        };
        let (all, stem, told) = (self.points.len(), &row.stem, row.told());
        self.say(&format!("[{position}/{all}] {stem}: {told}{left}"));
    }

    /// How long what is left will take: each run as long as the last one of its point, or as
    /// long as one on average.
    fn left(&self) -> Option<Duration> {
        let (sum, runs) = self.sum;
        let average = sum.checked_div(runs)?;
        let left = self.points.get(self.over..).unwrap_or_default();
        let time = |point: &String| self.took.get(point).copied().unwrap_or(average);
        Some(left.iter().map(time).sum())
    }

    fn say(&self, text: &str) {
        if !self.hidden {
            // With nobody to read standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// `h:mm:ss`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_guessed_by_the_same_point_or_by_all() {
        let teller = Teller {
            hidden: true,
            points: ["a", "b", "c", "a", "b", "c"].map(str::to_owned).to_vec(),
            over: 2,
            took: HashMap::from([
                ("a".to_owned(), Duration::from_secs(1)),
                ("b".to_owned(), Duration::from_secs(3)),
            ]),
            sum: (Duration::from_secs(4), 2),
        };
        // c, a, b, c, of which c takes 2 on average.
        assert_eq!(teller.left(), Some(Duration::from_secs(8)));
        assert_eq!(clock(Duration::from_millis(3_725_001)), "1:02:06");
    }
}
