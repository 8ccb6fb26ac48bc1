//! Comparisons of simulated runs, and of result files by the program.

use std::fs;
use std::path::{Path, PathBuf};

use bench_aggregate::compare::{
    CompareOptions, Comparison, Method, Passage, Verdict, Weight, compare_runs,
};
use bench_report::{Condition, MetricStats, RequestSample, RunResult, Statistic};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::corpus::fixture;
use crate::{Done, bench_aggregate};

struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(ChaCha8Rng::seed_from_u64(seed))
    }

    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A run at 20 requests per second whose requests share a slowly changing load: neighbours are
/// alike, and so are the gaps of a request. `slower` scales all latencies.
fn run(noise: &mut Noise, requests: usize, slower: f64) -> RunResult {
    let (mut start, mut busy) = (0.0, noise.normal());
    let samples: Vec<RequestSample> = (0..requests)
        .map(|_| {
            start -= noise.uniform().ln() / 20.0;
            busy = 0.6 * busy + 0.8 * noise.normal();
            let ttft = 0.1 * slower * (0.2 * busy + 0.3 * noise.normal()).exp();
            let pace = 0.02 * slower * (0.1 * busy + 0.05 * noise.normal()).exp();
            let gaps: Vec<f64> = (0..6)
                .map(|_| pace * (0.2 * noise.normal()).exp())
                .collect();
            RequestSample {
                success: true,
                start: Some(start),
                ttft: Some(ttft),
                e2el: Some(ttft + gaps.iter().sum::<f64>()),
                gaps,
                input_tokens: Some(64),
                output_tokens: Some(7),
                ..RequestSample::default()
            }
        })
        .collect();
    RunResult {
        requests: samples,
        ..RunResult::default()
    }
}

/// Runs whose latencies have a spread of 2 % in common and of 1 % each.
fn runs(noise: &mut Noise, n: usize, slower: f64) -> Vec<RunResult> {
    let one = |noise: &mut Noise| {
        let run = 0.02 * noise.normal();
        let mut value = |base: f64| base * slower * (run + 0.01 * noise.normal()).exp();
        let statistics = ["ttft", "tpot", "itl", "e2el"].map(|metric| MetricStats {
            metric: metric.to_owned(),
            values: vec![
                (Statistic::Mean, value(100.0)),
                (Statistic::Median, value(90.0)),
                (Statistic::Percentile(99.0), value(200.0)),
            ],
        });
        RunResult {
            output_throughput: Some(1000.0 / value(1.0)),
            statistics: statistics.to_vec(),
            ..RunResult::default()
        }
    };
    (0..n).map(|_| one(noise)).collect()
}

fn options() -> CompareOptions {
    CompareOptions {
        resamples: 100,
        ..CompareOptions::new("a", "b")
    }
}

fn compare(a: Vec<RunResult>, b: Vec<RunResult>, options: &CompareOptions) -> Comparison {
    let same = &mut |run: &RunResult| Ok(run.clone());
    compare_runs(a, b, options, same).expect("comparable")
}

fn verdicts(comparison: &Comparison) -> Vec<(String, Verdict)> {
    let rows = comparison.points.iter().flat_map(|point| &point.rows);
    rows.map(|row| (row.measure.key(), row.verdict)).collect()
}

fn alarms(comparison: &Comparison) -> usize {
    let alarm =
        |(_, verdict): &(String, Verdict)| matches!(verdict, Verdict::Better | Verdict::Worse);
    verdicts(comparison).iter().filter(|v| alarm(v)).count()
}

#[test]
fn equal_runs_with_samples_raise_few_false_alarms() {
    let mut noise = Noise::new(1);
    let raised = (0..150).filter(|_| {
        let (a, b) = (run(&mut noise, 450, 1.0), run(&mut noise, 450, 1.0));
        let comparison = compare(vec![a], vec![b], &options());
        assert_eq!(comparison.points[0].method, Method::Requests);
        // A p99 now and then is worth too few independent samples.
        assert!(comparison.points[0].rows.len() >= 15);
        alarms(&comparison) > 0
    });
    let raised = raised.count();
    assert!(raised <= 7, "{raised} of 150");
}

#[test]
fn equal_groups_of_runs_raise_few_false_alarms() {
    let mut noise = Noise::new(2);
    let raised = (0..600).filter(|_| {
        let (a, b) = (runs(&mut noise, 4, 1.0), runs(&mut noise, 4, 1.0));
        alarms(&compare(a, b, &options())) > 0
    });
    let raised = raised.count();
    assert!(raised <= 30, "{raised} of 600");
}

/// One run against several has to allow for the spread of that one run.
#[test]
fn one_run_against_several_equal_ones_raises_few_false_alarms() {
    let mut noise = Noise::new(3);
    let raised = (0..600).filter(|_| {
        let (a, b) = (runs(&mut noise, 5, 1.0), runs(&mut noise, 1, 1.0));
        let comparison = compare(a, b, &options());
        assert_eq!(comparison.points[0].method, Method::RunAgainstRuns);
        alarms(&comparison) > 0
    });
    let raised = raised.count();
    assert!(raised <= 30, "{raised} of 600");
}

/// A server that is a tenth slower is found out, and never called better.
#[test]
fn a_tenth_slower_is_worse() {
    let mut noise = Noise::new(4);
    let found = (0..15).filter(|_| {
        let (a, b) = (run(&mut noise, 800, 1.0), run(&mut noise, 800, 1.1));
        let verdicts = verdicts(&compare(vec![a], vec![b], &options()));
        let is = |key: &str, wanted| verdicts.iter().any(|(k, v)| k == key && *v == wanted);
        assert!(
            !verdicts
                .iter()
                .any(|(k, v)| k.ends_with("_ms") && *v == Verdict::Better)
        );
        is("mean_e2el_ms", Verdict::Worse) && is("median_itl_ms", Verdict::Worse)
    });
    let found = found.count();
    assert!(found >= 13, "{found} of 15");

    let found = (0..100).filter(|_| {
        let (a, b) = (runs(&mut noise, 8, 1.0), runs(&mut noise, 8, 1.1));
        let verdicts = verdicts(&compare(a, b, &options()));
        verdicts.contains(&("p99_ttft_ms".to_owned(), Verdict::Worse))
            && verdicts.contains(&("output_throughput".to_owned(), Verdict::Worse))
    });
    let found = found.count();
    assert!(found >= 80, "{found} of 100");
}

/// Long runs of equals are called the same, as long as the margin is wider than what can be seen.
#[test]
fn equals_are_the_same_within_the_margin() {
    let mut noise = Noise::new(5);
    let (a, b) = (run(&mut noise, 3000, 1.0), run(&mut noise, 3000, 1.0));
    let options = CompareOptions {
        margin: vec!["20%".parse().expect("a margin")],
        ..options()
    };
    let verdicts = verdicts(&compare(vec![a], vec![b], &options));
    let others: Vec<_> = verdicts
        .iter()
        .filter(|(_, v)| *v != Verdict::Same)
        .collect();
    assert!(others.len() <= 2, "{others:?}");
}

#[test]
fn a_percentile_needs_enough_samples() {
    let mut noise = Noise::new(6);
    let (a, b) = (run(&mut noise, 200, 1.0), run(&mut noise, 200, 1.5));
    let comparison = compare(vec![a], vec![b], &options());
    let rows = &comparison.points[0].rows;
    let row = rows.iter().find(|row| row.measure.key() == "p99_ttft_ms");
    // The requests tell no p99 that the file does not, so there is no row at all.
    assert_eq!(row, None);
    let row = rows
        .iter()
        .find(|row| row.measure.key() == "median_ttft_ms");
    assert_eq!(row.expect("a row").verdict, Verdict::Worse);
}

#[test]
fn runs_without_samples_have_differences_and_no_verdict() {
    let mut noise = Noise::new(7);
    let (a, b) = (runs(&mut noise, 1, 1.0), runs(&mut noise, 1, 2.0));
    let comparison = compare(a, b, &options());
    let point = &comparison.points[0];
    assert_eq!(point.method, Method::None);
    for row in &point.rows {
        assert_eq!(row.verdict, Verdict::Inconclusive);
        assert!(row.relative.expect("a difference").abs() > 0.3);
        assert!(
            row.reason
                .as_deref()
                .is_some_and(|r| r.contains("--save-detailed"))
        );
    }
}

#[test]
fn what_makes_the_sides_incomparable_is_said_first() {
    let mut noise = Noise::new(8);
    let (mut a, mut b) = (runs(&mut noise, 2, 1.0), runs(&mut noise, 2, 1.0));
    for (run, partial) in a
        .iter_mut()
        .map(|r| (r, false))
        .chain(b.iter_mut().map(|r| (r, true)))
    {
        run.backend = Some(if partial { "sglang" } else { "vllm" }.to_owned());
        run.condition = Condition {
            partial: Some(partial),
            ..Condition::default()
        };
    }
    let comparison = compare(a, b, &options());
    let setup = &comparison.points[0].setup;
    let named: Vec<_> = setup.iter().map(|d| (d.name.as_str(), d.weight)).collect();
    assert_eq!(
        named,
        [("partial", Weight::Serious), ("backend", Weight::Noted)]
    );
}

/// A gate must not pass because there is nothing left to measure.
#[test]
fn a_side_without_completed_requests_misses_every_gate() {
    let mut noise = Noise::new(9);
    let (a, mut b) = (runs(&mut noise, 2, 1.0), runs(&mut noise, 2, 1.0));
    for run in &mut b {
        run.completed = Some(0);
        run.failed = Some(10);
        for stats in &mut run.statistics {
            stats.values.iter_mut().for_each(|(_, value)| *value = 0.0);
        }
    }
    let options = CompareOptions {
        fail_if: vec!["p99_ttft_ms>5%".parse().expect("a gate")],
        ..options()
    };
    let comparison = compare(a, b, &options);
    assert_eq!(comparison.gates[0].passage, Passage::Missed);
    assert_eq!(comparison.gate_notes().len(), 1);
    assert_eq!(alarms(&comparison), 0, "0 ms is not better");
}

/// A result with every request, made from a real one.
fn put(dir: &Path, name: &str, run: &RunResult, change: impl Fn(&mut Value)) -> PathBuf {
    let text = fs::read_to_string(fixture("vllm-bench-serve-0.32-random.json")).expect("a fixture");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let n = run.requests.len();
    let list =
        |value: fn(&RequestSample) -> Value| -> Value { run.requests.iter().map(value).collect() };
    file["input_lens"] = list(|r| json!(r.input_tokens));
    file["output_lens"] = list(|r| json!(r.output_tokens));
    file["ttfts"] = list(|r| json!(r.ttft));
    file["itls"] = list(|r| json!(r.gaps));
    file["latencies"] = list(|r| json!(r.e2el));
    file["start_times"] = list(|r| json!(r.start));
    file["queue_times"] = json!(vec![0.0; n]);
    file["generated_texts"] = json!(vec!["x"; n]);
    file["errors"] = json!(vec![""; n]);
    file["completed"] = json!(n);
    file["num_prompts"] = json!(n);
    file["duration"] = json!(n as f64 / 20.0);
    change(&mut file);
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(&path, file.to_string()).expect("written");
    path
}

fn two_files(slower: f64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut noise = Noise::new(10);
    put(dir.path(), "a.json", &run(&mut noise, 600, 1.0), |_| {});
    put(dir.path(), "b.json", &run(&mut noise, 600, slower), |_| {});
    dir
}

#[track_caller]
fn assert_code(done: &Done, code: i32) {
    assert_eq!(done.code, Some(code), "{}\n{}", done.out, done.err);
}

#[test]
fn gates_decide_the_exit_code() {
    let dir = two_files(1.5);
    let with = |more: &[&str]| {
        let mut arguments = vec!["compare", "a.json", "b.json", "--resamples", "100"];
        arguments.extend(more);
        bench_aggregate(dir.path(), &arguments)
    };
    let plain = with(&[]);
    assert_code(&plain, 0);
    assert!(plain.out.contains("mean_e2el_ms"), "{}", plain.out);
    assert!(plain.out.contains("worse"), "{}", plain.out);

    let missed = with(&["--fail-if", "mean_e2el_ms>5%"]);
    assert_code(&missed, 3);
    assert!(
        missed.err.contains("gate mean_e2el_ms>5%: MISSED"),
        "{}",
        missed.err
    );
    assert_code(&with(&["--fail-if", "mean_e2el_ms>90%"]), 0);
    assert_code(&with(&["--fail-if", "mean_ttft_ms>20"]), 3);
    assert_code(&with(&["--fail-if", "mean_ttft_ms>5000"]), 0);

    for (gate, said) in [
        ("ttft>5%", "'ttft' is no number that can be compared"),
        ("mean_ttft_ms", "is no gate"),
        ("p77_ttftx_ms>5%", "they have"),
    ] {
        let refused = with(&["--fail-if", gate]);
        assert_code(&refused, 2);
        assert!(refused.err.contains(said), "{gate}: {}", refused.err);
    }
}

#[test]
fn a_file_is_the_same_as_itself() {
    let dir = two_files(1.0);
    let arguments = [
        "compare",
        "a.json",
        "a.json",
        "--margin",
        "50%",
        "--resamples",
        "100",
    ];
    let done = bench_aggregate(dir.path(), &arguments);
    assert_code(&done, 0);
    assert!(
        done.out
            .contains("Comparable: nothing in the setups differs."),
        "{}",
        done.out
    );
    assert!(done.out.contains("same (±50%)"), "{}", done.out);
    assert!(
        !done.out.contains("worse") && !done.out.contains("better"),
        "{}",
        done.out
    );
}

#[test]
fn junit_and_markdown_are_written_to_files() {
    let dir = two_files(1.5);
    let write = |format: &str, file: &str| {
        let arguments = [
            "compare",
            "a.json",
            "b.json",
            "--format",
            format,
            "--output",
            file,
            "--fail-if",
            "mean_e2el_ms>5%",
            "--fail-if",
            "request_throughput<-90%",
            "--resamples",
            "100",
        ];
        bench_aggregate(dir.path(), &arguments)
    };
    assert_code(&write("junit", "out/c.xml"), 3);
    let xml = fs::read_to_string(dir.path().join("out/c.xml")).expect("written");
    assert_eq!(xml.matches("<failure ").count(), 1, "{xml}");
    assert!(xml.contains(r#"name="gate mean_e2el_ms&gt;5%""#), "{xml}");
    assert!(xml.contains(r#"failures="1""#), "{xml}");
    let cases = xml.matches("<testcase ").count();
    assert!(xml.contains(&format!(r#"tests="{cases}""#)), "{xml}");
    let skipped = xml.matches("<skipped ").count();
    assert!(xml.contains(&format!(r#"skipped="{skipped}""#)), "{xml}");

    assert_code(&write("markdown", "out/c.md"), 3);
    let page = fs::read_to_string(dir.path().join("out/c.md")).expect("written");
    assert!(
        page.contains("| mean\\_e2el") || page.contains("| mean_e2el_ms |"),
        "{page}"
    );
    let again = write("markdown", "out/c.md");
    assert_code(&again, 2);
    assert!(again.err.contains("--overwrite"), "{}", again.err);
}

#[test]
fn sweeps_are_compared_point_by_point() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut noise = Noise::new(11);
    for (side, loads) in [("a", [1, 8, 64]), ("b", [1, 8, 32])] {
        for users in loads {
            for repeat in 0..2 {
                let name = format!("{side}/c{users}-{repeat}.json");
                put(dir.path(), &name, &run(&mut noise, 30, 1.0), |file| {
                    file["max_concurrency"] = json!(users);
                });
            }
        }
    }
    fs::write(dir.path().join("a/notes.json"), "{}").expect("written");
    let done = bench_aggregate(dir.path(), &["compare", "a", "b"]);
    assert_code(&done, 0);
    assert_eq!(
        done.out.matches("2 runs against 2").count(),
        2,
        "{}",
        done.out
    );
    assert!(
        done.out.contains("Only A has concurrency 64"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("Only B has concurrency 32"),
        "{}",
        done.out
    );
    assert!(done.err.contains("notes.json"), "{}", done.err);

    let lonely = bench_aggregate(dir.path(), &["compare", "a/c64-0.json", "b"]);
    assert_code(&lonely, 2);
    assert!(
        lonely.err.contains("no load is on both sides"),
        "{}",
        lonely.err
    );
}
