use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, Prompt, TokenSource};
use bytes::Bytes;

use crate::openai_body::Body;
use crate::responses_event::{Event, Response};
use crate::verdict::Verdict;
use crate::{Backend, BackendError, BodyEnd, Decoder, Request, StreamEvent};

const NAME: &str = "openai-responses";

/// Servers with OpenAI's `/v1/responses`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenAiResponses;

impl Backend for OpenAiResponses {
    fn name(&self) -> &'static str {
        NAME
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["vllm-responses"]
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/responses"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        // All but `min_p`, which no server of the route reads.
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
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        match request.prompt {
            Prompt::Text(text) => body.field("input", &**text)?,
            Prompt::Chat(messages) => body.messages(NAME, "input", messages)?,
            other => return Err(BackendError::prompt(NAME, other)),
        }
        body.field("max_output_tokens", &request.max_output_tokens)?;
        body.sampling(request)?;
        if let Some(candidates) = request.logprobs {
            body.field("top_logprobs", &candidates)?;
            body.raw("include", r#"["message.output_text.logprobs"]"#);
        }
        // Servers keep answers for later by default, which is no part of what is measured.
        body.raw("store", "false");
        body.optional("stream", request.stream.then_some(true))?;
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ResponsesDecoder::default())
    }
}

/// Decodes the stream of a response.
///
/// Only pieces of the output set marks: text, reasoning and arguments of tool calls. The events
/// around them (`response.created`, `response.output_item.added`, ...) leave before the first
/// token and are not counted as one, as in `vllm bench serve`; the `*.done` events repeat what
/// came before. The terminal event sets the marks of the usage report and of the end.
#[derive(Debug, Default)]
struct ResponsesDecoder {
    verdict: Verdict,
    /// The last kind of content was a tool call.
    called: bool,
    /// Chunks with and without the number of their tokens.
    listed: bool,
    unlisted: bool,
    /// The answer was not streamed and counts its tokens.
    counted: bool,
}

impl Decoder for ResponsesDecoder {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        // Some servers add it. It comes after errors too, so it is no end.
        if event.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let Some(parsed) = self.verdict.parse::<Event<'_>>(&event, emit)? else {
            return Ok(());
        };
        if parsed.is_error() {
            self.verdict.failed(event.data, emit);
            return Ok(());
        }
        if let Some(response) = &parsed.response {
            self.verdict.model(response.model(), emit);
        }
        match (parsed.kind(), &parsed.response) {
            ("response.completed" | "response.incomplete", response) => {
                let response = response.as_ref();
                self.terminal(response.unwrap_or(&Response::default()), event.data, emit);
            }
            ("response.failed" | "response.cancelled", Some(response)) => {
                self.verdict.failed(&response.error(event.data), emit);
            }
            ("response.failed" | "response.cancelled", None) => {
                self.verdict.failed(event.data, emit);
            }
            (kind, _) => {
                if let Some(kind) = kind_of_delta(kind) {
                    let malformed = |source| BackendError::malformed(event.data, source);
                    let text = parsed.delta().map_err(malformed)?;
                    self.delta(kind, &text, parsed.listed_tokens(), emit);
                }
            }
        }
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let response: Response<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if response.is_failure() {
            self.verdict.failed(&response.error(body), emit);
            return Ok(());
        }
        self.verdict.model(response.model(), emit);
        let mut text = String::new();
        for item in response.output().map_err(malformed)? {
            self.called = item.is_call();
            item.push_to(&mut text);
        }
        self.verdict.content |= self.called || !text.is_empty();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: MarkKind::Whole,
            text: &text,
            tokens: None,
        });
        self.usage(&response, false, emit);
        let usage = response.usage.as_ref();
        self.counted = usage.is_some_and(|usage| usage.output_tokens.is_some());
        self.verdict.reason(self.reason(&response));
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match (self.counted, self.listed, self.unlisted) {
            (true, ..) => TokenSource::Usage,
            (_, true, false) => TokenSource::TokenIds,
            _ => TokenSource::Unknown,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        self.verdict.judge(end, "`response.completed`")
    }
}

impl ResponsesDecoder {
    fn delta(
        &mut self,
        kind: MarkKind,
        text: &str,
        tokens: Option<u32>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let kind = if text.is_empty() {
            MarkKind::Empty
        } else {
            kind
        };
        if kind.is_content() {
            self.verdict.content = true;
            self.called = kind == MarkKind::ToolCall;
            self.unlisted |= tokens.is_none();
        }
        self.listed |= tokens.is_some();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind,
            text,
            tokens,
        });
    }

    fn terminal(
        &mut self,
        response: &Response<'_>,
        data: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if response.is_failure() {
            self.verdict.failed(&response.error(data), emit);
            return;
        }
        self.verdict.reason(self.reason(response));
        self.usage(response, true, emit);
        self.verdict.ended(emit);
    }

    fn usage(
        &mut self,
        response: &Response<'_>,
        alone: bool,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if let Some(usage) = &response.usage {
            self.verdict.content |= usage.output_tokens > Some(0);
            emit(StreamEvent::Usage {
                prompt: usage.input_tokens,
                completion: usage.output_tokens,
                cached: usage.cached(),
                alone,
            });
        }
    }

    /// Why the generation ended: vLLM sends `response.completed` with the status `incomplete`
    /// where OpenAI sends `response.incomplete`.
    fn reason(&self, response: &Response<'_>) -> &'static str {
        match response.incomplete_reason() {
            Some("max_output_tokens") => "length",
            Some("content_filter") => "content_filter",
            Some(_) => "incomplete",
            None if self.called => "tool_calls",
            None => "stop",
        }
    }
}

/// What the events called `name` bring; `None` if they bring nothing new.
fn kind_of_delta(name: &str) -> Option<MarkKind> {
    match name {
        "response.output_text.delta" | "response.refusal.delta" => Some(MarkKind::Text),
        "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
            Some(MarkKind::Reasoning)
        }
        "response.function_call_arguments.delta"
        | "response.custom_tool_call_input.delta"
        | "response.mcp_call_arguments.delta"
        | "response.code_interpreter_call_code.delta" => Some(MarkKind::ToolCall),
        _ => None,
    }
}
