//! Which load is measured next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Point;

/// What is made larger or smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Requests per second.
    RequestRate,
    /// Requests under way at once.
    Concurrency,
}

impl Axis {
    /// Its unit, to stand behind a load.
    pub fn unit(self) -> &'static str {
        match self {
            Axis::RequestRate => "req/s",
            Axis::Concurrency => "at once",
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Axis::RequestRate => "request rate",
            Axis::Concurrency => "concurrency",
        })
    }
}

/// The loads that are searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    axis: Axis,
    min: f64,
    max: f64,
    start: f64,
    tolerance: f64,
}

/// Loads that cannot be searched.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// A bound is no load.
    #[error("{0} is no {1}: it must be {kind}", kind = match .1 {
        Axis::RequestRate => "more than 0 and finite",
        Axis::Concurrency => "a whole number from 1",
    })]
    Load(f64, Axis),
    /// The bounds and the start are not in order.
    #[error("the search begins at {start}, which is not from {min} to {max}")]
    Order {
        /// Smallest load.
        min: f64,
        /// Where the search begins.
        start: f64,
        /// Greatest load.
        max: f64,
    },
    /// The tolerance is no share.
    #[error(
        "a tolerance of {0} makes no sense: it is a share such as 0.05, {least}",
        least = "more than 0 for a request rate"
    )]
    Tolerance(f64),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Measure this load.
    Measure(f64),
    /// It is known well enough.
    Done(Answer),
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The objectives hold at one load and at none that was measured above it.
    Between {
        /// The greatest load at which they hold.
        holds: f64,
        /// The smallest load above it at which they do not.
        misses: f64,
    },
    /// They hold even at the greatest load of the search.
    AlwaysHolds {
        /// That load.
        greatest: f64,
    },
    /// They do not even hold at the smallest load of the search.
    NeverHolds {
        /// That load.
        smallest: f64,
    },
}

impl Space {
    /// Loads from `min` to `max`, the first to be measured being `start`. The search ends once
    /// a load that misses is at most a share of `tolerance` above one that holds, or for a
    /// concurrency the next one.
    ///
    /// # Errors
    /// If these are no loads, or not in this order.
    pub fn new(
        axis: Axis,
        (min, start, max): (f64, f64, f64),
        tolerance: f64,
    ) -> Result<Space, SpaceError> {
        for load in [min, start, max] {
            let fits = match axis {
                Axis::RequestRate => load > 0.0 && load.is_finite(),
                Axis::Concurrency => load >= 1.0 && load.fract() == 0.0 && load < 1e9,
            };
            if !fits {
                return Err(SpaceError::Load(load, axis));
            }
        }
        if !(min <= start && start <= max) {
            return Err(SpaceError::Order { min, start, max });
        }
        let least = match axis {
            Axis::RequestRate => 1e-6,
            Axis::Concurrency => 0.0,
        };
        if !(least..=10.0).contains(&tolerance) {
            return Err(SpaceError::Tolerance(tolerance));
        }
        Ok(Space {
            axis,
            min,
            max,
            start,
            tolerance,
        })
    }

    /// What is searched.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// What to do after `points` were measured, in whatever order.
    ///
    /// The load is doubled until the objectives are missed, or halved until they hold; then the
    /// interval is halved, geometrically for a request rate. Should a greater load hold than
    /// one that misses, the answer is below the one that misses: all loads up to the answer
    /// hold, as far as they were measured.
    pub fn next(&self, points: &[Point]) -> Step {
        let loads = |holds: bool| {
            let of_kind = points.iter().filter(move |point| point.holds() == holds);
            of_kind.map(|point| point.load)
        };
        let missed = loads(false).min_by(f64::total_cmp);
        let below = |load: &f64| missed.is_none_or(|missed| *load < missed);
        let held = loads(true).filter(below).max_by(f64::total_cmp);
        match (held, missed) {
            (None, None) => Step::Measure(self.start),
            (Some(held), None) if held >= self.max => {
                Step::Done(Answer::AlwaysHolds { greatest: held })
            }
            (Some(held), None) => Step::Measure((held * 2.0).clamp(self.min, self.max)),
            (None, Some(missed)) if missed <= self.min => {
                Step::Done(Answer::NeverHolds { smallest: missed })
            }
            (None, Some(missed)) => Step::Measure(self.half(missed)),
            (Some(holds), Some(misses)) => match self.between(holds, misses) {
                Some(middle) => Step::Measure(middle),
                None => Step::Done(Answer::Between { holds, misses }),
            },
        }
    }

    fn half(&self, load: f64) -> f64 {
        let half = match self.axis {
            Axis::RequestRate => load / 2.0,
            Axis::Concurrency => (load / 2.0).floor(),
        };
        half.clamp(self.min, self.max)
    }

    /// The load to measure between two, unless they are close enough.
    fn between(&self, held: f64, missed: f64) -> Option<f64> {
        if missed <= held * (1.0 + self.tolerance) {
            return None;
        }
        let middle = match self.axis {
            Axis::RequestRate => {
                let middle = (held * missed).sqrt();
                let short = to_three_digits(middle);
                // Nice to read, if that leaves something of the interval on both sides.
                let inside = held * 1.01 < short && short * 1.01 < missed;
                if inside { short } else { middle }
            }
            Axis::Concurrency => ((held + missed) / 2.0).floor(),
        };
        (held < middle && middle < missed).then_some(middle)
    }
}

fn to_three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A load that keeps an objective worse than a greater one does, by more than chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The smaller load, which does worse.
    pub load: f64,
    /// The greater load, which does better.
    pub greater: f64,
    /// Which objective, by its place.
    pub objective: usize,
}

/// Pairs of loads that speak against the assumption of a search: that a greater load is never
/// kept better. One for each load that does worse and each objective, with the greater load
/// that does best.
///
/// Shares that lie more than three standard errors apart (the z-test of two proportions, with
/// a common variance) do so by chance once in 700 pairs.
pub fn contradictions(points: &[Point]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for point in points {
        for (objective, tally) in point.tallies().enumerate() {
            let greater = points.iter().filter(|other| other.load > point.load);
            let better = greater.filter_map(|other| {
                let theirs = other.judgement.findings.get(objective)?.tally;
                let z = standard_errors_apart(&tally, &theirs)?;
                (z > 3.0).then_some((z, other.load))
            });
            let best = better.max_by(|a, b| a.0.total_cmp(&b.0));
            found.extend(best.map(|(_, greater)| Contradiction {
                load: point.load,
                greater,
                objective,
            }));
        }
    }
    found.sort_by(|a, b| a.load.total_cmp(&b.load));
    found
}

fn standard_errors_apart(
    worse: &bench_metrics::Tally,
    better: &bench_metrics::Tally,
) -> Option<f64> {
    let (n, m) = (worse.requests as f64, better.requests as f64);
    let apart = better.share()? - worse.share()?;
    let common = (worse.kept + better.kept) / (n + m);
    let variance = common * (1.0 - common) * (1.0 / n + 1.0 / m);
    (variance > 0.0).then(|| apart / variance.sqrt())
}
