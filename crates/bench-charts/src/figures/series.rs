//! Runs put in order: which belong to one line, and where on the x axis each stands.

use std::collections::BTreeSet;

use bench_report::RunResult;

use super::dimension::{Dimension, Value, distinct, tags};
use crate::{Axis, Ink, NoChart, Scale};

/// From this ratio of the greatest to the least load on, the axis is logarithmic.
const LOG_FROM: f64 = 8.0;

/// Runs of one or several series over a common x axis.
#[derive(Clone, Debug)]
pub(crate) struct Arranged<'a> {
    /// What varies among the runs.
    pub(crate) axis: Axis,
    /// What that is called in a sentence.
    pub(crate) load: &'static str,
    /// Runs that differ in nothing but the load, by load.
    pub(crate) series: Vec<Series<'a>>,
    /// What is not shown, and why.
    pub(crate) notes: Vec<String>,
}

/// Runs that differ in nothing but the load.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    /// What tells it from the other series; `None` if there is no other.
    pub(crate) name: Option<String>,
    /// Its colour.
    pub(crate) ink: Ink,
    /// What readers can filter by.
    pub(crate) tags: Vec<(String, String)>,
    /// Its loads, rising.
    pub(crate) places: Vec<Place<'a>>,
}

/// One load and its runs: more than one are repeats.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// Where on the x axis.
    pub(crate) at: f64,
    /// The load; infinite if there is no limit.
    pub(crate) load: f64,
    /// The load as it stands on an axis.
    pub(crate) value: String,
    /// The load in words that stand by themselves.
    pub(crate) words: String,
    /// The runs at this load, in their order.
    pub(crate) runs: Vec<&'a RunResult>,
}

impl<'a> Arranged<'a> {
    /// All runs that are shown.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &'a RunResult> {
        let places = self.series.iter().flat_map(|series| &series.places);
        places.flat_map(|place| place.runs.iter().copied())
    }
}

impl<'a> Series<'a> {
    /// The load that stands there on the x axis.
    pub(crate) fn place(&self, at: f64) -> Option<&Place<'a>> {
        self.places.iter().find(|place| place.at == at)
    }
}

/// Puts runs in order. What varies among them decides what the x axis is: the concurrency, else
/// the request rate, else the lengths. All else that varies makes series.
pub(crate) fn arrange<'a>(
    chart: &'static str,
    runs: &'a [RunResult],
) -> Result<Arranged<'a>, NoChart> {
    if runs.is_empty() {
        return Err(NoChart::NoRuns { chart });
    }
    let Some(load) = load_of(runs) else {
        return Err(NoChart::LackingInAll {
            chart,
            runs: runs.len(),
            what: "a concurrency, a request rate or lengths".to_owned(),
            cure: "give results that tell at least one of them".to_owned(),
        });
    };
    let values = distinct(load, runs);
    let (shown, hidden): (Vec<&RunResult>, Vec<_>) =
        runs.iter().partition(|run| load.of(run).is_some());
    let mut notes = Vec::new();
    if !hidden.is_empty() {
        notes.push(format!(
            "Not shown: {} without a known {}",
            counted(hidden.len(), "run"),
            load.key()
        ));
    }
    Ok(Arranged {
        axis: axis_of(load, &values),
        load: load.key(),
        series: series_of(load, &values, &shown),
        notes,
    })
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{ending}")
}

/// What is the x axis.
fn load_of(runs: &[RunResult]) -> Option<Dimension> {
    let with = |least: usize| {
        let mut loads = Dimension::LOADS.into_iter();
        loads.find(|&load| distinct(load, runs).len() >= least)
    };
    with(2).or_else(|| with(1))
}

fn axis_of(load: Dimension, values: &[Value]) -> Axis {
    let numbers: Vec<f64> = values.iter().filter_map(number).collect();
    let (name, unit) = load.axis();
    let mut axis = Axis::linear(name, unit);
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = numbers.iter().copied().fold(0.0, f64::max);
    if greatest.is_infinite() {
        // Infinity has a place among names only.
        axis.scale = Scale::Category(values.iter().map(Value::to_string).collect());
    } else if least > 0.0 && greatest >= LOG_FROM * least {
        axis.scale = Scale::Log;
    }
    axis
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Name(_) => None,
    }
}

fn series_of<'a>(load: Dimension, values: &[Value], runs: &[&'a RunResult]) -> Vec<Series<'a>> {
    let by = dimensions_of(load, runs);
    let mut groups: Vec<(Vec<Option<Value>>, Vec<&RunResult>)> = Vec::new();
    for &run in runs {
        let key: Vec<Option<Value>> = by.iter().map(|dimension| dimension.of(run)).collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(run),
            None => groups.push((key, vec![run])),
        }
    }
    groups.sort_by(|(one, _), (two, _)| {
        let mut pairs = one.iter().zip(two).map(|pair| match pair {
            (Some(one), Some(two)) => one.order(two),
            (one, two) => one.is_some().cmp(&two.is_some()),
        });
        pairs
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let keys: Vec<&[Option<Value>]> = groups.iter().map(|(key, _)| key.as_slice()).collect();
    let names = names_of(&by, &keys);
    let several = groups.len() > 1;
    let named = groups.into_iter().zip(names).enumerate();
    named
        .map(|(index, ((_, runs), name))| Series {
            name: several.then_some(name),
            ink: Ink::Series(index),
            tags: tags(runs.iter().copied()),
            places: places_of(load, values, &runs),
        })
        .collect()
}

/// What makes series: everything that varies, but for the load itself and for labels that only
/// name the load.
fn dimensions_of(load: Dimension, runs: &[&RunResult]) -> Vec<Dimension> {
    let all = || runs.iter().copied();
    let varies = |dimension: &Dimension| {
        let values = distinct(*dimension, all());
        let silent = all().any(|run| dimension.of(run).is_none());
        values.len() > 1 || silent && !values.is_empty()
    };
    let tells = |dimension: &Dimension| {
        if *dimension != Dimension::Label || distinct(load, all()).len() == 1 {
            return true;
        }
        distinct(*dimension, all()).iter().any(|label| {
            let of_label = all().filter(|run| dimension.of(run).as_ref() == Some(label));
            distinct(load, of_label).len() > 1
        })
    };
    let others = Dimension::ALL.into_iter();
    let others = others.filter(|&dimension| dimension != load);
    others.filter(varies).filter(tells).collect()
}

/// What is told of each series; and what is not told, where that alone tells them apart.
fn names_of(by: &[Dimension], keys: &[&[Option<Value>]]) -> Vec<String> {
    let short: Vec<String> = keys.iter().map(|key| name_of(by, key, false)).collect();
    let distinct: BTreeSet<&String> = short.iter().collect();
    if distinct.len() == short.len() && !short.iter().any(String::is_empty) {
        return short;
    }
    keys.iter().map(|key| name_of(by, key, true)).collect()
}

fn name_of(by: &[Dimension], key: &[Option<Value>], whole: bool) -> String {
    let words = by
        .iter()
        .zip(key)
        .filter_map(|(dimension, value)| match value {
            Some(value) => Some(dimension.words(value)),
            None => whole.then(|| format!("{} not told", dimension.key())),
        });
    words.collect::<Vec<_>>().join(", ")
}

fn places_of<'a>(load: Dimension, values: &[Value], runs: &[&'a RunResult]) -> Vec<Place<'a>> {
    let endless = values.iter().filter_map(number).any(f64::is_infinite);
    let places = values.iter().enumerate().filter_map(|(index, value)| {
        let here = |run: &&RunResult| load.of(run).as_ref() == Some(value);
        let runs: Vec<&RunResult> = runs.iter().copied().filter(here).collect();
        let amount = number(value)?;
        (!runs.is_empty()).then(|| Place {
            at: if endless { index as f64 } else { amount },
            load: amount,
            value: value.to_string(),
            words: load.words(value),
            runs,
        })
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    fn names(runs: &[RunResult]) -> Vec<Option<String>> {
        let series = arrange("x", runs).unwrap().series;
        series.into_iter().map(|series| series.name).collect()
    }

    #[test]
    fn what_varies_is_the_axis() {
        let axis = |runs: &[RunResult]| arrange("x", runs).unwrap().axis;
        let both = [run(1), run(4)];
        assert_eq!(axis(&both).label(), "Maximum concurrency (requests)");
        assert_eq!(axis(&both).scale, Scale::Linear);
        assert_eq!(axis(&[run(4), run(64)]).scale, Scale::Log);
        let rate = |rate| RunResult {
            request_rate: Some(rate),
            ..run(8)
        };
        assert_eq!(
            axis(&[rate(1.0), rate(2.5)]).label(),
            "Request rate (req/s)"
        );
        let longer = RunResult {
            input_len: Some(4096),
            ..run(8)
        };
        assert_eq!(axis(&[run(8), longer]).label(), "Input length (tokens)");
        assert_eq!(axis(&[run(8)]).label(), "Maximum concurrency (requests)");
    }

    #[test]
    fn no_limit_is_the_last_of_the_rates() {
        let rate = |rate| RunResult {
            request_rate: Some(rate),
            ..run(8)
        };
        let runs = [rate(f64::INFINITY), rate(2.5), rate(1.0)];
        let arranged = arrange("x", &runs).unwrap();
        let names = ["1", "2.5", "no limit"].map(str::to_owned).to_vec();
        assert_eq!(arranged.axis.scale, Scale::Category(names));
        let places = &arranged.series[0].places;
        let places: Vec<(f64, f64)> = places.iter().map(|place| (place.at, place.load)).collect();
        assert_eq!(places, [(0.0, 1.0), (1.0, 2.5), (2.0, f64::INFINITY)]);
    }

    #[test]
    fn repeats_share_a_place_and_all_else_makes_series() {
        let long = RunResult {
            output_len: Some(512),
            ..run(4)
        };
        let runs = [run(4), long, run(1), run(4)];
        let arranged = arrange("x", &runs).unwrap();
        let shape: Vec<Vec<usize>> = arranged
            .series
            .iter()
            .map(|series| series.places.iter().map(|place| place.runs.len()).collect())
            .collect();
        assert_eq!(shape, [vec![1, 2], vec![1]]);
        assert_eq!(
            names(&runs),
            [Some("128 out".to_owned()), Some("512 out".to_owned())]
        );
        assert_eq!(names(&[run(1), run(2)]), [None]);
    }

    #[test]
    fn labels_make_series_unless_they_name_the_load() {
        let labelled = |label: &str, concurrency| RunResult {
            label: Some(label.to_owned()),
            ..run(concurrency)
        };
        assert_eq!(names(&[labelled("c1", 1), labelled("c2", 2)]), [None]);
        let sides = [labelled("old", 1), labelled("new", 1)];
        let sides_of_two = [Some("new".to_owned()), Some("old".to_owned())];
        assert_eq!(names(&sides), sides_of_two);
        let sweeps = [labelled("old", 1), labelled("new", 1), labelled("old", 2)];
        assert_eq!(names(&sweeps), sides_of_two);
    }

    #[test]
    fn what_is_not_told_is_in_a_name_only_if_nothing_else_tells_series_apart() {
        let silent = RunResult {
            burstiness: Some(1.0),
            ..run(1)
        };
        let burstiness = names(&[silent.clone(), run(2)]);
        let expected = ["burstiness 1", "burstiness not told"].map(|name| Some(name.to_owned()));
        assert_eq!(burstiness.len(), 2);
        assert!(
            expected.iter().all(|name| burstiness.contains(name)),
            "{burstiness:?}"
        );
        let other = RunResult {
            backend: Some("sglang".to_owned()),
            ..run(2)
        };
        let both = names(&[silent, other]);
        assert!(both.contains(&Some("sglang".to_owned())), "{both:?}");
    }

    #[test]
    fn runs_without_a_place_are_named() {
        let free = RunResult {
            max_concurrency: None,
            ..run(1)
        };
        let runs = [run(1), run(2), free.clone()];
        let arranged = arrange("x", &runs).unwrap();
        assert_eq!(
            arranged.notes,
            ["Not shown: 1 run without a known concurrency"]
        );
        let silent = RunResult {
            request_rate: None,
            input_len: None,
            output_len: None,
            ..free
        };
        let error = arrange("x", &[silent]).unwrap_err().to_string();
        assert!(
            error.contains("none of the 1 runs has a concurrency"),
            "{error}"
        );
        assert!(arrange("x", &[]).is_err());
    }

    #[test]
    fn a_series_carries_what_its_runs_can_be_filtered_by() {
        let runs = [run(1), run(16)];
        let tags = &arrange("x", &runs).unwrap().series[0].tags;
        let of = |key: &str| -> Vec<&str> {
            let tags = tags.iter().filter(|(known, _)| known == key);
            tags.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(of("concurrency"), ["1", "16"]);
        assert_eq!(of("model"), ["org/model"]);
        assert_eq!(of("request rate"), ["no limit"]);
    }
}
