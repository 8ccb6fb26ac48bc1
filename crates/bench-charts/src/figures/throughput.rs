use bench_report::RunResult;

use super::curve::{Curve, ERROR_BARS, amounts, has_error_bars};
use super::series::{Arranged, arrange, counted};
use crate::{Caption, Figure, Layer, NoChart, Panel};

const ID: &str = "throughput";

/// A throughput and where a run has it.
struct Quantity {
    name: &'static str,
    unit: &'static str,
    of: fn(&RunResult) -> Option<f64>,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        name: "Output throughput",
        unit: "tok/s",
        of: |run| run.output_throughput,
    },
    Quantity {
        name: "Total token throughput",
        unit: "tok/s",
        of: |run| run.total_token_throughput,
    },
    Quantity {
        name: "Request throughput",
        unit: "req/s",
        of: |run| run.request_throughput,
    },
    Quantity {
        name: "Goodput",
        unit: "req/s",
        of: |run| run.request_goodput,
    },
];

/// Throughput over load: output tokens, all tokens, requests, and good requests where an
/// objective was set. A line for each model, backend and pair of lengths; repeats are points
/// around their mean.
pub fn throughput(runs: &[RunResult]) -> Result<Figure, NoChart> {
    let arranged = arrange(ID, runs)?;
    let mut notes = arranged.notes.clone();
    let panels: Vec<Panel> = QUANTITIES
        .iter()
        .filter_map(|quantity| panel(&arranged, quantity, &mut notes))
        .collect();
    if panels.is_empty() {
        return Err(NoChart::LackingInAll {
            chart: ID,
            runs: runs.len(),
            what: "a throughput".to_owned(),
            cure: "give results of benchmarks rather than of single requests".to_owned(),
        });
    }
    if has_error_bars(&panels) {
        notes.push(ERROR_BARS.to_owned());
    }
    let runs: Vec<&RunResult> = runs.iter().collect();
    let mut figure = Caption::of(&runs).figure(ID, "Throughput over load", panels);
    figure.columns = 2;
    figure.footer.extend(notes);
    Ok(figure)
}

/// `None` if no run has the quantity.
fn panel(arranged: &Arranged<'_>, quantity: &Quantity, notes: &mut Vec<String>) -> Option<Panel> {
    let lacks = |run: &&RunResult| (quantity.of)(run).is_none();
    let lacking = arranged.runs().filter(lacks).count();
    if lacking == arranged.runs().count() {
        return None;
    }
    if lacking > 0 {
        let name = quantity.name.to_lowercase();
        notes.push(format!("{} without {name}", counted(lacking, "run")));
    }
    let curves = arranged.series.iter().flat_map(|series| {
        let curve = Curve::of(series, &quantity.of);
        curve.layers(series.name.clone(), series.ink, &series.tags)
    });
    let layers: Vec<Layer> = curves.collect();
    Some(Panel {
        title: None,
        x: arranged.axis.clone(),
        y: amounts(quantity.name, quantity.unit, &layers),
        layers,
    })
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;
    use crate::{Ink, Marks, Point};

    #[test]
    fn each_known_throughput_has_a_panel_and_each_series_a_line() {
        let other = |concurrency| RunResult {
            model_id: Some("org/other".to_owned()),
            ..run(concurrency)
        };
        let runs = [run(16), run(1), other(1), other(16)];
        let figure = throughput(&runs).unwrap();
        let labels: Vec<String> = figure.panels.iter().map(|panel| panel.y.label()).collect();
        assert_eq!(
            labels,
            [
                "Output throughput (tok/s)",
                "Total token throughput (tok/s)",
                "Request throughput (req/s)"
            ]
        );
        let layers = &figure.panels[0].layers;
        let names: Vec<Option<&str>> = layers.iter().map(|layer| layer.name.as_deref()).collect();
        assert_eq!(names, [Some("model"), None, Some("other"), None]);
        let Marks::Line(line) = &layers[0].marks else {
            panic!("{:?}", layers[0].marks);
        };
        let places: Vec<(f64, f64)> = line.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(1.0, 1600.0 / 17.0), (16.0, 800.0)]);
        assert_eq!(
            (layers[1].ink, layers[2].ink),
            (Ink::Series(0), Ink::Series(1))
        );
    }

    #[test]
    fn repeats_are_points_around_their_mean() {
        let of = |tokens| RunResult {
            output_throughput: Some(tokens),
            ..run(4)
        };
        let figure = throughput(&[of(90.0), of(110.0), of(100.0), run(1)]).unwrap();
        let [line, bars, points] = &figure.panels[0].layers[..] else {
            panic!("{:?}", figure.panels[0].layers);
        };
        let Marks::Line(line) = &line.marks else {
            panic!("{line:?}");
        };
        assert_eq!((line[1].x, line[1].y), (4.0, 100.0));
        let Marks::ErrorBars(bars) = &bars.marks else {
            panic!("{bars:?}");
        };
        // The 97.5 % quantile of t with 2 degrees of freedom is 4.3027, the standard error 5.7735.
        assert_eq!(bars.len(), 1);
        assert!((bars[0].high - 124.84).abs() < 0.01, "{bars:?}");
        let Marks::Points(points) = &points.marks else {
            panic!("{points:?}");
        };
        let heights: Vec<f64> = points.iter().map(|point: &Point| point.y).collect();
        assert_eq!(heights[1..], [90.0, 110.0, 100.0]);
        assert!(figure.footer.iter().any(|line| line == ERROR_BARS));
        let two = throughput(&[of(90.0), of(110.0), run(1)]).unwrap();
        assert_eq!(two.panels[0].layers.len(), 2, "no bars: {two:?}");
        assert!(!two.footer.iter().any(|line| line == ERROR_BARS));
    }

    #[test]
    fn goodput_of_some_runs_says_how_many_lack_it() {
        let good = RunResult {
            request_goodput: Some(3.0),
            ..run(2)
        };
        let figure = throughput(&[good, run(1)]).unwrap();
        assert_eq!(figure.panels.len(), 4);
        assert!(figure.footer.contains(&"1 run without goodput".to_owned()));
    }

    #[test]
    fn without_any_throughput_there_is_no_chart() {
        let silent = RunResult {
            max_concurrency: Some(1),
            ..RunResult::default()
        };
        let error = throughput(&[silent]).unwrap_err();
        assert!(error.to_string().contains("a throughput"), "{error}");
    }
}
