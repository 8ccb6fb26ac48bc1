//! Traces: requests with the times at which they were sent.
//!
//! What the datasets that replay one have in common: the formats they read ([`formats`]), the part
//! that is replayed ([`options`]), and prompts that are as long and as much alike as the trace
//! says ([`prompts`]). The project's own format is [`TraceLine`]; [`import_trace`] makes it of the
//! others.

mod formats;
mod import;
mod line;
mod lines;
mod options;
mod play;
mod prompts;
mod records;
mod requests_log;
mod table;
mod time;

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{DatasetError, SampleContext};

pub use import::{ImportOptions, ImportSummary, TraceFormat, import_trace};
pub use line::{HashId, TraceHistory, TraceLine};
pub use options::TraceOptions;

pub(crate) use formats::{AzureRows, BlockTrace, BurstRows};
pub(crate) use lines::{Lines, Place, open};
pub(crate) use options::Slot;
pub(crate) use play::{MOST_PROMPT_TOKENS, Played, Rows, play};
pub(crate) use prompts::{Asked, Cutter, Maker, Piece};
pub(crate) use time::{LONGEST, Moment, TOO_LATE};

/// A chat message, as far as it is looked at.
#[derive(Deserialize)]
pub(crate) struct Message {
    #[serde(rename = "role")]
    _role: String,
}

/// Whether `raw` is a list of chat messages that can be sent, or what is wrong with it.
pub(crate) fn messages(raw: &RawValue) -> Result<(), String> {
    let list: Result<Vec<Message>, _> = serde_json::from_str(raw.get());
    match list {
        Ok(list) if list.is_empty() => Err("`messages` is empty".to_owned()),
        Ok(_) => Ok(()),
        Err(e) => Err(format!("`messages`: {}", crate::rows::without_place(&e))),
    }
}

/// The file to read.
pub(crate) fn path<'a>(
    cx: &SampleContext<'a>,
    dataset: &'static str,
    format: &'static str,
) -> Result<&'a Path, DatasetError> {
    cx.dataset_path
        .ok_or(DatasetError::NeedsPath { dataset, format })
}
