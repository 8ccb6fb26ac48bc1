//! The file that says what is swept.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Args, Command};

use super::super::RunOptions;
use super::SweepError;
use super::flags::{CONCURRENCY_PROMPTS, Flag, Flags, INPUT_OUTPUT, SWEEP};
use super::yaml::{Key, Node, Value};

/// Where a configuration is looked for if none is named.
const NAMES: [&str; 2] = ["combos.yaml", "config.yaml"];

/// A configuration: flags for all points, and what they differ in.
pub(super) struct Config {
    pub(super) path: PathBuf,
    /// Flags that all points share.
    pub(super) flags: Vec<Flag>,
    /// What the points differ in, the slowest first.
    pub(super) dimensions: Vec<Dimension>,
}

/// A list of which each point takes one entry.
pub(super) struct Dimension {
    pub(super) choices: Vec<Choice>,
}

/// An entry of a dimension.
pub(super) struct Choice {
    pub(super) line: u64,
    pub(super) kind: Kind,
}

/// What it sets.
pub(super) enum Kind {
    /// Input and output tokens; the flags depend on the dataset.
    Lengths(u64, u64),
    /// Most requests at once, and their number.
    Load(u64, u64),
    /// One flag, and how its value is told.
    Flag {
        name: String,
        flag: Flag,
        told: String,
    },
}

/// The configuration that is meant: the one that is named, else the one that is here.
///
/// # Errors
/// If none is named and none is here.
pub(super) fn locate(named: Option<&Path>) -> Result<PathBuf, SweepError> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => {
            let here = NAMES.iter().map(Path::new).find(|path| path.is_file());
            here.map(Path::to_owned)
                .ok_or_else(|| SweepError::NoConfig {
                    looked_for: NAMES.to_vec(),
                })
        }
    }
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or has a mistake, with its line.
    pub(super) fn read(path: &Path, flags: &Flags) -> Result<Config, SweepError> {
        let text = fs::read_to_string(path).map_err(|source| SweepError::Read {
            path: path.to_owned(),
            source,
        })?;
        Reader { path, flags }.config(&text)
    }
}

struct Reader<'a> {
    path: &'a Path,
    flags: &'a Flags,
}

impl Reader<'_> {
    fn mistake(&self, line: u64, problem: impl Into<String>) -> SweepError {
        SweepError::Config {
            path: self.path.to_owned(),
            line,
            problem: problem.into(),
        }
    }

    fn config(&self, text: &str) -> Result<Config, SweepError> {
        let tree = Node::parse(text, self.path)?;
        let Value::Map(pairs) = tree.value else {
            let problem = "a configuration is a map of flags, such as `model: NAME`";
            return Err(self.mistake(tree.line.max(1), problem));
        };
        let mut flags: Vec<Flag> = Vec::new();
        let (mut lengths, mut loads, mut others) = (None, None, Vec::new());
        let mut lines: Vec<u64> = Vec::new();
        for (key, node) in &pairs {
            match key.name.replace('-', "_").as_str() {
                INPUT_OUTPUT => lengths = Some(self.pairs(key, node, Kind::Lengths)?),
                CONCURRENCY_PROMPTS => loads = Some(self.pairs(key, node, Kind::Load)?),
                SWEEP => others = self.dimensions(key, node)?,
                _ => {
                    let flag = self.flag(key, &node.value)?;
                    if let Some(first) = flags.iter().position(|known| flag.is_same(known)) {
                        let (name, line) = (&key.name, lines[first]);
                        let problem = format!("`{name}` stands in line {line} already");
                        return Err(self.mistake(key.line, problem));
                    }
                    flags.push(flag);
                    lines.push(key.line);
                }
            }
        }
        // The load last, so that it rises from one point to the next.
        let dimensions: Vec<Dimension> = lengths.into_iter().chain(others).chain(loads).collect();
        if dimensions.is_empty() {
            let problem = format!(
                "there is nothing to sweep: add `{INPUT_OUTPUT}`, `{CONCURRENCY_PROMPTS}` or \
                 `{SWEEP}`"
            );
            return Err(self.mistake(1, problem));
        }
        let path = self.path.to_owned();
        Ok(Config {
            path,
            flags,
            dimensions,
        })
    }

    fn flag(&self, key: &Key, value: &Value) -> Result<Flag, SweepError> {
        let made = self.flags.named(&key.name);
        let made = made.and_then(|arg| self.flags.with_value(arg, value));
        made.map_err(|problem| self.mistake(key.line, problem))
    }

    fn pairs(
        &self,
        key: &Key,
        node: &Node,
        kind: fn(u64, u64) -> Kind,
    ) -> Result<Dimension, SweepError> {
        let what = match key.name.replace('-', "_").as_str() {
            INPUT_OUTPUT => "[input length, output length], such as [1024, 128]",
            _ => "[max concurrency, number of requests], such as [16, 160]",
        };
        let mut seen = Vec::new();
        let mut choices = Vec::new();
        for item in self.list(key, node)? {
            let malformed = || self.mistake(item.line, format!("write each entry as {what}"));
            let Value::List(parts) = &item.value else {
                return Err(malformed());
            };
            let [first, second] = &parts[..] else {
                return Err(malformed());
            };
            let pair = (self.count(first, what)?, self.count(second, what)?);
            if seen.contains(&pair) {
                return Err(self.twice(item.line, &format!("[{}, {}]", pair.0, pair.1)));
            }
            seen.push(pair);
            let (line, kind) = (item.line, kind(pair.0, pair.1));
            choices.push(Choice { line, kind });
        }
        Ok(Dimension { choices })
    }

    fn count(&self, node: &Node, what: &str) -> Result<u64, SweepError> {
        let number = match &node.value {
            Value::Text(text) => text.parse::<u64>().ok(),
            _ => None,
        };
        number.filter(|number| *number > 0).ok_or_else(|| {
            let problem = format!("both numbers are whole and at least 1: {what}");
            self.mistake(node.line, problem)
        })
    }

    fn twice(&self, line: u64, what: &str) -> SweepError {
        let problem = format!("{what} stands twice; --num-runs measures points several times");
        self.mistake(line, problem)
    }

    fn list<'n>(&self, key: &Key, node: &'n Node) -> Result<&'n [Node], SweepError> {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                let problem = format!("`{}` is empty; fill it or leave it out", key.name);
                Err(self.mistake(key.line, problem))
            }
            Value::List(items) => Ok(items),
            _ => {
                let problem = format!("`{}` is a list, with an entry for each point", key.name);
                Err(self.mistake(key.line, problem))
            }
        }
    }

    fn dimensions(&self, key: &Key, node: &Node) -> Result<Vec<Dimension>, SweepError> {
        let Value::Map(pairs) = &node.value else {
            let problem = "`sweep` is a map of flags to lists, such as `request_rate: [1, 2]`";
            return Err(self.mistake(key.line, problem));
        };
        if pairs.is_empty() {
            return Err(self.mistake(key.line, "`sweep` is empty; fill it or leave it out"));
        }
        let dimension = |(key, node): &(Key, Node)| self.dimension(key, node);
        pairs.iter().map(dimension).collect()
    }

    fn dimension(&self, key: &Key, node: &Node) -> Result<Dimension, SweepError> {
        let arg = self.flags.named(&key.name);
        let arg = arg.map_err(|problem| self.mistake(key.line, problem))?;
        let name = arg.get_long().unwrap_or_default().to_owned();
        if let Some(reason) = fixed(arg) {
            return Err(self.mistake(key.line, format!("--{name} cannot be swept: {reason}")));
        }
        let mut seen = Vec::new();
        let mut choices = Vec::new();
        for item in self.list(key, node)? {
            let flag = self.flags.with_value(arg, &item.value);
            let flag = flag.map_err(|problem| self.mistake(item.line, problem))?;
            let told = told(&item.value);
            if seen.contains(&told) {
                return Err(self.twice(item.line, &told));
            }
            seen.push(told.clone());
            let name = name.clone();
            let kind = Kind::Flag { name, flag, told };
            choices.push(Choice {
                line: item.line,
                kind,
            });
        }
        Ok(Dimension { choices })
    }
}

/// Why the points of a sweep cannot differ in a flag, if they cannot.
fn fixed(arg: &Arg) -> Option<&'static str> {
    match arg.get_long().unwrap_or_default() {
        "api-key" | "header" => Some("its values are secrets, and points are named by theirs"),
        "result-dir" | "result-filename" | "record-log" => {
            Some("each point has a file of its own in the folder of the sweep")
        }
        "save-result" | "append-result" | "overwrite" | "disable-tqdm" | "no-record-log" => {
            Some("it does not change what is measured")
        }
        _ if !is_of_a_run(arg) => Some("it is for the program as a whole, not for a run"),
        _ => None,
    }
}

/// Whether a flag is among the options of a run.
fn is_of_a_run(arg: &Arg) -> bool {
    let run = RunOptions::augment_args(Command::new("run"));
    run.get_arguments()
        .any(|known| known.get_id() == arg.get_id())
}

/// A value as people read it.
fn told(value: &Value) -> String {
    match value {
        Value::Null | Value::Map(_) => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            let items = items.iter().map(|item| told(&item.value));
            items.collect::<Vec<_>>().join(",")
        }
    }
}
