//! The report for a browser.

use std::fs;

use crate::support::{assert_fails, bench_serve, server, small, stderr, succeeded, text};

#[test]
fn a_report_has_the_numbers_of_the_console_and_needs_no_result_file() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new").join("out.html");
    let output = small(
        &server,
        &["--report", text(&file), "--goodput", "ttft:1000"],
    );
    let console = succeeded(&output);
    assert!(
        stderr(&output).contains("Report written to"),
        "{}",
        stderr(&output)
    );
    let page = fs::read_to_string(&file).unwrap();

    let block = console
        .lines()
        .skip_while(|line| !line.starts_with("====="));
    let block = block.skip(1).take_while(|line| !line.starts_with("====="));
    let rows = block.filter_map(|line| line.split_once(":  "));
    let rows: Vec<(&str, &str)> = rows.map(|(label, value)| (label, value.trim())).collect();
    assert!(rows.len() > 15, "{console}");
    for (label, value) in rows {
        let row = format!("<th scope=\"row\">{label}</th><td class=\"number\">{value}</td>");
        assert!(page.contains(&row), "{row}");
    }
    // Details come straight from the run: every chart of a run is there.
    for title in [
        "Self-audit of the Client",
        "Options of the run",
        "dataset_hash",
    ] {
        assert!(page.contains(title), "{title}");
    }
    assert!(!page.contains("has no per-request details"));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_report_that_exists_is_not_replaced_unasked() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.html");
    fs::write(&file, "dear").unwrap();
    let before = server.stats().requests;
    let refused = small(&server, &["--report", text(&file)]);
    assert_fails(&refused, 2, &["out.html", "--report", "--overwrite"]);
    assert_eq!(server.stats().requests, before);
    assert_eq!(fs::read_to_string(&file).unwrap(), "dear");

    succeeded(&small(&server, &["--report", text(&file), "--overwrite"]));
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );

    let blocked = file.join("below.html");
    let output = small(&server, &["--report", text(&blocked)]);
    assert_fails(&output, 2, &["out.html", "--report"]);
}

#[test]
fn a_sweep_says_how_to_get_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("combos.yaml");
    fs::write(&config, "concurrency_prompts: [[1, 2]]\n").unwrap();
    let output = bench_serve(&["sweep", text(&config), "--sim", "--report", "out.html"]);
    assert_fails(&output, 2, &["--report", "bench-plot --report"]);
}
