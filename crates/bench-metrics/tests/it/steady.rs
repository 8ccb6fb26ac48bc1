//! Steady states by hand, and what holds for any run.

use bench_metrics::{
    Concurrency, NoSteadyState, SteadyLoad, SteadyMethod, SteadyNumbers, SteadyState, SteadyWindow,
    SummaryOptions,
};
use bench_types::{Failure, Mark, MarkKind, Nanos, RequestKind, RequestRecord, RunFacts, Timeline};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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

fn numbers(state: SteadyState) -> SteadyNumbers {
    window(state).numbers.expect("it is long enough")
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
    let records = two_slots(30);
    let state = closed(&records, Some(2));
    let method = SteadyMethod::ClosedLoop {
        target: 2,
        threshold: 2,
    };
    assert_eq!((state.method, state.peak_concurrency), (method, 2));
    let window = window(state);
    // From the first request of the second slot to the last end of the first slot, over the
    // moments in which a slot changes hands.
    assert_eq!((window.start_s, window.end_s), (0.05, 12.029));
    assert_eq!(window.run_share, 11.979 / 12.079);
    let window = window.numbers.expect("it is longer than ten seconds");
    // Of the sixty, the first was sent before; the last two end at 12.029 and 12.079.
    assert_eq!(
        (window.requests_started, window.requests_completed),
        (59, 58)
    );
    assert_eq!(window.throughput.requests_per_s, 58.0 / 11.979);
    assert_eq!(window.input_tokens_per_s, 590.0 / 11.979);
    // 240 tokens but those at 12.029 and 12.079: the end does not belong to it.
    assert_eq!(window.throughput.output_tokens_per_s, Some(238.0 / 11.979));
    // Both slots but for 58 moments of 1 ms.
    let average = window.average_concurrency;
    assert!((average - (2.0 - 0.058 / 11.979)).abs() < 1e-9, "{average}");
    for (metric, mean) in [
        ("ttft", 100.0),
        ("tpot", 100.0),
        ("itl", 100.0),
        ("e2el", 400.0),
    ] {
        assert_eq!(window.metrics[metric].mean, mean, "{metric}");
    }
    assert_eq!(window.metrics["itl"].count, 177);
    assert_eq!(window.vllm["ttft"].percentile(90.0), Some(100.0));
}

#[test]
fn a_dip_that_lasts_ends_the_stretch() {
    let mut records = two_slots(11);
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
    assert_eq!(window.end_s, 11.0 * 0.401 + 1.0 - 0.001);
}

#[test]
fn a_loop_that_never_fills_has_none() {
    let state = closed(&two_slots(8), Some(4));
    assert_eq!(state.absent, Some(NoSteadyState::NeverFull));
    assert_eq!(state.window, None);
}

#[test]
fn a_burst_has_none() {
    let state = closed(&two_slots(8), None);
    assert_eq!(
        (state.absent, state.window),
        (Some(NoSteadyState::Burst), None)
    );
}

#[test]
fn a_few_waves_are_no_steady_state() {
    // A limit that cannot be reached is that of one wave.
    for records in [&two_slots(8)[..1], &two_slots(1), &two_slots(5)] {
        let state = closed(records, Some(records.len().min(2) as u64));
        assert_eq!(state.absent, Some(NoSteadyState::TooBrief));
        let state = closed(records, Some(1_000));
        assert!(state.window.is_none());
    }
    // Twelve, of which ten end before the last of the first slot does.
    assert!(closed(&two_slots(6), Some(2)).window.is_some());
}

#[test]
fn a_moment_has_no_numbers() {
    let short = window(closed(&two_slots(24), Some(2)));
    assert_eq!(short.numbers, None, "{} s", short.duration_s);
    assert_eq!(short.end_s, 9.623);
    let long = window(closed(&two_slots(26), Some(2)));
    assert!(long.numbers.is_some(), "{} s", long.duration_s);
}

/// A conversation of two turns, each of which takes 100 ms, with a second between them.
fn conversation(id: u64, from: u64) -> [RequestRecord; 2] {
    [(0, from), (1, from + 1_100)].map(|(turn, sent)| RequestRecord {
        conversation: id,
        turn,
        ..plain(2 * id + u64::from(turn), sent, 100)
    })
}

#[test]
fn a_slot_is_a_conversation_and_its_think_time() {
    // Of two slots; hardly ever do two requests meet.
    let one = |id: u64| conversation(id, id % 2 * 550 + id / 2 * 1_200);
    let records: Vec<_> = (0..24).flat_map(one).collect();
    let state = closed(&records, Some(2));
    let method = SteadyMethod::ClosedLoop {
        target: 2,
        threshold: 2,
    };
    assert_eq!((state.method, state.peak_concurrency), (method, 1));
    let window = window(state);
    assert_eq!((window.start_s, window.end_s), (0.55, 14.4));
    // A limit of more than there are conversations is that of them all.
    let both: Vec<_> = (0..2).flat_map(|id| conversation(id, 0)).collect();
    let state = closed(&both, Some(9));
    assert!(matches!(
        state.method,
        SteadyMethod::ClosedLoop { target: 2, .. }
    ));
}

#[test]
fn a_limit_in_time_ends_it_and_its_run() {
    let records = two_slots(60);
    let facts = RunFacts {
        window: Some(Nanos::from_millis(12_000)),
        ..facts(&records, true)
    };
    let load = SteadyLoad {
        max_concurrency: Some(2),
        varies: false,
    };
    let state = SteadyState::of(&records, &facts, load, &SummaryOptions::default());
    let window = window(state.expect("requests"));
    assert_eq!((window.start_s, window.end_s), (0.05, 12.0));
    assert_eq!(window.run_share, 11.95 / 12.0);
}

#[test]
fn tokens_count_by_what_each_chunk_brought() {
    let mut records = two_slots(30);
    // The first begins before it; the last one ends behind it.
    records[0] = request(0, 0, &[(40, 7), (400, 5)]);
    records[59] = request(59, 11_679, &[(11_700, 3), (12_029, 9), (12_079, 2)]);
    let window = numbers(closed(&records, Some(2)));
    // Of the one before, the last of four tokens comes at the end, which does not belong to it.
    let inside = 58 * 4 - 1 + 5 + 3;
    let rate = f64::from(inside) / 11.979;
    assert_eq!(window.throughput.output_tokens_per_s, Some(rate));
}

#[test]
fn warm_up_probes_and_failures() {
    let mut records = two_slots(30);
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
    let started = |window: SteadyWindow| window.numbers.map(|numbers| numbers.requests_started);
    assert_eq!((started(after), started(before)), (Some(58), Some(59)));
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
    let state = open(&every_10_ms(1_600, wobble));
    assert_eq!(state.method, SteadyMethod::OpenLoop);
    let window = window(state);
    // Of twenty one takes longer than 105 ms.
    assert!(
        window.start_s >= 0.1 && window.start_s < 2.0,
        "{}",
        window.start_s
    );
    assert_eq!(window.end_s, 15.986);
    let window = window.numbers.expect("it is longer than ten seconds");
    let average = window.average_concurrency;
    assert!((average - 10.0).abs() < 0.5, "{average}");
    assert!((window.throughput.requests_per_s - 100.0).abs() < 2.0);
}

#[test]
fn a_slow_beginning_is_cut_off() {
    let wobble = |id: u64| 95 + id * 7 % 11 + if id < 100 { 400 } else { 0 };
    let window = window(open(&every_10_ms(2_000, wobble)));
    assert!((0.9..2.2).contains(&window.start_s), "{}", window.start_s);
    let numbers = window.numbers.expect("it is longer than ten seconds");
    assert!(numbers.metrics["ttft"].max < 200.0 || window.start_s < 1.0);
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
    let mut records = two_slots(30);
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
    let window = numbers(state.expect("requests"));
    assert_eq!(window.throughput.output_tokens_per_s, Some(232.0 / 11.979));
    assert_eq!(window.metrics.keys().collect::<Vec<_>>(), ["e2el"]);
}

/// What becomes of random arrivals at 20 requests per second.
struct Arrivals {
    random: ChaCha8Rng,
    at_s: f64,
}

impl Arrivals {
    fn new(seed: u64) -> Arrivals {
        Arrivals {
            random: ChaCha8Rng::seed_from_u64(seed),
            at_s: 0.0,
        }
    }

    /// With mean 1.
    fn exponential(&mut self) -> f64 {
        -(1.0 - self.random.random::<f64>()).ln()
    }

    /// With mean 1 and a standard deviation of 1 of its logarithm (Box and Muller 1958).
    fn lognormal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        let angle = std::f64::consts::TAU * self.random.random::<f64>();
        (radius * angle.cos() - 0.5).exp()
    }

    /// 600 requests; `end_s` tells from when one comes when it is over.
    fn records(mut self, mut end_s: impl FnMut(&mut Arrivals) -> f64) -> Vec<RequestRecord> {
        let ms = |seconds: f64| (seconds * 1e3) as u64;
        let one = |id: u64| {
            self.at_s += self.exponential() / 20.0;
            let (sent, end) = (self.at_s, end_s(&mut self));
            plain(id, ms(sent), ms(end - sent).max(1))
        };
        (0..600).map(one).collect()
    }
}

#[test]
fn a_server_without_a_limit_is_hardly_ever_said_to_be_overloaded() {
    for long in [Arrivals::exponential, Arrivals::lognormal] {
        for mean_s in [0.5, 2.0, 5.0] {
            let states = (0..100).map(|seed| {
                let end = |arrivals: &mut Arrivals| arrivals.at_s + mean_s * long(arrivals);
                open(&Arrivals::new(seed).records(end))
            });
            let growing = |state: &SteadyState| state.absent == Some(NoSteadyState::Growing);
            let alarms = states.filter(growing).count();
            assert!(alarms <= 2, "{alarms} of 100 with {mean_s} s");
        }
    }
}

#[test]
fn a_server_that_is_too_slow_is_found_out() {
    for (served_per_s, least) in [(16.0, 80), (10.0, 100), (4.0, 100)] {
        let found = (0..100).filter(|seed| {
            let mut free_s = 0.0_f64;
            let end = |arrivals: &mut Arrivals| {
                free_s = free_s.max(arrivals.at_s) + arrivals.exponential() / served_per_s;
                free_s
            };
            let state = open(&Arrivals::new(*seed).records(end));
            state.absent == Some(NoSteadyState::Growing)
        });
        let found = found.count();
        assert!(found >= least, "{found} of 100 at {served_per_s} per s");
    }
}

/// Two to sixty requests within two seconds.
fn any_run() -> impl Strategy<Value = Vec<RequestRecord>> {
    let request = (0_u64..2_000, 1_u64..500, 1_u16..9);
    prop::collection::vec(request, 2..60).prop_map(|spans| {
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
    fn a_closed_window_lies_in_the_run(records in any_run(), max in 1_u64..4) {
        // Ten times slower, so that some are long enough.
        let records = moved(records, |at| Nanos(10 * at.0));
        let state = closed(&records, Some(max));
        let Some(window) = state.window else {
            let absent = [NoSteadyState::TooBrief, NoSteadyState::NeverFull];
            prop_assert!(state.absent.is_some_and(|reason| absent.contains(&reason)));
            return Ok(());
        };
        let end = facts(&records, true).end.as_secs_f64();
        prop_assert!(window.start_s >= 0.0 && window.start_s < window.end_s);
        prop_assert!(window.end_s <= end + 1e-9);
        let Some(numbers) = window.numbers else {
            prop_assert!(window.duration_s < 10.0 || window.run_share < 0.1);
            return Ok(());
        };
        prop_assert!(numbers.average_concurrency <= state.peak_concurrency as f64 + 1e-9);
        let all: u32 = records.iter().map(|r| r.output_tokens).sum();
        let tokens = numbers.throughput.output_tokens_per_s.unwrap_or(0.0) * window.duration_s;
        prop_assert!(tokens <= f64::from(all) + 1e-6);
        prop_assert!(numbers.requests_started <= records.len() as u64);
        prop_assert!(numbers.requests_completed >= 5 * max.min(records.len() as u64));
    }

    #[test]
    fn order_and_epoch_do_not_matter(records in any_run(), later in 0_u64..5_000) {
        let records = moved(records, |at| Nanos(10 * at.0));
        let before = closed(&records, Some(1));
        let later = Nanos::from_millis(later);
        let mut after = moved(records.clone(), |at| at + later);
        after.reverse();
        let mut facts = facts(&records, true);
        facts.start += later;
        facts.end += later;
        let load = SteadyLoad {
            max_concurrency: Some(1),
            varies: false,
        };
        let after = SteadyState::of(&after, &facts, load, &SummaryOptions::default());
        let spans = |state: &SteadyState| {
            let window = state.window.as_ref();
            let counts = window.and_then(|window| window.numbers.as_ref());
            let counts = counts.map(|all| (all.requests_started, all.requests_completed));
            (state.absent, window.map(|window| (window.start_s, window.end_s)), counts)
        };
        prop_assert_eq!(spans(&after.expect("requests")), spans(&before));
    }
}

/// With other times.
fn moved(mut records: Vec<RequestRecord>, time: impl Fn(Nanos) -> Nanos) -> Vec<RequestRecord> {
    for record in &mut records {
        let timeline = &mut record.timeline;
        timeline.scheduled = time(timeline.scheduled);
        timeline.sent = timeline.sent.map(&time);
        timeline.closed = time(timeline.closed);
        for mark in &mut timeline.marks {
            mark.at = time(mark.at);
        }
    }
    records
}
