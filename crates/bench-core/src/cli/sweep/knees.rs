//! Where the throughput of a sweep saturates.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bench_metrics::{Growth, growth};

use super::manifest::State;
use super::outcome::Row;

/// Flags that are a load, the first of which that varies is the axis, and how they are told.
const LOADS: [(&str, &str); 2] = [
    ("max-concurrency", "requests at once"),
    ("request-rate", "requests per second"),
];

/// What makes the points of a curve, apart from the load.
type Curve = Vec<(String, String)>;

/// Of each curve where it bends, a line each. Nothing if the load was not swept.
pub(super) fn knees(rows: &[Row]) -> String {
    let measured = |row: &&Row| matches!(row.state, State::Done | State::Missed);
    let rows: Vec<&Row> = rows.iter().filter(measured).collect();
    let Some((flag, unit)) = LOADS.into_iter().find(|(flag, _)| varies(&rows, flag)) else {
        return String::new();
    };
    let mut curves: Vec<(Curve, Vec<&Row>)> = Vec::new();
    for row in rows {
        let is_other = |(name, _): &&(String, String)| name != flag && name != "num-prompts";
        let curve: Curve = row.values.iter().filter(is_other).cloned().collect();
        match curves.iter_mut().find(|(known, _)| *known == curve) {
            Some((_, members)) => members.push(row),
            None => curves.push((curve, vec![row])),
        }
    }
    let mut text = String::new();
    for (curve, members) in &curves {
        let of = match curve.is_empty() {
            true => String::new(),
            false => format!(" of {}", name(curve)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Knee{of}: {}", sentence(&points(members, flag), unit));
    }
    text
}

fn varies(rows: &[&Row], flag: &str) -> bool {
    let mut values = rows.iter().filter_map(|row| value(row, flag));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

fn value<'a>(row: &'a Row, flag: &str) -> Option<&'a str> {
    let mut values = row.values.iter();
    let found = values.find(|(name, _)| name == flag);
    found.map(|(_, value)| value.as_str())
}

fn name(curve: &Curve) -> String {
    let parts = curve
        .iter()
        .map(|(flag, value)| format!("--{flag} {value}"));
    parts.collect::<Vec<_>>().join(" ")
}

/// A load and its throughput, the mean of all runs.
struct Point {
    load: f64,
    throughput: f64,
}

/// The points of a curve in the order of their load.
struct Points {
    points: Vec<Point>,
    /// Of throughput.
    unit: &'static str,
}

fn points(rows: &[&Row], flag: &str) -> Points {
    let stored = || rows.iter().filter_map(|row| row.stored.as_ref());
    // Without output tokens, as with embeddings, requests are all there is to count.
    let tokens = stored().any(|stored| stored.output_throughput.is_some_and(|rate| rate > 0.0));
    let mut by_load: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
    for row in rows {
        let load = value(row, flag).and_then(|value| value.parse::<f64>().ok());
        let throughput = row.stored.as_ref().and_then(|stored| match tokens {
            true => stored.output_throughput,
            false => stored.request_throughput,
        });
        if let (Some(load), Some(throughput)) = (load.filter(|load| *load >= 0.0), throughput) {
            // The bits of positive floats are in their order.
            let entry = by_load.entry(load.to_bits()).or_insert((load, Vec::new()));
            entry.1.push(throughput);
        }
    }
    let mean = |(load, all): (f64, Vec<f64>)| Point {
        load,
        throughput: all.iter().sum::<f64>() / all.len() as f64,
    };
    Points {
        points: by_load.into_values().map(mean).collect(),
        unit: if tokens { "tok/s" } else { "req/s" },
    }
}

fn sentence(curve: &Points, load: &str) -> String {
    let (points, unit) = (&curve.points, curve.unit);
    let pairs: Vec<(f64, f64)> = points.iter().map(|p| (p.load, p.throughput)).collect();
    if points.is_empty() {
        return "nothing was measured".to_owned();
    }
    let load_of = |index: usize| points[index].load;
    let throughput_of = |index: usize| points[index].throughput;
    match growth(&pairs) {
        Growth::TooFewLoads => "it takes three loads to tell".to_owned(),
        Growth::Knee(at) => {
            format!("{} {load}, {:.1} {unit}", load_of(at), throughput_of(at))
        }
        Growth::Rising(last) => format!(
            "none, throughput still rises at the highest load, {} {load}",
            load_of(last)
        ),
        Growth::Unclear { greatest } => format!(
            "none is clear, the greatest throughput is {:.1} {unit} at {} {load}",
            throughput_of(greatest),
            load_of(greatest)
        ),
        Growth::Saturated { first, last } => format!(
            "none, throughput does not grow from {} to {} {load}",
            load_of(first),
            load_of(last)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::Stored;
    use super::*;

    fn row(length: u64, concurrency: u64, throughput: f64) -> Row {
        let values = [
            ("random-input-len", length),
            ("max-concurrency", concurrency),
            ("num-prompts", 10 * concurrency),
        ];
        Row {
            point: String::new(),
            stem: String::new(),
            values: values
                .map(|(flag, value)| (flag.to_owned(), value.to_string()))
                .to_vec(),
            state: State::Done,
            reason: None,
            stored: Some(Stored {
                output_throughput: Some(throughput),
                ..Stored::default()
            }),
            kept: false,
        }
    }

    #[test]
    fn each_group_of_equal_lengths_has_its_knee() {
        let curve = |length, numbers: [f64; 5]| {
            let loads = [1, 2, 4, 8, 16].into_iter().zip(numbers);
            loads.map(move |(load, number)| row(length, load, number))
        };
        let mut rows: Vec<Row> = curve(16, [50.0, 100.0, 190.0, 210.0, 212.0]).collect();
        rows.extend(curve(32, [10.0, 20.0, 40.0, 80.0, 160.0]));
        rows.extend(curve(64, [100.0, 101.0, 99.0, 100.0, 100.0]));
        // Repeats count with their mean.
        rows.push(row(16, 4, 200.0));
        let expected = "\
            Knee of --random-input-len 16: 4 requests at once, 195.0 tok/s\n\
            Knee of --random-input-len 32: none, throughput still rises at the highest load, \
            16 requests at once\n\
            Knee of --random-input-len 64: none, throughput does not grow from 1 to 16 requests \
            at once\n";
        assert_eq!(knees(&rows), expected);
        assert_eq!(
            knees(&rows[..2]),
            "Knee of --random-input-len 16: it takes three loads to tell\n"
        );
        assert_eq!(knees(&rows[..1]), "");
    }
}
