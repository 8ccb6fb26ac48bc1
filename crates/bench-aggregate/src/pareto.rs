//! Throughput against what a user sees of it.

mod tell;
mod workload;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;

use bench_metrics::Slo;
use bench_report::{RunResult, Statistic};
use serde::Serialize;

pub use tell::{ParetoFormat, ParetoOptions, ParetoTold, tell_pareto};
pub use workload::Workload;

use crate::aggregate::repetition_key;

/// How points are made of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ParetoRules {
    /// Number of GPUs behind the throughput; it is divided by them.
    pub gpus: Option<NonZeroU32>,
    /// Objectives in milliseconds.
    pub slo: Slo,
    /// The statistic of a run that has to keep them.
    pub slo_statistic: Statistic,
}

impl Default for ParetoRules {
    fn default() -> Self {
        ParetoRules {
            gpus: None,
            slo: Slo::default(),
            slo_statistic: Statistic::Percentile(99.0),
        }
    }
}

/// Where the runs stand between the speed of one user and the throughput of the whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pareto {
    /// What the runs worked on; each has a frontier of its own.
    pub workloads: Vec<Workload>,
    /// A point for each run that has the numbers, and one for all its repeats, in the order of
    /// their first runs.
    pub points: Vec<ParetoPoint>,
    /// Runs that have no point.
    pub missing: Vec<NoPoint>,
    /// Slowest speed of a user that keeps the objective for TPOT, in output tokens per second.
    pub slo_speed: Option<f64>,
}

/// One run, or the mean of its repeats, between the speed of one user and the throughput of the
/// whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParetoPoint {
    /// Which of the runs it stands for: several are repeats, which differ in nothing.
    pub runs: Vec<usize>,
    /// Which of the workloads they had.
    pub workload: usize,
    /// Output tokens per second that one user sees.
    pub user_speed: f64,
    /// What `user_speed` comes from.
    pub speed_source: SpeedSource,
    /// Output tokens per second of the whole, or of each GPU if their number was given.
    pub throughput: f64,
    /// Whether no other point of the workload has both more throughput and more speed, or one
    /// of them and as much of the other.
    pub frontier: bool,
    /// Whether the objectives are kept, by the mean over repeats; `None` without objectives, and
    /// where a run does not have a number that an objective is about.
    pub meets_slo: Option<bool>,
}

/// What the speed of one user comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeedSource {
    /// 1000 / median TPOT in ms: how fast the answer of a typical request grows.
    MedianTpot,
    /// Output throughput / concurrency, where there is no TPOT. Waiting for the first token
    /// counts, so it is the lower one of the two.
    Concurrency,
}

impl fmt::Display for SpeedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpeedSource::MedianTpot => "1000 / median TPOT (ms)",
            SpeedSource::Concurrency => "output throughput / concurrency",
        })
    }
}

/// A run without a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoPoint {
    /// Which of the runs it is.
    pub run: usize,
    /// What it lacks.
    pub reason: &'static str,
}

/// Puts runs between the speed of one user and the throughput of the whole, and marks those on
/// the frontier of their workload: with them, more of one costs some of the other.
///
/// Repeats are what `bench-aggregate --group` makes one row of. They are one point, the mean over
/// them in both directions: else the frontier would be one of lucky runs.
pub fn pareto(runs: &[RunResult], rules: &ParetoRules) -> Pareto {
    let mut found = Pareto {
        slo_speed: rules.slo.tpot.filter(|&ms| ms > 0.0).map(|ms| 1000.0 / ms),
        ..Pareto::default()
    };
    let mut repeats: Vec<Repeats> = Vec::new();
    let mut places = HashMap::new();
    for (run, result) in runs.iter().enumerate() {
        match place(result, rules) {
            Ok(here) => {
                let key = (repetition_key(result), here.speed_source);
                let known = *places.entry(key).or_insert(repeats.len());
                if known == repeats.len() {
                    repeats.push(Repeats::default());
                }
                repeats[known].runs.push(run);
                repeats[known].places.push(here);
            }
            Err(reason) => found.missing.push(NoPoint { run, reason }),
        }
    }
    for repeats in repeats {
        let point = repeats.point(runs, rules, &mut found.workloads);
        found.points.extend(point);
    }
    for workload in 0..found.workloads.len() {
        mark_frontier(&mut found.points, workload);
    }
    found
}

impl Pareto {
    /// What tells the workloads apart, in their order; empty names if there is only one.
    pub fn workload_names(&self) -> Vec<String> {
        workload::names(&self.workloads)
    }
}

/// Where one run stands.
struct Place {
    user_speed: f64,
    speed_source: SpeedSource,
    throughput: f64,
}

/// Runs that differ in nothing, and where they stand.
#[derive(Default)]
struct Repeats {
    runs: Vec<usize>,
    places: Vec<Place>,
}

impl Repeats {
    fn point(
        self,
        all: &[RunResult],
        rules: &ParetoRules,
        workloads: &mut Vec<Workload>,
    ) -> Option<ParetoPoint> {
        let first = self.places.first()?;
        let results: Vec<&RunResult> = self.runs.iter().map(|&run| &all[run]).collect();
        let workload = Workload::of(results.first()?);
        let known = workloads.iter().position(|known| *known == workload);
        let workload = known.unwrap_or_else(|| {
            workloads.push(workload);
            workloads.len() - 1
        });
        let mean = |value: fn(&Place) -> f64| mean(self.places.iter().map(value));
        Some(ParetoPoint {
            workload,
            user_speed: mean(|place| place.user_speed),
            speed_source: first.speed_source,
            throughput: mean(|place| place.throughput),
            frontier: false,
            meets_slo: meets_slo(&results, rules),
            runs: self.runs,
        })
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn place(result: &RunResult, rules: &ParetoRules) -> Result<Place, &'static str> {
    let positive = |value: &f64| value.is_finite() && *value > 0.0;
    let throughput = result.output_throughput.filter(positive);
    let throughput = throughput.ok_or("it has no output throughput")?;
    let tpot = result.statistic("tpot", Statistic::Median).filter(positive);
    let (user_speed, speed_source) = match (tpot, result.max_concurrency) {
        (Some(ms), _) => (1000.0 / ms, SpeedSource::MedianTpot),
        (None, Some(users)) if users > 0 => (throughput / users as f64, SpeedSource::Concurrency),
        (None, _) => return Err("it has neither a median TPOT nor a concurrency"),
    };
    Ok(Place {
        user_speed,
        speed_source,
        throughput: throughput / rules.gpus.map_or(1.0, |gpus| f64::from(gpus.get())),
    })
}

/// A missed objective decides; else all of them must be known.
fn meets_slo(repeats: &[&RunResult], rules: &ParetoRules) -> Option<bool> {
    let Slo { ttft, tpot, e2el } = rules.slo;
    let limits = [("ttft", ttft), ("tpot", tpot), ("e2el", e2el)];
    let kept = limits.into_iter().filter_map(|(metric, limit)| {
        let limit = limit?;
        let values = repeats.iter();
        let values = values.map(|run| run.statistic(metric, rules.slo_statistic));
        let values: Option<Vec<f64>> = values.collect();
        Some(values.map(|values| mean(values.into_iter()) <= limit))
    });
    let kept: Vec<Option<bool>> = kept.collect();
    if kept.is_empty() {
        None
    } else if kept.contains(&Some(false)) {
        Some(false)
    } else {
        kept.into_iter()
            .collect::<Option<Vec<bool>>>()
            .map(|_| true)
    }
}

/// From the fastest to the slowest, a point is on the frontier if it has more throughput than
/// every faster one.
fn mark_frontier(points: &mut [ParetoPoint], workload: usize) {
    let of_workload = |index: &usize| points[*index].workload == workload;
    let mut order: Vec<usize> = (0..points.len()).filter(of_workload).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&points[a], &points[b]);
        let by_speed = b.user_speed.total_cmp(&a.user_speed);
        by_speed.then(b.throughput.total_cmp(&a.throughput))
    });
    let mut best: Option<(f64, f64)> = None;
    for index in order {
        let point = &mut points[index];
        let here = (point.user_speed, point.throughput);
        point.frontier = best.is_none_or(|best| here.1 > best.1 || here == best);
        if point.frontier {
            best = Some(here);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::{MetricStats, Tool};

    fn run(tpot: Option<f64>, throughput: f64, concurrency: u64) -> RunResult {
        let stats = |metric: &str, median: f64| MetricStats {
            metric: metric.to_owned(),
            values: vec![
                (Statistic::Median, median),
                (Statistic::Percentile(99.0), 2.0 * median),
            ],
        };
        RunResult {
            output_throughput: Some(throughput),
            max_concurrency: Some(concurrency),
            statistics: tpot.map(|ms| stats("tpot", ms)).into_iter().collect(),
            ..RunResult::default()
        }
    }

    fn frontier(pareto: &Pareto) -> Vec<usize> {
        let on = pareto.points.iter().filter(|point| point.frontier);
        on.flat_map(|point| point.runs.clone()).collect()
    }

    #[test]
    fn the_frontier_is_what_no_other_run_beats() {
        let runs = [
            run(Some(10.0), 100.0, 1),
            run(Some(20.0), 90.0, 2),
            run(Some(20.0), 400.0, 8),
            run(Some(40.0), 900.0, 32),
            run(Some(80.0), 900.0, 64),
            run(Some(40.0), 900.0, 33),
        ];
        let pareto = pareto(&runs, &ParetoRules::default());
        assert_eq!(frontier(&pareto), [0, 2, 3, 5], "equals stand side by side");
        assert_eq!(pareto.points[0].user_speed, 100.0);
        assert_eq!(pareto.points[0].meets_slo, None);
    }

    #[test]
    fn repeats_are_one_point_at_their_mean() {
        let lucky = RunResult {
            output_throughput: Some(500.0),
            ..run(Some(10.0), 500.0, 8)
        };
        let runs = [
            run(Some(40.0), 300.0, 8),
            run(Some(20.0), 450.0, 9),
            lucky,
            run(Some(40.0), 100.0, 8),
        ];
        let rules = ParetoRules {
            slo: Slo::parse(["tpot:50"]).expect("objectives"),
            ..ParetoRules::default()
        };
        let found = pareto(&runs, &rules);
        let [repeated, single] = &found.points[..] else {
            panic!("{:?}", found.points);
        };
        assert_eq!(repeated.runs, [0, 2, 3]);
        assert_eq!(repeated.user_speed, (25.0 + 100.0 + 25.0) / 3.0);
        assert_eq!(repeated.throughput, 300.0);
        assert_eq!(
            repeated.meets_slo,
            Some(false),
            "the lucky one alone keeps it"
        );
        assert_eq!(single.runs, [1]);
        assert_eq!(frontier(&found), [1], "not a frontier of lucky runs");
    }

    #[test]
    fn only_runs_of_the_same_work_compete() {
        let of = |model: &str, input_len| RunResult {
            model_id: Some(model.to_owned()),
            input_len: Some(input_len),
            ..run(Some(10.0), 900.0, 8)
        };
        let slow = |run: RunResult| RunResult {
            output_throughput: Some(100.0),
            ..run
        };
        let other_server = RunResult {
            backend: Some("sglang".to_owned()),
            ..slow(of("large", 128))
        };
        let other_tool = {
            let mut run = slow(of("large", 128));
            run.origin.tool = Tool::VllmBench;
            run
        };
        let runs = [
            of("large", 128),
            slow(of("large", 4096)),
            slow(of("small", 128)),
            other_server,
            other_tool,
        ];
        let found = pareto(&runs, &ParetoRules::default());
        assert_eq!(frontier(&found), [0, 1, 2, 4], "servers compete");
        assert_eq!(
            found.workload_names(),
            [
                "large, bench-serve, 128 in",
                "large, bench-serve, 4096 in",
                "small, bench-serve, 128 in",
                "large, vllm-bench, 128 in",
            ]
        );
        let alone = pareto(&runs[..1], &ParetoRules::default());
        assert_eq!(alone.workload_names(), [""]);
    }

    #[test]
    fn without_tpot_the_concurrency_tells_the_speed() {
        let mut lacking = run(None, 100.0, 4);
        let runs = [lacking.clone(), {
            lacking.max_concurrency = None;
            lacking
        }];
        let pareto = pareto(&runs, &ParetoRules::default());
        assert_eq!(pareto.points[0].user_speed, 25.0);
        assert_eq!(pareto.points[0].speed_source, SpeedSource::Concurrency);
        assert_eq!(pareto.missing.len(), 1);
        assert_eq!(pareto.missing[0].run, 1);
    }

    #[test]
    fn objectives_are_kept_missed_or_unknown() {
        let rules = |slo: &[&str]| ParetoRules {
            gpus: NonZeroU32::new(4),
            slo: Slo::parse(slo).expect("objectives"),
            ..ParetoRules::default()
        };
        let runs = [run(Some(20.0), 400.0, 8), run(Some(30.0), 600.0, 16)];
        let met = |slo: &[&str]| -> Vec<Option<bool>> {
            let found = pareto(&runs, &rules(slo));
            found.points.iter().map(|point| point.meets_slo).collect()
        };
        assert_eq!(met(&["tpot:50"]), [Some(true), Some(false)]);
        // Neither run has a TTFT: what is not missed is not known to be kept.
        assert_eq!(met(&["tpot:50", "ttft:500"]), [None, Some(false)]);
        let found = pareto(&runs, &rules(&["tpot:50"]));
        assert_eq!(found.slo_speed, Some(20.0));
        assert_eq!(found.points[0].throughput, 100.0, "of each GPU");
    }
}
