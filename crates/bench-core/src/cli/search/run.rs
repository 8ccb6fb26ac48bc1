//! Carrying a search out.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bench_metrics::Judge;
use bench_report::date_stamp;
use bench_types::Nanos;
use serde_json::Value;

use super::super::{Carried, ProgressBar, Surroundings};
use super::file::{NAME, SearchFile};
use super::outcome::{Ended, SearchOutcome, told};
use super::plan::{SearchPlan, short};
use super::watch::Watch;
use super::{Ending, Measured, SearchError};
use crate::search::{Point, Step, contradictions, interval};

/// The confidence of the interval of the boundary.
const CONFIDENCE: f64 = 0.95;

/// The folder of the folders of searches.
const RESULTS: &str = "results";

/// A search, ready to go.
#[derive(Debug)]
pub struct Search {
    plan: SearchPlan,
    simulator: Option<Value>,
}

impl Search {
    /// A search by `plan`.
    pub fn new(plan: SearchPlan) -> Search {
        let simulator = None;
        Search { plan, simulator }
    }

    /// All points are measured with a simulated server of these settings: a search with others
    /// is not resumed.
    #[must_use]
    pub fn simulator(mut self, settings: Option<Value>) -> Search {
        self.simulator = settings;
        self
    }

    /// Measures one load after the other until the answer is known, and tells on standard error
    /// how it goes. Once `around` is stopped, the point under way ends and no other begins.
    ///
    /// # Errors
    /// If the search cannot begin, a point cannot be carried out, or a file cannot be written.
    /// The points before are in the folder, and the search can be resumed.
    pub async fn execute(self, around: &Surroundings) -> Result<SearchOutcome, SearchError> {
        let Search { plan, simulator } = self;
        let mut file = SearchFile::new(&plan, &around.tool, simulator);
        let dir = folder(&plan, &mut file)?;
        let mut execution = Execution {
            plan: &plan,
            dir,
            around,
            file,
        };
        let ended = execution.all().await?;
        let Execution { dir, file, .. } = execution;
        Ok(SearchOutcome::new(plan, dir, file, ended))
    }
}

/// The folder of the search, with the points in it taken over if it is resumed.
fn folder(plan: &SearchPlan, file: &mut SearchFile) -> Result<PathBuf, SearchError> {
    if let Some(dir) = &plan.options.resume {
        file.resume(dir)?;
        return Ok(dir.clone());
    }
    let chosen = &plan.run.result.result_dir;
    let dir = match chosen == Path::new(".") {
        true => Path::new(RESULTS).join(folder_name(plan)),
        false => chosen.clone(),
    };
    let path = dir.join(NAME);
    if path.exists() {
        return Err(SearchError::Exists { path, dir });
    }
    fs::create_dir_all(&dir).map_err(|source| SearchError::Write {
        path: dir.clone(),
        source,
    })?;
    Ok(dir)
}

/// Such as `search_Qwen2.5-7B-Instruct_20260102-030405`.
fn folder_name(plan: &SearchPlan) -> String {
    let server = &plan.run.server;
    let model = server.model.as_deref().unwrap_or(&server.backend);
    let model = model.trim_end_matches('/').rsplit('/').next();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let date = date_stamp(now.unwrap_or_default().as_secs_f64());
    format!("search_{}_{date}", model.unwrap_or_default())
}

struct Execution<'a> {
    plan: &'a SearchPlan,
    dir: PathBuf,
    around: &'a Surroundings,
    file: SearchFile,
}

impl Execution<'_> {
    async fn all(&mut self) -> Result<Ended, SearchError> {
        self.begin();
        loop {
            let points: Vec<Point> = self.file.points.iter().map(|m| m.point.clone()).collect();
            let required = self.plan.required();
            self.file.interval = match points.is_empty() {
                true => None,
                false => Some(interval(&points, &required, CONFIDENCE)),
            };
            self.file.contradictions = contradictions(&points);
            let step = self.plan.space.next(&points);
            self.file.answer = match step {
                Step::Done(answer) => Some(answer),
                Step::Measure(_) => None,
            };
            self.file.write(&self.dir)?;
            let load = match step {
                Step::Done(answer) => return Ok(Ended::Found(answer)),
                Step::Measure(_) if self.around.stop.is_stopped() => return Ok(Ended::Stopped),
                Step::Measure(load) => load,
            };
            match self.measure(load).await? {
                None => return Ok(Ended::Stopped),
                Some(measured) => {
                    self.tell(&measured);
                    self.file.points.push(measured);
                }
            }
        }
    }

    /// Measures a load; `None` if the user ended it before it was decided.
    async fn measure(&mut self, load: f64) -> Result<Option<Measured>, SearchError> {
        self.file.runs += 1;
        self.file.write(&self.dir)?;
        let run = self.plan.point(load, self.file.runs, &self.dir);
        let around = self.around.for_one_run();
        let unit = self.plan.space.axis().unit();
        let title = format!("[{}] {} {unit}", self.file.points.len() + 1, short(load));
        let bar = ProgressBar::of_several(title, run.client.disable_tqdm);
        let judge = Judge::new(self.plan.judge.clone());
        let limit = Nanos::from(self.plan.max_duration);
        let mut watch = Watch::new(bar, judge, around.stop.clone(), limit);
        let carried = run.carry_out(around, &mut watch).await;
        let stopped = watch.stopped();
        let carried = match carried {
            Ok(carried) => carried,
            Err(_) if self.around.stop.is_stopped() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if stopped.is_none() && self.around.stop.is_stopped() {
            return Ok(None);
        }
        let ending = stopped.unwrap_or(Ending::Complete);
        let measured = measured(self.plan, load, (ending, run.load.seed), carried);
        measured.map(Some)
    }

    /// What is there to begin with.
    fn begin(&self) {
        let objectives = self.plan.judge.objectives.iter();
        let objectives: Vec<String> = objectives.map(ToString::to_string).collect();
        let known = match self.file.points.len() {
            0 => String::new(),
            known => format!(", {known} points known"),
        };
        self.say(&format!(
            "Searching the greatest {} with {}{known}; results in {}",
            self.plan.space.axis(),
            objectives.join("; "),
            self.dir.display(),
        ));
    }

    fn tell(&self, measured: &Measured) {
        let number = self.file.points.len() + 1;
        self.say(&format!("[{number}] {}", told(self.plan, measured)));
    }

    fn say(&self, text: &str) {
        if !self.plan.run.client.disable_tqdm {
            // With nobody to read standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// What a run that was carried out says about a load.
fn measured(
    plan: &SearchPlan,
    load: f64,
    (ending, seed): (Ending, u64),
    carried: Carried,
) -> Result<Measured, SearchError> {
    let Carried { report, saved } = carried;
    let path = saved?;
    let name = path.as_deref().and_then(Path::file_name);
    let summary = &report.summary;
    Ok(Measured {
        point: Point {
            load,
            judgement: Judge::judge(plan.judge.clone(), &report.records),
        },
        file: name.unwrap_or_default().to_string_lossy().into_owned(),
        seed,
        ending,
        planned: summary.requests.planned,
        sent: summary.requests.sent,
        completed: summary.requests.completed,
        cancelled: summary.requests.cancelled,
        duration_s: summary.duration_s,
        request_throughput: summary.throughput.requests_per_s,
        output_throughput: summary.throughput.output_tokens_per_s,
    })
}
