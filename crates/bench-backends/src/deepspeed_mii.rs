use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, TokenSource};
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::openai_body::Body;
use crate::openai_wire::OpenAiDecoder;
use crate::verdict::Verdict;
use crate::{Backend, BackendError, BodyEnd, Decoder, Request, StreamEvent};

const NAME: &str = "deepspeed-mii";

/// The least temperature that the server takes; it refuses 0.
const COLDEST: f64 = 0.01;

/// DeepSpeed-MII with its OpenAI-like `/v1/completions`, which does not stream.
///
/// A temperature below 0.01 is sent as 0.01, the nearest to greedy that the server takes and
/// what other clients send for 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepSpeedMii;

impl Backend for DeepSpeedMii {
    fn name(&self) -> &'static str {
        NAME
    }

    fn can_stream(&self) -> bool {
        false
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let known = [
            "temperature",
            "top-p",
            "top-k",
            "min-p",
            "frequency-penalty",
            "presence-penalty",
            "repetition-penalty",
            "ignore-eos",
            "logprobs",
        ];
        request.refuse_unless(NAME, &known)?;
        request.refuse_lora(NAME)?;
        let Prompt::Text(text) = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let sampling = Sampling {
            temperature: request.sampling.temperature.map(|t| t.max(COLDEST)),
            ..request.sampling.clone()
        };
        let mut request = *request;
        request.sampling = &sampling;
        request.stream = false;
        let mut body = Body::of(&request);
        body.field("model", request.model)?;
        body.field("prompt", &**text)?;
        body.field("max_tokens", &request.max_output_tokens)?;
        body.optional("logprobs", request.logprobs)?;
        body.common(&request)?;
        request.post(self.default_path(false), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(MiiDecoder::default())
    }
}

/// Decodes an answer in either form: that of the completions route, or with nothing but its
/// texts, `{"text":[..]}`.
#[derive(Debug, Default)]
struct MiiDecoder {
    completion: OpenAiDecoder,
    /// Of an answer with nothing but texts.
    texts: Option<Verdict>,
}

/// An answer, as far as it shows its form.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Answer {
    choices: Option<IgnoredAny>,
    text: Option<Texts>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "a text or an array of texts")]
enum Texts {
    Several(Vec<String>),
    Bare(String),
}

impl Decoder for MiiDecoder {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        self.completion.decode(event, emit)
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let answer: Answer = serde_json::from_slice(body).map_err(malformed)?;
        let texts = match (answer.choices, answer.text) {
            (None, Some(Texts::Several(texts))) => texts,
            (None, Some(Texts::Bare(text))) => vec![text],
            _ => return self.completion.decode_whole(body, emit),
        };
        let verdict = self.texts.get_or_insert_default();
        for (choice, text) in (0..).zip(&texts) {
            verdict.content |= !text.is_empty();
            emit(StreamEvent::Chunk {
                choice,
                kind: MarkKind::Whole,
                text,
                tokens: None,
            });
        }
        verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        self.completion.chunk_tokens()
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        match &mut self.texts {
            Some(verdict) => verdict.judge(end, "an answer"),
            None => self.completion.finish(end),
        }
    }
}
