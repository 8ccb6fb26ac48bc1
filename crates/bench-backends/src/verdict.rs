//! What every decoder of a stream has in common: reading one event as JSON, and the verdict.

use bench_stream::SseEvent;
use bench_types::{Failure, Finish};
use serde::Deserialize;

use crate::error::excerpt;
use crate::error_body::error_message;
use crate::{BackendError, BodyEnd, StreamEvent};

/// Collects what speaks for and against an answer, and judges it.
///
/// How [`Verdict::judge`] decides, first match wins:
///
/// 1. An error inside the stream, or the finish reason `abort` or `error`: the server
///    failed, whatever else came.
/// 2. After the end, `[DONE]` or whatever the protocol has in its place, nothing can be
///    missing, so it does not matter how the body ended. Without it, a body that was cut is
///    truncated even if a finish reason came: the usage or the rest of another choice may be
///    lost.
/// 3. The last event is cut in the middle: truncated.
/// 4. Neither the end nor what the protocol takes for it: truncated.
/// 5. Not a single token, by content, by chunk counts and by usage: no tokens.
/// 6. Whole, with the finish reason, or [`Finish::Unstated`] if there is none.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Something that was generated came: content, tokens, or usage that counts some.
    pub(crate) content: bool,
    /// Why the generation ended.
    pub(crate) finish: Option<Finish>,
    error: Option<String>,
    /// The beginning of a last event that is cut.
    cut: Option<String>,
    model_seen: bool,
    done: bool,
}

impl Verdict {
    /// Reads an event: `None` if it is the end marker, empty, cut, or declared an error, and
    /// after the end. Whether the JSON holds an error is for the caller to say.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(
        &mut self,
        event: &SseEvent<'a>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<Option<T>, BackendError> {
        let data = event.data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(None);
        }
        if data == b"[DONE]" {
            self.ended(emit);
            return Ok(None);
        }
        if event.event == Some(b"error") {
            self.failed(data, emit);
            return Ok(None);
        }
        match serde_json::from_slice(data) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) if !event.terminated => {
                self.cut = Some(excerpt(data));
                Ok(None)
            }
            Err(source) => Err(BackendError::malformed(data, source)),
        }
    }

    /// Takes down the model, which is emitted once.
    pub(crate) fn model(&mut self, model: Option<&str>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        if !self.model_seen
            && let Some(model) = model
        {
            self.model_seen = true;
            emit(StreamEvent::Model(model));
        }
    }

    /// Takes down an error in the place of an event or of an answer.
    pub(crate) fn failed(&mut self, data: &[u8], emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let message = error_message(data);
        emit(StreamEvent::Error(&message));
        self.fail(message);
    }

    /// The server failed; the first reason counts.
    pub(crate) fn fail(&mut self, message: String) {
        self.error.get_or_insert(message);
    }

    /// A finish reason by its name; the first one counts.
    pub(crate) fn reason(&mut self, reason: &str) {
        let finish = match reason {
            "stop" | "eos_token" | "stop_sequence" => Finish::Stop,
            "length" => Finish::Length,
            "tool_calls" | "function_call" => Finish::ToolCalls,
            "content_filter" => Finish::ContentFilter,
            "abort" | "error" => {
                self.fail(format!("the server gave up (finish_reason `{reason}`)"));
                return;
            }
            _ => Finish::Other,
        };
        self.finish.get_or_insert(finish);
    }

    /// The stream has ended by the rules of its protocol: nothing can be missing.
    pub(crate) fn ended(&mut self, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        self.done = true;
        emit(StreamEvent::Done);
    }

    /// The answer is there as a whole: nothing can be missing.
    pub(crate) fn whole(&mut self) {
        self.done = true;
    }

    /// Whether the answer has ended.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The body is over, and the answer is whole only if it had ended; `awaited` is what
    /// would have been its end.
    pub(crate) fn judge(&mut self, end: BodyEnd<'_>, awaited: &str) -> Result<Finish, Failure> {
        self.judge_unless(end, false, awaited)
    }

    /// The body is over; if `complete`, it may have been so without the end `awaited`.
    pub(crate) fn judge_unless(
        &mut self,
        end: BodyEnd<'_>,
        complete: bool,
        awaited: &str,
    ) -> Result<Finish, Failure> {
        if let Some(error) = self.error.take() {
            return Err(Failure::Server(error));
        }
        if !self.done {
            if let BodyEnd::Cut(reason) = end {
                return Err(Failure::Truncated(reason.to_owned()));
            }
            if let Some(event) = self.cut.take() {
                let text = format!("the last event is cut: {event}");
                return Err(Failure::Truncated(text));
            }
            if !complete {
                let text = format!("the body ended without {awaited}");
                return Err(Failure::Truncated(text));
            }
        }
        if !self.content {
            return Err(Failure::NoTokens);
        }
        Ok(self.finish.unwrap_or(Finish::Unstated))
    }
}
