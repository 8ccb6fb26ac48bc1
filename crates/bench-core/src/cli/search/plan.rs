//! From options to the runs of a search.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bench_backends::backend;
use bench_metrics::{JudgeOptions, Objective};
use bench_report::{ResultFormat, free_name};
use bench_types::Nanos;

use super::super::{OptionsError, RunOptions};
use super::SearchOptions;
use crate::search::{Axis, Space, SpaceError};

/// What --max-concurrency is without a value: the concurrency is searched.
const SEARCHED: usize = 0;

/// A search whose options make sense.
#[derive(Clone, Debug)]
pub struct SearchPlan {
    pub(super) options: SearchOptions,
    pub(super) run: RunOptions,
    pub(super) space: Space,
    pub(super) judge: JudgeOptions,
    pub(super) max_duration: Duration,
}

impl SearchPlan {
    /// A search by `options`; all its runs have the options of `run`. A --max-concurrency of 0
    /// there means that it is what is searched.
    ///
    /// # Errors
    /// If the options make no sense together.
    pub fn new(run: RunOptions, options: SearchOptions) -> Result<SearchPlan, OptionsError> {
        let axis = axis(&run, &options)?;
        refuse_flags_of_one_run(&run)?;
        let space = space(axis, &options)?;
        let paced = axis == Axis::RequestRate;
        let objectives = objectives(&run, &options)?;
        if !(options.error_rate > 0.0 && options.error_rate < 0.5) {
            let problem = format!(
                "{} makes no sense: give more than 0 and less than 0.5",
                options.error_rate
            );
            return Err(OptionsError::flag("--error-rate", problem));
        }
        let min_duration = seconds("--min-duration", options.min_duration)?;
        let max_duration = seconds("--max-duration", options.max_duration)?;
        if max_duration < min_duration || max_duration.is_zero() {
            let problem = "it must be more than 0 and not less than --min-duration";
            return Err(OptionsError::flag("--max-duration", problem));
        }
        let judge = JudgeOptions {
            objectives,
            convention: options.slo_view.convention(paced),
            error: options.error_rate,
            min_requests: options.min_requests,
            min_span: Nanos::from(min_duration),
            paced,
        };
        Ok(SearchPlan {
            options,
            run,
            space,
            judge,
            max_duration,
        })
    }

    /// The most requests of a point: --num-prompts, or more where a greater load needs them.
    ///
    /// With a rate, enough for the least time and not more than for the most; with slots, enough
    /// to fill each ten times.
    pub(super) fn most_requests(&self, load: f64) -> usize {
        let options = &self.options;
        let wanted = self.run.load.requests() as f64;
        let most = match self.space.axis() {
            Axis::RequestRate => {
                let least = (load * options.min_duration).ceil();
                wanted.max(least).min((load * options.max_duration).ceil())
            }
            Axis::Concurrency => wanted.max(10.0 * load),
        };
        most.max(options.min_requests as f64).max(1.0) as usize
    }

    /// The options of the `number`th run, whose result goes to `dir`.
    ///
    /// Each has a seed of its own: had it the prompts of another one, a server that remembers
    /// prefixes would be quicker than it is.
    pub(super) fn point(&self, load: f64, number: u64, dir: &Path) -> RunOptions {
        let mut run = self.run.clone();
        run.load.num_prompts = Some(self.most_requests(load));
        run.load.seed = run.load.seed.wrapping_add(number);
        // The times of a trace are another load.
        run.shape.no_self_timed = true;
        let kind = match self.space.axis() {
            Axis::RequestRate => {
                run.load.request_rate = load;
                "rate"
            }
            Axis::Concurrency => {
                run.load.max_concurrency = Some(load as usize);
                "concurrency"
            }
        };
        let path: PathBuf = free_name(dir.join(format!("{kind}_{}.json", short(load))));
        let name = path.file_name().unwrap_or_default();
        run.result.save_result = true;
        run.result.result_dir = dir.to_owned();
        run.result.result_filename = Some(name.to_string_lossy().into_owned());
        // A point that is killed is measured again.
        run.result.no_record_log = true;
        run.result
            .metadata
            .push(format!("search_point={kind} {}", short(load)));
        run
    }

    /// The share of the requests that must keep each objective.
    pub(super) fn required(&self) -> Vec<f64> {
        let objectives = self.judge.objectives.iter();
        objectives.map(Objective::share).collect()
    }
}

/// A load with at most six digits that count.
pub(super) fn short(load: f64) -> String {
    let rounded: f64 = format!("{load:.5e}").parse().unwrap_or(load);
    rounded.to_string()
}

fn axis(run: &RunOptions, options: &SearchOptions) -> Result<Axis, OptionsError> {
    if run.load.request_rate.is_finite() {
        let problem = "the search sets the rate: --max-rate finds the greatest one, --start, \
                       --min and --max say where";
        return Err(OptionsError::flag("--request-rate", problem));
    }
    refuse_load_shapes(run)?;
    match (options.max_rate, run.load.max_concurrency) {
        (true, Some(SEARCHED)) => Err(OptionsError::flag(
            "--max-rate",
            "only one load is searched: leave out --max-concurrency, or give it a number as a cap",
        )),
        (true, _) => Ok(Axis::RequestRate),
        (false, Some(SEARCHED)) => Ok(Axis::Concurrency),
        (false, Some(_)) => Err(OptionsError::flag(
            "--max-concurrency",
            "to search the greatest one give it without a value; --max sets a bound",
        )),
        (false, None) => Err(OptionsError::flag(
            "--max-rate",
            "say what is searched: --max-rate or --max-concurrency",
        )),
    }
}

/// A search is for one rate, or for one number of requests at once.
fn refuse_load_shapes(run: &RunOptions) -> Result<(), OptionsError> {
    let shape = &run.shape;
    let given = [
        (shape.ramp_up_strategy.is_some(), "--ramp-up-strategy"),
        (!shape.stages.is_empty(), "--stages"),
        (shape.self_timed, "--self-timed"),
    ];
    match given.into_iter().find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, flag)) => {
            let problem = "every point of a search has one load, which the search sets; leave it \
                           out";
            Err(OptionsError::flag(flag, problem))
        }
    }
}

/// What makes sense for a single run only is not silently left undone.
fn refuse_flags_of_one_run(run: &RunOptions) -> Result<(), OptionsError> {
    let result = &run.result;
    let file = "every point of a search has a file of its own; --result-dir says where";
    let page = "it tells of one run; make a report of the search afterwards, with \
                bench-plot --report and the folder of the search";
    let time = "the search gives every point a number of requests, and --max-duration ends it; \
                give that, and --min-duration";
    let failures = "failed requests count against every objective of a search; leave it out";
    let given = [
        (result.result_filename.is_some(), "--result-filename", file),
        (result.append_result, "--append-result", file),
        (result.output_file.is_some(), "--output-file", file),
        (
            result.result_format != ResultFormat::Vllm,
            "--result-format",
            "the results of a search are read again, so they are in the format that has \
             everything; leave it out",
        ),
        (run.extent.duration.is_some(), "--duration", time),
        (result.overwrite, "--overwrite", file),
        (result.report.is_some(), "--report", page),
        (result.record_log.is_some(), "--record-log", file),
        (
            result.max_failure_rate.is_some(),
            "--max-failure-rate",
            failures,
        ),
    ];
    match given.into_iter().find(|(given, ..)| *given) {
        None => Ok(()),
        Some((_, flag, problem)) => Err(OptionsError::flag(flag, problem)),
    }
}

fn space(axis: Axis, options: &SearchOptions) -> Result<Space, OptionsError> {
    let (min, start, max, tolerance): (f64, f64, f64, f64) = match axis {
        Axis::RequestRate => (0.1, 1.0, 10_000.0, 0.05),
        Axis::Concurrency => (1.0, 8.0, 4096.0, 0.0),
    };
    let (min, max) = (options.min.unwrap_or(min), options.max.unwrap_or(max));
    // Where only the bounds are given, they move the start.
    let start = options.start.unwrap_or(start.min(max).max(min));
    let tolerance = options.tolerance.unwrap_or(tolerance);
    Space::new(axis, (min, start, max), tolerance).map_err(|error| {
        let flag = match error {
            SpaceError::Tolerance(_) => "--tolerance",
            _ => "--min, --start, --max",
        };
        OptionsError::flag(flag, error.to_string())
    })
}

fn objectives(run: &RunOptions, options: &SearchOptions) -> Result<Vec<Objective>, OptionsError> {
    let error = |source| OptionsError::Metrics {
        flag: "--slo",
        source,
    };
    let objectives = Objective::parse_all(&options.slo, options.slo_attainment).map_err(error)?;
    let backend = backend(&run.server.backend)?;
    let streamed = backend.can_stream() && !run.send.no_stream;
    for objective in &objectives {
        let measurable = objective.check_measurable(backend.task(), streamed);
        measurable.map_err(error)?;
    }
    Ok(objectives)
}

fn seconds(flag: &'static str, value: f64) -> Result<Duration, OptionsError> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| OptionsError::flag(flag, format!("{value} is not a length of time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(
        change: impl FnOnce(&mut RunOptions, &mut SearchOptions),
    ) -> Result<SearchPlan, String> {
        let mut run = RunOptions::default();
        let mut options = SearchOptions {
            max_rate: true,
            slo: vec!["ttft:p99<=500ms".to_owned()],
            ..SearchOptions::default()
        };
        change(&mut run, &mut options);
        SearchPlan::new(run, options).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_name_the_flag_and_the_cure() {
        type Change = fn(&mut RunOptions, &mut SearchOptions);
        let mistakes: [(Change, &[&str]); 17] = [
            (
                |r, _| r.result.max_failure_rate = Some(0.1),
                &["--max-failure-rate", "against every objective"],
            ),
            (
                |_, o| o.max_rate = false,
                &["--max-rate", "--max-concurrency"],
            ),
            (
                |r, _| r.load.max_concurrency = Some(0),
                &["--max-rate", "only one"],
            ),
            (
                |r, o| {
                    o.max_rate = false;
                    r.load.max_concurrency = Some(8);
                },
                &["--max-concurrency", "without a value"],
            ),
            (|r, _| r.load.request_rate = 4.0, &["--request-rate"]),
            (
                |r, _| r.extent.duration = Some(60.0),
                &["--duration", "--max-duration"],
            ),
            (|r, _| r.shape.self_timed = true, &["--self-timed"]),
            (|r, _| r.result.append_result = true, &["--append-result"]),
            (|r, _| r.result.overwrite = true, &["--overwrite"]),
            (
                |_, o| o.slo = vec!["ttft<500".into()],
                &["--slo", "ttft:p99<=500ms"],
            ),
            (
                |r, _| r.send.no_stream = true,
                &["--slo", "not streamed", "e2el"],
            ),
            (|_, o| o.error_rate = 0.5, &["--error-rate"]),
            (|_, o| o.min = Some(0.0), &["--min", "no request rate"]),
            (|_, o| o.start = Some(1e6), &["--start", "begins at"]),
            (|_, o| o.tolerance = Some(0.0), &["--tolerance"]),
            (|_, o| o.max_duration = 1.0, &["--max-duration"]),
            (|_, o| o.min_duration = -1.0, &["--min-duration"]),
        ];
        for (change, parts) in mistakes {
            let told = plan(change).unwrap_err();
            for part in parts {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
    }

    #[test]
    fn a_greater_load_gets_more_requests() {
        let rate = plan(|_, _| {}).unwrap();
        assert_eq!(rate.most_requests(0.1), 100, "the least number");
        assert_eq!(rate.most_requests(1.0), 600, "for the most time");
        assert_eq!(rate.most_requests(10.0), 1000, "--num-prompts");
        assert_eq!(rate.most_requests(100.0), 3000, "for the least time");
        let slots = plan(|run, options| {
            options.max_rate = false;
            run.load.max_concurrency = Some(0);
        });
        assert_eq!(slots.as_ref().unwrap().most_requests(8.0), 1000);
        assert_eq!(slots.unwrap().most_requests(256.0), 2560);
    }

    #[test]
    fn every_point_has_its_own_prompts_and_file() {
        let plan = plan(|run, _| run.load.max_concurrency = Some(64)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let first = plan.point(9.95, 1, dir.path());
        assert_eq!(first.load.request_rate, 9.95);
        assert_eq!(first.load.max_concurrency, Some(64), "the cap stays");
        assert_eq!(first.load.seed, 1);
        assert_eq!(
            first.result.result_filename.as_deref(),
            Some("rate_9.95.json")
        );
        assert_eq!(first.result.metadata, ["search_point=rate 9.95"]);
        std::fs::write(dir.path().join("rate_9.95.json"), "partial").unwrap();
        let again = plan.point(9.95, 2, dir.path());
        assert_eq!(again.load.seed, 2);
        assert_eq!(
            again.result.result_filename.as_deref(),
            Some("rate_9.95-2.json")
        );
    }

    #[test]
    fn requests_are_timed_from_the_schedule_where_there_is_one() {
        use bench_metrics::Convention;
        let rate = plan(|_, _| {}).unwrap();
        assert_eq!(rate.judge.convention, Convention::Intended);
        let slots = plan(|run, options| {
            options.max_rate = false;
            run.load.max_concurrency = Some(0);
        });
        assert_eq!(slots.unwrap().judge.convention, Convention::Strict);
    }
}
