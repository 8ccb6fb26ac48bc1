//! What is wrong is said before the run, with its cure.

use crate::support::{assert_fails, bench_serve, server, small};

#[test]
fn bad_command_lines_are_explained() {
    assert_fails(
        &bench_serve(&["--num-promts", "3"]),
        2,
        &["--num-promts", "--num-prompts"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--port", "1"]),
        2,
        &["--sim", "--port"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--backend", "vlm"]),
        2,
        &["--backend", "vllm"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--request-rate", "0"]),
        2,
        &["request rate 0"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--burstiness=-1"]),
        2,
        &["burstiness -1"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--apply-chat-template"]),
        2,
        &["--apply-chat-template", "leave it out"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--request-rate", "9", "--trace-speedup", "2"]),
        2,
        &["--trace-speedup", "--request-rate"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--num-prompts", "0"]),
        2,
        &["--num-prompts"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--max-concurrency", "0"]),
        2,
        &["--max-concurrency"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--goodput", "tft:1"]),
        2,
        &["--goodput", "ttft"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--metric-percentiles", "101"]),
        2,
        &["101"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--extra-body", "[1]"]),
        2,
        &["--extra-body"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--header", "no-value"]),
        2,
        &["KEY=VALUE"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--metadata", "k"]),
        2,
        &["--metadata", "KEY=VALUE"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--endpoint", "v1"]),
        2,
        &["--endpoint", "slash"],
    );
    assert_fails(
        &bench_serve(&["--sim", "--total-timeout=-1"]),
        2,
        &["--total-timeout"],
    );
    assert_fails(
        &bench_serve(&["--base-url", "localhost:1", "--model", "m"]),
        2,
        &["http://"],
    );
    let no_effect = ["--sim", "--dataset-name", "sharegpt", "--input-len", "9"];
    assert_fails(&bench_serve(&no_effect), 2, &["--input-len", "sharegpt"]);
    let no_tokenizer = ["--sim", "--tokenizer", "/no/such/tokenizer.json"];
    assert_fails(&bench_serve(&no_tokenizer), 2, &["/no/such/tokenizer.json"]);
}

#[test]
fn a_server_that_is_not_there() {
    let output = bench_serve(&["--base-url", "http://127.0.0.1:1", "--model", "m"]);
    let parts = [
        "http://127.0.0.1:1",
        "is it running",
        "--ready-check-timeout-sec",
    ];
    assert_fails(&output, 1, &parts);
}

#[test]
fn a_wrong_model_name() {
    let output = small(&server(), &["--model", "nope"]);
    assert_fails(&output, 1, &["`nope`", "404", "sim-model"]);
}

#[test]
fn a_broken_line_of_a_dataset_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.jsonl");
    std::fs::write(&path, "{\"prompt\": \"fine\"}\n{\"prompt\": oops}\n").unwrap();
    let file = path.to_str().unwrap();
    let output = small(
        &server(),
        &["--dataset-name", "custom", "--dataset-path", file],
    );
    assert_fails(&output, 2, &["prompts.jsonl", "2"]);
}
