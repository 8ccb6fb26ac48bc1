//! The formats of traces that tell lengths: BurstGPT, Azure, and blocks by hash id.

use std::io::BufRead;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::line::HashId;
use super::lines::{Lines, Place};
use super::table::Table;
use super::time::Moment;
use crate::DatasetError;

/// A request of which a trace tells how long it was.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) at: Moment,
    pub(crate) input: u32,
    pub(crate) output: u32,
    pub(crate) hash_ids: Vec<HashId>,
    /// The kind of request, in the words of the trace.
    pub(crate) kind: Option<String>,
}

/// The rows of a BurstGPT CSV.
pub(crate) struct BurstRows<R>(Table<R>);

impl<R: BufRead> BurstRows<R> {
    /// Those of `reader`, which is called `path` in errors.
    pub(crate) fn new(reader: R, path: &Path) -> Result<BurstRows<R>, DatasetError> {
        let names = &["Timestamp", "Model", "Request tokens", "Response tokens"];
        let cure = "a BurstGPT CSV has the columns Timestamp (seconds), Model, Request tokens and \
                    Response tokens";
        Table::new(reader, path, names, cure).map(BurstRows)
    }

    fn next(&mut self) -> Result<Option<Entry>, DatasetError> {
        let Some((place, record)) = self.0.row()? else {
            return Ok(None);
        };
        let text = self.0.text(&record, 0);
        let at = text.parse().ok().and_then(Moment::of_seconds);
        let at = at
            .ok_or_else(|| place.error(format!("`{text}` is no time in seconds"), self.0.cure()))?;
        Ok(Some(Entry {
            at,
            input: self.0.tokens(&place, &record, 2)?,
            output: self.0.tokens(&place, &record, 3)?,
            hash_ids: Vec::new(),
            kind: Some(self.0.text(&record, 1).to_owned()),
            place,
        }))
    }
}

/// The rows of a CSV of Azure's LLM inference traces.
pub(crate) struct AzureRows<R>(Table<R>);

impl<R: BufRead> AzureRows<R> {
    /// Those of `reader`, which is called `path` in errors.
    pub(crate) fn new(reader: R, path: &Path) -> Result<AzureRows<R>, DatasetError> {
        let names = &["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
        let cure = "an Azure LLM inference trace has the columns TIMESTAMP (a date with a time), \
                    ContextTokens and GeneratedTokens";
        Table::new(reader, path, names, cure).map(AzureRows)
    }

    fn next(&mut self) -> Result<Option<Entry>, DatasetError> {
        let Some((place, record)) = self.0.row()? else {
            return Ok(None);
        };
        let text = self.0.text(&record, 0);
        let at = Moment::of_date(text).ok_or_else(|| {
            place.error(format!("`{text}` is no date with a time"), self.0.cure())
        })?;
        Ok(Some(Entry {
            at,
            input: self.0.tokens(&place, &record, 1)?,
            output: self.0.tokens(&place, &record, 2)?,
            hash_ids: Vec::new(),
            kind: None,
            place,
        }))
    }
}

/// How the lines of a trace with hash ids are read.
#[derive(Clone, Debug)]
pub(crate) struct BlockTrace<'a> {
    pub(crate) timestamp: &'a str,
    pub(crate) input_length: &'a str,
    pub(crate) output_length: &'a str,
    pub(crate) hash_ids: &'a str,
    /// Seconds for each unit of a timestamp.
    pub(crate) unit: f64,
    pub(crate) cure: &'static str,
}

impl BlockTrace<'static> {
    /// With the usual names of the fields.
    pub(crate) fn usual(unit: f64) -> BlockTrace<'static> {
        BlockTrace {
            timestamp: "timestamp",
            input_length: "input_length",
            output_length: "output_length",
            hash_ids: "hash_ids",
            unit,
            cure: "a line is {\"timestamp\": ..., \"input_length\": ..., \"output_length\": ..., \
                   \"hash_ids\": [...]}",
        }
    }
}

/// The lines of a trace with hash ids (Mooncake, Bailian).
pub(crate) struct BlockRows<'a, R> {
    lines: Lines<R>,
    format: BlockTrace<'a>,
}

impl<'a, R: BufRead> BlockRows<'a, R> {
    /// Those of `reader`, which is called `path` in errors.
    pub(crate) fn new(reader: R, path: &Path, format: BlockTrace<'a>) -> BlockRows<'a, R> {
        BlockRows {
            lines: Lines::new(reader, path, format.cure),
            format,
        }
    }

    fn next(&mut self) -> Result<Option<Entry>, DatasetError> {
        let Some((place, line)) = self.lines.value::<Map<String, Value>>()? else {
            return Ok(None);
        };
        let format = &self.format;
        let wrong = |name: &str, what: &str| {
            let problem = match line.get(name) {
                Some(value) => format!("`{name}` is {value}, which is no {what}"),
                None => format!("it has no `{name}`"),
            };
            place.error(problem, format.cure)
        };
        let number = |name: &str| {
            let value = line.get(name)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let at = number(format.timestamp)
            .and_then(|time| Moment::of_seconds(time * format.unit))
            .ok_or_else(|| wrong(format.timestamp, "time"))?;
        let tokens = |name: &str| {
            let whole = number(name).and_then(as_tokens);
            whole.ok_or_else(|| wrong(name, "number of tokens"))
        };
        let hash_ids = match line.get(format.hash_ids) {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => Vec::<HashId>::deserialize(list)
                .map_err(|_| wrong(format.hash_ids, "list of hash ids"))?,
        };
        let kind = line.get("type").and_then(Value::as_str);
        Ok(Some(Entry {
            at,
            input: tokens(format.input_length)?,
            output: tokens(format.output_length)?,
            hash_ids,
            kind: kind.map(str::to_owned),
            place,
        }))
    }
}

/// Makes iterators of what has a `next` that may fail.
macro_rules! iterate {
    ($($rows:ty),*) => {$(
        impl<R: BufRead> Iterator for $rows {
            type Item = Result<Entry, DatasetError>;

            fn next(&mut self) -> Option<Self::Item> {
                self.next().transpose()
            }
        }
    )*};
}

iterate!(BurstRows<R>, AzureRows<R>, BlockRows<'_, R>);

/// A number that is a number of tokens.
pub(super) fn as_tokens(number: f64) -> Option<u32> {
    let fits = number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0;
    fits.then_some(number as u32)
}
