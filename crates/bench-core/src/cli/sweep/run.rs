//! Carrying a sweep out.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bench_report::date_stamp;
use bench_types::RequestRecord;
use serde_json::Value;

use super::super::{Carried, ProgressBar, Surroundings};
use super::SweepError;
use super::folder::{choose, prepare, set_aside};
use super::hooks::Hook;
use super::manifest::{Manifest, State};
use super::outcome::{Row, SweepOutcome};
use super::plan::{PlannedRun, SweepPlan};
use super::stored::Stored;
use super::told::Teller;

/// A sweep, ready to go.
#[derive(Debug)]
pub struct Sweep {
    plan: SweepPlan,
    simulator: Option<Value>,
}

impl Sweep {
    /// A sweep of all points of `plan`.
    pub fn new(plan: SweepPlan) -> Sweep {
        let simulator = None;
        Sweep { plan, simulator }
    }

    /// All points are measured with a simulated server of these settings: with others, they
    /// are measured anew when the sweep is resumed.
    #[must_use]
    pub fn simulator(mut self, settings: Option<Value>) -> Sweep {
        self.simulator = settings;
        self
    }

    /// Measures all points, one after the other, and tells on standard error how it goes. Once
    /// `around` is stopped, the run under way ends and no other begins.
    ///
    /// # Errors
    /// If the sweep cannot begin, or its folder cannot be written to. What goes wrong with a
    /// point is in the outcome.
    pub async fn execute(self, around: &Surroundings) -> Result<SweepOutcome, SweepError> {
        let Sweep {
            mut plan,
            simulator,
        } = self;
        for run in &plan.runs {
            run.options
                .check(around)
                .map_err(|source| SweepError::Options {
                    path: plan.config.clone(),
                    point: run.point.clone(),
                    source: source.into(),
                })?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let date = date_stamp(now.unwrap_or_default().as_secs_f64());
        let dir = choose(&plan, &date)?;
        prepare(&plan, &dir)?;
        for run in &mut plan.runs {
            run.settle(&dir);
        }
        let earlier = match plan.sweep.resume {
            Some(_) => Manifest::read(&dir)?,
            None => None,
        };
        let mut manifest = Manifest::new(&around.tool, &plan.config, simulator, &plan.runs);
        if let Some(earlier) = &earlier {
            manifest.take_over(earlier);
        }
        manifest.write(&dir)?;
        let teller = Teller::new(&plan, &dir);
        let execution = Execution {
            plan: &plan,
            dir,
            around,
            earlier,
            manifest,
            teller,
            rows: Vec::new(),
        };
        execution.all().await
    }
}

impl PlannedRun {
    /// Sets what every run of a sweep has.
    fn settle(&mut self, dir: &Path) {
        let file_name = self.file_name();
        let result = &mut self.options.result;
        result.save_result = true;
        result.result_dir = dir.to_owned();
        result.result_filename = Some(file_name);
        result.metadata.push(format!("sweep_point={}", self.point));
    }
}

struct Execution<'a> {
    plan: &'a SweepPlan,
    dir: PathBuf,
    around: &'a Surroundings,
    /// What an earlier sweep in this folder says.
    earlier: Option<Manifest>,
    manifest: Manifest,
    teller: Teller,
    rows: Vec<Row>,
}

/// What became of one run.
struct Ending {
    state: State,
    reason: Option<String>,
    stored: Option<Stored>,
}

impl Ending {
    fn failed(reason: impl Into<String>) -> Ending {
        Ending {
            state: State::Failed,
            reason: Some(reason.into()),
            stored: None,
        }
    }

    fn stopped() -> Ending {
        Ending {
            state: State::Pending,
            reason: None,
            stored: None,
        }
    }
}

impl Execution<'_> {
    async fn all(mut self) -> Result<SweepOutcome, SweepError> {
        for run in &self.plan.runs {
            if self.around.stop.is_stopped() {
                break;
            }
            self.one(run).await?;
        }
        let all = self.plan.runs.len();
        Ok(SweepOutcome::new(self.dir, self.rows, all))
    }

    async fn one(&mut self, run: &PlannedRun) -> Result<(), SweepError> {
        let began = Instant::now();
        let (ending, kept) = match self.kept(run) {
            Ok(stored) => (judge(run, stored), true),
            Err(reason) => {
                self.make_way(run, reason)?;
                (self.measure(run).await, false)
            }
        };
        let took = began.elapsed();
        if ending.state != State::Pending && !kept {
            let seconds = took.as_secs_f64();
            let reason = ending.reason.clone();
            let file = run.file_name();
            self.manifest.set(&file, ending.state, reason, seconds);
            self.manifest.write(&self.dir)?;
        }
        let row = Row {
            point: run.point.clone(),
            stem: run.stem(),
            values: run.values.clone(),
            state: ending.state,
            reason: ending.reason,
            stored: ending.stored,
            kept,
        };
        let took = if kept { None } else { Some(took) };
        self.teller.row(&row, took);
        if row.state != State::Pending {
            self.rows.push(row);
        }
        Ok(())
    }

    /// The result of an earlier sweep that need not be measured again; else why it must be, if
    /// there is one.
    fn kept(&self, run: &PlannedRun) -> Result<Stored, Option<String>> {
        let path = self.dir.join(run.file_name());
        if self.plan.sweep.resume.is_none() || !path.exists() {
            return Err(None);
        }
        let stored = Stored::read(&path)?;
        if let Some(earlier) = &self.earlier {
            if earlier.simulator != self.manifest.simulator {
                return Err(Some("changed: the simulated server".to_owned()));
            }
            let entry = earlier.entry(&run.file_name());
            if let Some(entry) = entry.filter(|entry| entry.state == State::Failed) {
                let reason = entry.reason.as_deref().unwrap_or_default();
                return Err(Some(format!("it failed: {reason}")));
            }
        }
        match stored.differs(&run.options) {
            None => Ok(stored),
            Some(reason) => Err(Some(reason)),
        }
    }

    /// Puts files of an earlier sweep out of the way.
    fn make_way(&self, run: &PlannedRun, reason: Option<String>) -> Result<(), SweepError> {
        if self.plan.sweep.resume.is_none() {
            return Ok(());
        }
        if !self.plan.base.result.overwrite {
            set_aside(&self.dir, &run.stem())?;
        }
        if let Some(reason) = reason {
            self.teller.again(run, &reason);
        }
        Ok(())
    }

    async fn measure(&self, run: &PlannedRun) -> Ending {
        if let Err(reason) = self.hook("--before-point", run, None).await {
            return match self.around.stop.is_stopped() {
                true => Ending::stopped(),
                false => Ending::failed(reason),
            };
        }
        let mut bar =
            ProgressBar::of_several(self.teller.title(run), self.plan.base.client.disable_tqdm);
        let around = self.around.for_one_run();
        let ending = match run.options.carry_out(around, &mut bar).await {
            Ok(carried) => ending(run, &carried),
            Err(_) if self.around.stop.is_stopped() => Ending::stopped(),
            Err(error) => Ending::failed(error.to_string()),
        };
        let outcome = Some(ending.state.name());
        match self.hook("--after-point", run, outcome).await {
            Err(reason) if ending.reason.is_none() => Ending {
                state: State::Failed,
                reason: Some(reason),
                ..ending
            },
            // What went wrong first is what is told.
            _ => ending,
        }
    }

    async fn hook(
        &self,
        flag: &'static str,
        run: &PlannedRun,
        outcome: Option<&'static str>,
    ) -> Result<(), String> {
        let sweep = &self.plan.sweep;
        let command = match outcome {
            None => &sweep.before_point,
            Some(_) => &sweep.after_point,
        };
        let Some(command) = command else {
            return Ok(());
        };
        let dir = &self.dir;
        let hook = Hook {
            flag,
            command,
            run,
            dir,
            outcome,
        };
        hook.run().await
    }
}

/// What a run that was carried out means for its point.
fn ending(run: &PlannedRun, carried: &Carried) -> Ending {
    let path = match &carried.saved {
        Ok(Some(path)) => path,
        Ok(None) => return Ending::failed("its result was not saved"),
        Err(error) => return Ending::failed(error.to_string()),
    };
    let stored = match Stored::read(path) {
        Ok(stored) => stored,
        Err(error) => return Ending::failed(format!("{}: {error}", path.display())),
    };
    let mut ending = judge(run, stored);
    if ending.state == State::Failed {
        let failures = carried.report.records.iter().filter_map(failure);
        let example = failures
            .map(|text| format!(", the first of them: {text}"))
            .next();
        let reason = ending.reason.unwrap_or_default();
        ending.reason = Some(reason + &example.unwrap_or_default());
    }
    ending
}

fn failure(record: &RequestRecord) -> Option<String> {
    record.outcome.failure().map(ToString::to_string)
}

/// What a result means for its point.
fn judge(run: &PlannedRun, stored: Stored) -> Ending {
    let rate = stored.failure_rate();
    let limit = run.options.result.max_failure_rate;
    let (state, reason) = if stored.is_partial() {
        (State::Partial, None)
    } else if stored.completed == 0 {
        let reason = format!("all {} requests failed", stored.failed);
        (State::Failed, Some(reason))
    } else if let Some(limit) = limit.filter(|limit| rate > *limit) {
        let reason =
            format!("{rate:.4} of the requests failed, more than --max-failure-rate {limit}");
        (State::Missed, Some(reason))
    } else {
        (State::Done, None)
    };
    Ending {
        state,
        reason,
        stored: Some(stored),
    }
}
