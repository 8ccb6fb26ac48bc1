//! What the body of a response is: a stream, an answer in one piece, or a refusal.

use bench_backends::error_message;
use bench_http::ResponseHead;
use bench_types::Failure;
use bytes::BytesMut;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::secrets::Secrets;

/// The most of an error body that is kept to find the message in.
const ERROR_BODY: usize = 64 * 1024;

/// What the body of a response is.
pub(crate) enum Answer {
    Stream,
    /// The answer in one piece.
    Whole(BytesMut),
    /// Not what was asked for.
    Refusal(Box<Refusal>),
}

/// A response that is not what was asked for.
pub(crate) struct Refusal {
    head: ResponseHead,
    body: BytesMut,
}

impl Answer {
    /// By its head, where a stream is expected or an answer in one piece.
    pub(crate) fn expect(streams: bool, head: ResponseHead) -> Answer {
        let json = head
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/json"));
        let body = BytesMut::new();
        match (head.status.is_success(), streams) {
            (true, true) if !json => Answer::Stream,
            (true, false) => Answer::Whole(body),
            _ => Answer::Refusal(Box::new(Refusal { head, body })),
        }
    }

    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Answer::Refusal(_))
    }
}

impl Refusal {
    /// Keeps as much of the body as it takes to find the message in it.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let room = ERROR_BODY.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What became of the request. Secrets go before the message is cut to size, so that none
    /// is cut in two.
    pub(crate) fn failure(&self, secrets: &Secrets) -> Failure {
        let body = secrets.scrub(String::from_utf8_lossy(&self.body).into_owned());
        let mut message = error_message(body.as_bytes());
        if self.head.status.is_success() {
            return Failure::Protocol(format!(
                "the server answered with JSON instead of an event stream: {message}"
            ));
        }
        let wait = self.head.headers.get(RETRY_AFTER);
        if let Some(wait) = wait.and_then(|value| value.to_str().ok()) {
            let gap = if message.is_empty() { "" } else { " " };
            message = format!("{message}{gap}(Retry-After: {wait})");
        }
        Failure::Status {
            code: self.head.status.as_u16(),
            body: message,
        }
    }
}
