use std::fs;

use tempfile::tempdir;

use crate::make::{result, sweep, without_details};
use crate::{bench_plot, files};

#[test]
fn a_place_without_results_is_told_with_what_is_there() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("results")).unwrap();
    fs::write(dir.path().join("results/notes.json"), "{\"a\": 1}").unwrap();
    let done = bench_plot(dir.path(), &["results"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.err.contains("there is no result in results"),
        "{}",
        done.err
    );
    assert!(done.err.contains("notes.json"), "{}", done.err);
    assert!(!dir.path().join("plots").exists());
    let done = bench_plot(dir.path(), &["missing"]);
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("missing"), "{}", done.err);
}

#[test]
fn what_is_no_result_is_named_and_the_others_are_drawn() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    fs::write(dir.path().join("results/broken.json"), "{\"date\": ").unwrap();
    let done = bench_plot(dir.path(), &["results", "--throughput", "--scale", "1"]);
    assert_eq!(done.code, Some(0));
    assert!(done.err.contains("not read: "), "{}", done.err);
    assert!(done.err.contains("broken.json"), "{}", done.err);
    assert_eq!(files(&dir.path().join("plots")), ["throughput.png"]);
}

#[test]
fn a_chart_that_was_asked_for_and_cannot_be_drawn_is_a_failure() {
    let dir = tempdir().unwrap();
    let bare = without_details(result(4)).to_string();
    fs::write(dir.path().join("bare.json"), bare).unwrap();
    for command in [
        "cumulative",
        "timeline",
        "distribution",
        "over-time",
        "stalls",
    ] {
        let done = bench_plot(dir.path(), &[command, "bare.json"]);
        assert_eq!(done.code, Some(1), "{command}");
        assert!(
            done.err.contains("bare.json") && done.err.contains("--save-detailed"),
            "{command}"
        );
        assert!(!dir.path().join("plots").exists(), "{command}");
    }
    let done = bench_plot(dir.path(), &["sweep", "bare.json"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("at least two loads"), "{}", done.err);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let one = "results/bench_io64x10_mc4_np40.json";
    let wrong: [(&[&str], &str); 5] = [
        (&["results", "--size", "wide"], "1600x900"),
        (&["results", "--format", "gif"], "png"),
        (&["pareto", "results", "--slo", "tpot=50"], "--slo"),
        (&["--csv", one], "is no aggregate CSV"),
        (
            &["sweep", "results", "--size", "60x60"],
            "does not fit into 60x60",
        ),
    ];
    for (arguments, words) in wrong {
        let done = bench_plot(dir.path(), arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}: {}", done.err);
        assert!(done.err.contains(words), "{arguments:?}: {}", done.err);
    }
}
