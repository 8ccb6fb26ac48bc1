//! One event of SGLang's `/generate`, as far as it is of interest.

use bench_types::ServerTimings;
use serde::de::IgnoredAny;

use crate::openai_event::{Length, Text};
use crate::pieces::Hint;

/// An event, or an answer that is not streamed; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    /// Which of several answers it belongs to.
    pub(crate) index: Option<u32>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    output_ids: Option<Length>,
    #[serde(borrow)]
    pub(crate) meta_info: Option<Meta<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    error: Option<IgnoredAny>,
}

impl Event<'_> {
    /// Whether it reports an error: `{"error":..}` or `{"object":"error",..}`.
    pub(crate) fn is_error(&self) -> bool {
        let object = self.object.as_ref();
        self.error.is_some() || object.is_some_and(|object| object.0 == "error")
    }

    /// Whether it is an answer, or a part of one.
    pub(crate) fn is_answer(&self) -> bool {
        self.text.is_some() || self.output_ids.is_some() || self.meta_info.is_some()
    }

    /// Its text: all text so far, or only what is new.
    pub(crate) fn text(&self) -> &str {
        self.text.as_ref().map_or("", |text| &text.0)
    }

    /// Whether it has ids in the place of a text, as from a server without a tokenizer.
    pub(crate) fn is_ids_only(&self) -> bool {
        self.text.is_none() && self.output_ids.is_some()
    }

    /// What its ids tell of its text, when `more` tokens came since the event before.
    ///
    /// If all ids so far are listed, so is all text. If only the new ones are, the text may be
    /// either: older versions send new ids with all text.
    pub(crate) fn hint(&self, more: u32) -> Hint {
        let ids = self.output_ids.as_ref().map(|ids| ids.0);
        let all = self.meta_info.as_ref().and_then(|m| m.completion_tokens);
        match (ids, all) {
            (Some(ids), Some(all)) if ids == all && ids != more => Hint::Whole,
            (Some(ids), Some(_)) if ids == more && more > 0 => Hint::Grown,
            _ => Hint::Nothing,
        }
    }
}

/// What the server says about the answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Meta<'a> {
    #[serde(borrow)]
    pub(crate) finish_reason: Option<Reason<'a>>,
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
    pub(crate) cached_tokens: Option<u32>,
    /// Spans in seconds, and points in time in seconds since 1970.
    queue_time: Option<f64>,
    forward_entry_time: Option<f64>,
    prefill_finished_time: Option<f64>,
    first_token_latency: Option<f64>,
    e2e_latency: Option<f64>,
}

/// Why the generation ended.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Reason<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Option<Text<'a>>,
    /// Of an abort.
    #[serde(borrow)]
    pub(crate) message: Option<Text<'a>>,
}

impl Meta<'_> {
    /// The server's own times, as far as it gives them; `None` if it gives none.
    pub(crate) fn timings(&self) -> Option<ServerTimings> {
        let (ttft, e2e) = (self.first_token_latency, self.e2e_latency);
        let timings = ServerTimings {
            queue: self.queue_time,
            prefill: span(self.forward_entry_time, self.prefill_finished_time),
            decode: span(ttft, e2e),
            ttft,
            e2e,
        };
        (timings != ServerTimings::default()).then_some(timings)
    }
}

/// From one point in time to a later one.
fn span(from: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(to? - from?).filter(|span| *span >= 0.0)
}
