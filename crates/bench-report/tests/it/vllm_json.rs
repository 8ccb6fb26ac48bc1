use bench_metrics::Metric;
use bench_report::{RampUp, RateChange, RateStep, Report, Statistic, VllmResult, check_metadata};
use bench_types::{Failure, Nanos, RunEnd};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde_json::Value;

use crate::make;

const REAL: [(&str, &str); 5] = [
    (
        "chat",
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-chat.json"),
    ),
    (
        "random",
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-random.json"),
    ),
    (
        "rampup",
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-rampup.json"),
    ),
    (
        "failing",
        include_str!("../../../../fixtures/results/vllm-bench-serve-0.32-failing.json"),
    ),
    (
        "vllm-bench",
        include_str!("../../../../fixtures/results/vllm-bench-rust.json"),
    ),
];

fn write(report: &Report, detailed: bool) -> String {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, detailed);
    serde_json::to_string(&result).expect("serializable")
}

/// The top-level keys in the order of the text.
pub(crate) fn keys(text: &str) -> Vec<String> {
    use serde::de::{IgnoredAny, MapAccess, Visitor};
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut deserializer, Keys).expect("an object")
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

#[test]
fn results_of_vllm_are_read_and_written_without_loss() {
    for (name, text) in REAL {
        let result: VllmResult<'_> = serde_json::from_str(text).expect(name);
        let written = serde_json::to_string(&result).expect(name);
        // Its Rust rewrite sorts its keys and leaves some out; there nothing may be lost or
        // changed, though defaults are added.
        if name == "vllm-bench" {
            let (old, new) = (value(text), value(&written));
            for (key, value) in old.as_object().expect("an object") {
                assert_eq!(new.get(key), Some(value), "{key}");
            }
        } else {
            assert_eq!(value(&written), value(text), "{name}");
            assert_eq!(keys(&written), keys(text), "{name}");
        }
    }
}

#[test]
fn numbers_of_vllm_can_be_asked_for() {
    let result: VllmResult<'_> = serde_json::from_str(REAL[0].1).expect("a result");
    assert_eq!(result.metadata[1], ("who".to_owned(), "me".to_owned()));
    assert_eq!(result.request_rate, f64::INFINITY);
    let p99 = result.statistic("ttft", Statistic::Percentile(99.0));
    assert_eq!(p99, Some(111.91653274987857));
    assert_eq!(result.latencies.expect("latencies").into_vec().len(), 20);
}

#[test]
fn our_keys_are_those_of_vllm_in_its_order() {
    let mut report = make::good();
    let detailed = write(&report, true);
    let is_statistic = |key: &String| Statistic::parse_key(key).is_some();
    let strip = |text: &str| -> Vec<String> {
        keys(text)
            .into_iter()
            .filter(|key| !is_statistic(key) && key != "bench")
            .collect()
    };
    // The chat capture has two pairs of metadata with the same names as ours.
    assert_eq!(strip(&detailed), strip(REAL[0].1));
    let statistics: Vec<String> = keys(&detailed).into_iter().filter(is_statistic).collect();
    let ttft = ["mean", "median", "std", "p90", "p99.9"].map(|s| format!("{s}_ttft_ms"));
    assert_eq!(statistics[..5], ttft);
    assert_eq!(statistics.len(), 20);

    let short = write(&report, false);
    let left_out = ["input_lens", "output_lens", "ttfts", "itls", "start_times"];
    let left_out = [&left_out[..], &["generated_texts", "errors"]].concat();
    let mut expected = keys(&detailed);
    expected.retain(|key| !left_out.contains(&key.as_str()));
    assert_eq!(keys(&short), expected);

    report.setup.metadata.clear();
    report.setup.ramp_up = Some(RampUp {
        strategy: "linear".to_owned(),
        start_rps: 2.0,
        end_rps: 10.0,
        steps: [(2, 0), (3, 1_500)]
            .map(|(rps, ms)| RateStep {
                rps,
                after: Nanos::from_millis(ms),
            })
            .into(),
    });
    let ramp = write(&report, true);
    let changes = value(&ramp)["rps_change_events"].clone();
    let changes: Vec<RateChange> = serde_json::from_value(changes).unwrap();
    let stamps = changes
        .iter()
        .map(|change| change.timestamp.parse::<DateTime>().unwrap());
    let stamps: Vec<DateTime> = stamps.collect();
    assert_eq!(
        stamps[1].duration_since(stamps[0]),
        SignedDuration::from_millis(1_500)
    );
    let form = "2026-11-21T21:23:40.732874";
    assert!(
        changes
            .iter()
            .all(|change| change.timestamp.len() == form.len())
    );
    assert_eq!(strip(&ramp), strip(REAL[2].1));
    assert_eq!(value(&ramp)["ramp_up_start_rps"].to_string(), "2");
}

#[test]
fn arrays_are_in_seconds_and_dataset_order_with_zeros_for_failures() {
    let failure = Failure::Server("out of memory".to_owned());
    let mut report = make::report(vec![make::failed(1, failure), make::answered(0)]);
    // Embedders may have put records together by themselves.
    report.records.reverse();
    let json = value(&write(&report, true));
    assert_eq!(json["ttfts"].to_string(), "[0.015,0.0]");
    assert_eq!(
        json["itls"].to_string(),
        "[[0.005,0.01,0.01,0.01,0.001],[]]"
    );
    assert_eq!(json["latencies"].to_string(), "[0.051,0.0]");
    assert_eq!(json["start_times"].to_string(), "[0.00003,0.10003]");
    assert_eq!(json["queue_times"].to_string(), "[0.00003,0.00003]");
    assert_eq!(json["input_lens"].to_string(), "[16,16]");
    assert_eq!(json["output_lens"].to_string(), "[4,0]");
    assert_eq!(
        json["generated_texts"].to_string(),
        r#"["answer \"0\"",""]"#
    );
    assert_eq!(json["errors"][1], "error inside the answer: out of memory");
    assert_eq!(json["completed"], 1);
    assert_eq!(json["failed"], 1);
    assert_eq!(json["bench"]["failures"][0]["class"], "server_error");
}

#[test]
fn all_else_stands_under_bench() {
    let mut report = make::good();
    report.facts.ended = RunEnd::Interrupted;
    let text = write(&report, false);
    let json = value(&text);
    let bench = &json["bench"];
    assert_eq!(bench["schema_version"], 1);
    assert_eq!(bench["partial"], true);
    assert_eq!(bench["simulated"], false);
    assert_eq!(bench["options"]["seed"], 0);
    assert_eq!(bench["reproducibility"]["dataset_hash"], "c0ffee");
    assert_eq!(bench["self_audit"]["receive_clock"], "kernel");
    assert_eq!(bench["strict"]["metrics"]["ttft"]["count"], 4);
    assert_eq!(bench["strict"]["goodput"]["good"], 2);
    assert!(bench["intended"]["metrics"]["e2el"]["percentiles"]["p99.9"].is_f64());
    let result: VllmResult<'_> = serde_json::from_str(&text).expect("readable");
    let read = result.bench.expect("our part").run;
    assert_eq!(read.summary, report.summary);
    assert_eq!(read.self_audit, report.audit);
}

#[test]
fn a_metric_vllm_lacks_is_strict_and_one_without_samples_is_zero() {
    let mut report = make::good();
    report.setup.metrics = bench_metrics::parse_metrics("ttft,chunk_gap").expect("metrics");
    assert_eq!(value(&write(&report, false))["mean_chunk_gap_ms"], 10.0);
    assert_eq!(report.metric("mean_chunk_gap_ms"), Some(10.0));
    assert_eq!(report.metric("mean_ttft_ms"), Some(22.5));
    let ttft = Metric::find("ttft").expect("a metric");
    assert_eq!(
        report.percentile(ttft, 99.9),
        report.metric("p99.9_ttft_ms")
    );
    assert_eq!(report.metric("p42_ttft_ms"), None);
    assert_eq!(report.metric("request_throughput"), None);
    let nothing = make::report(vec![make::failed(0, Failure::NoTokens)]);
    assert_eq!(value(&write(&nothing, false))["p90_ttft_ms"], 0.0);
    assert_eq!(nothing.metric("p90_ttft_ms"), None);
}

#[test]
fn metadata_cannot_hide_a_key() {
    let pair = |key: &str| [(key.to_owned(), "x".to_owned())];
    assert!(check_metadata(&pair("gpu")).is_ok());
    for key in keys(REAL[2].1)
        .iter()
        .chain(&keys(&write(&make::good(), true)))
    {
        if !["run", "who"].contains(&key.as_str()) {
            assert!(check_metadata(&pair(key)).is_err(), "{key}");
        }
    }
    let error = check_metadata(&pair("duration"))
        .expect_err("reserved")
        .to_string();
    assert!(
        error.contains("choose another name, for example 'my_duration'"),
        "{error}"
    );
}

#[test]
fn infinite_settings_are_read_again() {
    let mut report = make::good();
    report.setup.request_rate = f64::INFINITY;
    report.setup.burstiness = f64::INFINITY;
    let text = write(&report, false);
    let result: VllmResult<'_> = serde_json::from_str(&text).expect("a result");
    assert_eq!(result.request_rate, f64::INFINITY);
    assert_eq!(result.burstiness, f64::INFINITY);
}
