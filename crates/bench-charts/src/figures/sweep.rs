use bench_metrics::{Growth, growth};
use bench_report::{RunResult, Statistic};

use super::curve::{Curve, amounts, times};
use super::latency::{label_of, statistics, tail};
use super::series::{Arranged, Series, arrange};
use crate::{Axis, Caption, Figure, Ink, Layer, Marks, NoChart, Panel, Point};

const ID: &str = "sweep";

/// The metrics that are shown over throughput. ITL is left out: it would repeat what TPOT says.
const SHOWN: [&str; 3] = ["ttft", "tpot", "e2el"];

/// A sweep of loads: output throughput over load with the knee, from which on more load brings
/// little more throughput, and latency over throughput, each point with its load.
pub fn sweep(runs: &[RunResult]) -> Result<Figure, NoChart> {
    let arranged = arrange(ID, runs)?;
    let sweeps: Vec<Sweep<'_, '_>> = arranged.series.iter().map(Sweep::of).collect();
    if sweeps.iter().all(|sweep| sweep.output.means.len() < 2) {
        return Err(NoChart::LackingInAll {
            chart: ID,
            runs: runs.len(),
            what: "another load beside it under otherwise the same settings".to_owned(),
            cure: "give the results of at least two loads, as `bench-serve sweep` makes them"
                .to_owned(),
        });
    }
    let mut panels = vec![over_load(&arranged, &sweeps)];
    panels.extend(SHOWN.into_iter().filter_map(|metric| {
        let statistic = spokesman(&arranged, metric)?;
        over_throughput(&sweeps, metric, statistic)
    }));
    let refs: Vec<&RunResult> = runs.iter().collect();
    let mut figure = Caption::of(&refs).figure(ID, "Throughput against latency", panels);
    figure.columns = 2;
    figure
        .footer
        .push(format!("Numbers beside points: {}", arranged.load));
    figure.footer.extend(arranged.notes.iter().cloned());
    figure.footer.extend(sweeps.iter().map(Sweep::verdict));
    Ok(figure)
}

/// Where the throughput of each series levels off, in words.
pub(crate) fn knees(runs: &[RunResult]) -> Vec<String> {
    let Ok(arranged) = arrange(ID, runs) else {
        return Vec::new();
    };
    let sweeps = arranged.series.iter().map(Sweep::of);
    let sweeps = sweeps.filter(|sweep| sweep.output.means.len() > 1);
    sweeps.map(|sweep| sweep.verdict()).collect()
}

/// The output throughput of a series over its loads.
struct Sweep<'s, 'a> {
    series: &'s Series<'a>,
    output: Curve,
    /// How it grows over the means.
    growth: Growth,
}

impl<'s, 'a> Sweep<'s, 'a> {
    fn of(series: &'s Series<'a>) -> Sweep<'s, 'a> {
        let output = Curve::of(series, &|run| run.output_throughput);
        let points = output.means.iter().filter_map(|mean| {
            let place = series.place(mean.x)?;
            Some((place.load, mean.y))
        });
        let points: Vec<(f64, f64)> = points.collect();
        Sweep {
            series,
            growth: growth(&points),
            output,
        }
    }

    /// What the sweep shows, in words.
    fn verdict(&self) -> String {
        let of = match &self.series.name {
            Some(name) => format!(" of {name}"),
            None => String::new(),
        };
        let mean = |index: usize| &self.output.means[index];
        let load = |index: usize| {
            let place = self.series.place(mean(index).x);
            place.map_or("", |place| place.words.as_str())
        };
        match self.growth {
            Growth::TooFewLoads => format!("No knee{of}: it takes three loads to tell"),
            Growth::Knee(at) => {
                let mean = mean(at);
                format!(
                    "Knee{of} (Kneedle): {:.0} tok/s at {}",
                    mean.y,
                    load_words(mean)
                )
            }
            Growth::Rising(last) => format!(
                "No knee{of}: throughput still rises at the highest load, {}",
                load(last)
            ),
            Growth::Unclear { greatest } => format!(
                "No clear knee{of}: the greatest throughput is {:.0} tok/s at {}",
                mean(greatest).y,
                load(greatest)
            ),
            Growth::Saturated { first, last } => format!(
                "No knee{of}: throughput does not grow from {} to {}",
                load(first),
                load(last)
            ),
        }
    }

    /// The knee as a place on axes of choice.
    fn mark(&self, at: impl Fn(&Point) -> Option<Point>) -> Option<Layer> {
        let Growth::Knee(at_mean) = self.growth else {
            return None;
        };
        let mean = self.output.means.get(at_mean)?;
        let mut layer = Layer::new(
            Some("knee".to_owned()),
            Ink::Bad,
            Marks::Points(vec![at(mean)?]),
        );
        layer.tags.clone_from(&self.series.tags);
        Some(layer)
    }
}

/// The words that a mean of a curve carries.
fn load_words(mean: &Point) -> &str {
    mean.label.as_deref().unwrap_or_default()
}

/// The statistic that speaks for a metric: the 99th percentile, else what there is.
fn spokesman(arranged: &Arranged<'_>, metric: &str) -> Option<Statistic> {
    let known = statistics(arranged, metric);
    tail(&known).or_else(|| known.last().copied())
}

fn over_load(arranged: &Arranged<'_>, sweeps: &[Sweep<'_, '_>]) -> Panel {
    let mut layers = Vec::new();
    for Sweep { series, output, .. } in sweeps {
        let curve = output.clone();
        layers.extend(curve.layers(series.name.clone(), series.ink, &series.tags));
    }
    let own_place = |mean: &Point| Some(mean.clone());
    let knees = sweeps.iter().filter_map(|sweep| sweep.mark(own_place));
    let knees: Vec<Layer> = once_named(knees).collect();
    layers.extend(knees.iter().filter_map(in_words));
    layers.extend(knees);
    Panel {
        title: None,
        x: arranged.axis.clone(),
        y: amounts("Output throughput", "tok/s", &layers),
        layers,
    }
}

/// The word beside a knee.
fn in_words(knee: &Layer) -> Option<Layer> {
    let Marks::Points(points) = &knee.marks else {
        return None;
    };
    let word = |point: &Point| Point {
        label: Some("knee".to_owned()),
        ..point.clone()
    };
    let marks = Marks::Words(points.iter().map(word).collect());
    Some(Layer {
        name: None,
        marks,
        ..knee.clone()
    })
}

/// Several layers of one name need one entry in the legend.
fn once_named(layers: impl Iterator<Item = Layer>) -> impl Iterator<Item = Layer> {
    layers.enumerate().map(|(index, mut layer)| {
        if index > 0 {
            layer.name = None;
        }
        layer
    })
}

/// `None` if no load has both.
fn over_throughput(sweeps: &[Sweep<'_, '_>], metric: &str, statistic: Statistic) -> Option<Panel> {
    let mut layers = Vec::new();
    let mut knees = Vec::new();
    for sweep in sweeps {
        let latency = Curve::of(sweep.series, &|run| run.statistic(metric, statistic));
        // The place of a load in the plane of throughput and latency.
        let at = |output: &Point| {
            let same = latency.means.iter().find(|mean| mean.x == output.x)?;
            Some(Point {
                x: output.y,
                y: same.y,
                label: sweep
                    .series
                    .place(output.x)
                    .map(|place| place.value.clone()),
            })
        };
        let points: Vec<Point> = sweep.output.means.iter().filter_map(at).collect();
        knees.extend(sweep.mark(at));
        layers.extend(trail(sweep.series, points));
    }
    if layers.is_empty() {
        return None;
    }
    layers.extend(once_named(knees.into_iter()));
    let name = format!("{statistic} {}", label_of(metric));
    let y = times(&name, "ms", &layers);
    Some(Panel {
        title: None,
        x: Axis::linear("Output throughput", Some("tok/s")),
        y,
        layers,
    })
}

/// Points in the order of their loads, with a line through them and their loads beside them.
fn trail(series: &Series<'_>, points: Vec<Point>) -> Vec<Layer> {
    if points.is_empty() {
        return Vec::new();
    }
    let marks = [
        Marks::Line(points.clone()),
        Marks::Points(points.clone()),
        Marks::Words(points),
    ];
    let layers = marks.into_iter().enumerate().map(|(index, marks)| Layer {
        name: series.name.clone().filter(|_| index == 0),
        ink: series.ink,
        tags: series.tags.clone(),
        marks,
    });
    layers.collect()
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    /// Throughput rises evenly up to 8 and hardly any more after that.
    fn saturating(loads: &[u64]) -> Vec<RunResult> {
        let of = |&load: &u64| RunResult {
            output_throughput: Some(100.0 * load.min(8) as f64 + load as f64),
            ..run(load)
        };
        loads.iter().map(of).collect()
    }

    fn knees(panel: &Panel) -> Vec<(f64, f64)> {
        let knee = |layer: &&Layer| layer.name.as_deref() == Some("knee");
        let layer = panel.layers.iter().find(knee);
        match layer.map(|layer| &layer.marks) {
            Some(Marks::Points(points)) => points.iter().map(|one| (one.x, one.y)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_knee_is_marked_in_every_panel() {
        let figure = sweep(&saturating(&[1, 2, 4, 8, 16, 32])).unwrap();
        assert_eq!(figure.panels.len(), 3);
        assert_eq!(knees(&figure.panels[0]), [(8.0, 808.0)]);
        // p99 TTFT of concurrency 8 is 3 (20 + 3 * 8).
        assert_eq!(knees(&figure.panels[1]), [(808.0, 132.0)]);
        let knee = "Knee (Kneedle): 808 tok/s at concurrency 8".to_owned();
        assert!(figure.footer.contains(&knee), "{:?}", figure.footer);
    }

    #[test]
    fn points_stand_beside_their_loads() {
        let figure = sweep(&saturating(&[1, 16])).unwrap();
        let panel = &figure.panels[1];
        assert_eq!(panel.y.label(), "p99 TTFT (ms)");
        let words = panel.layers.iter().find_map(|layer| match &layer.marks {
            Marks::Words(points) => Some(points.clone()),
            _ => None,
        });
        let words: Vec<Option<String>> = words.unwrap().into_iter().map(|one| one.label).collect();
        assert_eq!(words, [Some("1".to_owned()), Some("16".to_owned())]);
    }

    #[test]
    fn a_rising_curve_has_no_knee_and_one_load_is_no_sweep() {
        let verdict = |runs: &[RunResult]| sweep(runs).unwrap().footer.pop().unwrap();
        assert_eq!(
            verdict(&saturating(&[1, 2, 4])),
            "No knee: throughput still rises at the highest load, concurrency 4"
        );
        assert!(sweep(&saturating(&[1])).is_err());
        assert_eq!(
            verdict(&saturating(&[1, 2])),
            "No knee: it takes three loads to tell"
        );
        assert_eq!(
            verdict(&saturating(&[8, 16, 24])),
            "No knee: throughput does not grow from concurrency 8 to concurrency 24"
        );
    }
}
