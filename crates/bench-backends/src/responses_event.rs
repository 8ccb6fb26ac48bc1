//! One event of the stream that `/v1/responses` answers with, and the whole response, as far as
//! they are of interest.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::openai_event::{Length, Text, text_of};

/// An event; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    logprobs: Option<Length>,
    #[serde(borrow)]
    pub(crate) response: Option<Response<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl<'a> Event<'a> {
    /// The type, or nothing.
    pub(crate) fn kind(&self) -> &str {
        text_of(&self.kind)
    }

    /// The text it adds; only deltas of some kinds are texts.
    ///
    /// # Errors
    /// If it is no text.
    pub(crate) fn delta(&self) -> Result<Cow<'a, str>, serde_json::Error> {
        let Some(delta) = self.delta else {
            return Ok(Cow::Borrowed(""));
        };
        let text: Text<'a> = serde_json::from_str(delta.get())?;
        Ok(text.0)
    }

    /// How many tokens it lists by log probability; servers send an empty list if none were
    /// asked for.
    pub(crate) fn listed_tokens(&self) -> Option<u32> {
        let length = self.logprobs.as_ref()?.0;
        (length > 0).then_some(length)
    }

    /// Whether it reports an error in one of the general shapes.
    pub(crate) fn is_error(&self) -> bool {
        let object = text_of(&self.object) == "error";
        let bare = self.kind.is_none() && (self.error.is_some() || self.detail.is_some());
        self.kind() == "error" || object || bare
    }
}

/// A response, in the events about it or as the whole answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Response<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    detail: Option<IgnoredAny>,
    #[serde(borrow)]
    incomplete_details: Option<Incomplete<'a>>,
    pub(crate) usage: Option<Usage>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

/// Token counts.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: Option<u32>,
    pub(crate) output_tokens: Option<u32>,
    input_tokens_details: Option<InputDetails>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u32>,
}

impl Usage {
    /// Prompt tokens from the prefix cache.
    pub(crate) fn cached(&self) -> Option<u32> {
        self.input_tokens_details.as_ref()?.cached_tokens
    }
}

impl<'a> Response<'a> {
    /// The model that answers.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|model| &*model.0)
    }

    /// Whether it failed or was cancelled, or is no response but an error.
    pub(crate) fn is_failure(&self) -> bool {
        let status = text_of(&self.status);
        let object = text_of(&self.object) == "error";
        let bare = self.detail.is_some() && self.output.is_none();
        self.error.is_some() || object || bare || matches!(status, "failed" | "cancelled")
    }

    /// What tells why it failed: its `error`, its status or, if it is no response, all of
    /// `json`.
    pub(crate) fn error<'j>(&self, json: &'j [u8]) -> Cow<'j, [u8]>
    where
        'a: 'j,
    {
        match (self.error, &self.status) {
            (Some(error), _) => Cow::Borrowed(error.get().as_bytes()),
            (None, Some(status)) => {
                let text = format!("the server gave up (status `{}`)", status.0);
                Cow::Owned(text.into_bytes())
            }
            (None, None) => Cow::Borrowed(json),
        }
    }

    /// Why it is incomplete, if it is.
    pub(crate) fn incomplete_reason(&self) -> Option<&str> {
        let details = self.incomplete_details.as_ref();
        if let Some(reason) = details.and_then(|details| details.reason.as_ref()) {
            return Some(&reason.0);
        }
        let status = self.status.as_ref()?;
        (status.0 == "incomplete").then_some("")
    }

    /// What was generated, of a response that is a whole answer.
    ///
    /// # Errors
    /// If it is not what the protocol says.
    pub(crate) fn output(&self) -> Result<Vec<Item<'a>>, serde_json::Error> {
        match self.output {
            Some(output) => serde_json::from_str(output.get()),
            None => Ok(Vec::new()),
        }
    }
}

/// A piece of a whole output: a message, reasoning or a call.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Item<'a> {
    #[serde(borrow)]
    summary: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
}

impl Item<'_> {
    /// Whether it is the call of a tool.
    pub(crate) fn is_call(&self) -> bool {
        self.arguments.is_some()
    }

    /// Appends its text.
    pub(crate) fn push_to(&self, text: &mut String) {
        for part in [&self.summary, &self.content]
            .into_iter()
            .flatten()
            .flatten()
        {
            for piece in [&part.text, &part.refusal].into_iter().flatten() {
                text.push_str(&piece.0);
            }
        }
        if let Some(arguments) = &self.arguments {
            text.push_str(&arguments.0);
        }
    }
}
