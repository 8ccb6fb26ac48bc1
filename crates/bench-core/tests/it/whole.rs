//! Answers that come in one piece: because nothing is generated, because the server cannot
//! stream, or because nobody asked it to.

use std::sync::Arc;

use bench_core::backends::{BACKENDS, Backend, backend};
use bench_core::datasets::Tokenizer;
use bench_core::report::{Report, VllmResult, console};
use bench_core::types::TimeoutPhase::{Idle, Total};
use bench_core::types::{Conversation, FailureClass, MarkKind, Prompt, Task, TokenSource};
use bench_core::{RequestOptions, Run, RunBuilder, RunError, Timeouts};
use bench_sim::SimHandle;

use super::faults::limits;
use super::{class, execute, faulty, prompts, quick, recordings, refusal, start, succeeded};

/// Tokens of every answer that has any.
const TOKENS: u32 = 6;

/// Their whole answers have no counts of tokens.
const UNCOUNTED: [&str; 2] = ["trtllm", "openai-audio"];

fn documents() -> Arc<[Arc<str>]> {
    ["one text", "a second text", "the third one"]
        .map(Arc::from)
        .into()
}

/// `count` conversations with prompts of a kind that a backend takes.
fn conversations(backend: &dyn Backend, count: u64) -> Vec<Conversation> {
    let pooled = |id| {
        let prompt = match backend.name() {
            "vllm-rerank" => Prompt::Rerank {
                query: "which one?".into(),
                documents: documents(),
            },
            _ if id % 2 == 0 => Prompt::Batch(documents()),
            _ => Prompt::Text("one text".into()),
        };
        Conversation::single(id, prompt, None, 0)
    };
    match backend.task() {
        Task::Generate => prompts(count, TOKENS),
        Task::Transcribe => recordings(count, TOKENS),
        Task::Pool => (0..count).map(pooled).collect(),
    }
}

/// A run that asks for whole answers.
fn whole(server: &SimHandle, backend: &'static dyn Backend, count: u64) -> RunBuilder {
    Run::builder(server.url(), backend)
        .request(RequestOptions {
            model: "sim-model".to_owned(),
            stream: false,
            ..RequestOptions::default()
        })
        .conversations(conversations(backend, count))
}

/// Nothing in the report is about first tokens or gaps, and the time to the end is there.
fn assert_no_first_token(report: &Report, name: &str) {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, true);
    let result = serde_json::to_string(&result).expect("JSON");
    let text = console(report);
    for word in ["ttft", "tpot", "itl"] {
        assert!(!result.contains(word), "{name}: {word} in {result}");
        let heading = word.to_uppercase();
        assert!(!text.contains(&heading), "{name}: {heading} in {text}");
        let key = format!("mean_{word}_ms");
        assert_eq!(report.metric(&key), None, "{name}");
    }
    let mean = report.metric("mean_e2el_ms");
    assert!(mean.is_some_and(|mean| mean > 0.0), "{name}: {mean:?}");
    assert!(text.contains("E2EL"), "{name}: {text}");
}

#[tokio::test]
async fn every_backend_takes_whole_answers() {
    let server = start(quick());
    for backend in BACKENDS.iter().copied() {
        let name = backend.name();
        let report = execute(whole(&server, backend, 4).max_concurrency(2)).await;
        assert!(!report.setup.streamed, "{name}");
        assert_eq!(report.records.len(), 4, "{name}");
        for record in &report.records {
            assert!(succeeded(record), "{name}: {:?}", record.outcome);
            let timeline = &record.timeline;
            let [mark] = timeline.marks.as_slice() else {
                panic!("{name}: {:?}", timeline.marks);
            };
            assert_eq!(mark.kind, MarkKind::Whole, "{name}");
            assert!(timeline.headers <= Some(mark.at), "{name}");
            assert!(mark.at <= timeline.closed, "{name}");
        }
        assert_no_first_token(&report, name);
    }
}

#[tokio::test]
async fn the_counts_of_a_whole_answer_are_those_of_the_server() {
    let server = start(quick());
    for backend in BACKENDS.iter().copied() {
        let name = backend.name();
        let report = execute(whole(&server, backend, 4)).await;
        for record in &report.records {
            let counted = (record.output_tokens, record.output_tokens_source);
            let expected = match backend.task() {
                _ if UNCOUNTED.contains(&name) => continue,
                Task::Pool => (0, TokenSource::Usage),
                Task::Generate | Task::Transcribe => (TOKENS, TokenSource::Usage),
            };
            assert_eq!(counted, expected, "{name}");
            if backend.task() == Task::Pool {
                assert!(record.prompt_tokens > 0, "{name}");
                assert_eq!(record.prompt_tokens_source, TokenSource::Usage, "{name}");
            }
        }
        let tokens = &report.summary.tokens;
        let counted = backend.task() != Task::Pool && !UNCOUNTED.contains(&name);
        assert_eq!(tokens.output.is_some(), counted, "{name}");
    }
}

#[tokio::test]
async fn the_tokenizer_counts_whole_answers_without_counts() {
    let tokenizer = || Tokenizer::load("builtin").expect("it is built in");
    let server = start(quick());
    for name in UNCOUNTED {
        let backend = backend(name).expect("there is one");
        let builder = whole(&server, backend, 3).keep_text(true);
        let report = execute(builder.tokenizer(tokenizer())).await;
        for record in &report.records {
            let text = &record.transcript.as_ref().expect("kept").text;
            let counted = tokenizer().count(text).expect("countable");
            assert!(counted > 0, "{name}: {text}");
            assert_eq!(record.output_tokens, counted, "{name}");
            assert_eq!(
                record.output_tokens_source,
                TokenSource::Tokenizer,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn inputs_are_counted_where_nothing_is_generated() {
    let server = start(quick());
    for (name, inputs) in [
        ("openai-embeddings", 2 * 3 + 2),
        ("sglang-embedding", 2 * 3 + 2),
        ("vllm-pooling", 2 * 3 + 2),
        ("infinity-embeddings", 2 * 3 + 2),
        ("vllm-rerank", 4 * 3),
    ] {
        let backend = backend(name).expect("there is one");
        let report = execute(whole(&server, backend, 4)).await;
        let counted = report.summary.inputs.expect("inputs");
        assert_eq!(counted.total, inputs, "{name}");
        assert!(counted.per_s > 0.0, "{name}");
    }
}

#[tokio::test]
async fn recordings_are_measured_by_the_time_they_play() {
    let server = start(quick());
    let audio = backend("openai-audio").expect("there is one");
    let report = execute(whole(&server, audio, 3)).await;
    let totals = report.summary.audio.expect("recordings");
    // Three tokens a second.
    assert_eq!(totals.seconds, 3.0 * f64::from(TOKENS) / 3.0);
    assert!(totals.rtfx > 0.0);
}

/// How every request ends if all are hit by `fault`.
async fn outcome_of(
    backend: &'static dyn Backend,
    fault: &str,
    timeouts: Timeouts,
) -> Option<FailureClass> {
    let server = start(faulty(&format!("{fault}@always")));
    let builder = whole(&server, backend, 2).timeouts(timeouts);
    let report = execute(builder).await;
    let [one, other] = [0, 1].map(|id: usize| class(&report.records[id]));
    assert_eq!(one, other, "{}: {fault}", backend.name());
    assert_eq!(server.stats().requests, 2, "{}: {fault}", backend.name());
    one
}

async fn expect(fault: &str, timeouts: Timeouts, expected: FailureClass) {
    for backend in BACKENDS.iter().copied() {
        let class = outcome_of(backend, fault, timeouts).await;
        assert_eq!(class, Some(expected), "{}: {fault}", backend.name());
    }
}

#[tokio::test]
async fn faults_of_whole_answers() {
    let default = Timeouts::default();
    expect("status:503", default, FailureClass::Status(503)).await;
    expect("no-answer", default, FailureClass::Connect).await;
    expect("cut:0", default, FailureClass::Truncated).await;
    expect("reset:0", default, FailureClass::Truncated).await;
    expect("garbage:0", default, FailureClass::Protocol).await;
    // Not an answer by any protocol, whatever the status says.
    expect("empty", default, FailureClass::Protocol).await;
}

#[tokio::test]
async fn whole_answers_have_their_time_limits() {
    for backend in BACKENDS
        .iter()
        .copied()
        .filter(|b| b.task() == Task::Generate)
    {
        let name = backend.name();
        let total = outcome_of(backend, "stall:2", limits(None, None, Some(100))).await;
        assert_eq!(total, Some(FailureClass::Timeout(Total)), "{name}");
    }
    let vllm = backend("vllm").expect("there is one");
    // There is no end marker in JSON: only the limit ends it.
    let endless = outcome_of(vllm, "never-end", limits(None, Some(100), None)).await;
    assert_eq!(endless, Some(FailureClass::Timeout(Idle)));
    // They have no first token that could be late.
    let slow = outcome_of(vllm, "slow-headers:300", limits(Some(100), None, None)).await;
    assert_eq!(slow, None);
}

#[tokio::test]
async fn a_prompt_of_the_wrong_kind_is_found_before_the_run() {
    let server = start(quick());
    for (name, conversations) in [
        ("openai-embeddings", recordings(1, 3)),
        ("vllm-rerank", prompts(1, 3)),
        ("openai-audio", prompts(1, 3)),
    ] {
        let backend = backend(name).expect("there is one");
        let builder = whole(&server, backend, 1).conversations(conversations);
        let error = refusal(builder).await;
        assert!(matches!(error, RunError::Backend(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(server.stats().requests, 0);
}
