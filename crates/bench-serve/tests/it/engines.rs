//! A run of every backend there is, against a server and against the built-in one.

use std::path::Path;
use std::process::Output;

use bench_core::backends::{BACKENDS, Backend};
use bench_core::types::Task;
use serde_json::Value;

use crate::support::{bench_serve, result, server, succeeded, text};

/// Recordings, three of them.
const AUDIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/datasets/audio");

/// What is sent to a backend, and what has to come of it.
struct Sent {
    arguments: Vec<&'static str>,
    requests: u64,
    input_tokens: Option<u64>,
    /// Per request; `None` if there are none or the model decides.
    output_tokens: Option<u64>,
}

/// A dataset of the kind that the backend takes.
fn sent(backend: &dyn Backend) -> Sent {
    let random = ["--tokenizer", "builtin", "--random-input-len", "16"];
    let (arguments, input_tokens) = match backend.task() {
        Task::Transcribe => (
            vec!["--dataset-name", "custom_audio", "--dataset-path", AUDIO],
            None,
        ),
        Task::Pool => (vec!["--num-prompts", "6"], Some(6 * 16)),
        Task::Generate => (vec!["--num-prompts", "3"], Some(3 * 16)),
    };
    let kind: &[&str] = match (backend.task(), backend.name()) {
        (Task::Transcribe, _) => &["--tokenizer", "builtin", "--num-prompts", "3"],
        (Task::Pool, "vllm-rerank") => &[
            "--dataset-name",
            "random-rerank",
            "--random-batch-size",
            "2",
        ],
        (Task::Pool, _) => &["--random-batch-size", "2"],
        (Task::Generate, _) => &["--random-output-len", "4"],
    };
    let random: &[&str] = match backend.task() {
        Task::Transcribe => &[],
        Task::Pool | Task::Generate => &random,
    };
    Sent {
        arguments: [&arguments, random, kind].concat(),
        requests: 3,
        input_tokens,
        output_tokens: (backend.task() == Task::Generate).then_some(4),
    }
}

/// Runs `backend` with `target` and checks what it writes and prints.
fn check(backend: &dyn Backend, target: &[&str]) {
    let name = backend.name();
    let folder = tempfile::tempdir().unwrap();
    let sent = sent(backend);
    let what = ["--backend", name, "--client-threads", "1"];
    let saved = [
        "--save-result",
        "--save-detailed",
        "--result-dir",
        text(folder.path()),
        "--result-filename",
        "r.json",
    ];
    let output = bench_serve(&[target, &what, &saved, &sent.arguments].concat());
    check_console(backend, &output);
    check_result(backend, &sent, &folder.path().join("r.json"));
}

fn check_console(backend: &dyn Backend, output: &Output) {
    let (name, page) = (backend.name(), succeeded(output));
    let streamed = backend.can_stream();
    let measured = ["Mean TTFT (ms):", "Mean TPOT (ms):", "Mean ITL (ms):"];
    for part in measured {
        assert_eq!(page.contains(part), streamed, "{name}: {part} in {page}");
    }
    assert_eq!(
        page.contains("Mean E2EL (ms):"),
        !streamed,
        "{name}: {page}"
    );
    assert_eq!(page.contains("TTFT"), streamed, "{name}: {page}");
    let special = match backend.task() {
        Task::Generate => "Total generated tokens:",
        Task::Pool => "Input sequence throughput (seq/s):",
        Task::Transcribe => "RTFx (Inverse Real-Time Factor):",
    };
    assert!(page.contains(special), "{name}: {special} in {page}");
}

fn check_result(backend: &dyn Backend, sent: &Sent, path: &Path) {
    let (name, result) = (backend.name(), result(path));
    assert_eq!(result["backend"], name);
    assert_eq!(result["completed"], sent.requests, "{name}");
    assert_eq!(result["failed"], 0, "{name}");
    let errors = result["errors"].as_array().unwrap();
    assert_eq!(errors.len() as u64, sent.requests, "{name}");
    assert!(errors.iter().all(|error| error == ""), "{name}: {errors:?}");
    if let Some(tokens) = sent.input_tokens {
        assert_eq!(result["total_input_tokens"], tokens, "{name}");
    }
    if let Some(tokens) = sent.output_tokens {
        let lengths = vec![tokens; sent.requests as usize];
        assert_eq!(result["output_lens"], serde_json::json!(lengths), "{name}");
        let all = tokens * sent.requests;
        assert_eq!(result["total_output_tokens"], all, "{name}");
    }
    match backend.task() {
        Task::Pool => assert_eq!(result["total_input_sequences"], 6, "{name}"),
        Task::Transcribe => assert!(result["rtfx"].as_f64().unwrap() > 0.0, "{name}"),
        Task::Generate => {}
    }
    let of_tokens = keys_about_tokens(&result);
    if backend.can_stream() {
        assert!(result["mean_ttft_ms"].as_f64().unwrap() > 0.0, "{name}");
        assert_eq!(result["itls"].as_array().map(Vec::len), Some(3), "{name}");
    } else {
        assert_eq!(of_tokens, [""; 0], "{name}");
        assert!(result["mean_e2el_ms"].as_f64().unwrap() > 0.0, "{name}");
    }
}

/// The names of all fields, however deep, that speak of tokens of a stream.
fn keys_about_tokens(value: &Value) -> Vec<String> {
    let about = |name: &str| {
        name.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| ["ttft", "tpot", "itl"].contains(&word.trim_end_matches('s')))
    };
    match value {
        Value::Object(fields) => {
            let inside = fields.values().flat_map(keys_about_tokens);
            let here = fields.keys().filter(|name| about(name)).cloned();
            here.chain(inside).collect()
        }
        Value::Array(values) => values.iter().flat_map(keys_about_tokens).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_backend_measures_a_server() {
    let server = server();
    for backend in BACKENDS {
        let before = server.stats().completed;
        check(*backend, &["--base-url", &server.url()]);
        assert_eq!(server.stats().completed - before, 3, "{}", backend.name());
    }
}

#[test]
fn every_backend_measures_the_built_in_server() {
    for backend in BACKENDS {
        check(*backend, &["--sim", "--sim-step-us", "50"]);
    }
}
