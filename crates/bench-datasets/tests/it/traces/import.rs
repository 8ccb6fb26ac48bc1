use std::fs;
use std::path::Path;

use bench_datasets::{
    AzureTrace, BurstGpt, Dataset, ImportOptions, ImportSummary, Mooncake, Replay, TimedTrace,
    TraceFormat, dataset_hash, import_trace,
};
use bench_types::Prompt;

use super::{arrivals, at, lengths};
use crate::{builtin, file};

fn options(from: TraceFormat) -> ImportOptions {
    ImportOptions {
        from,
        output_tokens: None,
        overwrite: false,
    }
}

fn import(from: TraceFormat, trace: &str, folder: &Path) -> (ImportSummary, std::path::PathBuf) {
    let (input, output) = (file(trace), folder.join("trace.jsonl"));
    let summary = import_trace(&input, &output, &options(from)).unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    (summary, output)
}

#[test]
fn an_imported_trace_is_the_same_load() {
    let bailian = "{\"chat_id\": 1, \"parent_chat_id\": -1, \"timestamp\": 61.114, \
        \"input_length\": 52, \"output_length\": 13, \"type\": \"text\", \"turn\": 1, \
        \"hash_ids\": [1089, 1090, 1091, 6326]}\n\
        {\"timestamp\": 62, \"input_length\": 20, \"output_length\": 3, \"hash_ids\": [1089]}\n";
    let cases: [(TraceFormat, &str, &dyn Dataset); 2] = [
        (
            TraceFormat::Mooncake,
            super::mooncake::TRACE,
            &Mooncake::default(),
        ),
        (TraceFormat::Bailian, bailian, &TimedTrace::default()),
    ];
    let tokenizer = builtin();
    for (format, trace, dataset) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (summary, imported) = import(format, trace, folder.path());
        assert_eq!(summary.written, 2);
        let original = file(trace);
        let direct = dataset.sample(&at(&tokenizer, &original, 9)).unwrap();
        let replayed = Replay.sample(&at(&tokenizer, &imported, 9)).unwrap();
        assert_eq!(lengths(&replayed), lengths(&direct));
        assert_eq!(dataset_hash(&replayed), dataset_hash(&direct), "{format:?}");
    }
}

#[test]
fn lengths_and_times_of_tables_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let trace = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5,ChatGPT,47,18,65,Conversation log\n7.5,GPT-4,20,0,20,API log\n9,GPT-4,20,3,23,API log\n";
    let (summary, imported) = import(TraceFormat::BurstGpt, trace, folder.path());
    assert_eq!(
        summary.to_string(),
        "2 requests written\n1 requests left out: without output tokens\n"
    );
    let tokenizer = builtin();
    let made = Replay.sample(&at(&tokenizer, &imported, 9)).unwrap();
    assert_eq!(arrivals(&made), [0.0, 4.0]);
    assert_eq!(lengths(&made), [(47, 18), (20, 3)]);
    assert_eq!(made[1].class.as_deref(), Some("GPT-4"));
    let original = file(trace);
    let direct = BurstGpt::default()
        .sample(&at(&tokenizer, &original, 9))
        .unwrap();
    assert_eq!(
        (arrivals(&direct), lengths(&direct)),
        (arrivals(&made), lengths(&made))
    );

    let folder = tempfile::tempdir().unwrap();
    let trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
        2023-11-16 18:17:03.9799600,37,4\n2023-11-16 18:17:04.0319600,39,109\n";
    let (_, imported) = import(TraceFormat::Azure, trace, folder.path());
    let made = Replay.sample(&at(&tokenizer, &imported, 9)).unwrap();
    let original = file(trace);
    let direct = AzureTrace.sample(&at(&tokenizer, &original, 9)).unwrap();
    for (made, direct) in arrivals(&made).iter().zip(arrivals(&direct)) {
        // A float holds seconds since 1970 to a quarter of a microsecond.
        assert!((made - direct).abs() < 1e-6, "{made} {direct}");
    }
    assert_eq!(lengths(&made), lengths(&direct));
}

#[test]
fn logs_of_requests_keep_prompts_limits_and_answers() {
    let log = r#"{"timestamp": 1700000000.25, "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 40, "temperature": 0.5}, "response": {"usage": {"completion_tokens": 7}, "choices": [{"message": {"role": "assistant", "content": "Hello."}}]}}
{"created_at": "2023-11-14T22:13:22Z", "prompt": "Once", "max_completion_tokens": 12, "model": "m"}
{"ts": 1700000003500, "request": {"prompt": "Twice", "max_tokens": null}}
"#;
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (file(log), folder.path().join("out.jsonl"));
    let message = import_trace(&input, &output, &options(TraceFormat::OpenAi));
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains(":3: entry 3: nothing says how many tokens"),
        "{message}"
    );
    assert!(message.contains("--output-tokens"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let with_length = ImportOptions {
        output_tokens: Some(99),
        ..options(TraceFormat::OpenAi)
    };
    let summary = import_trace(&input, &output, &with_length).unwrap();
    assert_eq!(
        summary.to_string(),
        "3 requests written\n\
         not carried over: `model` of 2 requests\n\
         not carried over: `temperature` of 1 requests\n"
    );
    let tokenizer = builtin();
    let made = Replay.sample(&at(&tokenizer, &output, 9)).unwrap();
    assert_eq!(arrivals(&made), [0.0, 1.75, 3.25]);
    let outputs: Vec<u32> = made
        .iter()
        .map(|one| one.turns[0].max_output_tokens)
        .collect();
    assert_eq!(outputs, [7, 12, 99]);
    let hi = r#"[{"role": "user", "content": "Hi"}]"#;
    assert_eq!(made[0].turns[0].prompt, Prompt::Chat(hi.into()));
    assert_eq!(made[0].turns[0].reply.as_deref(), Some("Hello."));
    assert_eq!(made[1].turns[0].prompt, Prompt::Text("Once".into()));
}

#[test]
fn a_record_log_is_a_trace_of_what_was_asked() {
    let record = |conversation, turn, sent: u64, closed: u64, outcome: &str, kind: &str| {
        format!(
            r#"{{"record": {{"request": {{"id": 0, "conversation": {conversation}, "turn": {turn},
            "kind": "{kind}", "model_index": {conversation}, "class_index": {conversation}, "prompt_tokens": 30, "max_output_tokens": 20, "output_tokens": 11,
            "timeline": {{"scheduled": 0, "sent": {sent}, "closed": {closed}}},
            "outcome": {outcome}}}, "marks": {{}}}}}}"#
        )
        .replace('\n', " ")
    };
    let log = [
        r#"{"bench_record_log": 1, "setup": {"models": ["m", "a"], "classes": ["x", "y"]}}"#
            .to_owned(),
        record(9, 0, 1, 2, r#"{"completed": "length"}"#, "warm_up"),
        record(
            0,
            0,
            500_000_000,
            900_000_000,
            r#"{"completed": "length"}"#,
            "load",
        ),
        record(
            1,
            0,
            600_000_000,
            800_000_000,
            r#"{"failed": {"truncated": "cut"}}"#,
            "load",
        ),
        record(
            0,
            1,
            1_150_000_000,
            1_900_000_000,
            r#"{"completed": "stop"}"#,
            "load",
        ),
        r#"{"end": {}}"#.to_owned(),
    ]
    .join("\n");
    let folder = tempfile::tempdir().unwrap();
    let (summary, imported) = import(TraceFormat::RecordLog, &log, folder.path());
    assert_eq!(summary.written, 3);
    assert_eq!(summary.left_out["warm-ups and probes"], 1);
    let tokenizer = builtin();
    let made = Replay.sample(&at(&tokenizer, &imported, 9)).unwrap();
    assert_eq!(arrivals(&made), [0.0, 0.1]);
    assert_eq!(made[0].turns.len(), 2);
    assert_eq!(made[0].turns[1].pause.as_millis(), 250);
    let adapters: Vec<_> = made.iter().map(|one| one.adapter.as_deref()).collect();
    assert_eq!(adapters, [Some("m"), Some("a")]);
    assert_eq!(made[1].class.as_deref(), Some("y"));
    assert_eq!(lengths(&made), [(30, 11), (30, 20)]);

    let (input, output) = (file("{\"a\": 1}\n"), folder.path().join("other.jsonl"));
    let message = import_trace(&input, &output, &options(TraceFormat::RecordLog));
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains(":1: entry 1: it is not the first line of a record log"),
        "{message}"
    );
}

#[test]
fn fields_of_a_log_that_say_nothing_are_as_if_not_there() {
    let log = r#"{"timestamp": null, "time": 5, "body": null, "prompt": null, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "tools": null, "response": null}
{"timestamp": 6, "body": {"prompt": "Once", "max_tokens": 0}}
{"timestamp": 7, "prompt": "Once", "max_tokens": 3, "response": {"usage": null, "choices": null}}
"#;
    let folder = tempfile::tempdir().unwrap();
    let (summary, _) = import(TraceFormat::OpenAi, log, folder.path());
    assert_eq!(
        summary.to_string(),
        "2 requests written\n1 requests left out: without output tokens\n"
    );
    for (line, expected) in [
        (
            r#"{"time": 5, "messages": "Hi", "max_tokens": 4}"#,
            "`messages`: invalid type",
        ),
        (
            r#"{"time": 5, "messages": [], "max_tokens": 4}"#,
            "`messages` is empty",
        ),
        (
            r#"{"time": 5, "prompt": "", "max_tokens": 4}"#,
            "`prompt` is empty",
        ),
        (
            r#"{"time": 5, "prompt": "Once", "max_tokens": 0}"#,
            "none of the 1 entries can be used",
        ),
        ("", "the file is empty"),
    ] {
        let (input, output) = (file(line), folder.path().join("none.jsonl"));
        let message = import_trace(&input, &output, &options(TraceFormat::OpenAi));
        let message = message.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!output.exists());
    }
}

#[test]
fn no_file_beside_the_output_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("trace.jsonl");
    for number in 0..2 {
        let input = folder.path().join("trace.jsonl.partial");
        let other = format!("trace.jsonl.{}-{number}.partial", std::process::id());
        let other = folder.path().join(other);
        for path in [&input, &other] {
            fs::write(path, super::mooncake::TRACE).unwrap();
        }
        let replacing = ImportOptions {
            overwrite: true,
            ..options(TraceFormat::Mooncake)
        };
        let summary = import_trace(&input, &output, &replacing).unwrap();
        assert_eq!(summary.written, 2);
        for path in [&input, &other] {
            assert_eq!(fs::read_to_string(path).unwrap(), super::mooncake::TRACE);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3 + number);
    }
}

#[test]
fn files_are_kept_and_errors_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (
        file(super::mooncake::TRACE),
        folder.path().join("kept.jsonl"),
    );
    fs::write(&output, "precious").unwrap();
    let refused = import_trace(&input, &output, &options(TraceFormat::Mooncake));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("kept.jsonl") && refused.contains("--overwrite"),
        "{refused}"
    );

    let broken = file("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1}\nnonsense\n");
    let replacing = ImportOptions {
        overwrite: true,
        ..options(TraceFormat::Mooncake)
    };
    let message = import_trace(&broken, &output, &replacing)
        .unwrap_err()
        .to_string();
    assert!(message.contains(":2: entry 2: "), "{message}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "precious");
    import_trace(&input, &output, &replacing).unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap().lines().count(), 2);

    let missing = folder.path().join("missing");
    let message = import_trace(&missing, &output, &replacing)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot read ") && message.ends_with("check the path"),
        "{message}"
    );
}
