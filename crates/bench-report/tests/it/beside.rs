//! Runs limited in time, with a warm-up, probes and requests that were given up.

use bench_report::{Account, Bench, Report, RunResult, VllmResult, console};
use bench_types::{
    HangUp, Nanos, Outcome, RequestKind, RequestRecord, RunFacts, WarmUpEnd, WarmUpFacts,
};
use serde_json::Value;

use crate::make::{answered, facts, options, setup};

fn of_kind(kind: RequestKind, id: u64) -> RequestRecord {
    RequestRecord {
        kind,
        ..answered(id)
    }
}

fn run() -> Report {
    let mut given_up = answered(3);
    given_up.outcome = Outcome::HungUp(HangUp::Cancelled);
    let mut cut_off = answered(4);
    cut_off.outcome = Outcome::HungUp(HangUp::Censored);
    let records = vec![
        answered(0),
        of_kind(RequestKind::WarmUp, 0),
        answered(1),
        of_kind(RequestKind::Probe, 1),
        given_up,
        cut_off,
    ];
    let facts = RunFacts {
        window: Some(Nanos::from_millis(100)),
        warm_up: Some(WarmUpFacts {
            ended_by: WarmUpEnd::Time,
            became_stable: Some(false),
            ..WarmUpFacts::default()
        }),
        ..facts()
    };
    Report::new(setup(), facts, records, &options())
}

fn result(report: &Report) -> Value {
    let records = VllmResult::in_order(report);
    serde_json::to_value(VllmResult::of(report, &records, true)).expect("serializable")
}

#[test]
fn only_measured_requests_are_in_the_result() {
    let report = run();
    assert_eq!((report.records.len(), report.beside.len()), (4, 2));
    let result = result(&report);
    assert_eq!(result["completed"], 2);
    assert_eq!(result["failed"], 0);
    assert_eq!(result["duration"], 0.1);
    assert_eq!(result["request_throughput"], 10.0, "the first of the two");
    let ttfts = result["ttfts"].as_array().expect("details");
    assert_eq!(ttfts.len(), 4);
    assert_eq!(result["errors"][0], "");
    let why = result["errors"][3].as_str().expect("a text");
    assert!(why.contains("time of the run"), "{why}");
    let bench = &result["bench"];
    assert_eq!(bench["requests"]["cancelled"], 1);
    assert_eq!(bench["requests"]["censored"], 1);
    assert_eq!(bench["warm_up"]["requests"], 1);
    assert_eq!(bench["time_limit"]["completed_after"], 1);
    assert_eq!(bench["cancellations"]["ttft"]["median"], 35.0);
}

#[test]
fn probes_have_the_keys_of_vllm_only_if_there_are_any() {
    let result = result(&run());
    assert_eq!(result["probe_completed"], 1);
    assert_eq!(result["probe_failed"], 0);
    for key in ["median", "p99", "max"] {
        assert_eq!(result[format!("probe_{key}_e2el_ms")], 56.0, "{key}");
    }
    let plain = serde_json::to_string(&self::result(&crate::make::good())).expect("serializable");
    for key in ["probe", "warm_up", "time_limit", "cancel", "censored"] {
        assert!(!plain.contains(key), "{key}");
    }
}

#[test]
fn the_console_and_a_stored_result_tell_the_same_of_them() {
    let report = run();
    let page = console(&report);
    for line in [
        "Completed after it:                      1",
        "Cut off by the grace period:             1",
        "Cancelled requests:                      1",
        "TTFT of the others median (ms):          35.00",
        "Ended by:                                time, not steady",
        "E2EL p99 (ms):                           56.00",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let stored: Bench = serde_json::from_value(result(&report)["bench"].clone()).expect("readable");
    let run = RunResult {
        bench: Some(Box::new(stored)),
        ..RunResult::default()
    };
    let account = Account::of(&run).expect("ours");
    assert_eq!(account.beside(), Account::from(&report).beside());
}
