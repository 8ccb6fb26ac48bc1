//! The fields of an entry, whatever the format of its file.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::DatasetError;
use crate::rows::{Row, Source};

/// The fields of an entry by name.
pub(crate) type Fields = Map<String, Value>;

/// An entry whose fields are asked for one by one. What is wrong with one is said with the
/// place of the entry and the name of the field.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    source: &'a Source,
    row: &'a Row<Fields>,
}

impl<'a> Record<'a> {
    /// An entry of `source`.
    pub(crate) fn new(source: &'a Source, row: &'a Row<Fields>) -> Record<'a> {
        Record { source, row }
    }

    /// An error about it.
    pub(crate) fn error(&self, problem: String) -> DatasetError {
        self.source
            .entry_error(self.row.entry, self.row.line, problem)
    }

    /// A field that says something.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.row.value.get(name).filter(|value| !value.is_null())
    }

    /// The first of `names` that says something, with its value.
    pub(crate) fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &'a Value)> {
        names
            .iter()
            .find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    /// All fields that say something.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        let said = self.row.value.iter().filter(|(_, value)| !value.is_null());
        said.map(|(name, _)| name.as_str())
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, DatasetError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, other, "a text")),
        }
    }

    /// A text that has to be there.
    pub(crate) fn needed_text(&self, name: &str) -> Result<&'a str, DatasetError> {
        self.text(name)?
            .ok_or_else(|| self.error(format!("missing field `{name}`")))
    }

    /// A number of tokens.
    pub(crate) fn tokens(&self, name: &str) -> Result<Option<u32>, DatasetError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let tokens = match value {
            Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
            Value::String(digits) => digits.trim().parse().ok(),
            _ => None,
        };
        match tokens {
            Some(tokens) => Ok(Some(tokens)),
            None => Err(self.wrong(name, value, "a number of tokens")),
        }
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, DatasetError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(digits) => digits.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(name, value, "a number")),
        }
    }

    /// A list; in a table it may be written as JSON.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Cow<'a, [Value]>>, DatasetError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value {
            Value::Array(items) => Ok(Some(Cow::Borrowed(items))),
            Value::String(json) => match serde_json::from_str(json) {
                Ok(Value::Array(items)) => Ok(Some(Cow::Owned(items))),
                _ => Err(self.wrong(name, value, "a list")),
            },
            other => Err(self.wrong(name, other, "a list")),
        }
    }

    /// The error for a field that is something else than `wanted`.
    pub(crate) fn wrong(&self, name: &str, value: &Value, wanted: &str) -> DatasetError {
        self.error(format!("`{name}` is {}, not {wanted}", shown(value)))
    }
}

/// A value in an error: what it is, and a little of it.
pub(crate) fn shown(value: &Value) -> String {
    const MOST: usize = 40;
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > MOST => {
            format!(
                "the text {:?}...",
                text.chars().take(MOST).collect::<String>()
            )
        }
        Value::String(text) => format!("the text {text:?}"),
    }
}
