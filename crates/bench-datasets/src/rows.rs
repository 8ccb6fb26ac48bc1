//! What the datasets that read files have in common.

use std::fs;
use std::path::Path;

use bench_types::Conversation;
use serde::de::DeserializeOwned;

use crate::draw::{Draws, Purpose};
use crate::{DatasetError, SampleContext};

/// An entry of a file, and where it was.
pub(crate) struct Row<T> {
    pub(crate) value: T,
    /// Its number, from 1.
    pub(crate) entry: usize,
    /// The line it begins on, from 1.
    pub(crate) line: usize,
}

/// A dataset's file: a JSON array, or one JSON value on each line.
pub(crate) struct Source<'a> {
    path: &'a Path,
    /// What to do about a bad entry.
    cure: &'static str,
}

impl<'a> Source<'a> {
    /// The file of `--dataset-path`.
    pub(crate) fn new(
        cx: &SampleContext<'a>,
        dataset: &'static str,
        format: &'static str,
        cure: &'static str,
    ) -> Result<Source<'a>, DatasetError> {
        let path = cx
            .dataset_path
            .ok_or(DatasetError::NeedsPath { dataset, format })?;
        Ok(Source { path, cure })
    }

    /// Reads all entries.
    pub(crate) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<Row<T>>, DatasetError> {
        let text = fs::read_to_string(self.path).map_err(|cause| DatasetError::Read {
            path: self.path.to_owned(),
            cause,
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if text.trim_start().starts_with('[') {
            self.array(text)
        } else {
            self.lines(text)
        }
    }

    /// An error about one entry.
    pub(crate) fn entry_error(&self, entry: usize, line: usize, problem: String) -> DatasetError {
        DatasetError::Entry {
            path: self.path.to_owned(),
            line,
            entry,
            problem,
            cure: self.cure,
        }
    }

    /// The error for a file of `entries` that all had to be left out.
    pub(crate) fn nothing_usable(&self, entries: usize, problem: &'static str) -> DatasetError {
        DatasetError::NothingUsable {
            path: self.path.to_owned(),
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
        while !cursor.rest.is_empty() && !cursor.rest.starts_with(']') {
            let (entry, line) = (rows.len() + 1, cursor.line);
            let mut values = serde_json::Deserializer::from_str(cursor.rest).into_iter::<T>();
            let value = match values.next() {
                Some(Ok(value)) => value,
                Some(Err(e)) => {
                    let line = line + e.line().saturating_sub(1);
                    return Err(self.entry_error(entry, line, without_place(&e)));
                }
                None => break,
            };
            cursor.advance(values.byte_offset());
            rows.push(Row { value, entry, line });
            if !cursor.skip(",") && !cursor.rest.starts_with(']') {
                let problem = "no `,` or `]` follows it".to_owned();
                return Err(self.entry_error(entry, cursor.line, problem));
            }
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
fn without_place(error: &serde_json::Error) -> String {
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
        tracing::warn!(
            dataset,
            found,
            wanted,
            "fewer conversations than wanted: none is repeated"
        );
        return;
    }
    tracing::warn!(
        dataset,
        found,
        wanted,
        "fewer conversations than wanted: some are repeated, and a server with a prefix cache \
         answers those faster (--no-oversample sends each once)"
    );
    let mut draws = Draws::new(cx.seed, Purpose::Oversample);
    for id in found..wanted {
        let mut again = conversations[draws.below(found as u64) as usize].clone();
        again.id = id as u64;
        conversations.push(again);
    }
}
