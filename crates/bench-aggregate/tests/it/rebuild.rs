use std::fs::{self, OpenOptions};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::{bench_aggregate, make};

fn temp() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("readable")
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&text(path)).expect("JSON")
}

#[test]
fn the_result_is_that_of_the_run_to_the_byte() {
    for detailed in [true, false] {
        let dir = temp();
        let mut header = make::header();
        header.detailed = detailed;
        make::log(dir.path(), &header, &make::records(), true);
        let done = bench_aggregate(dir.path(), &["rebuild", "run.jsonl"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let path = format!("./{}", make::RESULT);
        assert_eq!(
            done.out,
            format!("Result of 3 of 3 requests written to {path}\n")
        );
        assert_eq!(done.err, format!("warning: {}\n", header.warnings[0]));
        let rebuilt = text(dir.path().join(path));
        assert_eq!(rebuilt, make::result(&header, make::records()));
    }
}

#[test]
fn a_run_that_was_killed_is_told_from_one_that_ended() {
    let dir = temp();
    make::log(dir.path(), &make::header(), &make::records(), false);
    let log = dir.path().join("run.jsonl");
    let length = fs::metadata(&log).expect("a file").len();
    let file = OpenOptions::new().write(true).open(&log);
    file.and_then(|file| file.set_len(length - 100))
        .expect("cut");

    let arguments = ["rebuild", "run.jsonl", "--result-dir", "a/b"];
    let done = bench_aggregate(
        dir.path(),
        &[&arguments[..], &["--result-filename", "r.json"]].concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(
        done.out,
        "Result of 2 of 3 requests written to a/b/r.json\n"
    );
    let warnings: Vec<&str> = done.err.lines().collect();
    assert_eq!(warnings.len(), 3, "{}", done.err);
    assert!(warnings[1].starts_with("warning: line 4 of the record log was cut off after"));
    assert!(warnings[2].contains("killed: 2 of 3 requests had ended"));

    let result = json(dir.path().join("a/b/r.json"));
    assert_eq!(result["bench"]["partial"], true);
    assert_eq!(result["bench"]["requests"]["planned"], 3);
    assert_eq!(
        (&result["completed"], &result["failed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(result["date"], "20261121-212154");
    let told = result["bench"]["warnings"].as_array().expect("warnings");
    assert_eq!(told.len(), 3);
}

#[test]
fn a_tokenizer_is_loaded_only_if_it_has_something_to_count() {
    let dir = temp();
    let mut header = make::header();
    header.setup.tokenizer_id = Some("/nowhere/tokenizer.json".to_owned());
    let rebuild = |extra: &[&str]| {
        let arguments = [&["rebuild", "run.jsonl", "--overwrite"], extra].concat();
        bench_aggregate(dir.path(), &arguments)
    };
    make::log(dir.path(), &header, &[make::answered(0)], true);
    let done = rebuild(&[]);
    assert_eq!(done.code, Some(0), "{}", done.err);

    make::log(dir.path(), &header, &[make::uncounted(0)], true);
    let refused = rebuild(&[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("/nowhere/tokenizer.json"));
    assert!(refused.err.contains("--tokenizer"), "{}", refused.err);

    let done = rebuild(&["--tokenizer", "builtin"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let result = json(dir.path().join(make::RESULT));
    assert_eq!(result["tokenizer_id"], "builtin");
    let sources = &result["bench"]["tokens"]["output_sources"];
    assert_eq!(sources[0]["source"], "tokenizer", "{sources}");
}

#[test]
fn without_any_tokenizer_a_chunk_is_a_token_as_in_the_run() {
    let dir = temp();
    let mut header = make::header();
    header.setup.tokenizer_id = None;
    make::log(dir.path(), &header, &[make::uncounted(0)], true);
    let done = bench_aggregate(dir.path(), &["rebuild", "run.jsonl"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let result = json(dir.path().join(make::RESULT));
    assert_eq!(result["total_output_tokens"], 3);
    let sources = &result["bench"]["tokens"]["output_sources"];
    assert_eq!(sources[0]["source"], "chunks", "{sources}");
}

#[test]
fn a_log_beside_a_result_names_it() {
    let dir = temp();
    make::log(dir.path(), &make::header(), &make::records(), true);
    let log = dir.path().join("mine.records.jsonl");
    fs::rename(dir.path().join("run.jsonl"), log).expect("renamed");
    let done = bench_aggregate(dir.path(), &["rebuild", "mine.records.jsonl"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(dir.path().join("mine.json").is_file(), "{}", done.out);
}

#[test]
fn a_result_that_exists_is_replaced_or_added_to_only_if_asked() {
    let dir = temp();
    make::log(dir.path(), &make::header(), &make::records(), true);
    let path = dir.path().join(make::RESULT);
    fs::write(&path, "mine\n").expect("written");
    let rebuild = |extra: &[&str]| {
        let arguments = [&["rebuild", "run.jsonl"], extra].concat();
        bench_aggregate(dir.path(), &arguments)
    };
    let refused = rebuild(&[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("exists"), "{}", refused.err);
    assert_eq!(text(&path), "mine\n");

    let result = make::result(&make::header(), make::records());
    assert_eq!(rebuild(&["--append-result"]).code, Some(0));
    assert_eq!(text(&path), format!("mine\n{result}"));
    assert_eq!(rebuild(&["--overwrite"]).code, Some(0));
    assert_eq!(text(&path), result);
}

#[test]
fn the_log_is_never_taken_for_the_result() {
    let dir = temp();
    make::log(dir.path(), &make::header(), &make::records(), true);
    let log = text(dir.path().join("run.jsonl"));
    for how in ["--overwrite", "--append-result"] {
        let arguments = ["rebuild", "run.jsonl", "--result-filename", "./run.jsonl"];
        let done = bench_aggregate(dir.path(), &[&arguments[..], &[how]].concat());
        assert_eq!(done.code, Some(2));
        assert!(done.err.contains("the record log itself"), "{}", done.err);
        assert_eq!(text(dir.path().join("run.jsonl")), log);
    }
}

#[test]
fn what_cannot_be_used_is_usage_and_what_is_damaged_is_failure() {
    let dir = temp();
    let missing = bench_aggregate(dir.path(), &["rebuild", "run.jsonl"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("cannot read the record log run.jsonl"));
    assert_eq!(bench_aggregate(dir.path(), &["rebuild"]).code, Some(2));

    make::log(dir.path(), &make::header(), &make::records(), true);
    let log = dir.path().join("run.jsonl");
    let damaged = text(&log).replacen("\"steps\"", "\"stops\"", 1);
    fs::write(&log, damaged).expect("written");
    let done = bench_aggregate(dir.path(), &["rebuild", "run.jsonl"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.starts_with("error: run.jsonl:2: "), "{}", done.err);
    assert!(!dir.path().join(make::RESULT).exists());
}
