//! Traces, replayed and imported.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{assert_fails, bench_serve, result, server, succeeded, text};

const TRACE: &str = r#"{"timestamp": 5000, "input_length": 700, "output_length": 5, "hash_ids": [1, 2]}
{"timestamp": 5040, "input_length": 600, "output_length": 3, "hash_ids": [1, 3]}
{"timestamp": 5090, "input_length": 20, "output_length": 2, "hash_ids": [4]}
"#;

/// A trace in `folder`.
fn trace(folder: &Path) -> String {
    let path = folder.join("mooncake.jsonl");
    std::fs::write(&path, TRACE).unwrap();
    text(&path).to_owned()
}

#[test]
fn a_trace_is_replayed_as_token_ids_or_as_text_of_the_same_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = trace(folder.path());
    for (backend, is_prompt) in [
        ("openai", Value::is_array as fn(&Value) -> bool),
        ("openai-chat", Value::is_string),
    ] {
        let server = server();
        let url = server.url();
        let saved = folder.path().join(format!("{backend}.json"));
        let line = [
            "--base-url",
            &url,
            "--backend",
            backend,
            "--tokenizer",
            "builtin",
            "--ignore-eos",
            "--dataset-name",
            "mooncake",
            "--dataset-path",
            &path,
            "--trace-loop",
            "2",
            "--save-result",
            "--result-dir",
            text(folder.path()),
            "--result-filename",
            text(Path::new(saved.file_name().unwrap())),
        ];
        succeeded(&bench_serve(&line));
        let result = result(&saved);
        assert_eq!(result["completed"], 6, "{backend}");
        assert_eq!(result["total_output_tokens"], 20);
        let recorded = server.stats().recorded;
        let prompts: Vec<Value> = recorded
            .iter()
            .filter(|request| request.path.ends_with("completions"))
            .map(|request| {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                match body.get("prompt") {
                    Some(prompt) => prompt.clone(),
                    None => body["messages"][0]["content"].clone(),
                }
            })
            .filter(|prompt| prompt.to_string().len() > 1_000)
            .collect();
        assert_eq!(prompts.len(), 4, "{backend}");
        assert!(prompts.iter().all(is_prompt), "{backend}");
    }
}

#[test]
fn the_record_log_of_a_run_is_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = trace(folder.path());
    let server = server();
    let url = server.url();
    let shared = [
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
        "--ignore-eos",
        "--num-prompts",
        "3",
        "--save-result",
        "--result-dir",
        text(folder.path()),
    ];
    let first = [
        "--dataset-name",
        "mooncake",
        "--dataset-path",
        &path,
        "--result-filename",
        "a.json",
    ];
    succeeded(&bench_serve(&[&shared[..], &first].concat()));

    let log = folder.path().join("a.records.jsonl");
    let imported = folder.path().join("trace.jsonl");
    let import = [
        "import-trace",
        "--from",
        "record-log",
        text(&log),
        text(&imported),
    ];
    assert_eq!(succeeded(&bench_serve(&import)), "3 requests written\n");
    assert_fails(&bench_serve(&import), 1, &["trace.jsonl", "--overwrite"]);
    // What is wrong with the input is the user's to mend, as a wrong flag is.
    let other = folder.path().join("other.jsonl");
    for (from, input, wrong) in [
        ("record-log", folder.path().join("none.jsonl"), "none.jsonl"),
        ("mooncake", log.clone(), "a.records.jsonl:1"),
    ] {
        let import = ["import-trace", "--from", from, text(&input), text(&other)];
        assert_fails(&bench_serve(&import), 2, &[wrong]);
        assert!(!other.exists());
    }

    let again = [
        "--dataset-name",
        "replay",
        "--dataset-path",
        text(&imported),
        "--result-filename",
        "b.json",
    ];
    succeeded(&bench_serve(&[&shared[..], &again].concat()));
    let [a, b] = ["a.json", "b.json"].map(|name| result(&folder.path().join(name)));
    for key in ["completed", "total_input_tokens", "total_output_tokens"] {
        assert_eq!(a[key], b[key], "{key}");
    }
    assert_eq!(a["total_input_tokens"], json!(1_320));
}

#[test]
fn what_is_not_there_is_said() {
    let sim = ["--sim", "--trace-speedup", "2"];
    assert_fails(
        &bench_serve(&sim),
        2,
        &["--trace-speedup", "`random` brings no times"],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = trace(folder.path());
    let late = [
        "--sim",
        "--dataset-name",
        "mooncake",
        "--dataset-path",
        &path,
        "--trace-start",
        "9",
    ];
    assert_fails(
        &bench_serve(&late),
        2,
        &["--trace-start", "3 requests, from 0 s to 0.09 s"],
    );
    let mut retimed = late;
    retimed[5..].copy_from_slice(&["--mooncake-slowdown-factor", "2"]);
    assert_fails(
        &bench_serve(&[&retimed[..], &["--request-rate", "9"]].concat()),
        2,
        &["--mooncake-slowdown-factor", "--request-rate"],
    );
}

#[test]
fn a_trace_is_replayed_for_a_time_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.jsonl");
    // More requests than are sent without being told how many, and some that come too late.
    let line = |row: u32| {
        let at = f64::from(row) / 3000.0;
        json!({"at": at, "input_tokens": 4, "output_tokens": 1}).to_string()
    };
    let lines: Vec<String> = (0..1800).map(line).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let server = server();
    let url = server.url();
    let line = [
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
        "--dataset-name",
        "replay",
        "--dataset-path",
        text(&path),
        "--trace-speedup",
        "0.5",
        "--duration",
        "0.8",
        "--save-result",
        "--result-dir",
        text(folder.path()),
        "--result-filename",
        "result.json",
    ];
    succeeded(&bench_serve(&line));
    // 0.8 s at half the speed are the first 0.4 s of the trace.
    let result = result(&folder.path().join("result.json"));
    assert_eq!(result["bench"]["requests"]["planned"], 1200);
}
