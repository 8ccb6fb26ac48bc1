use bench_metrics::Metric;
use bench_report::{RunResult, Statistic};

use super::cdf::cdfs;
use super::curve::{Curve, ERROR_BARS, has_error_bars, times};
use super::series::{Arranged, arrange};
use crate::{Caption, Figure, Ink, Layer, NoChart, Panel};

const ID: &str = "latency";

/// The metrics, in the order of the panels.
pub(crate) const METRICS: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];

/// How many percentiles above the median one panel shows.
const PERCENTILES: usize = 4;

/// Latency over load, for TTFT, TPOT, ITL and E2EL: mean, median and percentiles in one panel, or
/// a panel for median and one for the 99th percentile where there are several series; and the
/// distributions where the results have single requests.
pub fn latency(runs: &[RunResult]) -> Result<Figure, NoChart> {
    let arranged = arrange(ID, runs)?;
    let mut panels: Vec<Panel> = METRICS
        .into_iter()
        .flat_map(|metric| over_load(&arranged, metric))
        .collect();
    let mut notes = arranged.notes.clone();
    panels.extend(cdfs(&arranged, &mut notes));
    if panels.is_empty() {
        return Err(NoChart::LackingInAll {
            chart: ID,
            runs: runs.len(),
            what: "statistics of TTFT, TPOT, ITL or E2EL".to_owned(),
            cure: "choose them with --percentile-metrics when benchmarking".to_owned(),
        });
    }
    if has_error_bars(&panels) {
        notes.push(ERROR_BARS.to_owned());
    }
    let runs: Vec<&RunResult> = runs.iter().collect();
    let mut figure = Caption::of(&runs).figure(ID, "Latency over load", panels);
    figure.columns = 2;
    figure.footer.extend(notes);
    Ok(figure)
}

/// The short name of a metric in reports.
pub(crate) fn label_of(metric: &str) -> &str {
    Metric::find(metric).map_or(metric, |metric| metric.label)
}

/// The panels of a metric; none if no run has it.
fn over_load(arranged: &Arranged<'_>, metric: &str) -> Vec<Panel> {
    let mut known = statistics(arranged, metric);
    if arranged.series.len() == 1 {
        // All in one panel, in their order.
        known.truncate(2 + PERCENTILES);
        let panel = panel(arranged, metric, &known);
        return (!known.is_empty()).then_some(panel).into_iter().collect();
    }
    let middle = [Statistic::Median, Statistic::Mean];
    let middle = middle.into_iter().find(|one| known.contains(one));
    let tail = tail(&known);
    let shown = [middle, tail].into_iter().flatten();
    shown.map(|one| panel(arranged, metric, &[one])).collect()
}

/// The percentile that speaks for the slow end: the 99th, else the highest there is.
pub(crate) fn tail(known: &[Statistic]) -> Option<Statistic> {
    let wanted = Statistic::Percentile(99.0);
    let percentiles = || known.iter().copied().filter(|one| above_median(*one));
    percentiles()
        .find(|one| *one == wanted)
        .or_else(|| percentiles().next_back())
}

fn above_median(statistic: Statistic) -> bool {
    matches!(statistic, Statistic::Percentile(p) if p > 50.0)
}

/// What the runs tell of a metric: mean, median, then percentiles above it, rising.
pub(crate) fn statistics(arranged: &Arranged<'_>, metric: &str) -> Vec<Statistic> {
    let runs = arranged.runs();
    let stats = runs.flat_map(|run| run.statistics.iter().filter(|stats| stats.metric == metric));
    let mut known: Vec<Statistic> = Vec::new();
    for (statistic, value) in stats.flat_map(|stats| &stats.values) {
        if value.is_finite() && !known.contains(statistic) {
            known.push(*statistic);
        }
    }
    known.retain(|one| above_median(*one) || [Statistic::Mean, Statistic::Median].contains(one));
    known.sort_by(|one, two| rank(*one).total_cmp(&rank(*two)));
    known
}

/// Its place among the statistics of a metric.
pub(crate) fn rank(statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Mean => 0.0,
        Statistic::Median => 50.0,
        Statistic::Percentile(p) => p,
        Statistic::Std => f64::INFINITY,
    }
}

fn panel(arranged: &Arranged<'_>, metric: &str, statistics: &[Statistic]) -> Panel {
    let alone = arranged.series.len() == 1;
    let mut layers: Vec<Layer> = Vec::new();
    for series in &arranged.series {
        for (index, &statistic) in statistics.iter().enumerate() {
            let curve = Curve::of(series, &|run| run.statistic(metric, statistic));
            let (name, ink) = match alone {
                true => (Some(statistic.to_string()), Ink::Series(index)),
                false => (series.name.clone(), series.ink),
            };
            layers.extend(curve.layers(name, ink, &series.tags));
        }
    }
    let name = match statistics {
        [one] => format!("{one} {}", label_of(metric)),
        _ => label_of(metric).to_owned(),
    };
    Panel {
        title: None,
        x: arranged.axis.clone(),
        y: times(&name, "ms", &layers),
        layers,
    }
}

#[cfg(test)]
mod tests {
    use super::super::make::{run, with_requests};
    use super::*;
    use crate::Marks;

    fn names(panel: &Panel) -> Vec<&str> {
        let layers = panel.layers.iter();
        layers.filter_map(|layer| layer.name.as_deref()).collect()
    }

    #[test]
    fn one_series_has_its_statistics_in_one_panel() {
        let figure = latency(&[run(1), run(2)]).unwrap();
        let labels: Vec<String> = figure.panels.iter().map(|panel| panel.y.label()).collect();
        assert_eq!(labels, ["TTFT (ms)", "TPOT (ms)"]);
        assert_eq!(names(&figure.panels[0]), ["mean", "median", "p99"]);
        let Marks::Line(p99) = &figure.panels[0].layers[4].marks else {
            panic!("{:?}", figure.panels[0].layers);
        };
        assert_eq!(p99[0].y, 3.0 * 23.0);
    }

    #[test]
    fn several_series_have_a_panel_for_middle_and_one_for_tail() {
        let other = RunResult {
            backend: Some("sglang".to_owned()),
            ..run(1)
        };
        let figure = latency(&[run(1), other]).unwrap();
        let labels: Vec<String> = figure.panels.iter().map(|panel| panel.y.label()).collect();
        assert_eq!(
            labels,
            [
                "median TTFT (ms)",
                "p99 TTFT (ms)",
                "median TPOT (ms)",
                "p99 TPOT (ms)"
            ]
        );
        assert_eq!(names(&figure.panels[0]), ["sglang", "vllm"]);
    }

    #[test]
    fn requests_give_a_distribution_at_each_load() {
        let runs = [
            with_requests(run(1), 101),
            run(2),
            with_requests(run(4), 11),
        ];
        let figure = latency(&runs).unwrap();
        let panel = figure.panels.last().unwrap();
        assert_eq!(panel.title.as_deref(), Some("TTFT distribution"));
        assert_eq!(names(panel), ["concurrency 1", "concurrency 4"]);
        let Marks::Line(points) = &panel.layers[0].marks else {
            panic!("{panel:?}");
        };
        // Of 1, 2, ... 101 ms, the share p has 1 + p.
        for point in points {
            assert!((point.x - (1.0 + point.y)).abs() < 1e-9, "{point:?}");
        }
        assert!(points.is_sorted_by(|one, two| one.y < two.y));
        assert!(
            figure
                .footer
                .iter()
                .any(|line| line.contains("without 1 run"))
        );
    }

    #[test]
    fn several_series_have_their_distributions_at_the_highest_load_of_all() {
        let other = |concurrency| RunResult {
            backend: Some("sglang".to_owned()),
            ..run(concurrency)
        };
        let runs = [run(1), run(8), other(1), other(8), other(64)];
        let runs = runs.map(|run| with_requests(run, 3));
        let figure = latency(&runs).unwrap();
        let panel = figure.panels.last().unwrap();
        assert_eq!(names(panel), ["sglang", "vllm"]);
        let load = ("concurrency".to_owned(), "8".to_owned());
        assert!(panel.layers.iter().all(|layer| layer.tags.contains(&load)));
        let note = "Distributions at concurrency 8, the highest load of all series";
        assert!(figure.footer.iter().any(|line| line == note));
    }

    #[test]
    fn many_loads_are_thinned_from_end_to_end() {
        let runs: Vec<RunResult> = (1..=30).map(|load| with_requests(run(load), 5)).collect();
        let figure = latency(&runs).unwrap();
        let names = names(figure.panels.last().unwrap());
        assert_eq!((names[0], names[11]), ("concurrency 1", "concurrency 30"));
        assert_eq!(names.len(), 12);
        assert!(
            figure
                .footer
                .contains(&"Distributions of 12 of 30 loads".to_owned())
        );
    }

    #[test]
    fn without_statistics_there_is_no_chart() {
        let bare = RunResult {
            statistics: Vec::new(),
            ..run(1)
        };
        let error = latency(&[bare]).unwrap_err().to_string();
        assert!(error.contains("--percentile-metrics"), "{error}");
    }
}
