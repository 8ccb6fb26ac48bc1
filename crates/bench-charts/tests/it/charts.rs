//! Every chart that users get, as a picture and in words.

use bench_charts::figures::{self, Comparison, Drawn, TradeoffNotes};
use bench_charts::{Figure, Size, Theme};

use super::{golden, runs, told};

/// Compares a figure with the one that was found good.
fn check(name: &str, figure: &Figure) {
    golden::check_words(name, &told::told(figure));
    let rows = figure.panels.len().div_ceil(figure.columns) as u32;
    let size = Size::new(330 * figure.columns as u32 + 180, 220 + 230 * rows);
    golden::check(name, &figure.to_png(Theme::Light, size).unwrap());
}

/// Checks the charts of one run that there are, and that the others are refused.
fn check_run(drawn: Vec<Drawn>, suffix: &str, refused: &[&str]) {
    let mut missing = Vec::new();
    for chart in drawn {
        match chart {
            Ok(figure) => check(&format!("{}-{suffix}", figure.id), &figure),
            Err(no) => missing.push(no.chart()),
        }
    }
    assert_eq!(missing, refused);
}

#[test]
fn streams_have_all_charts_of_one_run() {
    check_run(figures::of_run(&runs::streams()), "streams", &[]);
}

#[test]
fn answers_without_streams_have_the_charts_that_need_none() {
    let charts = figures::of_run(&runs::whole_answers());
    check_run(charts, "whole", &["cumulative", "stalls"]);
}

#[test]
fn a_run_of_failures_has_the_charts_that_tell_of_them() {
    let charts = figures::of_run(&runs::all_failed());
    let refused = ["distribution", "cumulative", "stalls"];
    check_run(charts, "failed", &refused);
}

#[test]
fn a_sweep_has_its_charts() {
    check_run(figures::of_runs(&runs::one_model()), "one", &[]);
}

#[test]
fn a_sweep_of_two_models_has_its_charts() {
    check_run(figures::of_runs(&runs::two_models()), "two", &[]);
}

#[test]
fn tradeoffs_have_their_chart() {
    let runs = runs::two_models();
    let asked = 25.0;
    let notes = TradeoffNotes {
        workloads: vec!["model-7b".to_owned(), "model-32b".to_owned()],
        slo_speed: Some(asked),
        slo: Some("Objective: TPOT of at most 40 ms".to_owned()),
        ..TradeoffNotes::default()
    };
    let figure = figures::pareto(&runs, &runs::tradeoffs(&runs, asked), &notes);
    check("pareto", &figure.unwrap());
}

#[test]
fn two_sides_have_their_chart() {
    let runs = runs::one_model();
    let notes = ["Intervals from the requests of one run on each side".to_owned()];
    let found = [
        ("compare", runs::differences()),
        ("compare-loads", runs::differences_over_loads()),
    ];
    for (name, differences) in found {
        let figure = figures::compare(&Comparison {
            a: ("before", &runs[..1]),
            b: ("after", &runs[..1]),
            differences: &differences,
            notes: &notes,
        });
        check(name, &figure.unwrap());
    }
}
