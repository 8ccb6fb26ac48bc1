use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, Prompt, TokenSource};
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::openai_body::Body;
use crate::openai_event::Text;
use crate::pieces::{Hint, Pieces};
use crate::verdict::Verdict;
use crate::{Backend, BackendError, BodyEnd, Decoder, Request, StreamEvent};

const NAME: &str = "trtllm";

/// TensorRT-LLM behind Triton's generate extension, at the model `ensemble` unless the path
/// says otherwise.
///
/// To ignore the end of the sequence, the least length is set to the limit, as other clients
/// do it. Servers whose models are set up with `exclude_input_in_output` false begin their
/// answer with the prompt, which cannot be told from generated text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrtLlm;

impl Backend for TrtLlm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["tensorrt-llm", "trt", "triton"]
    }

    fn default_path(&self, stream: bool) -> &'static str {
        match stream {
            true => "/v2/models/ensemble/generate_stream",
            false => "/v2/models/ensemble/generate",
        }
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let known = [
            "temperature",
            "top-p",
            "top-k",
            "frequency-penalty",
            "presence-penalty",
            "repetition-penalty",
            "ignore-eos",
            "logprobs",
        ];
        request.refuse_unless(NAME, &known)?;
        request.refuse_lora(NAME)?;
        if let Some(candidates) = request.logprobs.filter(|candidates| *candidates > 1) {
            return Err(BackendError::Candidates {
                backend: NAME,
                candidates,
            });
        }
        let Prompt::Text(text) = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let sampling = request.sampling;
        let limit = request.max_output_tokens;
        let mut body = Body::of(request);
        body.field("text_input", &**text)?;
        body.field("max_tokens", &limit)?;
        body.field("stream", &request.stream)?;
        // Pieces, where the model lets the client choose.
        body.raw("accumulate_tokens", "false");
        body.field("bad_words", "")?;
        body.field("stop_words", "")?;
        body.optional("temperature", sampling.temperature)?;
        body.optional("top_p", sampling.top_p)?;
        // Elsewhere, all candidates are asked for with -1 or 0; here with nothing.
        body.optional("top_k", sampling.top_k.filter(|count| *count > 0))?;
        body.optional("frequency_penalty", sampling.frequency_penalty)?;
        body.optional("presence_penalty", sampling.presence_penalty)?;
        body.optional("repetition_penalty", sampling.repetition_penalty)?;
        body.optional("min_length", request.ignore_eos.then_some(limit))?;
        body.optional("return_log_probs", request.logprobs.map(|_| true))?;
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(TrtLlmDecoder::default())
    }
}

/// Decodes and judges the answer of Triton's generate extension.
///
/// Its texts are pieces or the whole so far, by how the model was set up; [`Pieces`] finds
/// out. It has no counts, no finish reason and no end marker: an answer is whole if its body
/// ended as HTTP says it should and brought text.
#[derive(Debug, Default)]
struct TrtLlmDecoder {
    pieces: Pieces,
    verdict: Verdict,
}

/// An event, or an answer that is not streamed.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    text_output: Option<Text<'a>>,
    error: Option<IgnoredAny>,
}

impl Decoder for TrtLlmDecoder {
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
        if let Some(text) = &parsed.text_output {
            let text = self.pieces.new_in(&text.0, Hint::Grown);
            let kind = match text {
                "" => MarkKind::Empty,
                _ => MarkKind::Text,
            };
            self.chunk(kind, text, emit);
        }
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let answer: Event<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if answer.error.is_some() {
            self.verdict.failed(body, emit);
            return Ok(());
        }
        let text = answer.text_output.as_ref().map_or("", |text| &text.0);
        self.chunk(MarkKind::Whole, text, emit);
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        TokenSource::Unknown
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        self.verdict.judge_unless(end, true, "its end")
    }
}

impl TrtLlmDecoder {
    fn chunk(&mut self, kind: MarkKind, text: &str, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        self.verdict.content |= !text.is_empty();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind,
            text,
            tokens: None,
        });
    }
}
