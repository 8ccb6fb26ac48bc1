//! Which part of a trace is replayed, how fast and how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::LONGEST;
use crate::DatasetError;

/// Requests that are made of a trace, at most.
const MOST_REQUESTS: usize = 10_000_000;

/// Which part of a trace is replayed, how fast and how often.
///
/// Times are those of the trace: its earliest request is at 0. The requests of the window
/// `[start, start + duration)` arrive as long after its beginning as in the trace, divided by the
/// speed. Without a duration the window ends one mean gap after its last request, so that a loop
/// goes on as the trace does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: traces"))]
pub struct TraceOptions {
    /// Replay a trace so many times as fast as it was recorded; 0.5 is half as fast
    #[cfg_attr(feature = "cli", arg(long, value_name = "FACTOR", allow_negative_numbers = true,
        default_value_t = TraceOptions::default().trace_speedup))]
    pub trace_speedup: f64,

    /// Begin so long after the beginning of the trace
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", allow_negative_numbers = true,
        default_value_t = TraceOptions::default().trace_start))]
    pub trace_start: f64,

    /// Replay so much of the trace, in its own time; all if not given
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "SECONDS", allow_negative_numbers = true)
    )]
    pub trace_duration: Option<f64>,

    /// Replay that part so many times, one after the other
    ///
    /// Prompts that are made to length are new each time, unless --fixed-prompts is given;
    /// recorded ones are sent as they are.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = TraceOptions::default().trace_loop))]
    pub trace_loop: u32,
}

impl Default for TraceOptions {
    fn default() -> TraceOptions {
        TraceOptions {
            trace_speedup: 1.0,
            trace_start: 0.0,
            trace_duration: None,
            trace_loop: 1,
        }
    }
}

/// A request of a trace that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its place in the trace, by time.
    pub(crate) row: usize,
    /// Which of the requests that are made of it, if there are several by intention.
    pub(crate) copy: u32,
    /// How often the window was replayed before.
    pub(crate) round: u32,
    /// When it arrives, from the beginning of the run.
    pub(crate) at: Duration,
}

impl Slot {
    /// The `copy`th request of row `row`, at no time.
    pub(crate) fn timeless(row: usize, copy: u32) -> Slot {
        Slot {
            row,
            copy,
            round: 0,
            at: Duration::ZERO,
        }
    }
}

/// What is to be sent of a trace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) slots: Vec<Slot>,
    /// Requests of the trace outside the window.
    pub(crate) outside: usize,
    /// Requests of the window, in all its rounds, for which there was no room.
    pub(crate) beyond: usize,
}

impl TraceOptions {
    /// The first flag that is not at its default, which a dataset without arrivals cannot honour.
    pub fn flag(&self) -> Option<&'static str> {
        let plain = TraceOptions::default();
        let flags = [
            ("--trace-speedup", self.trace_speedup != plain.trace_speedup),
            ("--trace-start", self.trace_start != plain.trace_start),
            ("--trace-duration", self.trace_duration.is_some()),
            ("--trace-loop", self.trace_loop != plain.trace_loop),
        ];
        flags
            .into_iter()
            .find_map(|(flag, is_set)| is_set.then_some(flag))
    }

    /// Whether they say how many requests there are: those of a part of the trace, or of several
    /// rounds of it.
    pub fn says_how_many(&self) -> bool {
        self.trace_duration.is_some() || self.trace_loop > 1
    }

    /// Whether they make sense.
    ///
    /// # Errors
    /// [`DatasetError::Option`], which names the flag.
    pub fn check(&self) -> Result<(), DatasetError> {
        let refuse = |option, problem| Err(DatasetError::Option { option, problem });
        let (speedup, start) = (self.trace_speedup, self.trace_start);
        if !(speedup.is_finite() && speedup > 0.0) {
            let problem = format!("{speedup} is no speed; give a number above 0");
            return refuse("--trace-speedup", problem);
        }
        let time = |seconds| {
            let time = Duration::try_from_secs_f64(seconds).ok();
            time.filter(|time| *time <= LONGEST)
        };
        if time(start).is_none() {
            let problem = format!("{start} is no time; give seconds, 0 or more, up to 10 years");
            return refuse("--trace-start", problem);
        }
        if let Some(duration) = self.trace_duration
            && time(duration).is_none_or(|length| length.is_zero())
        {
            let problem =
                format!("{duration} is no length of time; give seconds above 0, up to 10 years");
            return refuse("--trace-duration", problem);
        }
        if self.trace_loop == 0 {
            let problem = "0 times is nothing to replay; give 1 or more".to_owned();
            return refuse("--trace-loop", problem);
        }
        Ok(())
    }

    /// At most `wanted` requests of a trace whose requests were sent at `arrivals`, ascending from
    /// its beginning.
    ///
    /// # Errors
    /// [`DatasetError::Option`] if the options make no sense for them.
    pub(crate) fn slots(
        &self,
        arrivals: &[Duration],
        wanted: usize,
    ) -> Result<Slots, DatasetError> {
        self.check()?;
        let start = nanos(Duration::from_secs_f64(self.trace_start));
        let length = self
            .trace_duration
            .map(|s| nanos(Duration::from_secs_f64(s)));
        let end = length.map_or(u64::MAX, |length| start.saturating_add(length));
        let first = arrivals.partition_point(|at| nanos(*at) < start);
        let last = arrivals.partition_point(|at| nanos(*at) < end);
        let window = &arrivals[first..last];
        if window.is_empty() && !arrivals.is_empty() && wanted > 0 {
            return Err(self.nothing_in(arrivals));
        }
        let period = match length {
            Some(length) => length,
            None if self.trace_loop == 1 => 0,
            None => period(window, start)?,
        };
        let total = window.len().saturating_mul(self.trace_loop as usize);
        self.check_total(window, start, period, total.min(wanted))?;
        let mut slots = Vec::with_capacity(total.min(wanted));
        'rounds: for round in 0..self.trace_loop {
            let shift = u64::from(round).saturating_mul(period);
            for (place, at) in window.iter().enumerate() {
                if slots.len() == wanted {
                    break 'rounds;
                }
                let after = (nanos(*at) - start).saturating_add(shift);
                slots.push(Slot {
                    row: first + place,
                    copy: 0,
                    round,
                    at: Duration::from_nanos((after as f64 / self.trace_speedup).round() as u64),
                });
            }
        }
        Ok(Slots {
            outside: arrivals.len() - window.len(),
            beyond: total - slots.len(),
            slots,
        })
    }

    /// Refuses `total` requests of `window` that are too many, or take too long.
    fn check_total(
        &self,
        window: &[Duration],
        start: u64,
        period: u64,
        total: usize,
    ) -> Result<(), DatasetError> {
        let refuse = |option, problem| Err(DatasetError::Option { option, problem });
        if total > MOST_REQUESTS {
            let problem = format!(
                "{total} requests cannot be kept in memory, and {MOST_REQUESTS} are the most; \
                 give --num-prompts or fewer rounds"
            );
            return refuse("--trace-loop", problem);
        }
        let Some(last) = total.checked_sub(1) else {
            return Ok(());
        };
        let at = nanos(window[last % window.len()]) - start;
        let rounds = (last / window.len()) as f64;
        let nanos = (at as f64 + rounds * period as f64) / self.trace_speedup;
        if nanos <= LONGEST.as_nanos() as f64 {
            return Ok(());
        }
        let years = nanos / LONGEST.as_nanos() as f64 * 10.0;
        let (option, cure) = match self.trace_speedup < 1.0 {
            true => ("--trace-speedup", "give a greater speed"),
            false => ("--trace-loop", "give fewer rounds"),
        };
        let problem = format!("the requests would take {years:.0} years, and 10 are the most");
        refuse(option, format!("{problem}; {cure}"))
    }

    fn nothing_in(&self, arrivals: &[Duration]) -> DatasetError {
        let last = arrivals.last().copied().unwrap_or_default().as_secs_f64();
        let until = self.trace_duration.map_or_else(String::new, |d| {
            format!(" and before {}", self.trace_start + d)
        });
        DatasetError::Option {
            option: "--trace-start",
            problem: format!(
                "the trace has {} requests, from 0 s to {last} s, and none from {} s on{until}; \
                 give a part that has some",
                arrivals.len(),
                self.trace_start
            ),
        }
    }
}

/// How long the requests of a window without a stated length take: to the last of them, and one
/// mean gap more.
fn period(window: &[Duration], start: u64) -> Result<u64, DatasetError> {
    let (first, last) = (window.first(), window.last());
    let (first, last) = first
        .zip(last)
        .unwrap_or((&Duration::ZERO, &Duration::ZERO));
    let gaps = window.len().saturating_sub(1) as u64;
    let mean_gap = nanos(*last - *first).checked_div(gaps).unwrap_or(0);
    if mean_gap == 0 {
        return Err(DatasetError::Option {
            option: "--trace-loop",
            problem: "the requests are all at one time, so how long a round takes is not known; \
                      say so with --trace-duration"
                .to_owned(),
        });
    }
    Ok(nanos(*last) - start + mean_gap)
}

/// Nanoseconds; more than a `u64` holds are 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: &[f64]) -> Vec<Duration> {
        seconds
            .iter()
            .map(|s| Duration::from_secs_f64(*s))
            .collect()
    }

    fn times(options: TraceOptions, arrivals: &[f64], wanted: usize) -> Vec<(usize, u32, f64)> {
        let slots = options.slots(&at(arrivals), wanted).unwrap().slots;
        slots
            .iter()
            .map(|slot| (slot.row, slot.round, slot.at.as_secs_f64()))
            .collect()
    }

    #[test]
    fn a_whole_trace_arrives_as_it_was_recorded() {
        let options = TraceOptions::default();
        assert_eq!(options.flag(), None);
        assert!(!options.says_how_many());
        assert_eq!(
            times(options, &[0.0, 0.5, 0.5, 3.0], 10),
            [(0, 0, 0.0), (1, 0, 0.5), (2, 0, 0.5), (3, 0, 3.0)]
        );
        let slots = options.slots(&at(&[0.0, 1.0, 2.0]), 2).unwrap();
        assert_eq!((slots.slots.len(), slots.beyond, slots.outside), (2, 1, 0));
        let nothing = options.slots(&[], 5).unwrap();
        assert!(nothing.slots.is_empty());
    }

    #[test]
    fn a_window_counts_from_its_own_beginning() {
        let options = TraceOptions {
            trace_start: 1.0,
            trace_duration: Some(2.0),
            ..TraceOptions::default()
        };
        let slots = options.slots(&at(&[0.0, 1.5, 2.0, 3.0]), 10).unwrap();
        assert_eq!((slots.outside, slots.beyond), (2, 0));
        assert_eq!(
            times(options, &[0.0, 1.5, 2.0, 3.0], 10),
            [(1, 0, 0.5), (2, 0, 1.0)]
        );
    }

    #[test]
    fn speed_divides_and_a_loop_goes_on() {
        let options = TraceOptions {
            trace_speedup: 2.0,
            trace_loop: 2,
            ..TraceOptions::default()
        };
        // A mean gap of 2 s after the last request: a round takes 6 s of the trace.
        assert_eq!(
            times(options, &[0.0, 1.0, 4.0], 10),
            [
                (0, 0, 0.0),
                (1, 0, 0.5),
                (2, 0, 2.0),
                (0, 1, 3.0),
                (1, 1, 3.5),
                (2, 1, 5.0)
            ]
        );
        assert_eq!(options.flag(), Some("--trace-speedup"));
        assert!(options.says_how_many());
        let windowed = TraceOptions {
            trace_speedup: 1.0,
            trace_duration: Some(10.0),
            ..options
        };
        assert_eq!(
            times(windowed, &[0.0, 1.0, 12.0], 3),
            [(0, 0, 0.0), (1, 0, 1.0), (0, 1, 10.0)]
        );
    }

    #[test]
    fn what_makes_no_sense_names_the_flag() {
        let message = |options: TraceOptions, arrivals: &[f64]| {
            options.slots(&at(arrivals), 5).unwrap_err().to_string()
        };
        let plain = TraceOptions::default();
        for (options, flag) in [
            (
                TraceOptions {
                    trace_speedup: 0.0,
                    ..plain
                },
                "--trace-speedup: 0 is no speed",
            ),
            (
                TraceOptions {
                    trace_start: -1.0,
                    ..plain
                },
                "--trace-start: -1 is no time",
            ),
            (
                TraceOptions {
                    trace_duration: Some(0.0),
                    ..plain
                },
                "--trace-duration: 0 is no",
            ),
            (
                TraceOptions {
                    trace_loop: 0,
                    ..plain
                },
                "--trace-loop: 0 times",
            ),
        ] {
            let message = message(options, &[0.0, 1.0]);
            assert!(message.starts_with(flag), "{message}");
        }
        for (options, expected) in [
            (
                TraceOptions {
                    trace_speedup: 1e-300,
                    ..plain
                },
                "--trace-speedup: the requests would take",
            ),
            (
                TraceOptions {
                    trace_start: 1e12,
                    ..plain
                },
                "--trace-start: 1000000000000 is no time",
            ),
            (
                TraceOptions {
                    trace_loop: u32::MAX,
                    trace_duration: Some(3e8),
                    ..plain
                },
                "--trace-loop: the requests would take",
            ),
        ] {
            let message = message(options, &[0.0, 1.0]);
            assert!(message.starts_with(expected), "{message}");
        }
        let endless = TraceOptions {
            trace_loop: u32::MAX,
            ..plain
        };
        let error = endless.slots(&at(&[0.0, 1e-3]), usize::MAX).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("--trace-loop: 85899"), "{error}");
        let late = TraceOptions {
            trace_start: 9.0,
            trace_duration: Some(1.0),
            ..plain
        };
        let late = message(late, &[0.0, 1.0]);
        assert!(
            late.contains("from 0 s to 1 s, and none from 9 s on and before 10"),
            "{late}"
        );
        let again = TraceOptions {
            trace_loop: 3,
            ..plain
        };
        assert!(message(again, &[0.0, 0.0]).contains("--trace-duration"));
    }
}
