//! Commands of the user around a point.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::plan::PlannedRun;

/// How much of what a command wrote stands in an error.
const TAIL_LINES: usize = 5;

/// A shell command with the variables of a run.
pub(super) struct Hook<'a> {
    /// The flag that names it.
    pub(super) flag: &'static str,
    pub(super) command: &'a str,
    pub(super) run: &'a PlannedRun,
    pub(super) dir: &'a Path,
    /// What became of the run, for a command after it.
    pub(super) outcome: Option<&'static str>,
}

impl Hook<'_> {
    /// Runs the command to its end. What it writes goes to a file, for a server that it starts
    /// may go on writing for ever.
    ///
    /// # Errors
    /// That it failed, and the last it wrote.
    pub(super) async fn run(&self) -> Result<(), String> {
        let log = self.log();
        let variables = self.variables();
        let (command, path) = (self.command.to_owned(), log.clone());
        let ended = tokio::task::spawn_blocking(move || shell(&command, &variables, &path));
        let ended = ended
            .await
            .map_err(io::Error::other)
            .and_then(|ended| ended);
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: {status}{}", self.flag, told(&log))),
            Err(error) => Err(format!("{}: {error} ({})", self.flag, log.display())),
        }
    }

    fn log(&self) -> PathBuf {
        let name = self.flag.trim_start_matches('-');
        self.dir.join(format!("{}.{name}.log", self.run.stem()))
    }

    fn variables(&self) -> Vec<(String, String)> {
        let variable = |name: &str, value: &str| (format!("BENCH_{name}"), value.to_owned());
        let result = self.dir.join(self.run.file_name());
        let round = self.run.round.unwrap_or(1).to_string();
        let mut all = vec![
            variable("POINT", &self.run.point),
            variable("RUN", &round),
            variable("RESULT", &result.to_string_lossy()),
        ];
        for (flag, value) in &self.run.values {
            all.push(variable(&flag.replace('-', "_").to_uppercase(), value));
        }
        if let Some((input, output)) = self.run.lengths {
            all.push(variable("INPUT_LEN", &input.to_string()));
            all.push(variable("OUTPUT_LEN", &output.to_string()));
        }
        all.extend(self.outcome.map(|outcome| variable("OUTCOME", outcome)));
        all
    }
}

fn shell(command: &str, variables: &[(String, String)], log: &Path) -> io::Result<ExitStatus> {
    let file = File::create(log)?;
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
}

/// The last lines of a log, and where the others are.
fn told(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("; ");
    match tail.is_empty() {
        true => String::new(),
        false => format!(": {tail} (all of it in {})", log.display()),
    }
}
