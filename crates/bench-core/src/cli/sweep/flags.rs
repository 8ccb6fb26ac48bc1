//! Flags that come from several places: a configuration, the command line, a point.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};

use super::yaml::{Node, Value};

/// Keys of a configuration that are no flags.
pub(super) const INPUT_OUTPUT: &str = "input_output";
pub(super) const CONCURRENCY_PROMPTS: &str = "concurrency_prompts";
pub(super) const SWEEP: &str = "sweep";

/// A flag as it would stand on a command line.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    id: Id,
    /// Empty for a switch that is off: it is not there, and hides one that is.
    tokens: Vec<OsString>,
}

impl Flag {
    /// Whether it is a flag of this argument.
    pub(super) fn is_of(&self, arg: &Arg) -> bool {
        self.id == *arg.get_id()
    }

    /// Whether both are the same flag, by whatever name and with whatever value.
    pub(super) fn is_same(&self, other: &Flag) -> bool {
        self.id == other.id
    }
}

/// The command that all flags belong to.
pub(super) struct Flags {
    command: Command,
    /// The same before it was built: only then can arguments be added.
    unbuilt: Command,
}

impl Flags {
    pub(super) fn new(command: Command) -> Flags {
        let unbuilt = command.no_binary_name(true);
        let mut command = unbuilt.clone();
        command.build();
        Flags { command, unbuilt }
    }

    /// The flag of this name, with dashes or underscores.
    pub(super) fn find(&self, name: &str) -> Option<&Arg> {
        let name = name.replace('_', "-");
        self.command.get_arguments().find(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(&name) || aliases.contains(&name.as_str())
        })
    }

    /// The flag of a key in a configuration.
    ///
    /// # Errors
    /// What is wrong with the name, as a sentence.
    pub(super) fn named(&self, name: &str) -> Result<&Arg, String> {
        match self.find(name) {
            // They speak of the program or of the configuration itself.
            Some(arg)
                if ["help", "version", "resume", "compat"].contains(&arg.get_id().as_str()) =>
            {
                Err(format!(
                    "`{name}` makes no sense in a file; give --{name} on the command line"
                ))
            }
            Some(arg) => Ok(arg),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let reserved = [INPUT_OUTPUT, CONCURRENCY_PROMPTS, SWEEP];
        let reserved = reserved.map(|name| Arg::new(name).long(name.replace('_', "-")));
        let command = self.unbuilt.clone().args(reserved);
        let flag = format!("--{}", name.replace('_', "-"));
        let error = command.try_get_matches_from([flag]).err();
        let meant = error.and_then(|error| match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(meant)) => Some(meant.trim_start_matches('-').to_owned()),
            _ => None,
        });
        match meant {
            Some(meant) if name.contains('_') || !name.contains('-') => {
                let meant = meant.replace('-', "_");
                format!("no flag is called `{name}`; did you mean `{meant}`?")
            }
            Some(meant) => format!("no flag is called `{name}`; did you mean `{meant}`?"),
            None => format!("no flag is called `{name}`; `bench-serve --help` lists them all"),
        }
    }

    /// `arg` with the values of a configuration.
    ///
    /// # Errors
    /// What is wrong with the values, as a sentence.
    pub(super) fn with_value(&self, arg: &Arg, value: &Value) -> Result<Flag, String> {
        let long = arg.get_long().unwrap_or_default();
        let id = arg.get_id().clone();
        let tokens = match value {
            Value::Bool(on) if is_switch(arg) => match on {
                true => vec![format!("--{long}").into()],
                false => Vec::new(),
            },
            _ if is_switch(arg) => {
                return Err(format!(
                    "--{long} is a switch: write true or false, without quotes"
                ));
            }
            value => {
                let texts = texts(long, value)?;
                if texts.len() > 1 && !takes_many(arg) {
                    let problem = format!(
                        "--{long} takes one value; a list under `{SWEEP}:` makes a point of each"
                    );
                    return Err(problem);
                }
                texts.iter().map(|text| with_equals(long, text)).collect()
            }
        };
        let flag = Flag { id, tokens };
        self.check(&flag)?;
        Ok(flag)
    }

    /// What a sweep asks of each of its runs: to save its result.
    pub(super) fn saved(&self) -> Vec<Flag> {
        let arg = self.find("save-result");
        let flag = arg.map(|arg| Flag {
            id: arg.get_id().clone(),
            tokens: vec!["--save-result".into()],
        });
        flag.into_iter().collect()
    }

    /// A flag with one value.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(super) fn with_text(&self, arg: &Arg, text: &str) -> Result<Flag, String> {
        self.with_value(arg, &Value::Text(text.to_owned()))
    }

    /// Whether the flag takes these values, whatever other flags there are.
    fn check(&self, flag: &Flag) -> Result<(), String> {
        let parsed = self.command.clone().try_get_matches_from(&flag.tokens);
        match parsed {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidValue
                        | ErrorKind::ValueValidation
                        | ErrorKind::NoEquals
                        | ErrorKind::TooFewValues
                        | ErrorKind::TooManyValues
                        | ErrorKind::WrongNumberOfValues
                ) =>
            {
                Err(sentence(&error))
            }
            _ => Ok(()),
        }
    }

    /// The flags that were given on a command line.
    pub(super) fn given(&self, matches: &ArgMatches) -> Vec<Flag> {
        let on_line = |arg: &&Arg| {
            arg.get_long().is_some()
                && matches.try_contains_id(arg.get_id().as_str()).is_ok()
                && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        };
        let given = self.command.get_arguments().filter(on_line);
        given.map(|arg| as_given(arg, matches)).collect()
    }

    /// All flags of the layers in one command line. What a later layer says takes the place of
    /// the same flag in an earlier one, and of flags it cannot stand beside.
    ///
    /// # Errors
    /// What does not go together, as a sentence.
    pub(super) fn parse(&self, layers: &[&[Flag]]) -> Result<ArgMatches, String> {
        let mut tokens: Vec<&OsStr> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let later = &layers[index + 1..];
            for flag in *layer {
                if !later
                    .iter()
                    .copied()
                    .flatten()
                    .any(|winner| self.hides(winner, flag))
                {
                    tokens.extend(flag.tokens.iter().map(OsString::as_os_str));
                }
            }
        }
        let parsed = self.command.clone().try_get_matches_from(tokens);
        parsed.map_err(|error| sentence(&error))
    }

    fn hides(&self, winner: &Flag, loser: &Flag) -> bool {
        winner.id == loser.id
            || (!winner.tokens.is_empty()
                && (self.excludes(&winner.id, &loser.id) || self.excludes(&loser.id, &winner.id)))
    }

    fn excludes(&self, one: &Id, other: &Id) -> bool {
        let mut arguments = self.command.get_arguments();
        arguments
            .find(|arg| arg.get_id() == one)
            .is_some_and(|arg| {
                let excluded = self.command.get_arg_conflicts_with(arg);
                excluded.iter().any(|arg| arg.get_id() == other)
            })
    }
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn takes_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn with_equals(long: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut token = OsString::from(format!("--{long}="));
    token.push(value);
    token
}

fn as_given(arg: &Arg, matches: &ArgMatches) -> Flag {
    let long = arg.get_long().unwrap_or_default();
    let id = arg.get_id();
    let alone = || OsString::from(format!("--{long}"));
    let tokens = if is_switch(arg) {
        vec![alone()]
    } else {
        let occurrences = matches
            .get_raw_occurrences(id.as_str())
            .into_iter()
            .flatten();
        let tokens = occurrences.flat_map(|values| {
            let mut values = values.peekable();
            let bare = values.peek().is_none().then(alone);
            bare.into_iter()
                .chain(values.map(|value| with_equals(long, value)))
        });
        tokens.collect()
    };
    Flag {
        id: id.clone(),
        tokens,
    }
}

/// The values of a flag that is no switch.
fn texts(long: &str, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Text(text) => Ok(vec![text.clone()]),
        Value::Bool(value) => Ok(vec![value.to_string()]),
        Value::Null => Err(format!(
            "--{long} has no value; write one or leave the key out"
        )),
        Value::Map(_) => Err(format!(
            "--{long} takes text, not a map; write it in quotes"
        )),
        Value::List(items) if items.is_empty() => Err(format!(
            "--{long} has an empty list; fill it or leave the key out"
        )),
        Value::List(items) => {
            let text = |item: &Node| match &item.value {
                Value::Text(text) => Ok(text.clone()),
                Value::Bool(value) => Ok(value.to_string()),
                _ => Err(format!("--{long} takes a list of plain values")),
            };
            items.iter().map(text).collect()
        }
    }
}

/// What clap says, in one line.
fn sentence(error: &clap::Error) -> String {
    let whole = error.render().to_string();
    let lines = whole.lines().map(str::trim);
    let lines = lines.filter(|line| {
        !line.is_empty() && !line.starts_with("For more information") && !line.starts_with("Usage:")
    });
    let said: Vec<&str> = lines.collect();
    let said = said.join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}
