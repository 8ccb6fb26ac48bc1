//! What it costs to encode a request and to decode a stream.
//! `cargo bench -p bench-backends`

use std::hint::black_box;

use bench_backends::{Request, StreamEvent, backend};
use bench_stream::{SseEvent, SseLimits, SseParser};
use bench_testkit::{Capture, splits};
use bench_types::Prompt;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The data of every event of a captured stream.
fn events(name: &str) -> Vec<Vec<u8>> {
    let body = Capture::load(name).body;
    let mut parser = SseParser::new(SseLimits::default());
    let mut events = parser.push(&body);
    let mut all = Vec::new();
    while let Some(Ok(event)) = events.next() {
        all.push(event.data.to_vec());
    }
    all
}

fn event(data: &[u8]) -> SseEvent<'_> {
    SseEvent {
        event: None,
        data,
        id: None,
        retry: None,
        terminated: true,
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (protocol, name) in [
        ("vllm", "vllm-0.32.0/completions_stream"),
        ("openai-chat", "vllm-0.32.0/chat_stream_utf8"),
        ("openai-chat", "vllm-0.32.0/chat_stream_continuous_usage"),
        ("vllm", "vllm-0.32.0/completions_stream_n2"),
        ("openai-chat", "vllm-0.32.0/chat_stream_logprobs"),
        ("openai-chat", "sglang-0.5.23/chat_stream_usage"),
        ("sglang", "sglang-0.5.23/generate_stream"),
        ("tgi", "tgi-3/generate_stream"),
        ("trtllm", "triton/generate_stream"),
    ] {
        let events = events(name);
        group.throughput(Throughput::Elements(events.len() as u64));
        group.bench_function(BenchmarkId::new("stream", name), |b| {
            let backend = backend(protocol).expect("registered");
            b.iter(|| {
                let mut decoder = backend.decoder();
                for data in &events {
                    let read = decoder.decode(event(data), &mut |event| {
                        black_box(event);
                    });
                    read.expect("well-formed");
                }
            });
        });
    }
    // Nothing that ends with a space is taken for a repetition.
    let mut chunk = events("vllm-0.32.0/completions_stream")[1].clone();
    chunk.push(b' ');
    group.throughput(Throughput::Elements(1));
    group.bench_function("a chunk that is parsed", |b| {
        let mut decoder = backend("vllm").expect("registered").decoder();
        b.iter(|| {
            let read = decoder.decode(event(&chunk), &mut |event| {
                black_box(event);
            });
            read.expect("well-formed");
        });
    });
    group.finish();
}

/// From bytes in one read per event to stream events, as a run does it.
fn parse_and_decode(c: &mut Criterion) {
    let body = Capture::load("vllm-0.32.0/chat_stream_utf8").body;
    let frames = splits::every(&body, 300);
    let count = events("vllm-0.32.0/chat_stream_utf8").len();
    let mut group = c.benchmark_group("parse and decode");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("reads of 300 bytes", |b| {
        let backend = backend("openai-chat").expect("registered");
        let mut parser = SseParser::new(SseLimits::default());
        b.iter(|| {
            let mut decoder = backend.decoder();
            let mut text = 0;
            for frame in &frames {
                let mut events = parser.push(frame);
                while let Some(Ok(event)) = events.next() {
                    let read = decoder.decode(event, &mut |event| {
                        if let StreamEvent::Chunk { text: piece, .. } = event {
                            text += piece.len();
                        }
                    });
                    read.expect("well-formed");
                }
            }
            let _ = parser.finish();
            black_box(text)
        });
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let text = Prompt::Text("The quick brown fox jumps. ".repeat(150).into());
    let ids = Prompt::TokenIds((0..1_024).map(|id| id * 31).collect());
    for (name, prompt) in [("4 KB of text", text), ("1024 token ids", ids)] {
        group.bench_function(name, |b| {
            let backend = backend("vllm").expect("registered");
            let mut request = Request::new(&prompt, "meta-llama/Llama-3.1-8B-Instruct", 128);
            request.ignore_eos = true;
            request.request_id = Some("bench-0000000000000001");
            b.iter(|| black_box(backend.encode(&request)).expect("expressible"));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, parse_and_decode, encode);
criterion_main!(benches);
