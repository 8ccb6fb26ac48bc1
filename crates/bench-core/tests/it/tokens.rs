//! Where token counts come from when the server gives more or less than its totals.

use bench_core::backends::backend;
use bench_core::datasets::Tokenizer;
use bench_core::types::{MarkKind, TokenSource};
use bench_core::{RequestOptions, Run};
use bench_sim::{SimConfig, SimTokenizer};

use super::{execute, prompts, quick, run, start, succeeded};

fn sim_options() -> RequestOptions {
    RequestOptions {
        model: "sim-model".into(),
        ..RequestOptions::default()
    }
}

fn merged(extra: &str) -> SimConfig {
    SimConfig {
        stream_interval: 4,
        faults: vec![format!("{extra}@always").parse().expect("a fault")],
        ..quick()
    }
}

#[tokio::test]
async fn usage_in_every_chunk_counts_tokens_exactly() {
    let server = start(SimConfig {
        stream_interval: 4,
        ..quick()
    });
    let options = RequestOptions {
        continuous_usage: true,
        ..sim_options()
    };
    let report = execute(run(&server, prompts(4, 9)).request(options)).await;
    for record in &report.records {
        assert_eq!(record.chunk_tokens, TokenSource::Usage);
        let contents = record.timeline.contents();
        let tokens: Vec<u16> = contents.map(|mark| mark.tokens).collect();
        assert_eq!(tokens, [1, 4, 4]);
    }
}

#[tokio::test]
async fn totals_alone_settle_streams_of_one_token_a_chunk() {
    let server = start(quick());
    let report = execute(run(&server, prompts(4, 9))).await;
    for record in &report.records {
        assert_eq!(record.chunk_tokens, TokenSource::OnePerChunk);
        assert!(record.timeline.contents().all(|mark| mark.tokens == 1));
        assert_eq!(record.transcript, None, "nobody asked for the text");
    }
}

struct Shared(Tokenizer);

impl SimTokenizer for Shared {
    fn encode(&self, text: &str) -> Vec<u32> {
        self.0.encode(text).expect("encodable")
    }
    fn decode(&self, ids: &[u32]) -> String {
        self.0.decode(ids).expect("decodable")
    }
}

#[tokio::test]
async fn the_tokenizer_counts_what_the_server_does_not() {
    let tokenizer = || Tokenizer::load("builtin").expect("it is built in");
    let shared = std::sync::Arc::new(Shared(tokenizer()));
    let server = bench_sim::SimServer::start_with_tokenizer(merged("no-usage"), shared);
    let server = server.expect("it starts");
    let builder = run(&server, prompts(4, 9)).tokenizer(tokenizer());
    let report = execute(builder.keep_text(true)).await;
    for record in &report.records {
        assert!(succeeded(record));
        assert_eq!(record.output_tokens_source, TokenSource::Tokenizer);
        assert_eq!(record.chunk_tokens, TokenSource::Tokenizer);
        let text = &record.transcript.as_ref().expect("kept").text;
        assert_eq!(
            record.output_tokens,
            tokenizer().count(text).expect("countable")
        );
        let tokens: u32 = record
            .timeline
            .marks
            .iter()
            .map(|m| u32::from(m.tokens))
            .sum();
        assert_eq!(tokens, record.output_tokens);
    }
}

#[tokio::test]
async fn without_tokenizer_and_usage_a_chunk_is_a_token() {
    let server = start(merged("no-usage"));
    let report = execute(run(&server, prompts(2, 9))).await;
    for record in &report.records {
        assert_eq!(record.output_tokens_source, TokenSource::Chunks);
        assert_eq!(record.output_tokens, 3);
    }
}

#[tokio::test]
async fn reasoning_is_told_from_the_answer() {
    let config = SimConfig {
        faults: vec!["reasoning:3@always".parse().expect("a fault")],
        ..quick()
    };
    let server = start(config);
    let chat = backend("openai-chat").expect("there is one");
    let builder = Run::builder(server.url(), chat)
        .conversations(prompts(2, 5))
        .model("sim-model");
    for record in &execute(builder).await.records {
        let kinds: Vec<_> = record.timeline.contents().map(|mark| mark.kind).collect();
        assert_eq!(kinds[..3], [MarkKind::Reasoning; 3]);
        assert_eq!(kinds[3..], [MarkKind::Text; 2]);
    }
}

#[tokio::test]
async fn a_prompt_the_server_counts_differently_is_reported() {
    let server = start(quick());
    let mut conversations = prompts(3, 2);
    conversations[1].turns[0].prompt_tokens = Some(99);
    let report = execute(run(&server, conversations)).await;
    let warning = report.warnings.iter().find(|text| text.contains("99"));
    assert!(warning.is_some(), "{:?}", report.warnings);
}

#[tokio::test]
async fn a_chat_template_is_told_from_another_tokenizer() {
    let server = start(quick());
    let told = |conversations| {
        let chat = backend("openai-chat").expect("there is one");
        let builder = Run::builder(server.url(), chat).model("sim-model");
        async { execute(builder.conversations(conversations)).await.warnings }
    };
    let all = told(prompts(5, 2)).await;
    let template = all
        .iter()
        .any(|text| text.contains("tokens to each prompt"));
    assert!(template && all.len() == 1, "{all:?}");
    let mut some = prompts(5, 2);
    some[1].turns[0].prompt_tokens = Some(1_000);
    let mut all = told(some).await;
    // So long a prompt would also share more with the others.
    all.retain(|text| !text.contains("prefix cache"));
    let differs = all
        .iter()
        .any(|text| text.contains("the prompts of 5 requests"));
    assert!(differs && all.len() == 1, "{all:?}");
}
