//! A small run made by hand, as it is measured and as it is logged.

use std::path::Path;

use bench_datasets::Tokenizer;
use bench_metrics::tokens::{KeepText, settle_from_text};
use bench_metrics::{Slo, SummaryOptions, parse_metrics};
use bench_report::record_log::{Header, RecordLogWriter};
use bench_report::{Destination, Provenance, Report, Setup};
use bench_types::{
    Failure, Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, RequestRecord,
    RunFacts, Task, Timeline, TokenSource, Transcript, WorkerFacts,
};

/// The default name of its result.
pub(crate) const RESULT: &str = "vllm-infqps-concurrency2-tiny-20261121-212154.json";

const WARNING: &str = "the dataset has only 3 prompts of the 5 asked for";

pub(crate) fn header() -> Header {
    Header {
        setup: setup(),
        summary: SummaryOptions {
            percentiles: vec![50.0, 99.9],
            slo: Some(Slo::parse(["ttft:25"]).expect("an objective")),
            ..SummaryOptions::default()
        },
        detailed: true,
        keep_text: KeepText::Always,
        planned: 3,
        epoch_unix: 1_795_296_114.123_456_7,
        start: Nanos(500_123),
        unpaced: true,
        simulated: false,
        warnings: vec![WARNING.to_owned()],
    }
}

fn setup() -> Setup {
    Setup {
        date: "20261121-212154".to_owned(),
        backend: "vllm".to_owned(),
        task: Task::Generate,
        streamed: true,
        targets: vec!["http://127.0.0.1:8000/v1/completions".to_owned()],
        models: vec!["m".to_owned()],
        classes: Vec::new(),
        server_info: serde_json::Map::new(),
        label: None,
        model_id: "org/tiny".to_owned(),
        tokenizer_id: Some("builtin".to_owned()),
        num_prompts: 3,
        metadata: vec![("z".to_owned(), "1".to_owned()), ("a".into(), "2".into())],
        request_rate: f64::INFINITY,
        burstiness: 1.0,
        max_concurrency: Some(2),
        ramp_up: None,
        schedule: None,
        metrics: parse_metrics("ttft,e2el,queue_time").expect("known metrics"),
        options: serde_json::json!({"seed": 0, "ratio": 0.1}),
        provenance: Provenance {
            tool: "bench-serve 0.1.0".to_owned(),
            dataset_hash: Some("c0ffee".to_owned()),
            ..Provenance::default()
        },
    }
}

/// An answer in three chunks with a total from the server.
pub(crate) fn answered(id: u64) -> RequestRecord {
    let sent = Nanos(1_000_003 * (id + 1));
    let chunks = ["The qu", "ick brown f", "ox"];
    let mut transcript = Transcript::default();
    let mut marks = Vec::new();
    for (i, chunk) in (0u64..).zip(chunks) {
        transcript.text.push_str(chunk);
        transcript.ends.push(transcript.text.len() as u32);
        marks.push(Mark {
            at: sent + Nanos(20_000_777 + i * 7_654_321 + id),
            kind: MarkKind::Text,
            tokens: 1,
        });
    }
    RequestRecord {
        id,
        conversation: id,
        turn: 0,
        server_index: 0,
        model_index: 0,
        inputs: 1,
        audio: None,
        prompt_tokens: 16,
        prompt_tokens_source: TokenSource::Dataset,
        class_index: 0,
        kind: RequestKind::Load,
        cached_tokens: None,
        expected_cached_tokens: None,
        max_output_tokens: 3,
        output_tokens: 3,
        output_tokens_source: TokenSource::Usage,
        chunk_tokens: TokenSource::OnePerChunk,
        timeline: Timeline {
            scheduled: Nanos(500_123),
            released: sent,
            connected: None,
            sent: Some(sent),
            headers: Some(sent + Nanos(5_000_111)),
            closed: sent + Nanos(40_000_000),
            marks,
        },
        outcome: Outcome::Completed(Finish::Length),
        server: None,
        receive: ReceiveCounts::default(),
        transcript: Some(transcript),
    }
}

/// The same from a server that does not tell how many tokens there were.
pub(crate) fn uncounted(id: u64) -> RequestRecord {
    let mut record = answered(id);
    record.output_tokens = 0;
    record.output_tokens_source = TokenSource::Unknown;
    record.chunk_tokens = TokenSource::Unknown;
    for mark in &mut record.timeline.marks {
        mark.tokens = 0;
    }
    record
}

/// Three requests in the order in which they ended.
pub(crate) fn records() -> Vec<RequestRecord> {
    let mut failed = answered(0);
    failed.timeline.marks.clear();
    failed.transcript = None;
    failed.outcome = Outcome::Failed(Failure::NoTokens);
    vec![answered(1), failed, uncounted(2)]
}

fn facts(header: &Header, records: &[RequestRecord]) -> RunFacts {
    let closed = records.iter().map(|record| record.timeline.closed);
    RunFacts {
        epoch_unix: header.epoch_unix,
        start: header.start,
        end: closed.max().unwrap_or_default(),
        planned: header.planned,
        unpaced: header.unpaced,
        workers: vec![WorkerFacts {
            requests: 3,
            cpu: Nanos(7_777_777),
            wall: Nanos(43_210_987),
            peak_connections: 2,
        }],
        ..RunFacts::default()
    }
}

/// Logs a run to `run.jsonl` in `dir`, up to its end if it has one.
pub(crate) fn log(dir: &Path, header: &Header, records: &[RequestRecord], ended: bool) {
    let path = dir.join("run.jsonl");
    let mut log = RecordLogWriter::create(&path, true, header).expect("it begins");
    for record in records {
        log.append(record).expect("written");
    }
    if ended {
        let facts = facts(header, records);
        log.finish(&facts, &header.warnings).expect("it ends");
    }
}

/// The report that the run itself makes when it is over.
pub(crate) fn report(header: &Header, mut records: Vec<RequestRecord>) -> Report {
    let tokenizer = Tokenizer::load("builtin").expect("it is built in");
    for record in &mut records {
        let count = |text: &str| tokenizer.token_ends(text).ok();
        settle_from_text(record, &count, header.keep_text);
    }
    let facts = facts(header, &records);
    let mut report = Report::new(header.setup.clone(), facts, records, &header.summary);
    report.warnings.clone_from(&header.warnings);
    report
}

/// The result that the run itself writes then.
pub(crate) fn result(header: &Header, records: Vec<RequestRecord>) -> String {
    let report = report(header, records);
    let dir = tempfile::tempdir().expect("a folder");
    let destination = Destination {
        dir: dir.path().to_owned(),
        file_name: report.file_name(),
        append: false,
        overwrite: false,
    };
    let path = destination.write(&report, header.detailed);
    let path = path.expect("written");
    assert!(path.ends_with(RESULT), "{}", path.display());
    std::fs::read_to_string(path).expect("readable")
}
