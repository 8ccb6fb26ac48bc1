use std::num::NonZeroU32;
use std::path::PathBuf;

use bench_aggregate::{Found, Pareto, ParetoRules, SpeedSource, pareto};
use bench_charts::figures::{Tradeoff, TradeoffNotes};
use bench_charts::{Figure, NoChart, figures};
use bench_metrics::Slo;
use bench_report::RunResult;
use clap::Args;

use crate::chart::{OfRun, OfRuns};
use crate::sheet::Sheet;
use crate::{OutputOptions, PlotError, Plotted, input};

/// Charts of single runs.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct FileOptions {
    /// Result files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where the charts go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// A chart of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct SweepOptions {
    /// Result files of the loads, and folders of them
    #[arg(value_name = "PATHS", required = true)]
    pub paths: Vec<PathBuf>,
    /// Where the charts go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// A chart of throughput against the speed of one user.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ParetoOptions {
    /// Result files, and folders of them
    #[arg(value_name = "PATHS", required = true)]
    pub paths: Vec<PathBuf>,
    /// Show the throughput of one of so many GPUs
    #[arg(long, value_name = "N")]
    pub gpus: Option<NonZeroU32>,
    /// Objectives in milliseconds for the 99th percentile, such as `ttft:500 tpot:50`
    ///
    /// Points that miss one are grey. An objective for TPOT is a line as well: a slower user does
    /// not get the tokens in time.
    #[arg(long, value_name = "METRIC:MS", num_args = 1..)]
    pub slo: Vec<String>,
    /// Where the charts go.
    #[command(flatten)]
    pub output: OutputOptions,
}

impl FileOptions {
    /// A chart of each run.
    pub(crate) fn draw_each(&self, chart: OfRun) -> Result<Plotted, PlotError> {
        let Found { runs, skipped } = input::read(&self.files, true)?;
        let mut sheet = Sheet::new(&self.output);
        sheet.of_each(&runs, chart)?;
        sheet.finish(skipped, true)
    }

    /// One chart with all runs in it.
    pub(crate) fn draw_together(&self, chart: OfRuns) -> Result<Plotted, PlotError> {
        let Found { runs, skipped } = input::read(&self.files, true)?;
        let mut sheet = Sheet::new(&self.output);
        sheet.add(chart(&runs.iter().collect::<Vec<_>>()))?;
        sheet.finish(skipped, true)
    }
}

impl SweepOptions {
    pub(crate) fn draw(&self) -> Result<Plotted, PlotError> {
        let Found { runs, skipped } = input::read(&self.paths, false)?;
        let mut sheet = Sheet::new(&self.output);
        sheet.add(figures::sweep(&runs))?;
        sheet.finish(skipped, true)
    }
}

impl ParetoOptions {
    pub(crate) fn draw(&self) -> Result<Plotted, PlotError> {
        let rules = ParetoRules {
            gpus: self.gpus,
            slo: Slo::parse(&self.slo)?,
            ..ParetoRules::default()
        };
        let Found { runs, skipped } = input::read(&self.paths, false)?;
        let mut sheet = Sheet::new(&self.output);
        sheet.add(pareto_figure(&runs, &rules))?;
        sheet.finish(skipped, true)
    }
}

/// The chart of what `bench-aggregate pareto` computes.
pub(crate) fn pareto_figure(runs: &[RunResult], rules: &ParetoRules) -> Result<Figure, NoChart> {
    let found = pareto(runs, rules);
    let tradeoffs = found.points.iter().map(|point| Tradeoff {
        runs: point.runs.clone(),
        workload: point.workload,
        user_speed: point.user_speed,
        throughput: point.throughput,
        frontier: point.frontier,
        meets_slo: point.meets_slo,
    });
    let tradeoffs: Vec<Tradeoff> = tradeoffs.collect();
    let mut footer = Vec::new();
    for source in [SpeedSource::MedianTpot, SpeedSource::Concurrency] {
        let of = found
            .points
            .iter()
            .filter(|point| point.speed_source == source);
        match of.count() {
            0 => {}
            count if count == tradeoffs.len() => {
                footer.push(format!("Speed of one user: {source}"))
            }
            count => footer.push(format!(
                "Speed of one user in {count} of the points: {source}"
            )),
        }
    }
    if tradeoffs.iter().any(|one| one.runs.len() > 1) {
        footer.push("Repeats are one point, their mean".to_owned());
    }
    footer.extend(missing(&found));
    let slo = (!rules.slo.is_empty())
        .then(|| format!("Objectives for the {}: {}", rules.slo_statistic, rules.slo));
    let notes = TradeoffNotes {
        per_gpu: rules.gpus.is_some(),
        slo_speed: found.slo_speed,
        workloads: found.workload_names(),
        slo,
        footer,
    };
    figures::pareto(runs, &tradeoffs, &notes)
}

/// How many runs have no point, by what they lack.
fn missing(found: &Pareto) -> Vec<String> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for missing in &found.missing {
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == missing.reason)
        {
            Some((_, count)) => *count += 1,
            None => reasons.push((missing.reason, 1)),
        }
    }
    let line = |(reason, count)| format!("Not shown: {count} of the runs ({reason})");
    reasons.into_iter().map(line).collect()
}
