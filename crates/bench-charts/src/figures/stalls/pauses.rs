//! Many streams that are silent at once.

use super::super::request_times::{Placed, span_text};
use super::super::series::counted;
use super::Gap;
use crate::Point;

/// So many streams must be silent at once for the server to have paused: two may be chance.
const LEAST: usize = 3;

/// How many pauses are kept.
const KEPT: usize = 100;

/// A time at which the number of open or of silent streams changes.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: f64,
    open: isize,
    silent: isize,
}

/// How many streams were between their first and their last token, and how many of them in a
/// stall.
#[derive(Clone, Debug)]
pub(super) struct SilentStreams {
    changes: Vec<Change>,
}

/// Both numbers as curves: the most in each of a number of columns.
pub(super) struct SilentCurves {
    pub(super) open: Vec<Point>,
    pub(super) silent: Vec<Point>,
}

/// A time in which at least half of the streams were silent, and at least three.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pause {
    pub(super) from: f64,
    pub(super) to: f64,
    /// The most streams that were silent at once.
    pub(super) silent: usize,
    /// The streams that were open then.
    pub(super) open: usize,
}

/// All pauses of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    count: usize,
    /// The longest ones, the longest first.
    pub(super) longest: Vec<Pause>,
}

impl SilentStreams {
    pub(super) fn of(sent: &[Placed<'_>], stalls: &[Gap]) -> SilentStreams {
        let change = |at, open, silent| Change { at, open, silent };
        let mut changes = Vec::new();
        for placed in sent {
            if let Some(first) = placed.first_token() {
                let last = placed.gaps().last().map_or(first, |(_, to)| to);
                changes.extend([change(first, 1, 0), change(last, -1, 0)]);
            }
        }
        for gap in stalls {
            changes.extend([change(gap.from, 0, 1), change(gap.to, 0, -1)]);
        }
        changes.sort_by(|one, other| one.at.total_cmp(&other.at));
        SilentStreams { changes }
    }

    /// Each moment at which something changes, with how many streams are open and silent from
    /// then on.
    fn states(&self) -> impl Iterator<Item = (f64, usize, usize)> {
        let (mut open, mut silent) = (0isize, 0isize);
        let moments = self.changes.chunk_by(|one, other| one.at == other.at);
        moments.map(move |moment| {
            for change in moment {
                open += change.open;
                silent += change.silent;
            }
            (moment[0].at, open.max(0) as usize, silent.max(0) as usize)
        })
    }

    pub(super) fn pauses(&self) -> Pauses {
        let mut all: Vec<Pause> = Vec::new();
        let mut now: Option<Pause> = None;
        for (at, open, silent) in self.states() {
            let paused = silent >= LEAST && 2 * silent >= open;
            match &mut now {
                Some(pause) if paused => pause.grow(open, silent),
                Some(pause) => {
                    pause.to = at;
                    all.extend(now.take());
                }
                None if paused => {
                    now = Some(Pause {
                        from: at,
                        to: at,
                        silent,
                        open,
                    });
                }
                None => {}
            }
        }
        let count = all.len();
        all.sort_by(|one, other| other.length().total_cmp(&one.length()));
        all.truncate(KEPT);
        Pauses {
            count,
            longest: all,
        }
    }

    /// Both numbers over time, from `zero` to `end`: in each column the most at once.
    pub(super) fn curves(&self, zero: f64, end: f64, columns: usize) -> SilentCurves {
        let width = (end - zero) / columns as f64;
        let column = |at: f64| (((at - zero) / width) as usize).min(columns - 1);
        let mut most = vec![(0usize, 0usize); columns];
        let (mut from, mut open, mut silent) = (0, 0, 0);
        let states = self.states().chain([(end, 0, 0)]);
        for (at, next_open, next_silent) in states {
            for (most_open, most_silent) in &mut most[from..=column(at)] {
                *most_open = open.max(*most_open);
                *most_silent = silent.max(*most_silent);
            }
            (from, open, silent) = (column(at), next_open, next_silent);
        }
        let points = |value: fn(&(usize, usize)) -> usize| {
            let edges = most.iter().enumerate();
            let mut points: Vec<Point> = edges
                .map(|(column, most)| Point::at(column as f64 * width, value(most) as f64))
                .collect();
            let last = most.last().map_or(0, value);
            points.push(Point::at(end - zero, last as f64));
            points
        };
        SilentCurves {
            open: points(|most| most.0),
            silent: points(|most| most.1),
        }
    }
}

impl Pause {
    fn grow(&mut self, open: usize, silent: usize) {
        if silent > self.silent {
            (self.silent, self.open) = (silent, open);
        }
    }

    fn length(&self) -> f64 {
        self.to - self.from
    }
}

impl Pauses {
    /// Lines for the footer.
    pub(super) fn words(&self, zero: f64, named: usize) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let pause = |(index, pause): (usize, &Pause)| {
            format!(
                "pause {} at {:.2} s for {}, {} of {} silent",
                index + 1,
                pause.from - zero,
                span_text(pause.length()),
                pause.silent,
                counted(pause.open, "stream")
            )
        };
        let longest = self.longest.iter().take(named).enumerate();
        let longest: Vec<String> = longest.map(pause).collect();
        let more = self.count - longest.len();
        let more = match more {
            0 => String::new(),
            more => format!("; {more} shorter"),
        };
        Some(format!(
            "The server paused {}: {}{more}",
            counted(self.count, "time"),
            longest.join("; ")
        ))
    }
}
