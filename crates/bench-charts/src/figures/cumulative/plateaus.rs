//! Spans of a run in which no token came.

use bench_report::RunResult;

use super::super::request_times::{by_start, span_text};
use super::super::series::counted;

/// No shorter span is a plateau: people notice a second (Nielsen, Usability Engineering, 1993,
/// section 5.5).
const LEAST_S: f64 = 1.0;

/// How many times as long as usual a gap must be, so that a slow but steady stream has none.
const UNUSUAL: f64 = 10.0;

/// Ends are known less precisely than this where times count from 1970.
const TOLERANCE_S: f64 = 1e-3;

/// How many plateaus are kept.
const KEPT: usize = 100;

/// A span without a token; seconds since the first token of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plateau {
    pub(super) from: f64,
    pub(super) to: f64,
    /// Requests that were under way at some time of it. If there are none, the server had
    /// nothing to do.
    pub(super) under_way: usize,
}

impl Plateau {
    pub(super) fn length(&self) -> f64 {
        self.to - self.from
    }
}

/// All plateaus of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Plateaus {
    /// What is longer is one.
    pub(super) threshold_s: f64,
    /// The longest ones, the longest first.
    pub(super) longest: Vec<Plateau>,
    /// How many had requests under way.
    busy: usize,
    /// How many had none.
    idle: usize,
}

/// The spans between tokens that are longer than a second and than ten times the median gap
/// between tokens. `times` rise; `zero` is the time of the first token.
pub(super) fn plateaus(run: &RunResult, times: &[f64], zero: f64) -> Plateaus {
    let pairs = || times.windows(2).map(|pair| (pair[0], pair[1]));
    let mut gaps: Vec<f64> = pairs().map(|(from, to)| to - from).collect();
    let middle = gaps.len().saturating_sub(1) / 2;
    let median = match gaps.is_empty() {
        true => 0.0,
        false => *gaps.select_nth_unstable_by(middle, f64::total_cmp).1,
    };
    let threshold_s = LEAST_S.max(UNUSUAL * median);
    let long: Vec<(f64, f64)> = pairs()
        .filter(|(from, to)| to - from > threshold_s)
        .collect();

    let requests = Requests::of(run);
    let mut found: Vec<Plateau> = long
        .into_iter()
        .flat_map(|(from, to)| requests.parts(from, to, threshold_s))
        .map(|plateau| Plateau {
            from: plateau.from - zero,
            to: plateau.to - zero,
            ..plateau
        })
        .collect();
    let busy = found.iter().filter(|plateau| plateau.under_way > 0).count();
    let idle = found.len() - busy;
    found.sort_by(|one, other| other.length().total_cmp(&one.length()));
    found.truncate(KEPT);
    Plateaus {
        threshold_s,
        longest: found,
        busy,
        idle,
    }
}

/// When requests began and ended, both rising.
struct Requests {
    starts: Vec<f64>,
    ends: Vec<f64>,
}

impl Requests {
    fn of(run: &RunResult) -> Requests {
        let sent = by_start(run);
        let mut ends: Vec<f64> = sent.iter().map(|placed| placed.end()).collect();
        ends.sort_by(f64::total_cmp);
        let starts = sent.iter().map(|placed| placed.start).collect();
        Requests { starts, ends }
    }

    /// A span without a token: the time in which nothing was under way, and then the time from
    /// the next start on, each if it is longer than the threshold by itself; else both as one.
    fn parts(&self, from: f64, to: f64, threshold_s: f64) -> Vec<Plateau> {
        let begun = |at: f64| {
            self.starts
                .partition_point(|start| *start < at - TOLERANCE_S)
        };
        let over = self.ends.partition_point(|end| *end <= from + TOLERANCE_S);
        let work = match begun(from) > over {
            true => from,
            false => self
                .starts
                .get(over)
                .map_or(to, |start| start.clamp(from, to)),
        };
        let plateau = |from, to, under_way| Plateau {
            from,
            to,
            under_way,
        };
        let under_way = begun(to).saturating_sub(over);
        let both = [plateau(from, work, 0), plateau(work, to, under_way)];
        let long = both.into_iter().filter(|part| part.length() > threshold_s);
        let long: Vec<Plateau> = long.collect();
        match long.is_empty() {
            true => vec![plateau(from, to, under_way)],
            false => long,
        }
    }
}

impl Plateaus {
    /// A line for the footer.
    pub(super) fn words(&self) -> String {
        let threshold = span_text(self.threshold_s);
        let Some(longest) = self.longest.first() else {
            return format!("Never without a token for more than {threshold}");
        };
        let mut words = format!(
            "Without a token for more than {threshold}: {} with requests under way, {} with none; \
             the longest took {} from {:.2} s on, with {} under way",
            counted(self.busy, "time"),
            self.idle,
            span_text(longest.length()),
            longest.from,
            counted(longest.under_way, "request"),
        );
        if self.busy + self.idle > KEPT {
            words += &format!("; the {KEPT} longest are shown");
        }
        words
    }
}
