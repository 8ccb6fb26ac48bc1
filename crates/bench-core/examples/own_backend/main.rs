//! A backend of your own: the protocol of a server that nobody else has.
//!
//! `cargo run --release -p bench-core --example own_backend`

#![allow(clippy::print_stdout)]

mod parrot;

// ANCHOR: backend
use bench_core::Run;
use bench_core::backends::{
    Backend, BackendError, BodyEnd, Decoder, Request, SseEvent, StreamEvent,
};
use bench_core::types::{Conversation, Failure, Finish, MarkKind, Prompt, TokenSource};
use bytes::Bytes;
use serde::Deserialize;

/// A server that takes `{"say": "some words", "times": 5}` and streams an event
/// `{"word": "some"}` for every word, and `{"words": 5}` at the end.
struct Parrot;

impl Backend for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    fn default_path(&self, _stream: bool) -> &'static str {
        "/speak"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let Prompt::Text(text) = request.prompt else {
            return Err(BackendError::prompt(self.name(), request.prompt));
        };
        let body = serde_json::json!({"say": text, "times": request.max_output_tokens});
        request.post(self.default_path(true), body.to_string().into_bytes())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Speech { words: None })
    }
}

/// One answer: the number of its words, once that came.
struct Speech {
    words: Option<u32>,
}

#[derive(Deserialize)]
struct Event {
    word: Option<String>,
    words: Option<u32>,
}

impl Decoder for Speech {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let Event { word, words } = serde_json::from_slice(event.data)
            .map_err(|source| BackendError::malformed(event.data, source))?;
        if let Some(word) = word {
            emit(StreamEvent::Chunk {
                choice: 0,
                kind: MarkKind::Text,
                text: &word,
                tokens: Some(1),
            });
        }
        if words.is_some() {
            self.words = words;
            emit(StreamEvent::Done);
        }
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        TokenSource::Usage
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        match (self.words, end) {
            (Some(0), _) => Err(Failure::NoTokens),
            (Some(_), _) => Ok(Finish::Length),
            (None, BodyEnd::Cut(how)) => Err(Failure::Truncated(how.to_owned())),
            (None, BodyEnd::Complete) => Err(Failure::Truncated("the total is missing".into())),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = parrot::start().await?;
    let hello = |id| Conversation::single(id, Prompt::Text("Pretty Polly".into()), None, 5);

    let report = Run::builder(format!("http://{server}"), &Parrot)
        .model("grey")
        .conversations((0..20).map(hello).collect())
        .max_concurrency(4)
        .build()
        .execute(&mut ())
        .await?;

    assert_eq!(report.summary.requests.completed, 20);
    assert_eq!(report.summary.tokens.output, Some(20 * 5));
    let p99 = report.metric("p99_ttft_ms").ok_or("no request succeeded")?;
    println!("p99 TTFT: {p99:.2} ms");
    Ok(())
}
// ANCHOR_END: backend

#[test]
fn it_runs() {
    main().expect("the example runs");
}
