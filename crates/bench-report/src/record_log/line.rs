//! The lines after the first.
//!
//! A stream of 256 chunks has 256 marks. As objects they would take 15 kB; as columns, with
//! times as differences and repetitions counted, they take 2 kB.

use std::iter::repeat_n;
use std::mem;

use bench_types::{Mark, MarkKind, Nanos, RequestRecord};
use serde::{Deserialize, Serialize};

use super::End;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Record(Box<Packed>),
    End(End),
}

/// A record with its long lists taken out.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    request: RequestRecord,
    marks: Columns,
    /// The steps from each entry of the transcript's `ends` to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    text_steps: Vec<i64>,
}

/// Marks by what they consist of.
#[derive(Serialize, Deserialize)]
struct Columns {
    /// The first time, then the steps from each to the next.
    steps: Vec<i64>,
    kinds: Vec<Repeated<MarkKind>>,
    tokens: Vec<Repeated<u16>>,
}

/// A value, or a value and how many of it follow each other.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a known value, or [value, count]")]
enum Repeated<T> {
    Once(T),
    Times(T, u64),
}

impl Packed {
    pub(super) fn of(record: &RequestRecord) -> Packed {
        let mut request = record.clone();
        let marks = mem::take(&mut request.timeline.marks);
        let ends = request.transcript.as_mut();
        let ends = ends.map(|transcript| mem::take(&mut transcript.ends));
        let ends = ends.unwrap_or_default();
        Packed {
            request,
            marks: Columns::of(&marks),
            text_steps: steps(ends.iter().map(|end| u64::from(*end))),
        }
    }

    /// The record, or what is wrong with it.
    pub(super) fn unpack(self) -> Result<RequestRecord, String> {
        let mut record = self.request;
        record.timeline.marks = self.marks.unpack()?;
        if let Some(transcript) = &mut record.transcript {
            let ends = points(&self.text_steps).map(u32::try_from);
            transcript.ends = ends
                .collect::<Result<_, _>>()
                .map_err(|_| "text_steps lead out of the text".to_owned())?;
        } else if !self.text_steps.is_empty() {
            return Err("there are text_steps without a text".to_owned());
        }
        Ok(record)
    }
}

impl Columns {
    fn of(marks: &[Mark]) -> Columns {
        Columns {
            steps: steps(marks.iter().map(|mark| mark.at.0)),
            kinds: shorten(marks.iter().map(|mark| mark.kind)),
            tokens: shorten(marks.iter().map(|mark| mark.tokens)),
        }
    }

    fn unpack(self) -> Result<Vec<Mark>, String> {
        let marks = self.steps.len();
        // Before anything is made as long as a damaged file says.
        for (what, found) in [("kinds", len(&self.kinds)), ("tokens", len(&self.tokens))] {
            if found != Some(marks as u64) {
                return Err(format!("there are {marks} steps but not as many {what}"));
            }
        }
        let values = points(&self.steps)
            .zip(lengthen(&self.kinds))
            .zip(lengthen(&self.tokens));
        let mark = |((at, kind), tokens)| Mark {
            at: Nanos(at),
            kind,
            tokens,
        };
        Ok(values.map(mark).collect())
    }
}

/// The first point and the steps between them. Stamps of different clocks can step back.
fn steps(points: impl Iterator<Item = u64>) -> Vec<i64> {
    let mut last = 0;
    let step = |point: u64| {
        point
            .wrapping_sub(mem::replace(&mut last, point))
            .cast_signed()
    };
    points.map(step).collect()
}

fn points(steps: &[i64]) -> impl Iterator<Item = u64> {
    steps.iter().scan(0u64, |point, step| {
        *point = point.wrapping_add_signed(*step);
        Some(*point)
    })
}

fn shorten<T: Copy + PartialEq>(values: impl Iterator<Item = T>) -> Vec<Repeated<T>> {
    let mut short: Vec<Repeated<T>> = Vec::new();
    for value in values {
        match short.last_mut() {
            Some(Repeated::Times(last, times)) if *last == value => *times += 1,
            Some(last) if last.value() == value => *last = Repeated::Times(value, 2),
            _ => short.push(Repeated::Once(value)),
        }
    }
    short
}

fn lengthen<T: Copy>(short: &[Repeated<T>]) -> impl Iterator<Item = T> {
    let times = |one: &Repeated<T>| repeat_n(one.value(), one.times() as usize);
    short.iter().flat_map(times)
}

/// How many values there are; `None` if there is no such number.
fn len<T: Copy>(short: &[Repeated<T>]) -> Option<u64> {
    let mut times = short.iter().map(Repeated::times);
    times.try_fold(0u64, u64::checked_add)
}

impl<T: Copy> Repeated<T> {
    fn value(&self) -> T {
        match *self {
            Repeated::Once(value) | Repeated::Times(value, _) => value,
        }
    }

    fn times(&self) -> u64 {
        match *self {
            Repeated::Once(_) => 1,
            Repeated::Times(_, times) => times,
        }
    }
}
