//! Rates that follow each other.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bench_types::Nanos;
use serde::{Deserialize, Serialize};

use super::ArrivalsError;
use super::points::Points;

/// A rate that is kept for a time; written `10rps:30s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Stage {
    /// Requests per second; 0 is a pause.
    pub rps: f64,
    /// For how long.
    pub time: Duration,
}

/// Units of a stage's time, with their seconds; of two that end alike the longer first.
const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl FromStr for Stage {
    type Err = ArrivalsError;

    fn from_str(text: &str) -> Result<Stage, ArrivalsError> {
        let text = text.trim();
        let stage = || {
            let (rate, time) = text.split_once(':')?;
            let rps = rate.strip_suffix("rps").unwrap_or(rate).trim();
            let rps = rps
                .parse()
                .ok()
                .filter(|r: &f64| r.is_finite() && *r >= 0.0)?;
            let unit = UNITS.iter().find(|(unit, _)| time.ends_with(unit));
            let (unit, seconds) = unit.copied().unwrap_or(("", 1.0));
            let count: f64 = time.strip_suffix(unit)?.trim().parse().ok()?;
            let time = Duration::try_from_secs_f64(count * seconds).ok()?;
            (!time.is_zero()).then_some(Stage { rps, time })
        };
        let text = || text.to_owned();
        stage().ok_or_else(|| ArrivalsError::Stage { text: text() })
    }
}

/// As it is written: `10rps:30s`.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}rps:{}s", self.rps, self.time.as_secs_f64())
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> String {
        stage.to_string()
    }
}

impl TryFrom<String> for Stage {
    type Error = ArrivalsError;

    fn try_from(text: String) -> Result<Stage, ArrivalsError> {
        text.parse()
    }
}

/// Stages, at least one of which sends something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stages(Vec<Stage>);

impl Stages {
    pub(super) fn new(stages: Vec<Stage>) -> Result<Stages, ArrivalsError> {
        for stage in &stages {
            if !stage.rps.is_finite() || stage.rps < 0.0 || stage.time.is_zero() {
                let text = stage.to_string();
                return Err(ArrivalsError::Stage { text });
            }
        }
        let paused = stages.last().is_some_and(|stage| stage.rps == 0.0);
        let stages = Stages(stages);
        match stages.count() {
            0 => Err(ArrivalsError::NoRequests),
            _ if paused => Err(ArrivalsError::PauseAtTheEnd),
            _ => Ok(stages),
        }
    }

    /// How many requests there are.
    pub(super) fn count(&self) -> usize {
        self.counts().sum()
    }

    /// How long they are together.
    pub(super) fn length(&self) -> Nanos {
        let lengths = self.0.iter().map(|stage| Nanos::from(stage.time));
        lengths.fold(Nanos::ZERO, Nanos::saturating_add)
    }

    /// The rate of the first stage that is no pause.
    pub(super) fn first_rate(&self) -> f64 {
        let rates = self.0.iter().map(|stage| stage.rps);
        // There is one.
        rates.into_iter().find(|rate| *rate > 0.0).unwrap_or(1.0)
    }

    /// How many requests each stage has: rate times length, of which what is left by rounding is
    /// carried to the next.
    fn counts(&self) -> impl Iterator<Item = usize> {
        let mut wanted = 0.0;
        let mut given = 0;
        self.0.iter().map(move |stage| {
            wanted += stage.rps * stage.time.as_secs_f64();
            let count = (f64::round(wanted) as usize).saturating_sub(given);
            given += count;
            count
        })
    }

    /// The send times of the first `most` requests in seconds. In each stage the last one leaves
    /// at its end.
    pub(super) fn times(&self, points: &mut Points, most: usize) -> Vec<f64> {
        let mut times = Vec::with_capacity(self.count());
        let mut begin = 0.0;
        for (stage, count) in self.0.iter().zip(self.counts()) {
            let length = stage.time.as_secs_f64();
            let within = points.stretched(count, length).into_iter();
            times.extend(within.map(|time| begin + time));
            begin += length;
        }
        times.truncate(most);
        times
    }
}

/// What they are, in words.
impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, stage) in self.0.iter().enumerate() {
            let then = if index > 0 { ", then " } else { "" };
            let seconds = stage.time.as_secs_f64();
            write!(f, "{then}{} req/s for {seconds} s", stage.rps)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bench_types::Nanos;

    use super::*;
    use crate::arrivals::Arrivals;
    use crate::arrivals::testing::{exponential, ks, uniform};

    fn stages(texts: &[&str]) -> Vec<Stage> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn times(texts: &[&str], burstiness: f64) -> Vec<f64> {
        let arrivals = Arrivals::stages(stages(texts), burstiness, 5).unwrap();
        let offsets = arrivals.offsets(arrivals.count().unwrap());
        assert!(offsets.is_sorted());
        offsets.into_iter().map(Nanos::as_secs_f64).collect()
    }

    #[test]
    fn a_stage_is_read_as_it_is_written() {
        for (text, rps, millis) in [
            ("10rps:30s", 10.0, 30_000),
            ("0.5:250ms", 0.5, 250),
            (" 0rps:2m ", 0.0, 120_000),
            ("1e2rps:0.5h", 100.0, 1_800_000),
            ("7:90", 7.0, 90_000),
        ] {
            let stage: Stage = text.parse().unwrap();
            let time = Duration::from_millis(millis);
            assert_eq!(stage, Stage { rps, time }, "{text}");
            assert_eq!(stage.to_string().parse(), Ok(stage));
        }
        for text in [
            "10rps", "10rps:", "-1:3s", "inf:3s", "5:0s", "5:-2s", "x:1s", "5:1d",
        ] {
            let told = text.parse::<Stage>().unwrap_err().to_string();
            assert!(told.contains(text) && told.contains("10rps:30s"), "{told}");
        }
    }

    #[test]
    fn every_stage_has_its_number_of_requests() {
        let times = times(&["10rps:30s", "0rps:10s", "50rps:60s"], 1.0);
        let between = |from: f64, to: f64| times.iter().filter(|t| from < **t && **t <= to).count();
        assert_eq!(between(0.0, 30.000_001), 300);
        assert_eq!(between(30.000_001, 40.0), 0, "a pause");
        assert_eq!(between(40.0, 100.000_001), 3_000);
        assert_eq!(times.len(), 3_300);
    }

    #[test]
    fn what_rounding_leaves_is_carried_on() {
        let third = vec!["1rps:333ms"; 9];
        let count = |texts: &[&str]| Stages(stages(texts)).counts().collect::<Vec<_>>();
        assert_eq!(count(&third), [0, 1, 0, 0, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn each_stage_is_a_poisson_process() {
        let all = times(&["20rps:100s", "100rps:50s"], 1.0);
        for (times, begin, length, rate) in [
            (&all[..2000], 0.0, 100.0, 20.0),
            (&all[2000..], 100.0, 50.0, 100.0),
        ] {
            let last = times.len() - 1;
            assert!((times[last] - begin - length).abs() < 1e-6);
            let places = times[..last].iter().map(|time| (time - begin) / length);
            ks(places.collect(), uniform);
            let gaps = times.windows(2).map(|pair| (pair[1] - pair[0]) * rate);
            ks(gaps.collect(), exponential);
        }
    }

    #[test]
    fn constant_gaps_are_those_of_the_rate() {
        let all = times(&["2rps:1s", "0:1s", "4rps:500ms"], f64::INFINITY);
        let expected = [0.5, 1.0, 2.25, 2.5];
        let near = all.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near && all.len() == 4, "{all:?}");
    }

    #[test]
    fn stages_that_send_nothing_are_refused() {
        let refused = |texts: &[&str]| Arrivals::stages(stages(texts), 1.0, 0).unwrap_err();
        assert_eq!(refused(&[]), ArrivalsError::NoRequests);
        assert_eq!(refused(&["0:5s"]), ArrivalsError::NoRequests);
        assert_eq!(refused(&["9:5s", "0:5s"]), ArrivalsError::PauseAtTheEnd);
    }
}
