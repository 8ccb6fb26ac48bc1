//! How the values of single requests are distributed at each load.

use bench_metrics::{Distribution, Percentile};

use super::dimension::tags;
use super::latency::{METRICS, label_of};
use super::samples::samples;
use super::series::{Arranged, Place, Series, counted};
use crate::{Axis, Ink, Layer, Marks, Panel, Point, Scale};

/// How many curves a panel shows.
const CURVES: usize = 12;

/// From this ratio of the greatest value to the median on, a panel has a logarithmic axis.
const LOG_FROM: f64 = 10.0;

/// A curve of a panel: the runs of one series at one load.
struct Source<'s, 'a> {
    series: &'s Series<'a>,
    place: &'s Place<'a>,
    /// Whether it is the first of its series.
    first: bool,
    ink: Ink,
}

/// A panel for each metric that single requests tell, with a curve for each load. What is not
/// shown is noted.
pub(crate) fn cdfs(arranged: &Arranged<'_>, notes: &mut Vec<String>) -> Vec<Panel> {
    let all = arranged.runs().count();
    let detailed = arranged.runs().filter(|run| !run.requests.is_empty());
    let detailed = detailed.count();
    if detailed == 0 {
        return Vec::new();
    }
    if detailed < all {
        notes.push(format!(
            "Distributions without {} that lack single requests (--save-detailed has them)",
            counted(all - detailed, "run")
        ));
    }
    let sources = sources(arranged, notes);
    let panels = METRICS.into_iter().map(|metric| panel(&sources, metric));
    panels.flatten().collect()
}

/// As many loads as a panel can show, evenly from the lowest to the highest.
fn sources<'s, 'a>(arranged: &'s Arranged<'a>, notes: &mut Vec<String>) -> Vec<Source<'s, 'a>> {
    let alone = arranged.series.len() == 1;
    let detailed = |place: &&Place<'_>| place.runs.iter().any(|run| !run.requests.is_empty());
    let mut sources: Vec<Source<'_, '_>> = Vec::new();
    for series in &arranged.series {
        let places = series.places.iter().filter(detailed).enumerate();
        sources.extend(places.map(|(index, place)| Source {
            series,
            place,
            first: index == 0,
            ink: series.ink,
        }));
    }
    let count = sources.len();
    if count > CURVES {
        notes.push(format!("Distributions of {CURVES} of {count} loads"));
        let kept: Vec<usize> = (0..CURVES)
            .map(|curve| curve * (count - 1) / (CURVES - 1))
            .collect();
        let mut index = 0;
        sources.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
    if alone {
        let of = sources.len();
        for (index, source) in sources.iter_mut().enumerate() {
            source.ink = Ink::Step { index, of };
        }
    }
    sources
}

/// `None` if no request has the metric.
fn panel(sources: &[Source<'_, '_>], metric: &str) -> Option<Panel> {
    let mut layers = Vec::new();
    let mut wide = false;
    for source in sources {
        let runs = source.place.runs.iter();
        let mut values: Vec<f64> = runs.flat_map(|run| samples(run, metric)).collect();
        if values.is_empty() {
            continue;
        }
        let distribution = Distribution::of(&mut values, &shares());
        wide |= distribution.min > 0.0 && distribution.max > LOG_FROM * distribution.median;
        layers.push(source.layer(&distribution));
    }
    let name = label_of(metric);
    let mut x = Axis::linear(name, Some("ms"));
    if wide && layers.iter().all(above_zero) {
        x.scale = Scale::Log;
    }
    let what = if metric == "itl" { "gaps" } else { "requests" };
    let mut y = Axis::linear(&format!("Share of {what}"), Some("%"));
    y.range = Some((0.0, 100.0));
    let title = Some(format!("{name} distribution"));
    (!layers.is_empty()).then_some(Panel {
        title,
        x,
        y,
        layers,
    })
}

/// The shares at which a curve has a point: every half percent, and the ends more finely.
fn shares() -> Vec<f64> {
    let tail = [99.9, 99.99];
    (0..=200)
        .map(|half| f64::from(half) / 2.0)
        .chain(tail)
        .collect()
}

fn above_zero(layer: &Layer) -> bool {
    match &layer.marks {
        Marks::Line(points) => points.iter().all(|point| point.x > 0.0),
        _ => true,
    }
}

impl Source<'_, '_> {
    fn layer(&self, distribution: &Distribution) -> Layer {
        let mut steps: Vec<&Percentile> = distribution.percentiles.iter().collect();
        steps.sort_by(|one, two| one.p.total_cmp(&two.p));
        let words = match self.series.name.as_deref() {
            Some(name) => format!("{name}, {}", self.place.words),
            None => self.place.words.clone(),
        };
        let point = |step: &Percentile| Point {
            x: step.value,
            y: step.p,
            label: Some(words.clone()),
        };
        let name = match self.series.name.as_ref() {
            Some(name) => self.first.then(|| name.clone()),
            None => Some(self.place.words.clone()),
        };
        Layer {
            name,
            ink: self.ink,
            tags: tags(self.place.runs.iter().copied()),
            marks: Marks::Line(steps.into_iter().map(point).collect()),
        }
    }
}
