//! What it costs to cut a body into events. `cargo bench -p bench-stream`

use std::hint::black_box;

use bench_stream::{SseLimits, SseParser};
use bench_testkit::{Capture, splits};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Feeds all frames and returns the number of events and of data bytes.
fn parse(parser: &mut SseParser, frames: &[&[u8]]) -> (u64, usize) {
    let mut seen = (0, 0);
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(Ok(event)) = events.next() {
            seen.0 += 1;
            seen.1 += black_box(event).data.len();
        }
    }
    let _ = black_box(parser.finish());
    seen
}

fn sse(c: &mut Criterion) {
    let chat = Capture::load("vllm-0.32.0/chat_stream_utf8").body;
    let whole: Vec<&[u8]> = chat.split_inclusive(|b| *b == b'\n').collect();
    let events: Vec<Vec<u8>> = whole.chunks(2).map(<[&[u8]]>::concat).collect();
    let per_event: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    let crlf = String::from_utf8_lossy(&chat)
        .replace('\n', "\r\n")
        .into_bytes();
    let cases: [(&str, Vec<&[u8]>); 5] = [
        ("one event a read", per_event),
        ("all events in one read", vec![&chat]),
        ("all in one read, CRLF", vec![&crlf]),
        ("reads of 100 bytes", splits::every(&chat, 100)),
        ("reads of 1 byte", splits::every(&chat, 1)),
    ];
    let mut group = c.benchmark_group("sse");
    for (name, frames) in cases {
        let mut parser = SseParser::new(SseLimits::default());
        let (count, _) = parse(&mut parser, &frames);
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |b| b.iter(|| parse(&mut parser, &frames)));
    }
    group.finish();
}

criterion_group!(benches, sse);
criterion_main!(benches);
