//! The cost of writing the result of 2,048 requests with 256 tokens each.

use std::time::Duration;

use bench_metrics::{SummaryOptions, parse_metrics};
use bench_report::{Provenance, Report, Setup, VllmResult, console};
use bench_types::{
    Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, RequestRecord, RunFacts,
    Task, Timeline, TokenSource, Transcript,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn record(id: u64) -> RequestRecord {
    let sent = Nanos::from_millis(id) + Nanos(31_337);
    let mark = |i: u64| Mark {
        at: sent + Nanos(100_000_123 + i * 20_000_017),
        kind: MarkKind::Text,
        tokens: 1,
    };
    let marks: Vec<Mark> = (0..256).map(mark).collect();
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
            scheduled: Nanos::from_millis(id),
            sent: Some(sent),
            closed: marks[255].at,
            marks,
            ..Timeline::default()
        },
        outcome: Outcome::Completed(Finish::Length),
        server: None,
        receive: ReceiveCounts::default(),
        transcript: Some(Transcript {
            text: "word ".repeat(256),
            ends: Vec::new(),
        }),
    }
}

fn report() -> Report {
    let setup = Setup {
        date: "20261121-212154".to_owned(),
        backend: "vllm".to_owned(),
        task: Task::Generate,
        streamed: true,
        targets: vec!["http://127.0.0.1:8000/v1/completions".to_owned()],
        models: vec!["m".to_owned()],
        classes: Vec::new(),
        server_info: serde_json::Map::new(),
        label: None,
        model_id: "model".to_owned(),
        tokenizer_id: None,
        num_prompts: 2_048,
        metadata: Vec::new(),
        request_rate: 1_000.0,
        burstiness: 1.0,
        max_concurrency: None,
        ramp_up: None,
        schedule: None,
        metrics: parse_metrics("ttft,tpot,itl,e2el").unwrap_or_default(),
        options: serde_json::Value::Null,
        provenance: Provenance::default(),
    };
    let records: Vec<RequestRecord> = (0..2_048).map(record).collect();
    let facts = RunFacts {
        end: records[2_047].timeline.closed,
        planned: 2_048,
        ..RunFacts::default()
    };
    Report::new(setup, facts, records, &SummaryOptions::default())
}

fn write(c: &mut Criterion) {
    let report = report();
    let mut group = c.benchmark_group("write");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    let mut out = Vec::new();
    for (name, detailed) in [("short", false), ("detailed", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let records = VllmResult::in_order(&report);
                serde_json::to_writer(&mut out, &VllmResult::of(&report, &records, detailed))
            });
        });
    }
    group.bench_function("console", |b| b.iter(|| console(&report)));
    group.finish();
}

criterion_group!(benches, write);
criterion_main!(benches);
