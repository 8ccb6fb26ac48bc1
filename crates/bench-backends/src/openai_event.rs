//! One event of an OpenAI-like stream, as far as it is of interest.
//!
//! Strings are borrowed from the event unless they hold escapes, the usual one element of
//! `choices` is held in place, and everything else is skipped.

use std::borrow::Cow;
use std::fmt;

use bench_types::{MarkKind, ServerTimings};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::repeat::Counts;

/// An event; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) choices: Option<Choices<'a>>,
    #[serde(borrow)]
    pub(crate) usage: Option<Usage<'a>>,
    pub(crate) metrics: Option<Metrics>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl<'a> Event<'a> {
    /// Its choices, in order.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &Choice<'a>> {
        let choices = self.choices.iter();
        choices.flat_map(|choices| choices.first.iter().chain(&choices.more))
    }

    /// The model that answers.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|model| &*model.0)
    }

    /// Whether it reports an error: `{"error":..}`, `{"object":"error",..}` or, in the
    /// place of an answer, `{"detail":..}`.
    pub(crate) fn is_error(&self) -> bool {
        let object = self
            .object
            .as_ref()
            .is_some_and(|object| object.0 == "error");
        let detail = self.detail.is_some() && self.choices.is_none() && self.usage.is_none();
        self.error.is_some() || object || detail
    }
}

/// Token counts. Those that grow are kept as they were written, so that their place in the
/// event is known.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Usage<'a> {
    prompt_tokens: Option<u32>,
    #[serde(borrow)]
    completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    total_tokens: Option<&'a RawValue>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u32>,
}

impl<'a> Usage<'a> {
    /// The counts, as far as they are given.
    ///
    /// # Errors
    /// If the number of generated tokens is no such number.
    pub(crate) fn counts(&self) -> Result<Counts, serde_json::Error> {
        let details = self.prompt_tokens_details.as_ref();
        Ok(Counts {
            prompt: self.prompt_tokens,
            completion: match self.completion() {
                Some(number) => Some(serde_json::from_str(number)?),
                None => None,
            },
            cached: details.and_then(|details| details.cached_tokens),
        })
    }

    /// The number of generated tokens as it was written.
    pub(crate) fn completion(&self) -> Option<&'a str> {
        self.completion_tokens.map(RawValue::get)
    }

    /// The number of all tokens as it was written.
    pub(crate) fn total(&self) -> Option<&'a str> {
        self.total_tokens.map(RawValue::get)
    }
}

/// vLLM's per-request metrics, in milliseconds.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Metrics {
    /// From arrival to a place in the batch.
    queue_time_ms: Option<f64>,
    /// From the place in the batch, not from arrival, to the first token.
    time_to_first_token_ms: Option<f64>,
    /// From the first token to the last.
    generation_time_ms: Option<f64>,
}

impl Metrics {
    pub(crate) fn timings(&self) -> ServerTimings {
        let seconds = |ms: Option<f64>| Some(ms? / 1_000.0);
        let queue = seconds(self.queue_time_ms);
        let prefill = seconds(self.time_to_first_token_ms);
        let decode = seconds(self.generation_time_ms);
        let ttft = queue.zip(prefill).map(|(queue, prefill)| queue + prefill);
        let e2e = ttft.zip(decode).map(|(ttft, decode)| ttft + decode);
        ServerTimings {
            queue,
            prefill,
            decode,
            ttft,
            e2e,
        }
    }
}

/// One of the answers, as far as this chunk goes.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    pub(crate) index: u32,
    #[serde(borrow)]
    pub(crate) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    /// A piece of the message, or the whole of it where the answer is not streamed.
    #[serde(borrow, alias = "message")]
    delta: Option<Delta<'a>>,
    logprobs: Option<Logprobs>,
    token_ids: Option<Length>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Delta<'a> {
    role: Option<IgnoredAny>,
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<ToolCalls<'a>>,
}

/// Log probabilities: `tokens` on the completions route, `content` on the chat route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Logprobs {
    tokens: Option<Length>,
    content: Option<Length>,
}

impl Choice<'_> {
    /// Whether it announces a role.
    pub(crate) fn has_role(&self) -> bool {
        self.delta
            .as_ref()
            .is_some_and(|delta| delta.role.is_some())
    }

    /// How many tokens it lists by id or by log probability.
    pub(crate) fn listed_tokens(&self) -> Option<u32> {
        let ids = self.token_ids.as_ref();
        let logprobs = || {
            let lists = self.logprobs.as_ref()?;
            lists.tokens.as_ref().or(lists.content.as_ref())
        };
        ids.or_else(logprobs).map(|length| length.0)
    }

    /// What it brings: the kind, `None` if nothing, and all text in the order reasoning,
    /// answer, tool call.
    pub(crate) fn payload(&self) -> (Option<MarkKind>, Cow<'_, str>) {
        let Some(delta) = &self.delta else {
            let text = text_of(&self.text);
            let kind = (!text.is_empty()).then_some(MarkKind::Text);
            return (kind, Cow::Borrowed(text));
        };
        let reasoning = match text_of(&delta.reasoning) {
            "" => text_of(&delta.reasoning_content),
            text => text,
        };
        let answer = match text_of(&delta.content) {
            "" => text_of(&delta.refusal),
            text => text,
        };
        let (calls, arguments) = match &delta.tool_calls {
            Some(calls) => (calls.count, &*calls.arguments),
            None => (0, ""),
        };
        let kind = match (answer, calls, reasoning) {
            ("", 0, "") => return (None, Cow::Borrowed("")),
            ("", 0, _) => MarkKind::Reasoning,
            ("", _, _) => MarkKind::ToolCall,
            _ => MarkKind::Text,
        };
        let text = match (reasoning, answer, arguments) {
            (text, "", "") | ("", text, "") | ("", "", text) => Cow::Borrowed(text),
            _ => Cow::Owned([reasoning, answer, arguments].concat()),
        };
        (Some(kind), text)
    }
}

/// The text, or nothing.
pub(crate) fn text_of<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", |text| &text.0)
}

/// A string, borrowed if it holds no escapes.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The choices of an event; there is hardly ever more than one.
#[derive(Debug)]
pub(crate) struct Choices<'a> {
    first: Option<Choice<'a>>,
    more: Vec<Choice<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoicesVisitor;
        impl<'de> Visitor<'de> for ChoicesVisitor {
            type Value = Choices<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of choices")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices<'de>, A::Error> {
                let first = seq.next_element()?;
                let mut more = Vec::new();
                while let Some(choice) = seq.next_element()? {
                    more.push(choice);
                }
                Ok(Choices { first, more })
            }
        }
        deserializer.deserialize_seq(ChoicesVisitor)
    }
}

/// The length of an array whose elements do not matter.
#[derive(Debug)]
pub(crate) struct Length(pub(crate) u32);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LengthVisitor;
        impl<'de> Visitor<'de> for LengthVisitor {
            type Value = Length;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Length, A::Error> {
                let mut length = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    length += 1;
                }
                Ok(Length(length))
            }
        }
        deserializer.deserialize_seq(LengthVisitor)
    }
}

/// Pieces of tool calls: how many, and their arguments put together.
#[derive(Debug)]
struct ToolCalls<'a> {
    count: usize,
    arguments: Cow<'a, str>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct ToolCall<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCalls<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CallsVisitor;
        impl<'de> Visitor<'de> for CallsVisitor {
            type Value = ToolCalls<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of tool calls")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ToolCalls<'de>, A::Error> {
                let mut count = 0;
                let mut arguments = Cow::Borrowed("");
                while let Some(call) = seq.next_element::<ToolCall<'de>>()? {
                    count += 1;
                    if let Some(piece) = call.function.and_then(|function| function.arguments) {
                        // Takes the piece as it is if there was nothing before.
                        arguments += piece.0;
                    }
                }
                Ok(ToolCalls { count, arguments })
            }
        }
        deserializer.deserialize_seq(CallsVisitor)
    }
}
