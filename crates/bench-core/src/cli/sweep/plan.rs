//! The points of a sweep, and the order in which they are measured.

use std::collections::HashSet;
use std::path::PathBuf;

use bench_report::ResultFormat;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::RunOptions;
use super::config::{Choice, Config, Dimension, Kind, locate};
use super::flags::{Flag, Flags, INPUT_OUTPUT};
use super::{SweepError, SweepOptions};

/// Everything that is to be measured.
#[derive(Debug)]
pub struct SweepPlan {
    pub(super) config: PathBuf,
    /// What is set for the sweep as a whole, the configuration included.
    shared: ArgMatches,
    pub(super) sweep: SweepOptions,
    /// The options that all points begin with.
    pub(super) base: RunOptions,
    /// The folder that the user chose for the results.
    pub(super) dir: Option<PathBuf>,
    /// In the order in which they are measured.
    pub(super) runs: Vec<PlannedRun>,
    /// What the user should know before.
    pub(super) notes: Vec<String>,
}

/// One run of one point.
#[derive(Clone, Debug)]
pub(super) struct PlannedRun {
    /// The name of the point, the same for all its runs.
    pub(super) point: String,
    /// Which of the runs, from 1, if there are several.
    pub(super) round: Option<u32>,
    /// What makes the point: flags without dashes, and their values.
    pub(super) values: Vec<(String, String)>,
    /// Input and output tokens, if the configuration sets them.
    pub(super) lengths: Option<(u64, u64)>,
    pub(super) options: RunOptions,
}

impl PlannedRun {
    /// The name of its files, without an ending.
    pub(super) fn stem(&self) -> String {
        match self.round {
            Some(round) => format!("{}_run{round}", self.point),
            None => self.point.clone(),
        }
    }

    /// The name of its result file.
    pub(super) fn file_name(&self) -> String {
        self.stem() + ".json"
    }
}

impl SweepPlan {
    /// Reads a configuration. `command` is the command whose flags it may hold, those of
    /// [`RunOptions`] and [`SweepOptions`] among them; `given` is what was on the command line.
    ///
    /// A flag on the command line takes the place of one in the configuration, and a value of
    /// a point takes the place of both.
    ///
    /// # Errors
    /// If there is no configuration, or it has a mistake.
    pub fn read(command: Command, given: &ArgMatches) -> Result<SweepPlan, SweepError> {
        let on_line = parsed::<SweepOptions>(given)?;
        let path = locate(on_line.config.as_deref())?;
        let flags = Flags::new(command);
        let config = Config::read(&path, &flags)?;
        let given = flags.given(given);
        let planner = Planner {
            saved: flags.saved(),
            flags: &flags,
            config: &config,
            given,
        };
        planner.plan()
    }

    /// What the command line and the configuration set for the sweep as a whole.
    ///
    /// # Errors
    /// If `T` is not among the arguments of the command that the plan was read with.
    pub fn shared<T: FromArgMatches>(&self) -> Result<T, SweepError> {
        parsed(&self.shared)
    }
}

fn parsed<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, SweepError> {
    T::from_arg_matches(matches).map_err(|error| SweepError::flag("sweep", error.to_string()))
}

struct Planner<'a> {
    flags: &'a Flags,
    config: &'a Config,
    given: Vec<Flag>,
    /// What each run of a sweep is asked: to save its result.
    saved: Vec<Flag>,
}

/// A point before its options are known.
struct Combination<'a> {
    choices: Vec<&'a Choice>,
}

impl Planner<'_> {
    fn plan(&self) -> Result<SweepPlan, SweepError> {
        let shared = self.parse("all points", &[])?;
        let sweep: SweepOptions = parsed(&shared)?;
        let base: RunOptions = parsed(&shared)?;
        check_sweep(&sweep, &base)?;
        let mut points = Vec::new();
        let mut names = HashSet::new();
        for combination in combinations(&self.config.dimensions) {
            let mut point = self.point(&combination)?;
            point.point = unused(&mut names, point.point);
            points.push(point);
        }
        let notes = self.notes(&sweep, &points);
        let runs = order(&sweep, base.load.seed, &points);
        if sweep.vary_seed && points.iter().any(|point| point.sets("seed")) {
            let problem = "the configuration sweeps the seed already";
            return Err(SweepError::flag("--vary-seed", problem));
        }
        let chosen = shared.value_source("result_dir") == Some(ValueSource::CommandLine);
        let dir = chosen.then(|| base.result.result_dir.clone());
        Ok(SweepPlan {
            dir,
            config: self.config.path.clone(),
            shared,
            sweep,
            base,
            runs,
            notes,
        })
    }

    fn parse(&self, name: &str, point: &[Flag]) -> Result<ArgMatches, SweepError> {
        let layers = [&self.saved[..], &self.config.flags, &self.given, point];
        self.flags
            .parse(&layers)
            .map_err(|problem| SweepError::Flags {
                path: self.config.path.clone(),
                point: name.to_owned(),
                problem,
            })
    }

    fn point(&self, combination: &Combination<'_>) -> Result<PlannedRun, SweepError> {
        let name = combination.name();
        let mut flags = Vec::new();
        let mut values = Vec::new();
        let mut lengths = None;
        for choice in &combination.choices {
            match &choice.kind {
                Kind::Lengths(input, output) => lengths = Some((choice.line, *input, *output)),
                Kind::Load(concurrency, requests) => {
                    let pair = [("max-concurrency", concurrency), ("num-prompts", requests)];
                    for (flag, value) in pair {
                        flags.push(self.numbered(choice.line, flag, *value)?);
                        values.push((flag.to_owned(), value.to_string()));
                    }
                }
                Kind::Flag { name, flag, told } => {
                    flags.push(flag.clone());
                    values.push((name.clone(), told.clone()));
                }
            }
        }
        if let Some((line, input, output)) = lengths {
            // Which flags these are depends on the dataset, which may be swept itself.
            let before: RunOptions = parsed(&self.parse(&name, &flags)?)?;
            for (flag, value) in self
                .lengths(&before, line)?
                .into_iter()
                .zip([input, output])
            {
                flags.push(self.numbered(line, &flag, value)?);
                values.push((flag, value.to_string()));
            }
        }
        let options = parsed(&self.parse(&name, &flags)?)?;
        Ok(PlannedRun {
            point: name,
            round: None,
            values,
            lengths: lengths.map(|(_, input, output)| (input, output)),
            options,
        })
    }

    fn mistake(&self, line: u64, problem: impl Into<String>) -> SweepError {
        SweepError::Config {
            path: self.config.path.clone(),
            line,
            problem: problem.into(),
        }
    }

    fn numbered(&self, line: u64, flag: &str, value: u64) -> Result<Flag, SweepError> {
        let made = self.flags.named(flag);
        let made = made.and_then(|arg| self.flags.with_text(arg, &value.to_string()));
        made.map_err(|problem| self.mistake(line, problem))
    }

    /// The flags for the input and output lengths of the dataset in use.
    fn lengths(&self, options: &RunOptions, line: u64) -> Result<[String; 2], SweepError> {
        let dataset = &options.dataset;
        let name = &dataset.dataset_name;
        for (flag, given) in [
            ("--input-len", dataset.input_len),
            ("--output-len", dataset.output_len),
        ] {
            if given.is_some() {
                let problem = format!("{flag} would undo `{INPUT_OUTPUT}`; leave out one of them");
                return Err(self.mistake(line, problem));
            }
        }
        let flags = ["input", "output"].map(|which| format!("{name}-{which}-len"));
        if flags.iter().all(|flag| self.flags.find(flag).is_some()) {
            return Ok(flags);
        }
        let problem = format!(
            "`{INPUT_OUTPUT}` is for datasets of chosen lengths, such as `random`; those of \
             `{name}` are in its prompts"
        );
        Err(self.mistake(line, problem))
    }

    fn notes(&self, sweep: &SweepOptions, points: &[PlannedRun]) -> Vec<String> {
        let mut notes = Vec::new();
        let swept = points
            .first()
            .map(|point| &point.values[..])
            .unwrap_or_default();
        for (flag, _) in swept {
            let given = self
                .flags
                .find(flag)
                .is_some_and(|arg| self.given.iter().any(|given| given.is_of(arg)));
            if given {
                notes.push(format!(
                    "--{flag} of the command line has no effect: the points of {} set it",
                    self.config.path.display()
                ));
            }
        }
        let repeats = sweep.num_runs > 1 || points.len() > 1;
        let cached = |point: &PlannedRun| {
            let dataset = &point.options.dataset;
            let anew = !dataset.fixed_prompts
                && dataset.prompt_nonce.is_none()
                && dataset.dataset().is_ok_and(|dataset| dataset.takes_nonce());
            !anew && !point.options.control.reset_prefix_cache
        };
        let alike = !points.iter().any(|point| point.sets("seed"));
        if repeats && alike && !sweep.vary_seed && points.iter().any(cached) {
            notes.push(
                "all runs draw their prompts by the same seed: a server with a prefix cache may \
                 answer later runs faster; --reset-prefix-cache empties it before each, \
                 --vary-seed draws other prompts for each"
                    .to_owned(),
            );
        }
        notes
    }
}

impl PlannedRun {
    pub(super) fn sets(&self, flag: &str) -> bool {
        self.values.iter().any(|(name, _)| name == flag)
    }
}

impl Combination<'_> {
    /// `bench_io{in}x{out}_mc{c}_np{n}`, then what else there is: `_request-rate8`.
    fn name(&self) -> String {
        let (mut lengths, mut load, mut others) = (String::new(), String::new(), String::new());
        for choice in &self.choices {
            match &choice.kind {
                Kind::Lengths(input, output) => lengths = format!("_io{input}x{output}"),
                Kind::Load(concurrency, requests) => {
                    load = format!("_mc{concurrency}_np{requests}")
                }
                Kind::Flag { name, told, .. } => others += &format!("_{name}{}", short(told)),
            }
        }
        format!("bench{lengths}{load}{others}")
    }
}

/// A value as a part of a file name.
fn short(value: &str) -> String {
    const LONGEST: usize = 40;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let plain: String = value
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    // The end of a path or an address tells more than its beginning. All of it is ASCII.
    let start = plain.len().saturating_sub(LONGEST);
    plain[start..].trim_matches('-').to_owned()
}

/// `name`, or the first of `name-2`, `name-3` that is not taken.
fn unused(taken: &mut HashSet<String>, name: String) -> String {
    let numbered = (2..).map(|n: u64| format!("{name}-{n}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names
        .find(|name| !taken.contains(name))
        .unwrap_or(name.clone());
    taken.insert(free.clone());
    free
}

/// One choice of each dimension, the last of them changing fastest.
fn combinations(dimensions: &[Dimension]) -> Vec<Combination<'_>> {
    let none = vec![Combination {
        choices: Vec::new(),
    }];
    dimensions.iter().fold(none, |all, dimension| {
        let extended = all.iter().flat_map(|shorter| {
            dimension.choices.iter().map(|choice| {
                let mut choices = shorter.choices.clone();
                choices.push(choice);
                Combination { choices }
            })
        });
        extended.collect()
    })
}

/// All points once, then all again.
fn order(sweep: &SweepOptions, seed: u64, points: &[PlannedRun]) -> Vec<PlannedRun> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut runs = Vec::new();
    for round in 1..=sweep.num_runs {
        let mut all: Vec<PlannedRun> = points.to_vec();
        for run in &mut all {
            run.round = (sweep.num_runs > 1).then_some(round);
            if sweep.vary_seed {
                run.options.load.seed = seed.wrapping_add(hash(&run.stem()).into());
            }
        }
        if sweep.shuffle_order {
            all.shuffle(&mut rng);
        }
        runs.append(&mut all);
    }
    runs
}

/// FNV-1a, which is the same everywhere and for ever: a seed that depends on the name of a run
/// and not on its place stays what it is when points are added.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

fn check_sweep(sweep: &SweepOptions, base: &RunOptions) -> Result<(), SweepError> {
    if sweep.num_runs == 0 {
        return Err(SweepError::flag("--num-runs", "0 would measure nothing"));
    }
    let result = &base.result;
    for (flag, given) in [
        ("--append-result", result.append_result),
        ("--output-file", result.output_file.is_some()),
        ("--result-filename", result.result_filename.is_some()),
        ("--record-log", result.record_log.is_some()),
    ] {
        if given {
            let problem = "each point of a sweep has files of its own, named after it; leave this \
                           out (--result-dir chooses their folder)";
            return Err(SweepError::flag(flag, problem));
        }
    }
    if result.result_format != ResultFormat::Vllm {
        let problem = "the results of a sweep are read again, so they are in the format that has \
                       everything; leave it out";
        return Err(SweepError::flag("--result-format", problem));
    }
    if result.report.is_some() {
        let problem = "it tells of one run; make a report of the sweep afterwards, with \
                       bench-plot --report and the folder of the sweep";
        return Err(SweepError::flag("--report", problem));
    }
    Ok(())
}
