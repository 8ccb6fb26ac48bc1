//! How the latencies of single requests and gaps are spread.

use bench_metrics::Distribution;
use bench_report::RunResult;

use super::latency::label_of;
use super::overlay::{Shown, shown};
use super::series::counted;
use crate::bins::{Bins, cumulative_shares};
use crate::{Axis, Caption, Datum, Figure, Ink, Layer, Marks, NoChart, Panel, Point, Scale};

const ID: &str = "distribution";

/// What is shown of each request or gap.
const METRICS: [&str; 3] = ["ttft", "itl", "e2el"];

/// Percentiles that are marked.
const MARKED: [(f64, &str); 3] = [(50.0, "median"), (90.0, "p90"), (99.0, "p99")];

/// How TTFT, ITL and E2EL are spread, and how many tokens come in a chunk: a histogram and the
/// share of values up to each value, with median, 90th and 99th percentile.
///
/// Several runs, of the same load if the comparison shall mean something, are laid over each
/// other.
///
/// # Errors
/// If no run has details of single requests.
pub fn distribution(runs: &[&RunResult]) -> Result<Figure, NoChart> {
    let first = runs.first().ok_or(NoChart::NoRuns { chart: ID })?;
    if runs.iter().all(|run| run.requests.is_empty()) {
        return Err(NoChart::no_details(ID, first));
    }
    let mut notes = Vec::new();
    let shown = shown(runs, &mut notes);
    let mut panels = Vec::new();
    for metric in METRICS {
        let unit = if metric == "itl" { "Gaps" } else { "Requests" };
        let spread = Spread {
            name: label_of(metric),
            unit: Some("ms"),
            counted: unit,
            whole: false,
        };
        panels.extend(spread.panels(&shown, |run| run.samples(metric), &mut notes));
    }
    let bursts = Spread {
        name: "Burst size",
        unit: Some("tokens"),
        counted: "Chunks",
        whole: true,
    };
    panels.extend(bursts.panels(&shown, burst_sizes, &mut notes));
    if panels.is_empty() {
        let cure = "the file must tell TTFT, ITL or E2EL of its requests";
        return Err(NoChart::lacking(ID, first, "latencies of requests", cure));
    }
    let mut figure = Caption::of(runs).figure(ID, "Distribution of latencies", panels);
    figure.columns = 2;
    figure.footer.extend(notes);
    Ok(figure)
}

/// Tokens of each chunk of the requests that were answered whole, where they are known.
fn burst_sizes(run: &RunResult) -> Vec<f64> {
    let answered = run.requests.iter().filter(|request| request.success);
    answered
        .flat_map(|request| request.chunk_tokens.iter().copied())
        // Chunks without a token, such as one with the role alone, are no bursts.
        .filter(|tokens| *tokens > 0)
        .map(f64::from)
        .collect()
}

/// What is spread.
struct Spread {
    name: &'static str,
    unit: Option<&'static str>,
    /// What each value belongs to.
    counted: &'static str,
    /// Whether values are whole numbers.
    whole: bool,
}

/// The values of a run, sorted.
struct Values<'s, 'a> {
    of: &'s Shown<'a>,
    sorted: Vec<f64>,
    distribution: Distribution,
}

impl Spread {
    /// Histogram and curve; nothing if no run has values.
    fn panels(
        &self,
        shown: &[Shown<'_>],
        values: impl Fn(&RunResult) -> Vec<f64>,
        notes: &mut Vec<String>,
    ) -> Vec<Panel> {
        let mut spreads = Vec::new();
        for one in shown {
            let all = values(one.run);
            let count = all.len();
            let mut sorted: Vec<f64> = all.into_iter().filter(|v| v.is_finite()).collect();
            if sorted.len() < count {
                let lost = counted(count - sorted.len(), "value");
                notes.push(format!("{} without {lost} not finite", self.name));
            }
            if sorted.is_empty() {
                continue;
            }
            sorted.sort_unstable_by(f64::total_cmp);
            let marked = MARKED.map(|(p, _)| p);
            spreads.push(Values {
                of: one,
                distribution: Distribution::of(&mut sorted, &marked),
                sorted,
            });
        }
        // `Distribution::of` may leave them in another order.
        for spread in &mut spreads {
            spread.sorted.sort_unstable_by(f64::total_cmp);
        }
        self.draw(&spreads, notes)
    }

    fn draw(&self, spreads: &[Values<'_, '_>], notes: &mut Vec<String>) -> Vec<Panel> {
        let mut together: Vec<f64> = Vec::new();
        for spread in spreads {
            together.extend(&spread.sorted);
        }
        if spreads.len() > 1 {
            together.sort_unstable_by(f64::total_cmp);
        }
        let bins = match self.whole {
            true => Bins::whole(&together),
            false => Bins::of(&together),
        };
        let Some(bins) = bins else {
            return Vec::new();
        };
        if bins.scale == Scale::Log {
            let zeros = together.partition_point(|value| *value <= 0.0);
            if zeros > 0 {
                let share = 100.0 * zeros as f64 / together.len() as f64;
                let unit = self.unit.unwrap_or_default();
                notes.push(format!(
                    "{}: {share:.1} % of the values are 0 {unit}, left of the logarithmic axis",
                    self.name
                ));
            }
        }
        vec![self.histogram(spreads, &bins), self.curve(spreads, &bins)]
    }

    fn histogram(&self, spreads: &[Values<'_, '_>], bins: &Bins) -> Panel {
        let alone = spreads.len() == 1;
        let mut layers = Vec::new();
        for spread in spreads {
            let marks = match alone {
                true => Marks::Bars(bins.bars(&spread.sorted, false)),
                false => Marks::Steps(bins.outline(&spread.sorted)),
            };
            layers.push(spread.of.layer(marks));
            layers.extend(self.lines(spread, alone));
        }
        let y = match alone {
            true => Axis::linear(self.counted, None),
            false => Axis::linear(
                &format!("Share of {}", self.counted.to_lowercase()),
                Some("%"),
            ),
        };
        Panel {
            title: Some(self.name.to_owned()),
            x: self.axis(bins),
            y,
            layers,
        }
    }

    fn curve(&self, spreads: &[Values<'_, '_>], bins: &Bins) -> Panel {
        let alone = spreads.len() == 1;
        let shares = MARKED.map(|(p, _)| p / 100.0);
        let mut layers = Vec::new();
        for spread in spreads {
            let mut points = cumulative_shares(&spread.sorted, &shares);
            if bins.scale == Scale::Log {
                // The curve comes in from the left at the share of what the axis cannot show.
                points.retain(|point| point.x > 0.0);
            }
            layers.push(spread.of.layer(Marks::Steps(points)));
            let marked = self.marked(spread, alone);
            let points = marked.map(|(p, at, label)| Point {
                x: at,
                y: p,
                label: Some(label),
            });
            let points: Vec<Point> = points.collect();
            let words = Marks::Words(points.clone());
            layers.push(spread.of.named_layer(None, Marks::Points(points)));
            layers.push(spread.of.named_layer(None, words));
        }
        let of = self.counted.to_lowercase();
        let mut y = Axis::linear(&format!("{} up to here", self.counted), Some("%"));
        y.range = Some((0.0, 100.0));
        Panel {
            title: Some(format!("{}: share of {of}", self.name)),
            x: self.axis(bins),
            y,
            layers,
        }
    }

    fn axis(&self, bins: &Bins) -> Axis {
        Axis {
            scale: bins.scale.clone(),
            range: Some(bins.range()),
            ..Axis::linear(self.name, self.unit)
        }
    }

    /// The percentiles with their values and names; of several runs the medians only.
    fn marked(
        &self,
        spread: &Values<'_, '_>,
        alone: bool,
    ) -> impl Iterator<Item = (f64, f64, String)> {
        let marked = if alone { &MARKED[..] } else { &MARKED[..1] };
        marked.iter().filter_map(|(p, name)| {
            let value = spread.distribution.percentile(*p)?;
            let unit = self.unit.unwrap_or_default();
            let digits = match self.whole && value.fract() == 0.0 {
                true => format!("{value:.0}"),
                false => digits(value),
            };
            Some((*p, value, format!("{name} {digits} {unit}")))
        })
    }

    /// The percentiles as lines across the bars.
    fn lines(&self, spread: &Values<'_, '_>, alone: bool) -> Vec<Layer> {
        let lines = self.marked(spread, alone).map(|(_, at, label)| {
            let line = spread
                .of
                .named_layer(None, Marks::Vertical(Datum { at, label }));
            match alone {
                true => Layer {
                    ink: Ink::Muted,
                    ..line
                },
                false => line,
            }
        });
        lines.collect()
    }
}

/// A value with three digits that count, or all before the point.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use bench_report::RequestSample;

    use super::super::make::run;
    use super::*;

    /// Requests with TTFTs of 1 ms to `count` ms, and gaps of 10 ms and 20 ms.
    fn detailed(count: u32) -> RunResult {
        let request = |number: u32| RequestSample {
            success: true,
            ttft: Some(f64::from(number) / 1e3),
            e2el: Some(f64::from(number) / 1e3 + 0.03),
            gaps: vec![0.01, 0.02],
            chunk_tokens: vec![1, 2, 2],
            ..RequestSample::default()
        };
        RunResult {
            requests: (1..=count).map(request).collect(),
            ..run(8)
        }
    }

    fn panel<'f>(figure: &'f Figure, title: &str) -> &'f Panel {
        let mut panels = figure.panels.iter();
        panels
            .find(|panel| panel.title.as_deref() == Some(title))
            .unwrap()
    }

    fn bars(panel: &Panel) -> Vec<(f64, f64)> {
        panel
            .layers
            .iter()
            .filter_map(|layer| match &layer.marks {
                Marks::Bars(bars) => Some(bars),
                _ => None,
            })
            .flatten()
            .map(|bar| ((bar.left + bar.right) / 2.0, bar.height))
            .collect()
    }

    fn lines(panel: &Panel) -> Vec<(f64, &str)> {
        let lines = panel.layers.iter().filter_map(|layer| match &layer.marks {
            Marks::Vertical(datum) => Some((datum.at, datum.label.as_str())),
            _ => None,
        });
        lines.collect()
    }

    #[test]
    fn each_metric_has_a_histogram_and_a_curve() {
        let run = detailed(101);
        let figure = distribution(&[&run]).unwrap();
        let titles: Vec<&str> = figure
            .panels
            .iter()
            .map(|panel| panel.title.as_deref().unwrap())
            .collect();
        assert_eq!(
            titles,
            [
                "TTFT",
                "TTFT: share of requests",
                "ITL",
                "ITL: share of gaps",
                "E2EL",
                "E2EL: share of requests",
                "Burst size",
                "Burst size: share of chunks"
            ]
        );
        let requests: f64 = bars(panel(&figure, "TTFT")).iter().map(|b| b.1).sum();
        assert_eq!(requests, 101.0);
        assert_eq!(
            lines(panel(&figure, "TTFT")),
            [
                (51.0, "median 51.0 ms"),
                (91.0, "p90 91.0 ms"),
                (100.0, "p99 100 ms")
            ]
        );
        assert_eq!(
            bars(panel(&figure, "Burst size")),
            [(1.0, 101.0), (2.0, 202.0)]
        );
        let Marks::Steps(curve) = &panel(&figure, "TTFT: share of requests").layers[0].marks else {
            panic!("a curve of steps")
        };
        assert_eq!(curve.len(), 102, "from 0, and a point for each request");
        assert_eq!(curve[51].x, 51.0);
        assert!((curve[51].y - 5100.0 / 101.0).abs() < 1e-9);
    }

    #[test]
    fn runs_are_laid_over_each_other_in_shares() {
        let (one, two) = (detailed(100), detailed(50));
        let figure = distribution(&[&one, &two]).unwrap();
        let ttft = panel(&figure, "TTFT");
        assert_eq!(ttft.y.label(), "Share of requests (%)");
        let outlines = ttft.layers.iter().filter_map(|layer| match &layer.marks {
            Marks::Steps(points) => Some(points.iter().map(|point| point.y).sum::<f64>()),
            _ => None,
        });
        for sum in outlines {
            assert!((sum - 100.0).abs() < 1e-9);
        }
        let medians = lines(ttft);
        assert_eq!(medians.len(), 2);
        assert_eq!(ttft.layers[0].ink, ttft.layers[1].ink);
        assert_ne!(ttft.layers[0].ink, ttft.layers[2].ink);
    }

    #[test]
    fn gaps_of_nothing_are_told_when_the_axis_cannot_show_them() {
        let mut run = detailed(100);
        for (i, request) in run.requests.iter_mut().enumerate() {
            request.gaps = vec![0.0, 0.01 * 1.2_f64.powi(i as i32 % 40)];
        }
        let figure = distribution(&[&run]).unwrap();
        assert_eq!(panel(&figure, "ITL").x.scale, Scale::Log);
        let note = "ITL: 50.0 % of the values are 0 ms, left of the logarithmic axis";
        assert!(
            figure.footer.iter().any(|line| line == note),
            "{:?}",
            figure.footer
        );
        let Marks::Steps(curve) = &panel(&figure, "ITL: share of gaps").layers[0].marks else {
            panic!("a curve of steps")
        };
        assert!((curve[0].y - 50.5).abs() < 1e-9, "{}", curve[0].y);
    }

    #[test]
    fn a_run_without_details_says_what_would_help() {
        let error = distribution(&[&run(8)]).unwrap_err();
        assert!(error.to_string().contains("--save-detailed"), "{error}");
        assert_eq!(distribution(&[]).unwrap_err().chart(), "distribution");
    }

    #[test]
    fn a_hundred_thousand_requests_stay_readable() {
        let mut run = detailed(1);
        let request = run.requests[0].clone();
        run.requests = (0..100_000)
            .map(|i| RequestSample {
                ttft: Some(0.02 + f64::from(i % 977) / 1e3),
                e2el: Some(1.0 + f64::from(i % 1999) / 1e3),
                ..request.clone()
            })
            .collect();
        let figure = distribution(&[&run]).unwrap();
        for panel in &figure.panels {
            for layer in &panel.layers {
                let marks = match &layer.marks {
                    Marks::Bars(bars) => bars.len(),
                    Marks::Steps(points) => points.len(),
                    _ => 1,
                };
                assert!(marks < 2_100, "{:?}: {marks}", panel.title);
            }
        }
    }
}
