//! Runs of conversations of several turns.

use bench_report::{Account, Report, VllmResult, console};
use bench_types::{Failure, Nanos, RequestRecord, TokenSource};

use crate::make;

/// Two conversations of three turns, each of which waits 500 ms for the next; the last turn of
/// the second was never sent, because the one before it failed.
fn report() -> Report {
    let turn = |conversation: u64, turn: u32| {
        let id = conversation * 3 + u64::from(turn);
        let mut record = match id {
            4 => make::failed(id, Failure::Server("out of memory".to_owned())),
            5 => make::failed(id, Failure::Cancelled),
            _ => make::answered(id),
        };
        if id == 5 {
            record.timeline.sent = None;
        }
        let later = Nanos::from_millis(500 * u64::from(turn));
        let timeline = &mut record.timeline;
        timeline.scheduled += later;
        timeline.released += later;
        timeline.sent = timeline.sent.map(|at| at + later);
        for mark in &mut timeline.marks {
            mark.at += later;
        }
        timeline.closed += later;
        RequestRecord {
            conversation,
            turn,
            prompt_tokens: 100 * (turn + 1),
            prompt_tokens_source: TokenSource::Usage,
            cached_tokens: Some(96 * turn),
            expected_cached_tokens: (turn > 0).then_some(100 * turn),
            ..record
        }
    };
    let records =
        (0..2).flat_map(|conversation| (0..3).map(move |place| turn(conversation, place)));
    let options = bench_metrics::SummaryOptions {
        slo: None,
        ..make::options()
    };
    Report::new(make::setup(), make::facts(), records.collect(), &options)
}

#[test]
fn the_console_tells_of_turns_and_of_sessions() {
    let page = console(&report());
    let start = page.find("-Sessions-").expect("a section");
    let start = page[..start].rfind('\n').map_or(0, |line| line + 1);
    let end = page.find("-Failures-").expect("failures");
    let end = page[..end].rfind('\n').map_or(end, |line| line + 1);
    assert!(page[start..end].lines().all(|line| line.len() <= 80));
    insta::assert_snapshot!(&page[start..end]);
}

#[test]
fn the_result_keeps_them() {
    let report = report();
    let records = VllmResult::in_order(&report);
    let json = serde_json::to_value(VllmResult::of(&report, &records, false)).expect("JSON");
    let bench = &json["bench"];
    assert_eq!(bench["turns"].as_array().map(Vec::len), Some(3));
    assert_eq!(bench["turns"][2]["repeated_share"], 200.0 / 300.0);
    assert_eq!(bench["turns"][2]["failed"], 1);
    assert_eq!(bench["sessions"]["completed"], 1);
    assert_eq!(bench["sessions"]["failed"], 1);
    let again: VllmResult<'_> = serde_json::from_value(json).expect("readable");
    let bench = again.bench.expect("our own");
    assert_eq!(bench.run.turns, report.turns);
    assert_eq!(bench.run.sessions, report.sessions);
}

#[test]
fn single_requests_have_neither() {
    let options = make::options();
    let records = (0..3).map(make::answered).collect();
    let report = Report::new(make::setup(), make::facts(), records, &options);
    let account = Account::from(&report);
    assert_eq!(account.turns(), None);
    assert_eq!(account.sessions(), None);
    let records = VllmResult::in_order(&report);
    let json = serde_json::to_value(VllmResult::of(&report, &records, false)).expect("JSON");
    assert_eq!(json["bench"].get("turns"), None);
    assert_eq!(json["bench"].get("sessions"), None);
}
