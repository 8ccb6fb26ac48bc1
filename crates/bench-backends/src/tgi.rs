use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, Prompt, ServerTimings, TokenSource};
use bytes::Bytes;
use http::HeaderMap;
use serde::de::IgnoredAny;

use crate::openai_body::Body;
use crate::openai_event::Text;
use crate::verdict::Verdict;
use crate::{Backend, BackendError, BodyEnd, Decoder, Request, StreamEvent};

const NAME: &str = "tgi";

/// Text Generation Inference with its own routes, `/generate_stream` and `/generate`.
///
/// An object `parameters` among the user's own fields does not replace the one that is sent:
/// its fields do, one by one. The protocol has no way to go on past the end-of-sequence token:
/// [`Request::ignore_eos`] is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tgi;

impl Backend for Tgi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn default_path(&self, stream: bool) -> &'static str {
        match stream {
            true => "/generate_stream",
            false => "/generate",
        }
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let known = [
            "temperature",
            "top-p",
            "top-k",
            "frequency-penalty",
            "repetition-penalty",
            "logprobs",
        ];
        request.refuse_unless(NAME, &known)?;
        let Prompt::Text(text) = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let mut body = Body::of(request);
        body.field("inputs", &**text)?;
        body.object("parameters", |parameters| fill(parameters, request))?;
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(TgiDecoder::default())
    }
}

/// Writes the parameters. The server refuses values that stand for "off" (a temperature of 0,
/// a mass of 1, no candidates): they are left out.
fn fill(parameters: &mut Body<'_>, request: &Request<'_>) -> Result<(), BackendError> {
    let sampling = request.sampling;
    let greedy = sampling.temperature == Some(0.0);
    let temperature = sampling.temperature.filter(|_| !greedy);
    let top_p = sampling.top_p.filter(|mass| *mass < 1.0 && !greedy);
    let top_k = sampling.top_k.filter(|count| *count > 0 && !greedy);
    let samples = temperature.is_some() || top_p.is_some() || top_k.is_some();
    parameters.field("max_new_tokens", &request.max_output_tokens)?;
    parameters.field("do_sample", &samples)?;
    parameters.optional("temperature", temperature)?;
    parameters.optional("top_p", top_p)?;
    parameters.optional("top_k", top_k)?;
    parameters.optional("frequency_penalty", sampling.frequency_penalty)?;
    parameters.optional("repetition_penalty", sampling.repetition_penalty)?;
    parameters.optional("top_n_tokens", request.logprobs)?;
    parameters.optional("adapter_id", request.lora)?;
    parameters.raw("details", "true");
    parameters.raw("decoder_input_details", "false");
    Ok(())
}

/// Decodes and judges the stream of `/generate_stream` and the answer of `/generate`.
///
/// Every event brings one token. A special token makes no text: its chunk is empty. The last
/// event has the whole text; it takes the place of the `[DONE]` that this route does not send.
#[derive(Debug, Default)]
struct TgiDecoder {
    /// Tokens of the prompt as the headers count them; only where the answer is not streamed.
    prompt: Option<u32>,
    tokens: TokenSource,
    verdict: Verdict,
}

/// An event, or an answer that is not streamed; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    token: Option<Token<'a>>,
    #[serde(borrow)]
    generated_text: Option<Text<'a>>,
    #[serde(borrow)]
    details: Option<Details<'a>>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Token<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    special: bool,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
    generated_tokens: Option<u32>,
    /// Older versions leave it out.
    input_length: Option<u32>,
}

impl Decoder for TgiDecoder {
    fn headers(&mut self, headers: &HeaderMap, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let value = |name| headers.get(name)?.to_str().ok();
        let seconds = |name| {
            let ms: f64 = value(name)?.parse().ok()?;
            (ms.is_finite() && ms >= 0.0).then_some(ms / 1_000.0)
        };
        self.prompt = value("x-prompt-tokens").and_then(|count| count.parse().ok());
        let timings = ServerTimings {
            queue: seconds("x-queue-time"),
            e2e: seconds("x-total-time"),
            ..ServerTimings::default()
        };
        if timings != ServerTimings::default() {
            emit(StreamEvent::Timings(timings));
        }
    }

    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let Some(parsed) = self.verdict.parse::<Event<'_>>(&event, emit)? else {
            return Ok(());
        };
        if parsed.error.is_some() {
            self.verdict.failed(event.data, emit);
            return Ok(());
        }
        if let Some(token) = &parsed.token {
            self.token(token, emit);
        }
        if let Some(details) = &parsed.details {
            self.details(details, emit);
        }
        if parsed.generated_text.is_some() || parsed.details.is_some() {
            self.verdict.whole();
        }
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let answer: Event<'_> = match body.trim_ascii_start().first() {
            // Some versions answer with an array of one.
            Some(b'[') => {
                let [answer] = serde_json::from_slice(body).map_err(malformed)?;
                answer
            }
            _ => serde_json::from_slice(body).map_err(malformed)?,
        };
        if answer.error.is_some() {
            self.verdict.failed(body, emit);
            return Ok(());
        }
        let text = answer.generated_text.as_ref().map_or("", |text| &text.0);
        self.verdict.content |= !text.is_empty();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: MarkKind::Whole,
            text,
            tokens: None,
        });
        if let Some(details) = &answer.details {
            self.details(details, emit);
            if details.generated_tokens.is_some() {
                self.tokens = TokenSource::Usage;
            }
        }
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        self.tokens
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        self.verdict.judge(end, "the event that has the whole text")
    }
}

impl TgiDecoder {
    fn token(&mut self, token: &Token<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let text = match &token.text {
            Some(text) if !token.special => &*text.0,
            _ => "",
        };
        self.verdict.content = true;
        self.tokens = TokenSource::TokenIds;
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: match text {
                "" => MarkKind::Empty,
                _ => MarkKind::Text,
            },
            text,
            tokens: Some(1),
        });
    }

    /// Takes down how the answer ended, and the counts that it has.
    fn details(&mut self, details: &Details<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        if let Some(reason) = &details.finish_reason {
            self.verdict.reason(&reason.0);
        }
        self.verdict.content |= details.generated_tokens > Some(0);
        let prompt = details.input_length.or(self.prompt);
        if prompt.is_some() || details.generated_tokens.is_some() {
            emit(StreamEvent::Usage {
                prompt,
                completion: details.generated_tokens,
                cached: None,
                alone: false,
            });
        }
    }
}
