use bench_report::{RunResult, Statistic};

use super::latency::{METRICS, label_of, rank, tail};
use crate::{
    Axis, Bar, Caption, Datum, ErrorBar, Figure, Ink, Layer, Marks, NoChart, Panel, Point, Scale,
};

const ID: &str = "compare";

/// Up to how many changes are told with the values they come from.
const WORDED: usize = 8;

/// What one metric says about two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The key of the metric in results, such as `p99_ttft_ms` or `output_throughput`.
    pub key: String,
    /// The load, in words, if the sides were compared at several.
    pub load: Option<String>,
    /// The value of side A.
    pub a: f64,
    /// The value of side B.
    pub b: f64,
    /// Lower and upper end of what B has more than A, in percent of A, if that is known.
    pub interval: Option<(f64, f64)>,
    /// What it means.
    pub verdict: Verdict,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// The same within the margin.
    Same,
    /// The data does not tell.
    Inconclusive,
}

/// Two sides and what was compared.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The name of side A and its runs.
    pub a: (&'a str, &'a [RunResult]),
    /// The name of side B and its runs.
    pub b: (&'a str, &'a [RunResult]),
    /// What was found.
    pub differences: &'a [Difference],
    /// What the reader must know: the confidence, the margin.
    pub notes: &'a [String],
}

/// B against A: by how many percent each metric differs, with its interval and verdict, and the
/// values side by side. Where several loads were compared, a panel for each metric over them.
pub fn compare(comparison: &Comparison<'_>) -> Result<Figure, NoChart> {
    let runs: Vec<&RunResult> = comparison.a.1.iter().chain(comparison.b.1).collect();
    if runs.is_empty() {
        return Err(NoChart::NoRuns { chart: ID });
    }
    let differences = comparison.differences;
    let panels = if differences.iter().any(|one| one.load.is_some()) {
        over_loads(differences)
    } else {
        at_one_load(comparison)
    };
    if panels.is_empty() {
        return Err(NoChart::LackingInAll {
            chart: ID,
            runs: runs.len(),
            what: "a metric that both sides have".to_owned(),
            cure: "give results with the same --percentile-metrics".to_owned(),
        });
    }
    let mut figure = Caption::of(&runs).figure(ID, "B against A", panels);
    figure.columns = 2;
    let sides = format!("A: {} · B: {}", comparison.a.0, comparison.b.0);
    figure.footer.insert(0, sides);
    figure.footer.extend(comparison.notes.iter().cloned());
    Ok(figure)
}

impl Verdict {
    const ALL: [Verdict; 4] = [
        Verdict::Better,
        Verdict::Worse,
        Verdict::Same,
        Verdict::Inconclusive,
    ];

    fn name(self) -> &'static str {
        match self {
            Verdict::Better => "B better",
            Verdict::Worse => "B worse",
            Verdict::Same => "same",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Verdict::Better => Ink::Good,
            Verdict::Worse => Ink::Bad,
            Verdict::Same => Ink::Series(0),
            Verdict::Inconclusive => Ink::Muted,
        }
    }
}

impl Difference {
    /// What B has more than A, in percent of A.
    fn change(&self) -> f64 {
        (self.b - self.a) / self.a * 100.0
    }

    /// Statistic and metric, if it is a latency.
    fn latency(&self) -> Option<(Statistic, &str)> {
        Statistic::parse_key(&self.key)
    }

    fn name(&self) -> String {
        match self.latency() {
            Some((statistic, metric)) => format!("{statistic} {}", label_of(metric)),
            None => self.key.replace('_', " "),
        }
    }
}

fn at_one_load(comparison: &Comparison<'_>) -> Vec<Panel> {
    let differences = comparison.differences.iter();
    let (latencies, rates): (Vec<&Difference>, Vec<_>) =
        differences.partition(|one| one.latency().is_some());
    let name = |one: &Difference| one.name();
    let changes = [
        changes("Throughput: up is better", &rates, name),
        changes("Latency: down is better", &latencies, name),
    ];
    let values = METRICS.into_iter().filter_map(|metric| {
        let of_metric = |one: &&Difference| one.latency().is_some_and(|(_, of)| of == metric);
        let shown: Vec<&Difference> = latencies.iter().copied().filter(of_metric).collect();
        pairs(metric, &shown)
    });
    changes.into_iter().flatten().chain(values).collect()
}

/// A panel for the throughput and one for the slow end of each latency.
fn over_loads(differences: &[Difference]) -> Vec<Panel> {
    let mut keys = vec!["output_throughput".to_owned()];
    keys.extend(METRICS.into_iter().filter_map(|metric| {
        let known = differences.iter().filter_map(Difference::latency);
        let mut known: Vec<Statistic> = known
            .filter(|(_, of)| *of == metric)
            .map(|(statistic, _)| statistic)
            .collect();
        known.sort_by(|one, two| rank(*one).total_cmp(&rank(*two)));
        let shown = tail(&known).or_else(|| known.first().copied())?;
        Some(shown.key(metric))
    }));
    let panels = keys.iter().filter_map(|key| {
        let shown: Vec<&Difference> = differences.iter().filter(|one| one.key == *key).collect();
        let better = match shown.first()?.latency() {
            Some(_) => "down is better",
            None => "up is better",
        };
        let title = format!("{}: {better}", shown.first()?.name());
        changes(&title, &shown, |one| one.load.clone().unwrap_or_default())
    });
    panels.collect()
}

/// Changes in percent, one beside the other; `None` if there are none.
fn changes(
    title: &str,
    differences: &[&Difference],
    name: impl Fn(&Difference) -> String,
) -> Option<Panel> {
    let shown: Vec<&Difference> = differences
        .iter()
        .copied()
        .filter(|one| one.change().is_finite())
        .collect();
    let zero = Marks::Horizontal(Datum {
        at: 0.0,
        label: String::new(),
    });
    let mut layers = vec![Layer::new(None, Ink::Muted, zero)];
    for verdict in Verdict::ALL {
        let of = |(_, one): &(usize, &&Difference)| one.verdict == verdict;
        let places = || shown.iter().enumerate().filter(of);
        let points = places().map(|(place, one)| Point {
            x: place as f64,
            y: one.change(),
            label: Some(format!("A {}, B {}, {}", one.a, one.b, verdict.name())),
        });
        let points: Vec<Point> = points.collect();
        let bars = places().filter_map(|(place, one)| {
            let (low, high) = one.interval?;
            let x = place as f64;
            Some(ErrorBar { x, low, high })
        });
        let bars: Vec<ErrorBar> = bars.collect();
        if !bars.is_empty() {
            layers.push(Layer::new(None, verdict.ink(), Marks::ErrorBars(bars)));
        }
        if !points.is_empty() {
            let name = verdict.name().to_owned();
            layers.push(Layer::new(name, verdict.ink(), Marks::Points(points)));
        }
    }
    if shown.len() <= WORDED {
        layers.push(values_in_words(&shown));
    }
    (!shown.is_empty()).then(|| Panel {
        title: Some(title.to_owned()),
        x: names(shown.iter().map(|one| name(one))),
        y: Axis::linear("Change from A to B", Some("%")),
        layers,
    })
}

/// What each point comes from: `2000 → 2100`.
fn values_in_words(differences: &[&Difference]) -> Layer {
    let words = differences.iter().enumerate().map(|(place, one)| Point {
        x: place as f64,
        y: one.change(),
        label: Some(format!("{} → {}", rounded(one.a), rounded(one.b))),
    });
    Layer::new(None, Ink::Muted, Marks::Words(words.collect()))
}

/// To about four digits.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 1000.0 => 0,
        middle if middle >= 100.0 => 1,
        middle if middle >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The statistics of a latency on both sides; `None` if there are none.
fn pairs(metric: &str, differences: &[&Difference]) -> Option<Panel> {
    let side = |index: usize, name: &str, value: fn(&Difference) -> f64| {
        // Two bars fill four fifths of the place of a name.
        let left = -0.4 + 0.4 * index as f64;
        let bars = differences.iter().enumerate().map(|(place, one)| Bar {
            left: place as f64 + left,
            right: place as f64 + left + 0.4,
            height: value(one),
        });
        let bars = Marks::Bars(bars.collect());
        Layer::new(name.to_owned(), Ink::Series(index), bars)
    };
    let layers = vec![side(0, "A", |one| one.a), side(1, "B", |one| one.b)];
    let statistics = differences.iter().filter_map(|one| one.latency());
    let labels = statistics.map(|(statistic, _)| statistic.to_string());
    (!differences.is_empty()).then(|| Panel {
        title: None,
        x: names(labels),
        y: Axis::linear(label_of(metric), Some("ms")),
        layers,
    })
}

/// An axis of names.
fn names(names: impl Iterator<Item = String>) -> Axis {
    let mut axis = Axis::linear("", None);
    axis.scale = Scale::Category(names.collect());
    axis
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    fn difference(key: &str, b: f64, verdict: Verdict) -> Difference {
        Difference {
            key: key.to_owned(),
            load: None,
            a: 100.0,
            b,
            interval: Some((b - 103.0, b - 97.0)),
            verdict,
        }
    }

    fn figure(differences: &[Difference]) -> Result<Figure, NoChart> {
        compare(&Comparison {
            a: ("old.json", &[run(1)]),
            b: ("new.json", &[run(1)]),
            differences,
            notes: &["95 % confidence".to_owned()],
        })
    }

    fn points(panel: &Panel, name: &str) -> Vec<(f64, f64)> {
        let named = |layer: &&Layer| layer.name.as_deref() == Some(name);
        match panel.layers.iter().find(named).map(|layer| &layer.marks) {
            Some(Marks::Points(points)) => points.iter().map(|one| (one.x, one.y)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn changes_are_percent_of_a_by_verdict() {
        let figure = figure(&[
            difference("output_throughput", 104.0, Verdict::Better),
            difference("p99_ttft_ms", 125.0, Verdict::Worse),
            difference("median_ttft_ms", 101.0, Verdict::Inconclusive),
        ])
        .unwrap();
        let [rates, latencies, ttft] = &figure.panels[..] else {
            panic!("{:?}", figure.panels);
        };
        assert_eq!(points(rates, "B better"), [(0.0, 4.0)]);
        assert_eq!(points(latencies, "B worse"), [(0.0, 25.0)]);
        assert_eq!(points(latencies, "inconclusive"), [(1.0, 1.0)]);
        let names = ["p99 TTFT", "median TTFT"].map(str::to_owned).to_vec();
        assert_eq!(latencies.x.scale, Scale::Category(names));
        assert_eq!(ttft.y.label(), "TTFT (ms)");
        let words = rates.layers.last().map(|layer| &layer.marks);
        let Some(Marks::Words(words)) = words else {
            panic!("{rates:?}");
        };
        assert_eq!(words[0].label.as_deref(), Some("100.0 → 104.0"));
        let Marks::Bars(b) = &ttft.layers[1].marks else {
            panic!("{ttft:?}");
        };
        assert_eq!((b[0].left, b[0].right, b[0].height), (0.0, 0.4, 125.0));
        assert_eq!(figure.footer[0], "A: old.json · B: new.json");
    }

    #[test]
    fn several_loads_have_a_panel_for_each_metric() {
        let at = |load: &str, key, b| Difference {
            load: Some(load.to_owned()),
            ..difference(key, b, Verdict::Same)
        };
        let figure = figure(&[
            at("concurrency 1", "output_throughput", 101.0),
            at("concurrency 1", "p99_ttft_ms", 110.0),
            at("concurrency 1", "mean_ttft_ms", 105.0),
            at("concurrency 8", "output_throughput", 102.0),
            at("concurrency 8", "p99_ttft_ms", 120.0),
        ])
        .unwrap();
        let [tokens, ttft] = &figure.panels[..] else {
            panic!("{:?}", figure.panels);
        };
        assert_eq!(points(tokens, "same").len(), 2);
        assert_eq!(ttft.title.as_deref(), Some("p99 TTFT: down is better"));
        let loads = ["concurrency 1", "concurrency 8"].map(str::to_owned);
        assert_eq!(ttft.x.scale, Scale::Category(loads.to_vec()));
    }

    #[test]
    fn sides_without_a_common_metric_have_no_chart() {
        assert!(figure(&[]).is_err());
        let zero = Difference {
            a: 0.0,
            ..difference("request_goodput", 1.0, Verdict::Inconclusive)
        };
        assert!(figure(&[zero]).is_err());
    }
}
