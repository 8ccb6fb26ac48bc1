//! Reports of small runs made by hand.

use bench_metrics::{Slo, SummaryOptions, parse_metrics};
use bench_report::{Provenance, Report, Setup};
use bench_types::{
    Failure, Finish, LagSummary, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind,
    RequestRecord, RunFacts, Task, Timeline, TokenSource, Transcript, WorkerFacts,
};

pub(crate) fn setup() -> Setup {
    Setup {
        date: "20261121-212154".to_owned(),
        backend: "openai-chat".to_owned(),
        task: Task::Generate,
        streamed: true,
        targets: vec!["http://127.0.0.1:8000/v1/chat/completions".to_owned()],
        models: vec!["m".to_owned()],
        classes: Vec::new(),
        server_info: serde_json::Map::new(),
        label: None,
        model_id: "org/tiny-llama".to_owned(),
        tokenizer_id: None,
        num_prompts: 4,
        metadata: vec![
            ("run".to_owned(), "1".to_owned()),
            ("who".to_owned(), "me".to_owned()),
        ],
        request_rate: 10.0,
        burstiness: 1.0,
        max_concurrency: None,
        ramp_up: None,
        schedule: None,
        metrics: parse_metrics("ttft,tpot,itl,e2el").expect("known metrics"),
        options: serde_json::json!({"seed": 0}),
        provenance: Provenance {
            tool: "bench-serve 0.1.0".to_owned(),
            dataset_hash: Some("c0ffee".to_owned()),
            ..Provenance::default()
        },
    }
}

/// A chat answer with a role chunk, four tokens and a finish chunk.
pub(crate) fn answered(id: u64) -> RequestRecord {
    let scheduled = Nanos::from_millis(id * 100);
    let sent = scheduled + Nanos::from_micros(30);
    let at = |ms: u64| sent + Nanos::from_millis(ms);
    let mark = |ms, kind, tokens| Mark {
        at: at(ms),
        kind,
        tokens,
    };
    let first = 20 + 5 * id;
    let mut marks = vec![mark(first - 5, MarkKind::Role, 0)];
    marks.extend((0..4).map(|i| mark(first + 10 * i, MarkKind::Text, 1)));
    marks.push(mark(first + 31, MarkKind::Empty, 0));
    marks.push(mark(first + 31, MarkKind::Done, 0));
    RequestRecord {
        id,
        conversation: id,
        turn: 0,
        server_index: 0,
        model_index: 0,
        inputs: 1,
        audio: None,
        prompt_tokens: 16,
        prompt_tokens_source: TokenSource::Usage,
        class_index: 0,
        kind: RequestKind::Load,
        cached_tokens: None,
        expected_cached_tokens: None,
        max_output_tokens: 4,
        output_tokens: 4,
        output_tokens_source: TokenSource::Usage,
        chunk_tokens: TokenSource::OnePerChunk,
        timeline: Timeline {
            scheduled,
            released: scheduled,
            connected: None,
            sent: Some(sent),
            headers: Some(at(10)),
            marks,
            closed: at(first + 32),
        },
        outcome: Outcome::Completed(Finish::Length),
        server: None,
        receive: ReceiveCounts {
            kernel: 6,
            user: 0,
            merged: 0,
        },
        transcript: Some(Transcript {
            text: format!("answer \"{id}\""),
            ends: Vec::new(),
        }),
    }
}

pub(crate) fn failed(id: u64, failure: Failure) -> RequestRecord {
    let mut record = answered(id);
    record.timeline.marks.clear();
    record.outcome = Outcome::Failed(failure);
    record
}

pub(crate) fn facts() -> RunFacts {
    RunFacts {
        epoch_unix: 1_795_296_114.5,
        end: Nanos::from_millis(500),
        planned: 4,
        workers: vec![WorkerFacts {
            requests: 4,
            cpu: Nanos::from_millis(10),
            wall: Nanos::from_millis(500),
            peak_connections: 2,
        }],
        read_lag: LagSummary {
            count: 24,
            p50: Nanos::from_micros(12),
            p99: Nanos::from_micros(40),
            max: Nanos::from_micros(55),
        },
        ..RunFacts::default()
    }
}

pub(crate) fn options() -> SummaryOptions {
    SummaryOptions {
        percentiles: vec![90.0, 99.9],
        slo: Some(Slo::parse(["ttft:25", "e2el:500"]).expect("objectives")),
        ..SummaryOptions::default()
    }
}

pub(crate) fn report(records: Vec<RequestRecord>) -> Report {
    Report::new(setup(), facts(), records, &options())
}

pub(crate) fn good() -> Report {
    report((0..4).map(answered).collect())
}
