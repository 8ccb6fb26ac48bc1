//! Runs that are no plain streams from one server: whole answers, pooling, transcription,
//! several servers, several models.

use bench_metrics::tokens::{KeepText, settle_from_stream};
use bench_metrics::{Slo, SummaryOptions, default_metrics, parse_metrics};
use bench_report::{Part, Report, Setup, VllmResult, console};
use bench_types::{
    Failure, Finish, Mark, MarkKind, Nanos, Outcome, RequestRecord, Task, TimeoutPhase, TokenSource,
};
use serde_json::Value;

use crate::make;

/// An answer that came whole, 40 ms and 10 ms for each id after it was sent.
fn whole(id: u64) -> RequestRecord {
    let mut record = make::answered(id);
    let sent = record.timeline.sent.unwrap_or_default();
    let at = sent + Nanos::from_millis(40 + 10 * id);
    record.timeline.marks = vec![Mark {
        at,
        kind: MarkKind::Whole,
        tokens: 0,
    }];
    record.timeline.closed = at;
    record
}

/// A batch of eight texts turned into vectors.
fn pooled(id: u64) -> RequestRecord {
    RequestRecord {
        inputs: 8,
        output_tokens: 0,
        outcome: Outcome::Completed(Finish::Unstated),
        transcript: None,
        ..whole(id)
    }
}

fn refused(id: u64) -> RequestRecord {
    make::failed(
        id,
        Failure::Connect("connection refused (os error 111)".to_owned()),
    )
}

/// A report without objectives, which the tests of plain streams cover.
fn report(setup: Setup, records: Vec<RequestRecord>) -> Report {
    let options = SummaryOptions {
        slo: None,
        ..make::options()
    };
    Report::new(setup, make::facts(), records, &options)
}

fn pooling() -> Report {
    let setup = Setup {
        backend: "openai-embeddings".to_owned(),
        task: Task::Pool,
        targets: vec!["http://127.0.0.1:8000/v1/embeddings".to_owned()],
        metrics: default_metrics(Task::Pool, true),
        ..make::setup()
    };
    report(setup, vec![pooled(0), pooled(1), pooled(2), refused(3)])
}

fn not_streamed() -> Report {
    let setup = Setup {
        streamed: false,
        metrics: parse_metrics("e2el,closed,queue_time").expect("metrics"),
        ..make::setup()
    };
    report(setup, (0..4).map(whole).collect())
}

fn transcription(task: Task) -> Report {
    let setup = Setup {
        backend: "openai-audio".to_owned(),
        task,
        targets: vec!["http://127.0.0.1:8000/v1/audio/transcriptions".to_owned()],
        ..make::setup()
    };
    let recording = |id| RequestRecord {
        audio: Some(Nanos::from_millis(12_500)),
        ..make::answered(id)
    };
    report(setup, (0..4).map(recording).collect())
}

fn json(report: &Report, detailed: bool) -> String {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, detailed);
    serde_json::to_string_pretty(&result).expect("serializable")
}

fn value(report: &Report) -> Value {
    serde_json::from_str(&json(report, false)).expect("valid JSON")
}

/// Two servers of which the second refuses most connections.
fn two_servers() -> Report {
    let url = |host: &str| format!("http://{host}:8000/v1/chat/completions");
    let setup = Setup {
        targets: vec![url("10.0.0.1"), url("10.0.0.2")],
        server_info: serde_json::from_str(r#"{"http://10.0.0.1:8000": {"version": "0.32.0"}}"#)
            .expect("an object"),
        ..make::setup()
    };
    let silent = make::failed(5, Failure::Timeout(TimeoutPhase::Idle));
    let mut never_sent = make::failed(6, Failure::Cancelled);
    never_sent.timeline.sent = None;
    let answered = (0..3).map(make::answered);
    let records: Vec<RequestRecord> = answered
        .chain([refused(3), refused(4), silent, never_sent])
        .map(|record| RequestRecord {
            // The first server has 0 and 1; the request that was never sent has none.
            server_index: u16::from((2..6).contains(&record.id)),
            ..record
        })
        .collect();
    report(setup, records)
}

fn two_models() -> Report {
    let setup = Setup {
        models: vec!["sql-lora".to_owned(), "chat-lora".to_owned()],
        ..make::setup()
    };
    let ask_for_one = |record: RequestRecord| RequestRecord {
        model_index: (record.id % 2) as u16,
        ..record
    };
    report(setup, (0..4).map(make::answered).map(ask_for_one).collect())
}

#[test]
fn pooling_on_the_console() {
    insta::assert_snapshot!(console(&pooling()));
}

#[test]
fn pooling_in_the_result() {
    insta::assert_snapshot!(json(&pooling(), true));
}

#[test]
fn whole_answers_on_the_console() {
    insta::assert_snapshot!(console(&not_streamed()));
}

#[test]
fn whole_answers_in_the_result() {
    insta::assert_snapshot!(json(&not_streamed(), true));
}

#[test]
fn whole_answers_that_nobody_counted_have_no_output_tokens() {
    let uncounted = |id| {
        let mut record = RequestRecord {
            server_index: (id % 2) as u16,
            output_tokens: 0,
            output_tokens_source: TokenSource::Unknown,
            chunk_tokens: TokenSource::Unknown,
            ..whole(id)
        };
        settle_from_stream(&mut record, KeepText::Never);
        record
    };
    let mut setup = not_streamed().setup;
    setup.targets.push("http://10.0.0.2:8000/v1".to_owned());
    let report = report(setup, (0..4).map(uncounted).collect());

    let page = console(&report);
    assert!(!page.contains("generated tokens"), "{page}");
    assert!(!page.contains("Output token throughput"), "{page}");
    let line = page.lines().find(|line| line.starts_with("10.0.0.2:8000"));
    // Sent, done, failed, requests and tokens per second.
    let cells = line.expect("its line").split_whitespace().skip(1).take(5);
    assert_eq!(cells.collect::<Vec<_>>(), ["2", "2", "0", "4.00", "-"]);

    let result: Value = serde_json::from_str(&json(&report, true)).expect("valid JSON");
    for key in ["total_output_tokens", "output_throughput", "output_lens"] {
        assert_eq!(result.get(key), None, "{key}");
    }
    let tokens = &result["bench"]["tokens"];
    assert_eq!(tokens.get("output"), None);
    let source = &tokens["output_sources"][0];
    assert_eq!(
        *source,
        serde_json::json!({"source": "unknown", "requests": 4})
    );
}

#[test]
fn transcription_on_the_console() {
    insta::assert_snapshot!(console(&transcription(Task::Transcribe)));
}

#[test]
fn only_transcription_has_a_real_time_factor() {
    // Four recordings of 12.5 s in half a second.
    assert_eq!(value(&transcription(Task::Transcribe))["rtfx"], 100.0);
    assert_eq!(value(&transcription(Task::Generate))["rtfx"], 0.0);
    assert!(!console(&transcription(Task::Generate)).contains("RTFx"));
    assert_eq!(value(&pooling()).get("rtfx"), None);
}

#[test]
fn two_servers_on_the_console() {
    let page = console(&two_servers());
    assert!(page.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(page);
}

#[test]
fn two_servers_in_the_result() {
    let report = two_servers();
    let bench = &value(&report)["bench"];
    let per_server = serde_json::to_string_pretty(&bench["per_server"]).expect("serializable");
    insta::assert_snapshot!(per_server);
    assert_eq!(
        bench["servers"]["http://10.0.0.1:8000"]["version"],
        "0.32.0"
    );
    assert_eq!(bench.get("per_model"), None);
    // Three of six that were sent; the one that never left counts for no server.
    assert_eq!(report.failure_rate(), 0.5);
    let failed = |server: usize| report.per_server[server].failure_rate;
    assert_eq!((failed(0), failed(1)), (0.0, 0.75));
}

#[test]
fn two_models_on_the_console() {
    insta::assert_snapshot!(console(&two_models()));
}

#[test]
fn two_models_in_the_result() {
    let report = two_models();
    let bench = &value(&report)["bench"];
    assert_eq!(bench["per_model"][0]["model"], "sql-lora");
    assert_eq!(bench["per_model"][0]["requests"]["sent"], 2);
    assert_eq!(bench["per_model"][1]["tokens"]["output"], 8);
    // By content: 25 ms and 35 ms after sending.
    let ttft = &bench["per_model"][1]["metrics"]["ttft"];
    assert_eq!((&ttft["mean"], &ttft["count"]), (&30.0.into(), &2.into()));
    assert_eq!(bench.get("per_server"), None);
    assert_eq!(bench.get("servers"), None);
}

#[test]
fn whole_answers_are_broken_down_by_what_they_have() {
    let mut setup = pooling().setup;
    setup
        .targets
        .push("http://127.0.0.1:8001/v1/embeddings".to_owned());
    let report = report(setup, vec![pooled(0), pooled(1)]);
    let metrics: Vec<&str> = report.per_server[0]
        .metrics
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(metrics, ["e2el"]);
    let page = console(&report);
    assert!(
        page.contains("E2EL p50") && !page.contains("TTFT"),
        "{page}"
    );
    // Nothing was sent to the second.
    let line = page.lines().find(|line| line.starts_with("127.0.0.1:8001"));
    assert!(line.expect("its line").trim_end().ends_with('-'), "{page}");
}

#[test]
fn every_kind_of_result_is_read_back_without_loss() {
    for report in [pooling(), not_streamed(), two_servers(), two_models()] {
        let text = json(&report, true);
        let result: VllmResult<'_> = serde_json::from_str(&text).expect("readable");
        let again = serde_json::to_string_pretty(&result).expect("serializable");
        assert_eq!(again, text);
        let bench = result.bench.expect("our part").run;
        assert_eq!(bench.summary, report.summary);
        assert_eq!(bench.per_server, report.per_server);
        assert_eq!(bench.per_model, report.per_model);
        assert_eq!(
            (bench.task, bench.streamed),
            (report.setup.task, report.setup.streamed)
        );
    }
    let report = two_servers();
    let target = |part: &Part| part.name().to_owned();
    assert_eq!(target(&report.per_server[1].part), report.setup.targets[1]);
}

#[test]
fn a_pooling_result_has_the_keys_of_vllm_and_none_of_output() {
    let keys = |report: &Report| -> Vec<String> {
        let result = value(report);
        let keys = result.as_object().expect("an object").keys();
        keys.cloned().collect()
    };
    let report = pooling();
    let found = keys(&report);
    for key in [
        "duration",
        "completed",
        "total_input_tokens",
        "request_throughput",
        "total_token_throughput",
        "mean_e2el_ms",
    ] {
        assert!(found.iter().any(|found| found == key), "{key}");
    }
    for key in &found {
        let made_up = ["output", "ttft", "tpot", "itl", "rtfx", "goodput"];
        assert!(!made_up.iter().any(|part| key.contains(part)), "{key}");
    }
    // An objective for the latency makes sense here too.
    let slo = Slo::parse(["e2el:55"]).expect("an objective");
    let options = SummaryOptions {
        slo: Some(slo),
        ..make::options()
    };
    let report = Report::new(report.setup, report.facts, report.records, &options);
    // Two of three answers, in half a second.
    assert_eq!(value(&report)["request_goodput"], 4.0);
    assert!(!console(&report).contains("Goodput (tok/s)"));
}
