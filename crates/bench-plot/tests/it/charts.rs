use std::fs;

use bench_aggregate::{AggregateOptions, aggregate};
use tempfile::tempdir;

use crate::make::{fixture, result, sweep, without_details};
use crate::{bench_plot, files, png};

/// Pictures of few pixels, which are soon drawn.
const SMALL: [&str; 4] = ["--size", "700x1400", "--scale", "1"];

#[test]
fn several_results_have_charts_over_the_load_and_pages() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let done = bench_plot(
        dir.path(),
        &[&["results", "--format", "both"], &SMALL[..]].concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let plots = dir.path().join("plots");
    let expected = [
        "dashboard.html",
        "latency.png",
        "latency.svg",
        "pareto.png",
        "pareto.svg",
        "report.html",
        "sweep.png",
        "sweep.svg",
        "throughput.png",
        "throughput.svg",
    ];
    assert_eq!(files(&plots), expected);
    for name in expected {
        let path = plots.join(name);
        let written = format!(
            "Written: {}",
            std::path::Path::new("plots").join(name).display()
        );
        assert!(done.out.contains(&written), "{name}: {}", done.out);
        match path.extension().unwrap().to_str().unwrap() {
            "png" => assert_eq!((png(&path).0, png(&path).1), (700, 1400), "{name}"),
            "svg" => {
                let svg = fs::read_to_string(&path).unwrap();
                assert!(svg.contains("layer points"), "{name}");
                let joined = match name {
                    "pareto.svg" => "layer steps",
                    _ => "layer line",
                };
                assert!(svg.contains(joined), "{name}");
            }
            _ => {
                let page = fs::read_to_string(&path).unwrap();
                assert!(page.contains("org/model"), "{name}");
            }
        }
    }
    let svg = fs::read_to_string(plots.join("sweep.svg")).unwrap();
    assert!(svg.contains("Knee (Kneedle)"));
}

#[test]
fn one_result_has_charts_of_its_requests() {
    let dir = tempdir().unwrap();
    let real = fixture("vllm-bench-serve-0.32-random.json");
    let done = bench_plot(
        dir.path(),
        &[&[real.to_str().unwrap(), "--output", "out"], &SMALL[..]].concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let expected = [
        "cumulative.png",
        "distribution.png",
        "over-time.png",
        "report.html",
        "stalls.png",
        "timeline.png",
    ];
    assert_eq!(files(&dir.path().join("out")), expected, "{}", done.err);
}

#[test]
fn each_command_draws_its_chart() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let one = "results/bench_io64x10_mc4_np40.json";
    let commands: [(&[&str], &str); 8] = [
        (&["cumulative", one], "cumulative.svg"),
        (&["timeline", one], "timeline.svg"),
        (&["distribution", one], "distribution.svg"),
        (&["over-time", one], "over-time.svg"),
        (&["stalls", one], "stalls.svg"),
        (&["sweep", "results"], "sweep.svg"),
        (&["pareto", "results", "--slo", "tpot:50"], "pareto.svg"),
        (
            &["compare", one, "results/bench_io64x10_mc16_np40.json"],
            "compare.svg",
        ),
    ];
    for (arguments, name) in commands {
        let arguments = [arguments, &["--format", "svg"]].concat();
        let done = bench_plot(dir.path(), &arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.err);
        let svg = fs::read_to_string(dir.path().join("plots").join(name)).unwrap();
        assert!(svg.contains("class=\"layer "), "{name}");
    }
    let pareto = fs::read_to_string(dir.path().join("plots/pareto.svg")).unwrap();
    assert!(pareto.contains("TPOT 50 ms"));
    let compare = fs::read_to_string(dir.path().join("plots/compare.svg")).unwrap();
    assert!(compare.contains("layer error-bars"));
}

#[test]
fn cumulative_prints_total_duration_and_rate() {
    let dir = tempdir().unwrap();
    // Two requests: the first token at 1.5 s and 1.6 s, the last at 2.5 s.
    let mut run = result(2);
    for (key, value) in [
        ("ttfts", serde_json::json!([0.5, 0.1])),
        ("itls", serde_json::json!([[0.5, 0.5], [0.4]])),
        ("start_times", serde_json::json!([1.0, 1.5])),
        ("input_lens", serde_json::json!([64, 64])),
        ("output_lens", serde_json::json!([3, 2])),
        ("generated_texts", serde_json::json!(["a", "b"])),
        ("errors", serde_json::json!(["", ""])),
    ] {
        run[key] = value;
    }
    fs::write(dir.path().join("run.json"), run.to_string()).unwrap();
    let done = bench_plot(dir.path(), &["cumulative", "run.json", "--format", "svg"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    for line in [
        "Total Tokens: 5",
        "Duration: 1.000000 s",
        "Average Rate: 5.000000 tok/s",
    ] {
        assert!(done.out.contains(line), "{line}: {}", done.out);
    }
}

#[test]
fn every_run_of_a_file_has_a_chart_of_its_own() {
    let dir = tempdir().unwrap();
    let lines = format!("{}\n{}\n", result(1), result(2));
    fs::write(dir.path().join("runs.jsonl"), lines).unwrap();
    for command in ["timeline", "distribution"] {
        let done = bench_plot(dir.path(), &[command, "runs.jsonl", "--format", "svg"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    // Distributions are laid over each other.
    let expected = [
        "distribution.svg",
        "timeline-runs-1.svg",
        "timeline-runs-2.svg",
    ];
    assert_eq!(files(&dir.path().join("plots")), expected);
}

#[test]
fn a_flag_draws_its_chart_alone() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    for (flag, name) in [
        ("--throughput", "throughput.svg"),
        ("--latency", "latency.svg"),
        ("--interactive", "dashboard.html"),
        ("--report", "report.html"),
    ] {
        let done = bench_plot(
            dir.path(),
            &["results", flag, "--output", &flag[2..], "--format", "svg"],
        );
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert_eq!(files(&dir.path().join(&flag[2..])), [name]);
    }
}

#[test]
fn results_without_details_have_the_charts_that_need_none() {
    let dir = tempdir().unwrap();
    let bare = without_details(result(4)).to_string();
    fs::write(dir.path().join("bare.json"), bare).unwrap();
    let done = bench_plot(dir.path(), &["bare.json"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(files(&dir.path().join("plots")), ["report.html"]);
    assert!(
        done.err
            .contains("not drawn: timeline: bare.json has no per-request details")
    );
    assert!(done.err.contains("--save-detailed"), "{}", done.err);
}

/// The parts of an SVG that show layers of a kind.
fn layers<'s>(svg: &'s str, kind: &str) -> Vec<&'s str> {
    let start = format!("<g class=\"layer {kind}\">");
    let parts = svg.split(start.as_str()).skip(1);
    parts
        .map(|part| part.split("</g>").next().unwrap())
        .collect()
}

#[test]
fn a_table_of_runs_is_drawn_as_the_runs_themselves() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let options = AggregateOptions {
        output_dir: dir.path().to_owned(),
        output: Some("runs.csv".into()),
        ..AggregateOptions::new([dir.path().join("results")])
    };
    let table = aggregate(&options, 0.0).unwrap();
    assert_eq!(table.rows, 4);
    let inputs: [(&[&str], &str); 2] = [(&["--csv", "runs.csv"], "table"), (&["results"], "runs")];
    for (input, out) in inputs {
        let flags = ["--throughput", "--format", "svg", "--output", out];
        let done = bench_plot(dir.path(), &[input, &flags[..]].concat());
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert_eq!(files(&dir.path().join(out)), ["throughput.svg"]);
    }
    let svg = |out: &str| fs::read_to_string(dir.path().join(out).join("throughput.svg")).unwrap();
    let (table, runs) = (svg("table"), svg("runs"));
    for kind in ["line", "points"] {
        let drawn = layers(&table, kind);
        // Output tokens, all tokens and requests; goodput was not asked for.
        assert_eq!(drawn.len(), 3, "{kind}");
        assert_eq!(drawn, layers(&runs, kind));
    }
    assert_eq!(layers(&table, "points")[0].matches("<circle ").count(), 4);
    assert!(table.contains("aggregate CSV"));
}

#[test]
fn compare_names_the_side_that_is_missing() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let one = "results/bench_io64x10_mc4_np40.json";
    let done = bench_plot(dir.path(), &["compare", one, "missing.json"]);
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("missing.json"), "{}", done.err);
    assert!(!dir.path().join("plots").exists());
}
