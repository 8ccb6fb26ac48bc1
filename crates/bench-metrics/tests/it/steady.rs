//! Steady states by hand, and what holds for any run.

use bench_metrics::{
    Concurrency, NoSteadyState, SteadyLoad, SteadyMethod, SteadyState, SteadyWindow, SummaryOptions,
};
use bench_types::{Failure, Mark, MarkKind, Nanos, RequestKind, RequestRecord, RunFacts, Timeline};
use proptest::prelude::*;

use crate::make;

/// Scheduled and sent at `sent`, with chunks at these times of as many tokens, closed with the
/// last; all in milliseconds.
fn request(id: u64, sent: u64, chunks: &[(u64, u16)]) -> RequestRecord {
    let marks: Vec<_> = chunks
        .iter()
        .map(|&(ms, tokens)| (ms, MarkKind::Text, tokens))
        .collect();
    let record = make::record(id, &marks);
    let sent = Nanos::from_millis(sent);
    RequestRecord {
        timeline: Timeline {
            scheduled: sent,
            released: sent,
            sent: Some(sent),
            ..record.timeline
        },
        ..record
    }
}

/// A request of one token that takes `ms`.
fn plain(id: u64, sent: u64, ms: u64) -> RequestRecord {
    request(id, sent, &[(sent + ms, 1)])
}

fn facts(records: &[RequestRecord], unpaced: bool) -> RunFacts {
    RunFacts {
        unpaced,
        ..make::facts(records)
    }
}

fn closed(records: &[RequestRecord], max_concurrency: Option<u64>) -> SteadyState {
    let load = SteadyLoad {
        max_concurrency,
        varies: false,
    };
    let facts = facts(records, true);
    SteadyState::of(records, &facts, load, &SummaryOptions::default()).expect("requests")
}

fn open(records: &[RequestRecord]) -> SteadyState {
    let facts = facts(records, false);
    let options = SummaryOptions::default();
    SteadyState::of(records, &facts, SteadyLoad::default(), &options).expect("requests")
}

fn window(state: SteadyState) -> SteadyWindow {
    assert_eq!(state.absent, None);
    state.window.expect("a window")
}

#[test]
fn concurrency_is_exact() {
    let records = [
        plain(0, 0, 10),
        plain(1, 5, 10),
        plain(2, 10, 10),
        plain(3, 30, 0),
    ];
    let concurrency = Concurrency::of(&records);
    let ms = Nanos::from_millis;
    let stretches: Vec<_> = concurrency.stretches().collect();
    let expected = [
        (ms(0), ms(5), 1),
        // One ends as the next begins: no third for a moment.
        (ms(5), ms(10), 2),
        (ms(10), ms(15), 2),
        (ms(15), ms(20), 1),
    ];
    assert_eq!(stretches, expected);
    assert_eq!(concurrency.peak(), 2);
    assert_eq!(concurrency.average(ms(0), ms(20)), 1.5);
    assert_eq!(concurrency.averages(ms(0), ms(40), 4), [1.5, 1.5, 0.0, 0.0]);
    assert_eq!(concurrency.average(ms(5), ms(5)), 0.0);
}

/// Two slots. Requests of 4 tokens, one every 100 ms; the next is sent 1 ms after the end.
fn two_slots(rounds: u64) -> Vec<RequestRecord> {
    let one = |id: u64| {
        let (slot, round) = (id % 2, id / 2);
        let sent = slot * 50 + round * 401;
        let chunks = [100, 200, 300, 400].map(|ms| (sent + ms, 1));
        request(id, sent, &chunks)
    };
    (0..2 * rounds).map(one).collect()
}

#[test]
fn a_closed_loop_is_steady_while_its_slots_are_taken() {
    let records = two_slots(3);
    let state = closed(&records, Some(2));
    let method = SteadyMethod::ClosedLoop {
        target: 2,
        threshold: 2,
    };
    assert_eq!((state.method, state.peak_concurrency), (method, 2));
    let window = window(state);
    // From the first request of the second slot to the last end of the first slot, over the
    // moments in which a slot changes hands.
    assert_eq!((window.start_s, window.end_s), (0.05, 1.202));
    assert_eq!(window.run_share, 1.152 / 1.252);
    assert!(window.short, "it is not ten seconds");
    // Of the six, the first was sent before; the last two end at 1.202 and 1.252.
    assert_eq!((window.requests_started, window.requests_completed), (5, 4));
    assert_eq!(window.throughput.requests_per_s, 4.0 / 1.152);
    assert_eq!(window.input_tokens_per_s, 50.0 / 1.152);
    // 24 tokens but those at 1.202 and 1.252: the end does not belong to it.
    assert_eq!(window.throughput.output_tokens_per_s, Some(22.0 / 1.152));
    // Both slots but for four moments of 1 ms.
    let average = window.average_concurrency;
    assert!((average - (2.0 - 0.004 / 1.152)).abs() < 1e-9, "{average}");
    for (metric, mean) in [
        ("ttft", 100.0),
        ("tpot", 100.0),
        ("itl", 100.0),
        ("e2el", 400.0),
    ] {
        assert_eq!(window.metrics[metric].mean, mean, "{metric}");
    }
    assert_eq!(window.metrics["itl"].count, 15);
    assert_eq!(window.vllm["ttft"].percentile(90.0), Some(100.0));
}

#[test]
fn a_dip_that_lasts_ends_the_stretch() {
    let mut records = two_slots(8);
    // Nothing new is sent for a second after the third round.
    for record in &mut records[6..] {
        let shift = |at: Nanos| at + Nanos::from_millis(1_000);
        let timeline = &mut record.timeline;
        timeline.sent = timeline.sent.map(shift);
        timeline.closed = shift(timeline.closed);
        for mark in &mut timeline.marks {
            mark.at = shift(mark.at);
        }
    }
    let window = window(closed(&records, Some(2)));
    assert_eq!(window.start_s, 2.253, "the longer one is behind it");
    assert_eq!(window.end_s, 8.0 * 0.401 + 1.0 - 0.001);
}

#[test]
fn a_loop_that_never_fills_has_none() {
    let state = closed(&two_slots(3), Some(4));
    assert_eq!(state.absent, Some(NoSteadyState::NeverFull));
    assert_eq!(state.window, None);
    // Without a limit its own peak is the measure; a limit that cannot be reached is lowered.
    assert!(closed(&two_slots(3), None).window.is_some());
    let records = [plain(0, 0, 10), plain(1, 0, 10)];
    assert!(closed(&records, Some(100)).window.is_some());
}

#[test]
fn tokens_count_by_what_each_chunk_brought() {
    // Alone, then two at once from 100 to 300.
    let records = [
        request(0, 0, &[(50, 7), (150, 5), (250, 3), (300, 1)]),
        request(1, 100, &[(300, 9), (400, 2)]),
    ];
    let window = window(closed(&records, Some(2)));
    assert_eq!((window.start_s, window.end_s), (0.1, 0.3));
    assert_eq!(window.throughput.output_tokens_per_s, Some(8.0 / 0.2));
    assert_eq!(
        window.requests_completed, 0,
        "the end does not belong to it"
    );
}

#[test]
fn warm_up_probes_and_failures() {
    let mut records = two_slots(3);
    let before = closed(&records, Some(2));
    for (id, kind) in [(100, RequestKind::WarmUp), (101, RequestKind::Probe)] {
        records.push(RequestRecord {
            kind,
            ..plain(id, 10, 1_000)
        });
    }
    assert_eq!(closed(&records, Some(2)), before, "they count for nothing");
    // A failed request was under way as others were, and has no latency.
    let failed = RequestRecord {
        timeline: Timeline {
            marks: Vec::new(),
            ..records[3].timeline.clone()
        },
        ..make::failed(3, Failure::NoTokens)
    };
    records[3] = failed;
    let state = closed(&records, Some(2));
    let (after, before) = (window(state), window(before));
    assert_eq!((after.start_s, after.end_s), (before.start_s, before.end_s));
    assert_eq!(after.requests_started, before.requests_started - 1);
    let none = [make::failed(0, Failure::NoTokens)];
    let load = SteadyLoad::default();
    let options = SummaryOptions::default();
    assert_eq!(
        SteadyState::of(&none, &facts(&none, true), load, &options),
        None
    );
}

/// One request every 10 ms; `ms` tells how long each takes.
fn every_10_ms(count: u64, ms: impl Fn(u64) -> u64) -> Vec<RequestRecord> {
    (0..count).map(|id| plain(id, id * 10, ms(id))).collect()
}

#[test]
fn an_open_loop_loses_its_first_and_last_request_time() {
    let wobble = |id: u64| 95 + id * 7 % 11;
    let state = open(&every_10_ms(400, wobble));
    assert_eq!(state.method, SteadyMethod::OpenLoop);
    let window = window(state);
    // The median takes 100 ms.
    assert!(
        window.start_s >= 0.1 && window.start_s < 2.0,
        "{}",
        window.start_s
    );
    assert_eq!(window.end_s, 3.99);
    let average = window.average_concurrency;
    assert!((average - 10.0).abs() < 0.5, "{average}");
    assert!((window.throughput.requests_per_s - 100.0).abs() < 2.0);
}

#[test]
fn a_slow_beginning_is_cut_off() {
    let wobble = |id: u64| 95 + id * 7 % 11 + if id < 100 { 400 } else { 0 };
    let window = window(open(&every_10_ms(600, wobble)));
    assert!((0.9..1.7).contains(&window.start_s), "{}", window.start_s);
    assert!(window.metrics["ttft"].max < 200.0 || window.start_s < 1.0);
}

#[test]
fn requests_that_pile_up_have_no_steady_state() {
    let state = open(&every_10_ms(600, |id| 100 + 5 * id));
    assert_eq!(state.absent, Some(NoSteadyState::Growing));
    assert!(
        NoSteadyState::Growing
            .warning()
            .is_some_and(|told| told.contains("pile up"))
    );
    // Behind a limit they pile up in the client: the time from `scheduled` tells.
    let mut limited = every_10_ms(600, |_| 100);
    for record in &mut limited {
        let late = Nanos::from_millis(record.id * 5);
        let timeline = &mut record.timeline;
        timeline.sent = timeline.sent.map(|sent| sent + late);
        timeline.closed += late;
        timeline.marks = timeline
            .marks
            .iter()
            .map(|mark| Mark {
                at: mark.at + late,
                ..*mark
            })
            .collect();
    }
    assert_eq!(open(&limited).absent, Some(NoSteadyState::Growing));
}

#[test]
fn what_cannot_be_told_is_said() {
    let few = open(&every_10_ms(20, |_| 10));
    assert_eq!(few.absent, Some(NoSteadyState::TooFew));
    let brief = open(&every_10_ms(100, |_| 5_000));
    assert_eq!(brief.absent, Some(NoSteadyState::TooBrief));
    // Twice as slow in its last third.
    let late = open(&every_10_ms(600, |id| {
        100 + id % 7 + if id > 400 { 60 } else { 0 }
    }));
    assert!(late.absent.is_some(), "{late:?}");
    let records = every_10_ms(400, |_| 100);
    let load = SteadyLoad {
        varies: true,
        ..SteadyLoad::default()
    };
    let varying = SteadyState::of(
        &records,
        &facts(&records, false),
        load,
        &SummaryOptions::default(),
    );
    assert_eq!(
        varying.and_then(|state| state.absent),
        Some(NoSteadyState::Varying)
    );
}

#[test]
fn answers_that_come_whole_come_when_they_end() {
    let mut records = two_slots(3);
    for record in &mut records {
        let closed = record.timeline.closed;
        record.timeline.marks = vec![Mark {
            at: closed,
            kind: MarkKind::Whole,
            tokens: 0,
        }];
    }
    let options = SummaryOptions {
        streamed: false,
        ..SummaryOptions::default()
    };
    let load = SteadyLoad {
        max_concurrency: Some(2),
        varies: false,
    };
    let state = SteadyState::of(&records, &facts(&records, true), load, &options);
    let window = window(state.expect("requests"));
    assert_eq!(window.throughput.output_tokens_per_s, Some(16.0 / 1.152));
    assert_eq!(window.metrics.keys().collect::<Vec<_>>(), ["e2el"]);
}

/// Up to 60 requests within two seconds.
fn any_run() -> impl Strategy<Value = Vec<RequestRecord>> {
    let request = (0_u64..2_000, 1_u64..500, 1_u16..9);
    prop::collection::vec(request, 1..60).prop_map(|spans| {
        let spans = spans.into_iter().zip(0..);
        let one = |((sent, ms, tokens), id)| request_of(id, sent, ms, tokens);
        spans.map(one).collect()
    })
}

fn request_of(id: u64, sent: u64, ms: u64, tokens: u16) -> RequestRecord {
    request(id, sent, &[(sent + ms / 2, tokens), (sent + ms, 1)])
}

proptest! {
    #[test]
    fn the_area_under_the_concurrency_is_the_time_in_requests(records in any_run(), parts in 1_usize..50) {
        let concurrency = Concurrency::of(&records);
        let area: f64 = concurrency
            .stretches()
            .map(|(start, end, level)| end.since(start).as_secs_f64() * level as f64)
            .sum();
        let spent: f64 = records
            .iter()
            .map(|r| r.timeline.closed.since(r.timeline.sent.unwrap_or_default()).as_secs_f64())
            .sum();
        prop_assert!((area - spent).abs() < 1e-6);
        let end = Nanos::from_millis(3_000);
        let averages = concurrency.averages(Nanos::ZERO, end, parts);
        let mean = averages.iter().sum::<f64>() / parts as f64;
        prop_assert!((mean * 3.0 - spent).abs() < 1e-6);
        let peak = concurrency.peak() as f64;
        prop_assert!(averages.iter().all(|average| (0.0..=peak + 1e-9).contains(average)));
    }

    #[test]
    fn a_closed_window_lies_in_the_run_and_is_nearly_full(records in any_run()) {
        let state = closed(&records, None);
        let window = state.window.expect("the peak is reached");
        let end = facts(&records, true).end.as_secs_f64();
        prop_assert!(window.start_s >= 0.0 && window.start_s < window.end_s);
        prop_assert!(window.end_s <= end + 1e-9);
        prop_assert!(window.average_concurrency <= state.peak_concurrency as f64 + 1e-9);
        let all: u32 = records.iter().map(|r| r.output_tokens).sum();
        let tokens = window.throughput.output_tokens_per_s.unwrap_or(0.0) * window.duration_s;
        prop_assert!(tokens <= f64::from(all) + 1e-6);
        prop_assert!(window.requests_started <= records.len() as u64);
    }

    #[test]
    fn order_and_epoch_do_not_matter(records in any_run(), later in 0_u64..5_000) {
        let before = closed(&records, None);
        let mut moved = records.clone();
        moved.reverse();
        let later = Nanos::from_millis(later);
        for record in &mut moved {
            let timeline = &mut record.timeline;
            timeline.scheduled += later;
            timeline.sent = timeline.sent.map(|sent| sent + later);
            timeline.closed += later;
            timeline.marks.iter_mut().for_each(|mark| mark.at += later);
        }
        let mut facts = facts(&records, true);
        facts.start += later;
        facts.end += later;
        let load = SteadyLoad::default();
        let after = SteadyState::of(&moved, &facts, load, &SummaryOptions::default());
        let spans = |state: &SteadyState| {
            let window = state.window.as_ref().expect("a window");
            (window.start_s, window.end_s, window.requests_started, window.requests_completed)
        };
        prop_assert_eq!(spans(&after.expect("requests")), spans(&before));
    }
}
