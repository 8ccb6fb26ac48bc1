//! Comparisons of simulated runs, and of result files by the program.

use std::fs;
use std::path::{Path, PathBuf};

use bench_aggregate::compare::{
    CompareOptions, Comparison, Detailed, Method, Passage, Row, Verdict, Weight, compare_runs,
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
    correlated(noise, requests, slower, 0.6)
}

/// The same, with a load whose correlation from one request to the next is `phi`.
fn correlated(noise: &mut Noise, requests: usize, slower: f64, phi: f64) -> RunResult {
    let fresh = (1.0 - phi * phi).sqrt();
    let (mut start, mut busy) = (0.0, noise.normal());
    let samples: Vec<RequestSample> = (0..requests)
        .map(|_| {
            start -= noise.uniform().ln() / 20.0;
            busy = phi * busy + fresh * noise.normal();
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
    let same = &mut |run: &RunResult| Ok(Detailed::Run(Box::new(run.clone())));
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

/// The number of pairs of equal runs, of so many, for which a comparison sees a difference.
fn raised(
    pairs: usize,
    seed: u64,
    options: &CompareOptions,
    one: impl Fn(&mut Noise) -> RunResult,
) -> usize {
    let mut noise = Noise::new(seed);
    let raised = (0..pairs).filter(|_| {
        let (a, b) = (one(&mut noise), one(&mut noise));
        let comparison = compare(vec![a], vec![b], options);
        assert_eq!(comparison.points[0].method, Method::Requests);
        // A p99 now and then is worth too few independent samples.
        assert!(comparison.points[0].rows.len() >= 12);
        alarms(&comparison) > 0
    });
    raised.count()
}

/// The rates in docs/src/statistics.md: `cargo nextest run -p bench-aggregate --run-ignored only
/// --no-capture measured`.
#[test]
#[ignore = "takes minutes; it measures what the documentation states"]
#[allow(clippy::print_stderr)]
fn measured_false_alarms() {
    let options = CompareOptions {
        resamples: 200,
        ..options()
    };
    for (phi, requests, pairs) in [(0.0, 450, 1000), (0.6, 450, 1000)] {
        let raised = raised(pairs, 100, &options, |noise| {
            correlated(noise, requests, 1.0, phi)
        });
        eprintln!("correlation {phi}, {requests} requests: {raised} of {pairs} pairs");
        // Of 5 % as of the bounds below.
        assert!(raised <= 74, "correlation {phi}: {raised} of {pairs}");
    }
}

// Bounds on false alarms: 5 % exceed them less often than once in a thousand seeds.

#[test]
fn equal_runs_with_samples_raise_few_false_alarms() {
    let raised = raised(150, 1, &options(), |noise| run(noise, 450, 1.0));
    assert!(raised <= 17, "{raised} of 150");
}

#[test]
fn equal_groups_of_runs_raise_few_false_alarms() {
    let mut noise = Noise::new(2);
    let raised = (0..600).filter(|_| {
        let (a, b) = (runs(&mut noise, 4, 1.0), runs(&mut noise, 4, 1.0));
        alarms(&compare(a, b, &options())) > 0
    });
    let raised = raised.count();
    assert!(raised <= 48, "{raised} of 600");
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
    assert!(raised <= 48, "{raised} of 600");
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

fn row<'a>(comparison: &'a Comparison, key: &str) -> &'a Row {
    let rows = comparison.points.iter().flat_map(|point| &point.rows);
    let mut found = rows.filter(|row| row.measure.key() == key);
    found.next().expect("a row")
}

/// The runs that lack a number are those that went wrong: the rest must not speak for them.
#[test]
fn runs_without_a_number_are_not_left_out_silently() {
    let mut noise = Noise::new(12);
    let (a, mut b) = (runs(&mut noise, 5, 1.0), runs(&mut noise, 5, 1.0));
    for run in &mut b[1..] {
        (run.completed, run.failed) = (Some(0), Some(100));
    }
    (b[0].completed, b[0].failed) = (Some(100), Some(0));
    let options = CompareOptions {
        fail_if: vec!["p99_ttft_ms>50%".parse().expect("a gate")],
        margin: vec!["50%".parse().expect("a margin")],
        ..options()
    };
    let comparison = compare(a.clone(), b.clone(), &options);
    let p99 = row(&comparison, "p99_ttft_ms");
    assert_eq!((p99.told, p99.verdict), ([5, 1], Verdict::Inconclusive));
    assert_eq!(p99.reason.as_deref(), Some("only 1 of 5 runs of B has it"));
    assert_eq!(comparison.gates[0].passage, Passage::Missed);
    assert!(comparison.gate_notes()[0].contains("only 1 of 5 runs of B"));

    let comparison = compare(b, a, &options);
    assert_eq!(comparison.gates[0].passage, Passage::Untold);
}

/// 5 % are shared by all intervals, whatever they show, and by those of side B that gates are
/// about; those from within a run get half of their share.
#[test]
fn all_intervals_of_a_comparison_hold_at_once() {
    let mut noise = Noise::new(13);
    let with = |gate: &str| CompareOptions {
        fail_if: vec![gate.parse().expect("a gate")],
        ..options()
    };
    let levels = |comparison: &Comparison| -> Vec<f64> {
        let rows = &comparison.points[0].rows;
        let intervals = rows.iter().filter_map(|row| row.relative_interval);
        intervals
            .map(|interval| 1.0 - interval.confidence)
            .collect()
    };
    let (a, b) = (runs(&mut noise, 6, 1.0), runs(&mut noise, 6, 1.5));
    for (gate, intervals) in [("p99_ttft_ms>50%", 13.0), ("p99_ttft_ms>500", 14.0)] {
        let found = levels(&compare(a.clone(), b.clone(), &with(gate)));
        assert_eq!(found.len(), 13);
        let shared = found
            .iter()
            .all(|level| (level * intervals / 0.05 - 1.0).abs() < 1e-9);
        assert!(shared, "{found:?}");
    }
    let (a, b) = (run(&mut noise, 450, 1.0), run(&mut noise, 450, 1.0));
    let found = levels(&compare(vec![a], vec![b], &options()));
    let each = 0.025 / found.len() as f64;
    assert!(
        found.iter().all(|level| level / each < 1.0 + 1e-9),
        "{found:?}"
    );
}

/// Failures are counted, and a gate on them needs no interval.
#[test]
fn failed_requests_can_be_gated() {
    let mut noise = Noise::new(14);
    let side = |noise: &mut Noise, failed: u64| {
        let mut side = runs(noise, 1, 1.0);
        (side[0].completed, side[0].failed) = (Some(100 - failed), Some(failed));
        side
    };
    let gated = |gate: &str, failed: [u64; 2]| {
        let mut noise = Noise::new(15);
        let [a, b] = failed.map(|failed| side(&mut noise, failed));
        let options = CompareOptions {
            fail_if: vec![gate.parse().expect("a gate")],
            ..options()
        };
        compare(a, b, &options).gates[0].passage
    };
    assert_eq!(gated("error_rate>0.01", [0, 2]), Passage::Missed);
    assert_eq!(gated("error_rate>0.01", [0, 1]), Passage::Passed);
    assert_eq!(gated("failed>0", [0, 1]), Passage::Missed);
    assert_eq!(gated("failed>10%", [0, 1]), Passage::Missed);
    assert_eq!(gated("failed>10%", [0, 0]), Passage::Passed);
    assert_eq!(gated("error_rate>50%", [4, 5]), Passage::Passed);

    let mut many = |failed| [0; 4].map(|_| side(&mut noise, failed)).concat();
    let options = CompareOptions {
        metrics: vec!["error_rate".parse().expect("a key")],
        ..options()
    };
    let comparison = compare(many(0), many(0), &options);
    assert_eq!(row(&comparison, "error_rate").verdict, Verdict::Same);
    let (a, mut b) = (many(0), many(30));
    (b[0].completed, b[0].failed) = (Some(68), Some(32));
    let comparison = compare(a, b, &options);
    assert_eq!(row(&comparison, "error_rate").verdict, Verdict::Worse);
}

/// Failed requests of a single run are judged by their order, too.
#[test]
fn failures_within_a_run_are_compared() {
    let mut noise = Noise::new(16);
    let (a, mut b) = (run(&mut noise, 600, 1.0), run(&mut noise, 600, 1.0));
    b.requests
        .iter_mut()
        .step_by(4)
        .for_each(|r| r.success = false);
    (b.completed, b.failed) = (Some(450), Some(150));
    let options = CompareOptions {
        metrics: ["failed", "error_rate"]
            .map(|key| key.parse().expect("a key"))
            .to_vec(),
        ..options()
    };
    let comparison = compare(vec![a], vec![b], &options);
    let failed = row(&comparison, "failed");
    assert_eq!(
        (failed.a, failed.b, failed.verdict),
        (0.0, 150.0, Verdict::Worse)
    );
    assert_eq!(row(&comparison, "error_rate").b, 0.25);
}

/// The gaps of a request tell its TPOT where its end is not told.
#[test]
fn the_tpot_of_a_request_is_that_of_the_report() {
    let mut noise = Noise::new(17);
    let sides = [1.0, 1.0].map(|slower| {
        let mut side = run(&mut noise, 100, slower);
        side.requests.iter_mut().for_each(|r| r.e2el = None);
        vec![side]
    });
    let [a, b] = sides;
    let expected: f64 = a[0].samples("tpot").iter().sum::<f64>() / 100.0;
    let found = row(&compare(a, b, &options()), "mean_tpot_ms").a;
    assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
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

#[test]
fn a_load_that_is_gone_misses_every_gate() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut noise = Noise::new(18);
    for (side, loads) in [("a", &[1, 64][..]), ("b", &[1, 32])] {
        for users in loads {
            for repeat in 0..2 {
                let name = format!("{side}/c{users}-{repeat}.json");
                put(dir.path(), &name, &run(&mut noise, 30, 1.0), |file| {
                    file["max_concurrency"] = json!(users);
                });
            }
        }
    }
    let gate = ["--fail-if", "mean_ttft_ms>1000%"];
    let with = |more: &[&str]| {
        let arguments = [&["compare", "a", "b", "--format", "junit"], more].concat();
        bench_aggregate(dir.path(), &arguments)
    };
    let done = with(&gate);
    assert_code(&done, 3);
    let said = "gate mean_ttft_ms>1000%: MISSED at concurrency 64, 10 req/s: B has no run";
    assert!(done.err.contains(said), "{}", done.err);
    assert_eq!(done.out.matches("<failure ").count(), 1, "{}", done.out);
    let only = ["Only A has concurrency 64", "Only B has concurrency 32"];
    assert!(
        only.iter().all(|said| done.out.contains(said)),
        "{}",
        done.out
    );

    let plain = with(&[]);
    assert_code(&plain, 0);
    assert!(
        only.iter().all(|said| plain.out.contains(said)),
        "{}",
        plain.out
    );
}

/// Why the samples of a file cannot be read is told, and is no matter of --save-detailed.
#[test]
fn samples_that_cannot_be_read_are_the_reason() {
    let dir = two_files(1.0);
    let path = dir.path().join("b.json");
    let mut file: Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("read")).expect("JSON");
    file["ttfts"] = json!([0.1, "x"]);
    fs::write(&path, file.to_string()).expect("written");
    let with = |more: &[&str]| {
        bench_aggregate(
            dir.path(),
            &[&["compare", "a.json", "b.json"], more].concat(),
        )
    };
    let done = with(&[]);
    assert_code(&done, 0);
    let rows: Vec<&str> = done
        .out
        .lines()
        .filter(|l| l.contains("inconclusive"))
        .collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row.contains("b.json")),
        "{}",
        done.out
    );
    assert!(
        rows.iter().all(|row| row.contains("invalid type")),
        "{}",
        done.out
    );
    assert!(!done.out.contains("--save-detailed"), "{}", done.out);
    assert_code(&with(&["--strict"]), 1);
}

/// A name from a file neither steers the terminal nor spoils the XML.
#[test]
fn control_characters_of_names_are_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut noise = Noise::new(19);
    for (name, model) in [("a.json", "m\u{1b}[2J"), ("b.json", "n\u{8}\u{9b}")] {
        put(dir.path(), name, &run(&mut noise, 30, 1.0), |file| {
            file["model_id"] = json!(model)
        });
    }
    for format in ["console", "markdown", "junit"] {
        let done = bench_aggregate(
            dir.path(),
            &["compare", "a.json", "b.json", "--format", format],
        );
        assert_code(&done, 0);
        let bad = |c: char| c.is_control() && c != '\n';
        assert!(!done.out.contains(bad), "{format}: {:?}", done.out);
        assert!(done.out.contains("m\u{fffd}"), "{format}: {}", done.out);
    }
}

/// The command line is sound; it is the files that are not.
#[test]
fn files_that_are_no_results_are_no_usage_error() {
    let dir = two_files(1.0);
    fs::write(dir.path().join("broken.json"), "{").expect("written");
    let done = bench_aggregate(dir.path(), &["compare", "broken.json", "b.json"]);
    assert_code(&done, 1);
    assert!(done.err.contains("broken.json"), "{}", done.err);
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
