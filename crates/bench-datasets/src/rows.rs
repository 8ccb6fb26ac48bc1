//! What the datasets that read files have in common.

mod parquet;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use bench_types::Conversation;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::draw::{Draws, Purpose};
use crate::{DatasetError, SampleContext, limit};

/// An entry of a file, and where it was.
pub(crate) struct Row<T> {
    pub(crate) value: T,
    /// Its number, from 1.
    pub(crate) entry: usize,
    /// The line it begins on, from 1; without a meaning in a Parquet file.
    pub(crate) line: usize,
}

/// How the entries of a file are written down.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    /// A JSON array, or one JSON value on each line.
    Json,
    /// A header and one entry for each record; an empty cell says nothing.
    Csv,
    /// Columns.
    Parquet,
}

impl Format {
    /// By the end of the name; everything that is not said is JSON.
    fn of(path: &Path) -> Format {
        let extension = path.extension().map(|end| end.to_ascii_lowercase());
        match extension.as_deref().and_then(|end| end.to_str()) {
            Some("csv") => Format::Csv,
            Some("parquet") => Format::Parquet,
            _ => Format::Json,
        }
    }
}

/// A dataset's file: JSON, CSV or Parquet.
pub(crate) struct Source {
    path: PathBuf,
    format: Format,
    /// What to do about a bad entry.
    cure: &'static str,
}

impl Source {
    /// The file of `--dataset-path`.
    pub(crate) fn new(
        cx: &SampleContext<'_>,
        dataset: &'static str,
        format: &'static str,
        cure: &'static str,
    ) -> Result<Source, DatasetError> {
        let path = cx
            .dataset_path
            .ok_or(DatasetError::NeedsPath { dataset, format })?;
        Ok(Source::at(path, cure))
    }

    /// The file at `path`.
    pub(crate) fn at(path: &Path, cure: &'static str) -> Source {
        Source {
            path: path.to_owned(),
            format: Format::of(path),
            cure,
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all entries.
    pub(crate) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<Row<T>>, DatasetError> {
        match self.format {
            Format::Json => self.json(),
            Format::Csv => self.typed(self.csv()?),
            Format::Parquet => self.typed(self.parquet()?),
        }
    }

    /// Entries of a table, as what they stand for.
    fn typed<T: DeserializeOwned>(
        &self,
        rows: Vec<Row<Map<String, Value>>>,
    ) -> Result<Vec<Row<T>>, DatasetError> {
        rows.into_iter()
            .map(|Row { value, entry, line }| {
                let value = serde_json::from_value(Value::Object(value))
                    .map_err(|e| self.entry_error(entry, line, e.to_string()))?;
                Ok(Row { value, entry, line })
            })
            .collect()
    }

    fn unreadable(&self, cause: std::io::Error) -> DatasetError {
        DatasetError::Read {
            path: self.path.clone(),
            cause,
        }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<Vec<Row<T>>, DatasetError> {
        let text = self.text()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if text.trim_start().starts_with('[') {
            self.array(text)
        } else {
            self.lines(text)
        }
    }

    fn text(&self) -> Result<String, DatasetError> {
        let bytes = fs::read(&self.path).map_err(|cause| self.unreadable(cause))?;
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = error.as_bytes().iter().take(good);
            let line = 1 + before.filter(|&&byte| byte == b'\n').count();
            DatasetError::Format {
                path: self.path.clone(),
                problem: format!("line {line} is no text in UTF-8"),
                cure: "save the file as UTF-8",
            }
        })
    }

    /// An error about one entry.
    pub(crate) fn entry_error(&self, entry: usize, line: usize, problem: String) -> DatasetError {
        if self.format == Format::Parquet {
            return DatasetError::Row {
                path: self.path.clone(),
                row: entry,
                problem,
                cure: self.cure,
            };
        }
        DatasetError::Entry {
            path: self.path.clone(),
            line,
            entry,
            problem,
            cure: self.cure,
        }
    }

    /// The error for a file of `entries` that all had to be left out.
    pub(crate) fn nothing_usable(&self, entries: usize, problem: &'static str) -> DatasetError {
        DatasetError::NothingUsable {
            path: self.path.clone(),
            entries,
            problem,
        }
    }

    fn lines<T: DeserializeOwned>(&self, text: &str) -> Result<Vec<Row<T>>, DatasetError> {
        let mut rows = Vec::new();
        for (index, json) in text.lines().enumerate() {
            if json.trim().is_empty() {
                continue;
            }
            let (entry, line) = (rows.len() + 1, index + 1);
            let value = serde_json::from_str(json)
                .map_err(|e| self.entry_error(entry, line, without_place(&e)))?;
            rows.push(Row { value, entry, line });
        }
        Ok(rows)
    }

    fn array<T: DeserializeOwned>(&self, text: &str) -> Result<Vec<Row<T>>, DatasetError> {
        let mut rows = Vec::new();
        let mut cursor = Cursor::new(text);
        cursor.skip("[");
        while !cursor.skip("]") {
            let (entry, line) = (rows.len() + 1, cursor.line);
            let mut values = serde_json::Deserializer::from_str(cursor.rest).into_iter::<T>();
            let value = match values.next() {
                Some(Ok(value)) => value,
                Some(Err(e)) => {
                    let line = line + e.line().saturating_sub(1);
                    return Err(self.entry_error(entry, line, without_place(&e)));
                }
                None => {
                    let problem = "the file ends before the `]` of its array".to_owned();
                    return Err(self.entry_error(entry, line, problem));
                }
            };
            cursor.advance(values.byte_offset());
            rows.push(Row { value, entry, line });
            if !cursor.skip(",") && !cursor.rest.starts_with(']') {
                let problem = "no `,` or `]` follows it".to_owned();
                return Err(self.entry_error(entry, cursor.line, problem));
            }
        }
        if !cursor.rest.is_empty() {
            let problem = "it stands behind the `]` that ends the array".to_owned();
            return Err(self.entry_error(rows.len() + 1, cursor.line, problem));
        }
        Ok(rows)
    }
}

/// A place in a text and the line it is on.
struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Cursor<'a> {
        let mut cursor = Cursor {
            rest: text,
            line: 1,
        };
        cursor.skip("");
        cursor
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.bytes().filter(|&b| b == b'\n').count();
        self.rest = rest;
    }

    /// Passes `mark` and the white space on both sides of it; whether it was there.
    fn skip(&mut self, mark: &str) -> bool {
        self.advance(self.rest.len() - self.rest.trim_start().len());
        let found = self.rest.starts_with(mark);
        if found {
            self.advance(mark.len());
            self.advance(self.rest.len() - self.rest.trim_start().len());
        }
        found
    }
}

/// What serde_json says, without its own line and column.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Puts entries into the order of the seed, unless the file's order is wanted.
pub(crate) fn order<T>(cx: &SampleContext<'_>, rows: &mut [T]) {
    if !cx.disable_shuffle {
        Draws::new(cx.seed, Purpose::Order).shuffle(rows);
    }
}

/// Fewest entries that are made into conversations at a time, if the first were not enough.
const BLOCK: usize = 256;

/// Makes conversations of entries, in their order, until there are as many as wanted: in
/// parallel, with ids from 0. Entries that `make` makes nothing of are passed by, and so are
/// those that exceed `--max-model-len`; warnings count both.
pub(crate) fn take<T: Sync>(
    cx: &SampleContext<'_>,
    dataset: &'static str,
    entries: &[T],
    make: impl Fn(&T) -> Result<Option<Conversation>, DatasetError> + Sync,
) -> Result<Vec<Conversation>, DatasetError> {
    let mut taken = Vec::new();
    let (mut looked_at, mut beyond, mut too_long) = (0, 0, 0);
    let mut rest = entries;
    while taken.len() < cx.num_prompts && !rest.is_empty() {
        let missing = cx.num_prompts - taken.len();
        // At first no more than may be needed: entries may be costly, such as pictures.
        let most = if rest.len() == entries.len() {
            missing
        } else {
            missing.max(BLOCK)
        };
        let (block, after) = rest.split_at(rest.len().min(most));
        rest = after;
        let made = cx.in_parallel(|| {
            let one = |entry| {
                let Some(conversation) = make(entry)? else {
                    return Ok(None);
                };
                let fits = match cx.max_model_len {
                    Some(most) => limit::fits(&conversation, most, cx.tokenizer)?,
                    None => true,
                };
                Ok(Some((conversation, fits)))
            };
            block.par_iter().map(one).collect::<Result<Vec<_>, _>>()
        })?;
        for conversation in made {
            if taken.len() == cx.num_prompts {
                break;
            }
            let Some((conversation, fits)) = conversation else {
                beyond += 1;
                continue;
            };
            looked_at += 1;
            if fits {
                taken.push(conversation);
            } else {
                too_long += 1;
            }
        }
    }
    if beyond > 0 {
        cx.warn(format!(
            "{beyond} of the {} entries of `{dataset}` that were looked at are left out: they are \
             not within the dataset's own limits",
            looked_at + beyond
        ));
    }
    if let Some(most) = cx.max_model_len.filter(|_| too_long > 0) {
        if taken.is_empty() {
            return Err(limit::nothing_fits(dataset, too_long, most));
        }
        cx.warn(limit::left_out(dataset, too_long, looked_at, most));
    }
    for (id, conversation) in (0..).zip(&mut taken) {
        conversation.id = id;
    }
    Ok(taken)
}

/// Repeats conversations, drawn at random with replacement, until there are as many as wanted.
pub(crate) fn oversample(
    cx: &SampleContext<'_>,
    dataset: &'static str,
    conversations: &mut Vec<Conversation>,
) {
    let (found, wanted) = (conversations.len(), cx.num_prompts);
    if found >= wanted {
        return;
    }
    if cx.no_oversample {
        cx.warn(format!(
            "`{dataset}` has only {found} prompts of the {wanted} asked for"
        ));
        return;
    }
    cx.warn(format!(
        "`{dataset}` has only {found} prompts of the {wanted} asked for: {} are sent again, which a \
         server with a prefix cache answers faster (--no-oversample sends each once)",
        wanted - found
    ));
    let mut draws = Draws::new(cx.seed, Purpose::Oversample);
    for id in found..wanted {
        let mut again = conversations[draws.below(found as u64) as usize].clone();
        again.id = id as u64;
        conversations.push(again);
    }
}
