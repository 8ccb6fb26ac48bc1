//! The cost of a summary: it is client CPU as much as reading the streams is.
//!
//! Four kinds of streams. `plain`: each chunk one token. `chat`: with a role chunk and a
//! finish chunk around them. `bursts`: some chunks bring several tokens. `lockstep`: every
//! gap is the same, the worst case for the exact peak.

use std::hint::black_box;
use std::time::Duration;

use bench_metrics::{Slo, Summary, SummaryOptions};
use bench_types::{
    Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, RequestRecord, RunEnd,
    RunFacts, Timeline, TokenSource,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Chat,
    Bursts,
    Lockstep,
}

const KINDS: [(&str, Kind); 4] = [
    ("plain", Kind::Plain),
    ("chat", Kind::Chat),
    ("bursts", Kind::Bursts),
    ("lockstep", Kind::Lockstep),
];

/// Numbers that look random (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// 1,000 requests a second, 256 tokens each, some 20 ms apart.
fn run(requests: u64, kind: Kind) -> (Vec<RequestRecord>, RunFacts) {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let records: Vec<RequestRecord> = (0..requests)
        .map(|id| record(id, kind, &mut noise))
        .collect();
    let facts = RunFacts {
        end: records
            .iter()
            .map(|r| r.timeline.closed)
            .max()
            .unwrap_or_default(),
        ended: RunEnd::Complete,
        planned: requests,
        ..RunFacts::default()
    };
    (records, facts)
}

fn record(id: u64, kind: Kind, noise: &mut Noise) -> RequestRecord {
    let scheduled = Nanos::from_millis(id);
    let sent = scheduled + Nanos(30_000 + noise.below(20_000));
    let mut at = sent + Nanos::from_millis(100 + noise.below(50));
    let mut marks = Vec::with_capacity(260);
    let mark = |at, kind, tokens| Mark { at, kind, tokens };
    if kind == Kind::Chat {
        marks.push(mark(at, MarkKind::Role, 0));
    }
    let mut left = 256;
    while left > 0 {
        let tokens = match kind {
            Kind::Bursts => (1 + noise.below(3)).min(left),
            _ => 1,
        };
        left -= tokens;
        marks.push(mark(at, MarkKind::Text, tokens as u16));
        at += match kind {
            Kind::Lockstep => Nanos::from_millis(20),
            _ => Nanos(19_000_000 + noise.below(2_000_000)),
        };
    }
    if kind == Kind::Chat {
        marks.push(mark(at, MarkKind::Empty, 0));
    }
    RequestRecord {
        id,
        conversation: id,
        turn: 0,
        server_index: 0,
        model_index: 0,
        inputs: 1,
        audio: None,
        prompt_tokens: 512,
        prompt_tokens_source: TokenSource::Usage,
        class_index: 0,
        kind: RequestKind::Load,
        cached_tokens: None,
        expected_cached_tokens: None,
        max_output_tokens: 256,
        output_tokens: 256,
        output_tokens_source: TokenSource::Usage,
        chunk_tokens: TokenSource::Usage,
        timeline: Timeline {
            scheduled,
            released: scheduled,
            connected: None,
            sent: Some(sent),
            headers: None,
            marks,
            closed: at,
        },
        outcome: Outcome::Completed(Finish::Length),
        server: None,
        receive: ReceiveCounts::default(),
        transcript: None,
    }
}

fn summaries(c: &mut Criterion) {
    let options = SummaryOptions {
        percentiles: vec![50.0, 90.0, 95.0, 99.0],
        slo: Slo::parse(["ttft:200", "tpot:50"]).ok(),
        ..SummaryOptions::default()
    };
    let mut group = c.benchmark_group("summary");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    for requests in [2_048, 100_000] {
        for (name, kind) in KINDS {
            let (records, facts) = run(requests, kind);
            let id = BenchmarkId::new(name, format!("{requests}x256"));
            group.bench_function(id, |b| {
                b.iter(|| Summary::of(black_box(&records), &facts, &options));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, summaries);
criterion_main!(benches);
