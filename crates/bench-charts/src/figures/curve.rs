//! A number of runs over their load: repeats as points, their mean as a line.

use bench_metrics::stats::t_interval;
use bench_report::RunResult;

use super::series::{Place, Series, counted};
use crate::{Axis, ErrorBar, Ink, Layer, Marks, Panel, Point, Scale};

/// What is said of error bars where there are any.
pub(crate) const ERROR_BARS: &str =
    "Error bars: 95 % confidence interval of the mean over repeats (Student's t)";

/// Fewer repeats than this have no error bars: the interval of two runs is some thirteen times
/// as wide as they are apart, and hides the curve it should judge.
const LEAST_REPEATS: usize = 3;

/// From this ratio of the greatest to the least value on, an axis of times is logarithmic.
const LOG_FROM: f64 = 30.0;

/// A number of a run, if it has it.
pub(crate) type Number<'f> = &'f dyn Fn(&RunResult) -> Option<f64>;

/// How a number depends on the load in one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    /// A point for each run.
    pub(crate) points: Vec<Point>,
    /// A point for each load: the mean of its runs.
    pub(crate) means: Vec<Point>,
    /// How sure the means of repeats are.
    pub(crate) errors: Vec<ErrorBar>,
}

impl Curve {
    /// The numbers of a series.
    pub(crate) fn of(series: &Series<'_>, number: Number<'_>) -> Curve {
        let mut curve = Curve::default();
        for place in &series.places {
            curve.add(place, number);
        }
        curve
    }

    fn add(&mut self, place: &Place<'_>, number: Number<'_>) {
        let finite = |run: &RunResult| number(run).filter(|value| value.is_finite());
        let known = place
            .runs
            .iter()
            .filter_map(|run| Some((run, finite(run)?)));
        let (runs, values): (Vec<&&RunResult>, Vec<f64>) = known.unzip();
        if values.is_empty() {
            return;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let mut label = place.words.clone();
        if values.len() > 1 {
            label += &format!(", mean of {}", counted(values.len(), "run"));
        }
        self.means.push(Point {
            x: place.at,
            y: mean,
            label: Some(label),
        });
        if values.len() >= LEAST_REPEATS {
            self.errors
                .extend(t_interval(&values, 0.95).map(|interval| ErrorBar {
                    x: place.at,
                    low: interval.low,
                    high: interval.high,
                }));
        }
        self.points
            .extend(runs.iter().zip(values).map(|(run, y)| Point {
                x: place.at,
                y,
                label: Some(format!("{}, {}", place.words, run.origin)),
            }));
    }

    /// As layers of one colour and one name.
    pub(crate) fn layers(
        self,
        name: Option<String>,
        ink: Ink,
        tags: &[(String, String)],
    ) -> Vec<Layer> {
        let line = self.means.len() > 1;
        let points = Marks::Points(self.points);
        let marks = match line {
            true => vec![
                Marks::Line(self.means),
                Marks::ErrorBars(self.errors),
                points,
            ],
            false => vec![points, Marks::ErrorBars(self.errors)],
        };
        let mut layers: Vec<Layer> = marks
            .into_iter()
            .filter(|marks| !matches!(marks, Marks::ErrorBars(bars) if bars.is_empty()))
            .map(|marks| Layer {
                name: None,
                ink,
                tags: tags.to_vec(),
                marks,
            })
            .collect();
        if let Some(first) = layers.first_mut() {
            first.name = name;
        }
        layers
    }
}

/// Whether a figure has to say what its error bars are.
pub(crate) fn has_error_bars(panels: &[Panel]) -> bool {
    let mut layers = panels.iter().flat_map(|panel| &panel.layers);
    layers.any(|layer| matches!(layer.marks, Marks::ErrorBars(_)))
}

/// Every value that layers show on the y axis.
fn heights(layers: &[Layer]) -> impl Iterator<Item = f64> {
    layers.iter().flat_map(|layer| match &layer.marks {
        Marks::Line(points) | Marks::Points(points) => {
            points.iter().map(|point| point.y).collect::<Vec<f64>>()
        }
        Marks::ErrorBars(bars) => bars.iter().flat_map(|bar| [bar.low, bar.high]).collect(),
        _ => Vec::new(),
    })
}

/// An axis for amounts: it starts at 0, so that heights can be compared.
pub(crate) fn amounts(name: &str, unit: &str, layers: &[Layer]) -> Axis {
    let greatest = heights(layers).fold(0.0, f64::max);
    let mut axis = Axis::linear(name, Some(unit));
    axis.range = (greatest > 0.0).then_some((0.0, greatest * 1.05));
    axis
}

/// An axis for times: as [`amounts`], but logarithmic where they are of several magnitudes.
pub(crate) fn times(name: &str, unit: &str, layers: &[Layer]) -> Axis {
    // A confidence interval may reach below 0, which no time does.
    let shown = || heights(layers).filter(|height| *height > 0.0);
    let least = shown().fold(f64::INFINITY, f64::min);
    let greatest = shown().fold(0.0, f64::max);
    if greatest < LOG_FROM * least {
        return amounts(name, unit, layers);
    }
    Axis {
        scale: Scale::Log,
        ..Axis::linear(name, Some(unit))
    }
}
