//! How the values of single requests are distributed at each load.

use bench_metrics::{Distribution, Percentile};
use bench_report::RunResult;

use super::dimension::tags;
use super::latency::{METRICS, label_of};
use super::series::{Arranged, Place, Series, counted};
use crate::{Axis, Ink, Layer, Marks, Panel, Point, Scale};

/// How many curves a panel shows.
const CURVES: usize = 12;

/// From this ratio of the greatest value to the least median on, a panel has a logarithmic axis.
const LOG_FROM: f64 = 30.0;

/// A curve of a panel: the runs of one series at one load.
struct Source<'s, 'a> {
    place: &'s Place<'a>,
    name: String,
    ink: Ink,
}

/// A panel for each metric that single requests tell: a curve for each load, or of several series
/// a curve for each at the highest load that all have. What is not shown is noted.
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

fn sources<'s, 'a>(arranged: &'s Arranged<'a>, notes: &mut Vec<String>) -> Vec<Source<'s, 'a>> {
    match &arranged.series[..] {
        [series] => loads(series, notes),
        several => highest(several, notes),
    }
}

/// The loads of a series at which there are single requests.
fn detailed<'s, 'a>(series: &'s Series<'a>) -> impl Iterator<Item = &'s Place<'a>> {
    let detailed = |run: &&RunResult| !run.requests.is_empty();
    let places = series.places.iter();
    places.filter(move |place| place.runs.iter().any(detailed))
}

/// As many loads as a panel can show, evenly from the lowest to the highest.
fn loads<'s, 'a>(series: &'s Series<'a>, notes: &mut Vec<String>) -> Vec<Source<'s, 'a>> {
    let mut places: Vec<&Place<'_>> = detailed(series).collect();
    let count = places.len();
    if count > CURVES {
        notes.push(format!("Distributions of {CURVES} of {count} loads"));
        places = (0..CURVES)
            .map(|curve| places[curve * (count - 1) / (CURVES - 1)])
            .collect();
    }
    let of = places.len();
    let places = places.into_iter().enumerate();
    places
        .map(|(index, place)| Source {
            place,
            name: place.words.clone(),
            ink: Ink::Step { index, of },
        })
        .collect()
}

/// The highest load that all series have, else the highest of each.
fn highest<'s, 'a>(all: &'s [Series<'a>], notes: &mut Vec<String>) -> Vec<Source<'s, 'a>> {
    let with_places: Vec<(&Series<'_>, Vec<&Place<'_>>)> = all
        .iter()
        .map(|series| (series, detailed(series).collect::<Vec<_>>()))
        .filter(|(_, places)| !places.is_empty())
        .collect();
    let in_all = |at: f64| {
        let mut others = with_places.iter();
        others.all(|(_, places)| places.iter().any(|place| place.at == at))
    };
    let first = with_places.first().map(|(_, places)| places.iter());
    let common = first.and_then(|mut places| places.rfind(|place| in_all(place.at)));
    if let Some(common) = common {
        let load = &common.words;
        notes.push(format!(
            "Distributions at {load}, the highest load of all series"
        ));
    }
    let mut sources = Vec::new();
    for (series, places) in &with_places {
        let wanted = |place: &&&Place<'_>| common.is_none_or(|common| common.at == place.at);
        let Some(place) = places.iter().rfind(wanted) else {
            continue;
        };
        let name = series.name.clone().unwrap_or_default();
        let name = match common {
            Some(_) => name,
            None => format!("{name}, {}", place.words),
        };
        sources.push(Source {
            place,
            name,
            ink: series.ink,
        });
    }
    if sources.len() > CURVES {
        notes.push(format!(
            "Distributions of {CURVES} of {} series",
            sources.len()
        ));
        sources.truncate(CURVES);
    }
    sources
}

/// `None` if no request has the metric.
fn panel(sources: &[Source<'_, '_>], metric: &str) -> Option<Panel> {
    let mut layers = Vec::new();
    let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
    for source in sources {
        let runs = source.place.runs.iter();
        let mut values: Vec<f64> = runs.flat_map(|run| run.samples(metric)).collect();
        if values.is_empty() {
            continue;
        }
        let distribution = Distribution::of(&mut values, &shares());
        least = least.min(distribution.median);
        greatest = greatest.max(distribution.max);
        layers.push(source.layer(&distribution));
    }
    let name = label_of(metric);
    let mut x = Axis::linear(name, Some("ms"));
    if greatest >= LOG_FROM * least && layers.iter().all(above_zero) {
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
        let point = |step: &Percentile| Point {
            x: step.value,
            y: step.p,
            label: Some(self.place.words.clone()),
        };
        Layer {
            name: Some(self.name.clone()),
            ink: self.ink,
            tags: tags(self.place.runs.iter().copied()),
            marks: Marks::Line(steps.into_iter().map(point).collect()),
        }
    }
}
