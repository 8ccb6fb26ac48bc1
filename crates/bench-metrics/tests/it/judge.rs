//! Whether a load holds its objectives: requests with known latencies, seeded chance.

use bench_metrics::{Convention, Judge, JudgeOptions, Objective, Tally, Verdict};
use bench_types::{Failure, MarkKind, Nanos, Outcome, RequestRecord};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::make::{failed, record};

#[allow(clippy::unwrap_used)]
fn objectives(slo: &str) -> Vec<Objective> {
    Objective::parse_all([slo], 0.9).unwrap()
}

fn options(slo: &str) -> JudgeOptions {
    JudgeOptions {
        objectives: objectives(slo),
        convention: Convention::Strict,
        error: 0.05,
        min_requests: 0,
        min_span: Nanos::ZERO,
        paced: true,
    }
}

/// Sent at 2 ms; two tokens, the first after `ttft`, the second `gap` later.
fn answer(id: u64, ttft: u64, gap: u64) -> RequestRecord {
    let first = 2 + ttft;
    record(
        id,
        &[(first, MarkKind::Text, 1), (first + gap, MarkKind::Text, 1)],
    )
}

fn kept(slo: &str, record: &RequestRecord) -> Option<f64> {
    objectives(slo)[0].kept(record, Convention::Strict)
}

#[test]
fn a_request_is_within_its_limits_or_not() {
    let good = answer(0, 100, 20);
    assert_eq!(kept("ttft:p99<=100ms", &good), Some(1.0));
    assert_eq!(kept("ttft:p99<=99.9ms", &good), Some(0.0));
    assert_eq!(kept("e2el:p99<=0.12s", &good), Some(1.0));
    assert_eq!(kept("ttft<=100,tpot<=20", &good), Some(1.0));
    assert_eq!(kept("ttft<=100,tpot<=19", &good), Some(0.0));
    let intended = objectives("ttft:p99<=101ms");
    assert_eq!(intended[0].kept(&good, Convention::Intended), Some(0.0));
    assert_eq!(intended[0].kept(&good, Convention::Strict), Some(1.0));
    let failure = failed(1, Failure::NoTokens);
    for slo in [
        "ttft:p99<=1s",
        "itl:p99<=1s",
        "tpot<=1s",
        "queue_time:p50<=1s",
    ] {
        assert_eq!(kept(slo, &failure), Some(0.0), "{slo}");
    }
}

#[test]
fn the_gaps_of_a_request_count_by_their_share() {
    let marks = [2, 12, 22, 32, 132].map(|at| (at, MarkKind::Text, 1));
    let stalled = record(0, &marks);
    assert_eq!(kept("itl:p99<=10ms", &stalled), Some(0.75));
    assert_eq!(kept("itl<=10ms", &stalled), Some(0.0), "every gap is meant");
    let single = record(0, &[(5, MarkKind::Text, 1)]);
    for slo in ["itl:p99<=1ms", "tpot:p99<=1ms", "longest_gap<=1ms"] {
        assert_eq!(kept(slo, &single), Some(1.0), "{slo}: there is no gap");
    }
}

#[test]
fn a_request_that_the_run_cut_off_counts_only_if_it_was_too_slow_already() {
    let cut = |at: u64, marks: &[(u64, MarkKind, u16)]| {
        let mut cut = record(0, marks);
        cut.outcome = Outcome::Failed(Failure::Cancelled);
        cut.timeline.closed = Nanos::from_millis(at);
        cut
    };
    let waiting = cut(502, &[]);
    assert_eq!(kept("ttft:p99<=499ms", &waiting), Some(0.0));
    assert_eq!(kept("ttft:p99<=500ms", &waiting), None);
    assert_eq!(kept("e2el:p99<=499ms", &waiting), Some(0.0));
    assert_eq!(kept("itl:p99<=1ms", &waiting), None);
    assert_eq!(kept("ttft<=499ms,tpot<=1ms", &waiting), Some(0.0));
    assert_eq!(kept("ttft<=500ms,tpot<=1ms", &waiting), None);
    let begun = cut(502, &[(100, MarkKind::Text, 1)]);
    assert_eq!(kept("ttft:p99<=98ms", &begun), Some(1.0));
    assert_eq!(kept("ttft:p99<=97ms", &begun), Some(0.0));
    assert_eq!(
        kept("e2el:p99<=500ms", &begun),
        None,
        "it was not at its end"
    );
    let mut unsent = cut(502, &[]);
    unsent.timeline.sent = None;
    assert_eq!(kept("ttft:p99<=1ms", &unsent), None);
}

#[test]
fn enough_good_requests_hold_and_a_few_bad_ones_miss() {
    let mut judge = Judge::new(options("ttft:p90<=100ms"));
    let mut id = 0;
    while judge.certain().is_none() {
        judge.take(&answer(id, 50, 10));
        id += 1;
    }
    assert_eq!(judge.certain(), Some(Verdict::Holds));
    assert!((28..60).contains(&judge.judged()), "{}", judge.judged());

    let mut judge = Judge::new(options("ttft:p90<=100ms"));
    (0..5).for_each(|id| judge.take(&answer(id, 500, 10)));
    assert_eq!(judge.certain(), Some(Verdict::Misses));
}

#[test]
fn quick_requests_that_end_first_prove_nothing() {
    // Request 0 stays under way; those after it end, fast ones first.
    let mut judge = Judge::new(options("ttft:p90<=100ms"));
    (1..500).for_each(|id| judge.take(&answer(id, 50, 10)));
    assert_eq!(judge.certain(), None);
    assert_eq!(judge.judged(), 0);
    judge.take(&answer(0, 50, 10));
    assert_eq!(judge.certain(), Some(Verdict::Holds));
}

#[test]
fn requests_under_way_do_not_keep_a_load_from_missing() {
    let mut judge = Judge::new(options("ttft:p90<=100ms"));
    for id in 1..100 {
        judge.take(&answer(id, 500, 10));
    }
    assert_eq!(judge.certain(), Some(Verdict::Misses));
    // One bad request far ahead says nothing: all before it may be good.
    let mut judge = Judge::new(options("ttft:p90<=100ms"));
    judge.take(&answer(99, 500, 10));
    assert_eq!(judge.certain(), None);
}

#[test]
fn the_order_of_ending_does_not_change_the_judgement() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let slow = |id: u64| answer(id, if id % 4 == 3 { 500 } else { 50 }, 10);
    let records: Vec<RequestRecord> = (0..300).map(slow).collect();
    let expected = Judge::judge(options("ttft:p90<=100ms"), &records);
    assert!(expected.certain_after.is_some());
    assert_eq!(expected.verdict, Verdict::Misses);
    assert_eq!(expected.findings[0].tally.requests, 300);
    let mut shuffled = records.clone();
    for _ in 0..20 {
        for k in (1..shuffled.len()).rev() {
            shuffled.swap(k, random.random_range(0..=k));
        }
        assert_eq!(
            Judge::judge(options("ttft:p90<=100ms"), &shuffled),
            expected
        );
        let mut live = Judge::new(options("ttft:p90<=100ms"));
        shuffled.iter().for_each(|record| live.take(record));
        assert_eq!(live.certain(), Some(expected.verdict));
        assert_eq!(live.judged(), 300);
    }
}

#[test]
fn nothing_is_decided_before_the_least_number_and_the_least_time() {
    let at = |id: u64| {
        let mut record = answer(id, 500, 10);
        record.timeline.scheduled = Nanos::from_millis(10 * id);
        record
    };
    let mut fewest = options("ttft:p90<=100ms");
    fewest.min_requests = 50;
    let mut shortest = options("ttft:p90<=100ms");
    shortest.min_span = Nanos::from_millis(500);
    for (options, expected) in [(fewest, 50), (shortest, 51)] {
        let records: Vec<RequestRecord> = (0..100).map(at).collect();
        let judgement = Judge::judge(options, &records);
        assert_eq!(judgement.verdict, Verdict::Misses);
        assert_eq!(judgement.certain_after, Some(expected));
    }
}

#[test]
fn a_load_under_which_latency_still_grows_is_not_found_to_hold_early() {
    let growing: Vec<RequestRecord> = (0..300).map(|id| answer(id, 20 + id, 10)).collect();
    let mut slo = options("ttft:p90<=1s");
    let judgement = Judge::judge(slo.clone(), &growing);
    assert_eq!(judgement.certain_after, None);
    assert_eq!(judgement.verdict, Verdict::Holds, "as far as it was seen");
    assert!(judgement.rising);
    // With slots, nothing can pile up.
    slo.paced = false;
    let judgement = Judge::judge(slo, &growing);
    assert!(judgement.certain_after.is_some() && !judgement.rising);
}

#[test]
fn of_several_objectives_all_must_hold_and_the_one_that_does_not_is_named() {
    let records: Vec<RequestRecord> = (0..400).map(|id| answer(id, 50, 60)).collect();
    let judgement = Judge::judge(options("ttft:p95<=100ms,tpot:p95<=50ms,e2el<=1s"), &records);
    assert_eq!(judgement.verdict, Verdict::Misses);
    let verdicts: Vec<Verdict> = judgement.findings.iter().map(|f| f.verdict).collect();
    assert_eq!(verdicts, [Verdict::Holds, Verdict::Misses, Verdict::Holds]);
    assert!(judgement.findings[1].certain && !judgement.findings[0].certain);
    let judgement = Judge::judge(options("ttft:p95<=100ms,tpot:p95<=70ms,e2el<=1s"), &records);
    assert_eq!(judgement.verdict, Verdict::Holds);
    assert!(judgement.certain_after.is_some());
}

#[test]
fn without_requests_nothing_holds() {
    let judgement = Judge::judge(options("ttft:p90<=1s"), &[]);
    assert_eq!(
        (judgement.verdict, judgement.certain_after),
        (Verdict::Misses, None)
    );
}

/// Looked at after each of the first requests, then less often: looking is what takes time.
fn is_time_to_look(requests: u64) -> bool {
    requests <= 100 || requests.is_multiple_of(20)
}

/// How often, of `runs`, the test says either of a share within 2000 requests.
fn decisions(truth: f64, bound: f64, error: f64, runs: u64) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut above, mut below) = (0, 0);
    for _ in 0..runs {
        let mut tally = Tally::default();
        while tally.requests < 2000 {
            tally.add(if random.random_bool(truth) { 1.0 } else { 0.0 });
            if !is_time_to_look(tally.requests) {
                continue;
            }
            if tally.evidence_above(bound) >= -f64::ln(error) {
                above += 1;
                break;
            }
            if tally.evidence_below(bound) >= -f64::ln(error) {
                below += 1;
                break;
            }
        }
    }
    let share = |count: u64| count as f64 / runs as f64;
    (share(above), share(below))
}

#[test]
fn at_the_bound_either_error_is_as_rare_as_stated() {
    for bound in [0.5, 0.9, 0.99] {
        let (above, below) = decisions(bound, bound, 0.05, 400);
        // Three standard errors of a share of 5 % in 400 are 3.3 %.
        assert!(above <= 0.083, "{bound}: held {above}");
        assert!(below <= 0.083, "{bound}: missed {below}");
    }
}

#[test]
fn away_from_the_bound_the_test_is_right_and_decides() {
    let (above, below) = decisions(0.999, 0.99, 0.05, 200);
    assert!(above >= 0.95 && below <= 0.05, "{above} {below}");
    let (above, below) = decisions(0.97, 0.99, 0.05, 200);
    assert!(below >= 0.95 && above <= 0.05, "{above} {below}");
}

#[test]
fn requests_that_keep_an_objective_in_part_are_no_more_often_misjudged() {
    // Each keeps a share of its samples that is 0.9 on average.
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut wrong = 0;
    for _ in 0..400 {
        let mut tally = Tally::default();
        let crossed = (0..1000).any(|_| {
            tally.add(random.random_range(0.8..=1.0));
            is_time_to_look(tally.requests)
                && tally.evidence_above(0.9).max(tally.evidence_below(0.9)) >= 20_f64.ln()
        });
        wrong += u32::from(crossed);
    }
    assert!(wrong <= 33, "{wrong} of 400 at a stated 5 %");
}
