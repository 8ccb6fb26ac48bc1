//! The answers to requests that generate nothing: vectors and scores, never streamed.

use std::fmt;

use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::openai_event::{Text, text_of};
use crate::verdict::Verdict;
use crate::{BackendError, BodyEnd, Decoder, StreamEvent};

/// Checks and counts, without keeping a single number of the vectors.
///
/// An answer is whole if it lists one result or more, each with something in it, and if no
/// result has the index of another one. Vectors must be numbered from 0 without a gap; how many
/// there should be is not known here. The results of a ranking may be fewer than the documents.
/// An answer that is not like that breaks the protocol and has failed as malformed.
#[derive(Debug)]
pub(crate) struct PoolDecoder {
    /// Every input has a result.
    complete: bool,
    verdict: Verdict,
    counted: bool,
}

impl PoolDecoder {
    /// Of answers with a vector for every input.
    pub(crate) fn vectors() -> PoolDecoder {
        PoolDecoder {
            complete: true,
            verdict: Verdict::default(),
            counted: false,
        }
    }

    /// Of rankings, which may leave out the last ones.
    pub(crate) fn ranking() -> PoolDecoder {
        PoolDecoder {
            complete: false,
            ..PoolDecoder::vectors()
        }
    }
}

impl Decoder for PoolDecoder {
    fn decode(
        &mut self,
        _: SseEvent<'_>,
        _: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        Err(BackendError::Streamed)
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        // SGLang answers a ranking with the bare list.
        let answer = match body.trim_ascii_start().first() {
            Some(b'[') => serde_json::from_slice(body).map(Answer::bare),
            _ => serde_json::from_slice(body),
        };
        let answer: Answer<'_> = answer.map_err(malformed)?;
        if answer.is_error() {
            self.verdict.failed(body, emit);
            return Ok(());
        }
        let results = answer.results.unwrap_or_default();
        results.check(self.complete).map_err(malformed)?;
        let model = answer.model.as_ref().map(|model| &*model.0);
        self.verdict.model(model, emit);
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: MarkKind::Whole,
            text: "",
            tokens: None,
        });
        if let Some((prompt, cached)) = answer.usage.as_ref().and_then(Usage::prompt) {
            self.counted = true;
            emit(StreamEvent::Usage {
                prompt: Some(prompt),
                completion: Some(0),
                cached,
                alone: false,
            });
        }
        self.verdict.content = true;
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match self.counted {
            true => TokenSource::Usage,
            false => TokenSource::Unknown,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        self.verdict.judge(end, "an answer")
    }
}

/// An answer; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(alias = "data")]
    results: Option<Results>,
    usage: Option<Usage>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl Answer<'_> {
    fn bare(results: Results) -> Self {
        Answer {
            results: Some(results),
            ..Answer::default()
        }
    }

    fn is_error(&self) -> bool {
        let object = text_of(&self.object) == "error";
        let detail = self.detail.is_some() && self.results.is_none();
        self.error.is_some() || object || detail
    }
}

/// Token counts: some servers report the total only.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Option<u32>,
    total_tokens: Option<u32>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u32>,
}

impl Usage {
    /// Tokens of the inputs, and how many of them came from the prefix cache.
    fn prompt(&self) -> Option<(u32, Option<u32>)> {
        let details = self.prompt_tokens_details.as_ref();
        let prompt = self.prompt_tokens.or(self.total_tokens)?;
        Some((prompt, details.and_then(|details| details.cached_tokens)))
    }
}

/// The indices of the results, in order; one that is not given is its place in the list.
#[derive(Debug, Default)]
struct Results(Vec<u32>);

impl Results {
    /// Whether there are any, no two alike and, if `complete`, without a gap.
    fn check(mut self, complete: bool) -> Result<(), serde_json::Error> {
        if self.0.is_empty() {
            return Err(serde_json::Error::custom("there are no results"));
        }
        self.0.sort_unstable();
        if self.0.windows(2).any(|pair| pair[0] == pair[1]) {
            let text = "two results have the same index";
            return Err(serde_json::Error::custom(text));
        }
        let gap = self.0.iter().zip(0..).any(|(index, place)| *index != place);
        match complete && gap {
            true => Err(serde_json::Error::custom("a result is missing")),
            false => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Results {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ResultsVisitor;
        impl<'de> Visitor<'de> for ResultsVisitor {
            type Value = Results;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of results")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Results, A::Error> {
                let mut indices = Vec::new();
                for place in 0.. {
                    let Some(result) = seq.next_element::<Outcome>()? else {
                        break;
                    };
                    if !result.is_filled() {
                        let text = format_args!("result {place} holds nothing");
                        return Err(A::Error::custom(text));
                    }
                    indices.push(result.index.unwrap_or(place));
                }
                Ok(Results(indices))
            }
        }
        deserializer.deserialize_seq(ResultsVisitor)
    }
}

/// One result: a vector under one name or another, or a score.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Outcome {
    index: Option<u32>,
    embedding: Filled,
    data: Filled,
    relevance_score: Filled,
    score: Filled,
}

impl Outcome {
    fn is_filled(&self) -> bool {
        let fields = [
            &self.embedding,
            &self.data,
            &self.relevance_score,
            &self.score,
        ];
        fields.iter().any(|field| field.0)
    }
}

/// Whether a value is a number, or a list or a string (of numbers in base64) that is not empty.
#[derive(Debug, Default)]
struct Filled(bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FilledVisitor;
        impl<'de> Visitor<'de> for FilledVisitor {
            type Value = Filled;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers")
            }
            fn visit_f64<E>(self, _: f64) -> Result<Filled, E> {
                Ok(Filled(true))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Filled, E> {
                Ok(Filled(true))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Filled, E> {
                Ok(Filled(true))
            }
            fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }
            fn visit_unit<E>(self) -> Result<Filled, E> {
                Ok(Filled(false))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Filled, A::Error> {
                let mut filled = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }
            /// Sparse vectors: a weight for each token.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
                let mut filled = false;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }
        }
        deserializer.deserialize_any(FilledVisitor)
    }
}
