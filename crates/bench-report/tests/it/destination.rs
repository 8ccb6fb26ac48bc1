use std::fs;
use std::path::Path;

use bench_report::{Destination, ReportError, VllmResult};

use crate::make;

fn destination(dir: &Path) -> Destination {
    Destination {
        dir: dir.to_owned(),
        file_name: "result.json".to_owned(),
        append: false,
        overwrite: false,
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    names.sort();
    names
}

#[test]
fn a_result_is_written_into_a_folder_that_is_made_for_it() {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = temp.path().join("a/b");
    let destination = destination(&dir);
    destination.check().expect("welcome");
    assert!(names(&dir).is_empty(), "a check leaves nothing behind");
    let path = destination.write(&make::good(), true).expect("written");
    assert_eq!(names(&dir), ["result.json"]);
    let text = fs::read_to_string(path).expect("readable");
    let result: VllmResult<'_> = serde_json::from_str(&text).expect("a result");
    assert_eq!(result.completed, 4);
}

#[test]
fn a_file_that_exists_is_refused_with_the_cure() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut destination = destination(temp.path());
    fs::write(destination.path(), "mine").expect("written");
    let error = destination.check().expect_err("refused");
    assert!(matches!(error, ReportError::Exists { .. }));
    assert!(
        error.to_string().contains("--overwrite to replace it"),
        "{error}"
    );
    destination.overwrite = true;
    destination.check().expect("welcome");
    destination.append = true;
    assert!(matches!(
        destination.check(),
        Err(ReportError::AppendAndOverwrite)
    ));
    destination.overwrite = false;
    destination.check().expect("welcome");
    assert_eq!(
        fs::read_to_string(destination.path()).expect("readable"),
        "mine"
    );
}

#[test]
fn overwriting_replaces_and_appending_adds_a_line() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut destination = destination(temp.path());
    fs::write(destination.path(), "old").expect("written");
    destination.overwrite = true;
    destination.write(&make::good(), false).expect("written");
    destination.overwrite = false;
    destination.append = true;
    destination.write(&make::good(), true).expect("written");
    let text = fs::read_to_string(destination.path()).expect("readable");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        serde_json::from_str::<VllmResult<'_>>(line).expect("a result");
    }
    assert_eq!(names(temp.path()), ["result.json"]);
}

#[test]
fn a_file_that_came_into_being_during_the_run_costs_no_result() {
    let temp = tempfile::tempdir().expect("a folder");
    let destination = destination(temp.path());
    destination.check().expect("welcome");
    fs::write(destination.path(), "mine").expect("written");
    let path = destination.write(&make::good(), false).expect("written");
    assert!(path.ends_with("result-2.json"));
    assert_eq!(names(temp.path()), ["result-2.json", "result.json"]);
    assert_eq!(
        fs::read_to_string(destination.path()).expect("readable"),
        "mine"
    );
}

#[test]
fn a_folder_or_file_in_the_way_is_named() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut destination = destination(temp.path());
    fs::create_dir(destination.path()).expect("a folder");
    let error = destination.check().expect_err("refused").to_string();
    assert!(error.contains("is not a regular file"), "{error}");
    let file = temp.path().join("file");
    fs::write(&file, "").expect("written");
    destination.dir = file.clone();
    let error = destination.check().expect_err("refused").to_string();
    assert!(error.contains(&format!(
        "cannot create the result folder {}",
        file.display()
    )));
    assert!(error.contains("--result-dir"), "{error}");
}

#[test]
fn the_default_name_tells_the_load() {
    let mut setup = make::setup();
    assert_eq!(
        setup.file_name(),
        "openai-chat-10.0qps-tiny-llama-20261121-212154.json"
    );
    setup.request_rate = f64::INFINITY;
    setup.max_concurrency = Some(8);
    setup.label = Some("night".to_owned());
    setup.model_id = "/models/tiny/".to_owned();
    assert_eq!(
        setup.file_name(),
        "night-infqps-concurrency8-tiny-20261121-212154.json"
    );
}
