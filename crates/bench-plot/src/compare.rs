use std::path::{Path, PathBuf};

use bench_aggregate::Found;
use bench_aggregate::compare::{self, Comparison, Load, Margin, Measure, Method, Row};
use bench_charts::figures::{self, Difference, Verdict};
use clap::Args;

use crate::sheet::Sheet;
use crate::{OutputOptions, PlotError, Plotted, input};

/// A chart of two sides.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct CompareOptions {
    /// Side A, what is compared with: a result file, or a folder of them
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// Side B, what is judged: a result file, or a folder of them
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Numbers to compare, by their keys in a result, such as p99_ttft_ms or output_throughput
    ///
    /// By default mean, median, p90 and p99 of TTFT, TPOT, ITL and E2EL, and the throughputs, as
    /// far as the results have them.
    #[arg(long, value_name = "KEY", num_args = 1.., value_delimiter = ',')]
    pub metrics: Vec<Measure>,
    /// How large a difference may be and still not matter: 2%, or p99_ttft_ms=5% for one number
    /// [default: 2%]
    #[arg(long, value_name = "[KEY=]PERCENT", num_args = 1..)]
    pub margin: Vec<Margin>,
    /// Where the charts go.
    #[command(flatten)]
    pub output: OutputOptions,
}

impl CompareOptions {
    pub(crate) fn draw(&self) -> Result<Plotted, PlotError> {
        let mut options = compare::CompareOptions::new(&self.a, &self.b);
        options.metrics.clone_from(&self.metrics);
        options.margin.clone_from(&self.margin);
        let found = compare::compare(&options)?;
        let side = |path: &PathBuf| input::read(std::slice::from_ref(path), false);
        let (a, b): (Found, Found) = (side(&self.a)?, side(&self.b)?);
        let name = |path: &Path| path.display().to_string();
        let figure = figures::compare(&figures::Comparison {
            a: (&name(&self.a), &a.runs),
            b: (&name(&self.b), &b.runs),
            differences: &differences(&found),
            notes: &notes(&found),
        });
        let mut sheet = Sheet::new(&self.output);
        sheet.add(figure)?;
        sheet.finish(found.skipped, true)
    }
}

/// Every number at every load.
fn differences(found: &Comparison) -> Vec<Difference> {
    let loads: Vec<&Load> = found.points.iter().map(|point| &point.load).collect();
    let several = loads.len() > 1;
    let of_point = |(index, point): (usize, &compare::Point)| {
        let load = several.then(|| words(&loads, index));
        let rows = point.rows.iter();
        rows.map(|row| difference(row, load.clone()))
            .collect::<Vec<_>>()
    };
    found.points.iter().enumerate().flat_map(of_point).collect()
}

fn difference(row: &Row, load: Option<String>) -> Difference {
    let percent =
        |interval: bench_metrics::stats::Interval| (interval.low * 100.0, interval.high * 100.0);
    Difference {
        key: row.measure.key(),
        load,
        a: row.a,
        b: row.b,
        interval: row.relative_interval.map(percent),
        verdict: match row.verdict {
            compare::Verdict::Better => Verdict::Better,
            compare::Verdict::Worse => Verdict::Worse,
            compare::Verdict::Same => Verdict::Same,
            compare::Verdict::Inconclusive => Verdict::Inconclusive,
        },
    }
}

/// What tells a load from the others.
fn words(loads: &[&Load], index: usize) -> String {
    let parts = |load: &Load| {
        [
            load.model.clone(),
            load.backend.clone(),
            load.input_len.map(|tokens| format!("{tokens} in")),
            load.output_len.map(|tokens| format!("{tokens} out")),
            load.max_concurrency
                .map(|limit| format!("concurrency {limit}")),
            load.request_rate.map(|rate| match rate.is_finite() {
                true => format!("{rate} req/s"),
                false => "no rate limit".to_owned(),
            }),
        ]
    };
    let all: Vec<_> = loads.iter().map(|load| parts(load)).collect();
    let own = all.get(index).into_iter().flatten().enumerate();
    let telling = own.filter(|(place, part)| all.iter().any(|other| other[*place] != **part));
    let telling: Vec<String> = telling.filter_map(|(_, part)| part.clone()).collect();
    telling.join(", ")
}

/// How the intervals come about, and what is not compared.
fn notes(found: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let rows = || found.points.iter().flat_map(|point| &point.rows);
    let methods = [
        (Method::Runs, "from the runs of each side (Welch)"),
        (
            Method::RunAgainstRuns,
            "from the runs of one side (Student)",
        ),
        (
            Method::Requests,
            "from the requests of one run on each side",
        ),
    ];
    for (method, words) in methods {
        if found.points.iter().any(|point| point.method == method) {
            notes.push(format!("Intervals {words}"));
        }
    }
    if rows().any(|row| row.relative_interval.is_some()) {
        let margin = rows().map(|row| row.margin * 100.0).fold(0.0, f64::max);
        notes.push(format!(
            "Verdicts are wrong in at most 5 % of comparisons; same: within {margin} %"
        ));
    }
    if found
        .points
        .iter()
        .any(|point| point.method == Method::None)
    {
        notes.push("No intervals where the results have no requests (--save-detailed)".to_owned());
    }
    for (side, only) in [("A", &found.only_a), ("B", &found.only_b)] {
        let loads: Vec<String> = only.iter().map(|(load, _)| load.to_string()).collect();
        if !loads.is_empty() {
            notes.push(format!("Only {side} has: {}", loads.join("; ")));
        }
    }
    notes
}
