//! The search against servers that are a formula: their boundary is known.

use bench_core::metrics::{Finding, Judgement, Tally, Verdict};
use bench_core::search::{Answer, Axis, Interval, Point, Space, Step, contradictions, interval};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn point(load: f64, tallies: &[(u64, f64)], verdict: Verdict) -> Point {
    let findings = tallies.iter().map(|&(requests, kept)| Finding {
        tally: Tally { requests, kept },
        verdict,
        certain: true,
    });
    Point {
        load,
        judgement: Judgement {
            verdict,
            certain_after: Some(1),
            rising: false,
            findings: findings.collect(),
        },
    }
}

/// A point at which everything or nothing is well.
fn plain(load: f64, holds: bool) -> Point {
    match holds {
        true => point(load, &[(1000, 1000.0)], Verdict::Holds),
        false => point(load, &[(1000, 100.0)], Verdict::Misses),
    }
}

fn rates(min: f64, start: f64, max: f64) -> Space {
    Space::new(Axis::RequestRate, (min, start, max), 0.05).unwrap()
}

/// Searches to the end: the points in the order in which they were measured, and the answer.
fn search(space: &Space, mut measure: impl FnMut(f64) -> Point) -> (Vec<Point>, Answer) {
    let mut points = Vec::new();
    loop {
        match space.next(&points) {
            Step::Done(answer) => return (points, answer),
            Step::Measure(load) => points.push(measure(load)),
        }
        assert!(points.len() < 200, "a search without end");
    }
}

#[test]
fn a_search_doubles_and_then_halves_the_interval() {
    let (points, answer) = search(&rates(0.1, 1.0, 1000.0), |load| plain(load, load <= 10.0));
    let loads: Vec<f64> = points.iter().map(|point| point.load).collect();
    assert_eq!(loads, [1.0, 2.0, 4.0, 8.0, 16.0, 11.3, 9.51, 10.4, 9.95]);
    assert_eq!(
        answer,
        Answer::Between {
            holds: 9.95,
            misses: 10.4
        }
    );
}

#[test]
fn a_search_that_begins_too_high_comes_down() {
    let (points, answer) = search(&rates(0.1, 64.0, 100.0), |load| plain(load, load <= 3.0));
    let loads: Vec<f64> = points.iter().take(6).map(|point| point.load).collect();
    assert_eq!(loads, [64.0, 32.0, 16.0, 8.0, 4.0, 2.0]);
    assert!(matches!(answer, Answer::Between { holds, .. } if holds <= 3.0 && holds > 2.8));
}

#[test]
fn concurrency_is_found_to_the_unit() {
    for boundary in [1.0, 2.0, 7.0, 37.0, 255.0, 256.0] {
        let space = Space::new(Axis::Concurrency, (1.0, 8.0, 1024.0), 0.0).unwrap();
        let (_, answer) = search(&space, |load| plain(load, load <= boundary));
        let (holds, misses) = (boundary, boundary + 1.0);
        assert_eq!(answer, Answer::Between { holds, misses });
    }
}

#[test]
fn the_ends_of_the_search_are_answers() {
    let space = rates(0.5, 1.0, 30.0);
    let (points, answer) = search(&space, |load| plain(load, true));
    assert_eq!(answer, Answer::AlwaysHolds { greatest: 30.0 });
    assert_eq!(points.len(), 6, "1, 2, 4, 8, 16, 30");
    let (points, answer) = search(&space, |load| plain(load, false));
    assert_eq!(answer, Answer::NeverHolds { smallest: 0.5 });
    assert_eq!(points.len(), 2);
    let single = Space::new(Axis::Concurrency, (4.0, 4.0, 4.0), 0.0).unwrap();
    let (points, _) = search(&single, |load| plain(load, true));
    assert_eq!(points.len(), 1);
}

#[test]
fn a_load_that_holds_above_one_that_misses_is_told_and_not_trusted() {
    let points = [
        plain(1.0, true),
        plain(4.0, false),
        plain(8.0, true),
        plain(16.0, false),
    ];
    let space = rates(0.1, 1.0, 100.0);
    assert_eq!(space.next(&points), Step::Measure(2.0));
    let told = contradictions(&points);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].load, told[0].greater, told[0].objective),
        (4.0, 8.0, 0)
    );
    assert!(contradictions(&points[..2]).is_empty());
    // Shares that differ by no more than chance are no contradiction.
    let near = [
        point(1.0, &[(1000, 991.0)], Verdict::Holds),
        point(2.0, &[(1000, 994.0)], Verdict::Holds),
    ];
    assert!(contradictions(&near).is_empty());
}

#[test]
fn loads_that_cannot_be_searched_say_why() {
    let told = |axis, loads, tolerance| {
        let error = Space::new(axis, loads, tolerance).unwrap_err();
        error.to_string()
    };
    let rate = Axis::RequestRate;
    assert!(told(rate, (0.0, 1.0, 2.0), 0.05).contains("0 is no request rate"));
    assert!(told(rate, (1.0, 2.0, f64::INFINITY), 0.05).contains("inf is no request rate"));
    assert!(told(rate, (2.0, 1.0, 4.0), 0.05).contains("begins at 1"));
    assert!(told(rate, (1.0, 2.0, 4.0), 0.0).contains("tolerance of 0"));
    let concurrency = Axis::Concurrency;
    assert!(told(concurrency, (1.0, 2.5, 4.0), 0.0).contains("2.5 is no concurrency"));
    assert!(told(concurrency, (1.0, 8.0, 4.0), 0.0).contains("from 1 to 4"));
    assert!(told(concurrency, (1.0, 2.0, 4.0), f64::NAN).contains("tolerance"));
}

proptest! {
    #[test]
    fn every_boundary_is_found_from_every_start(
        boundary in 0.01_f64..2000.0,
        start in 0.05_f64..500.0,
        tolerance in 0.001_f64..0.5,
    ) {
        let space = Space::new(Axis::RequestRate, (0.05, start, 500.0), tolerance).unwrap();
        let (points, answer) = search(&space, |load| plain(load, load <= boundary));
        match answer {
            Answer::Between { holds, misses } => {
                prop_assert!(holds <= boundary && boundary < misses);
                prop_assert!(misses <= holds * (1.0 + tolerance) * (1.0 + 1e-9));
            }
            Answer::AlwaysHolds { greatest } => {
                prop_assert!(boundary >= 500.0 && greatest == 500.0);
            }
            Answer::NeverHolds { smallest } => {
                prop_assert!(boundary < 0.05 && smallest == 0.05);
            }
        }
        prop_assert!(points.len() < 40, "{} points", points.len());
    }

    #[test]
    fn a_search_ends_and_measures_nothing_twice_whatever_comes_out(
        holds in proptest::collection::vec(any::<bool>(), 100),
        start in 1_u32..100,
    ) {
        for axis in [Axis::RequestRate, Axis::Concurrency] {
            let space = Space::new(axis, (1.0, f64::from(start), 100.0), 0.01).unwrap();
            let mut coin = holds.iter();
            let (points, answer) = search(&space, |load| plain(load, *coin.next().unwrap()));
            for (k, point) in points.iter().enumerate() {
                prop_assert!((1.0..=100.0).contains(&point.load));
                prop_assert!(points[..k].iter().all(|other| other.load != point.load));
            }
            if let Answer::Between { holds, misses } = answer {
                prop_assert!(holds < misses);
            }
        }
    }

    #[test]
    fn points_that_are_known_already_are_not_measured_again(
        boundary in 1.0_f64..100.0,
        known in 0_usize..8,
    ) {
        let space = rates(0.5, 1.0, 200.0);
        let (all, answer) = search(&space, |load| plain(load, load <= boundary));
        let mut points: Vec<Point> = all.iter().take(known).cloned().collect();
        points.reverse();
        while let Step::Measure(load) = space.next(&points) {
            points.push(plain(load, load <= boundary));
        }
        prop_assert_eq!(points.len(), all.len());
        prop_assert_eq!(space.next(&points), Step::Done(answer));
    }
}

/// A server whose requests keep an objective with a probability that falls with the load: by
/// half at `middle`, the faster the greater `steepness`.
struct Server {
    middle: f64,
    steepness: f64,
    required: f64,
}

impl Server {
    fn share(&self, load: f64) -> f64 {
        1.0 / (1.0 + (load / self.middle).powf(self.steepness))
    }

    /// The greatest load at which the objective holds.
    fn boundary(&self) -> f64 {
        let odds = self.required / (1.0 - self.required);
        self.middle * odds.powf(-1.0 / self.steepness)
    }

    /// Sends requests until it is certain, at most 1000.
    fn measure(&self, load: f64, random: &mut ChaCha8Rng) -> Point {
        const LEVEL: f64 = 0.05;
        let mut tally = Tally::default();
        let mut certain = None;
        while tally.requests < 1000 && certain.is_none() {
            // Looked at now and then: looking is what takes the time of this test.
            for _ in 0..50 {
                let kept = random.random_bool(self.share(load));
                tally.add(if kept { 1.0 } else { 0.0 });
            }
            if tally.evidence_below(self.required) >= -LEVEL.ln() {
                certain = Some(Verdict::Misses);
            } else if tally.evidence_above(self.required) >= -LEVEL.ln() {
                certain = Some(Verdict::Holds);
            }
        }
        let seen = match tally.share() {
            Some(share) if share >= self.required => Verdict::Holds,
            _ => Verdict::Misses,
        };
        let verdict = certain.unwrap_or(seen);
        point(load, &[(tally.requests, tally.kept)], verdict)
    }
}

fn covers(interval: &Interval, load: f64) -> bool {
    interval.low.is_none_or(|low| low <= load) && interval.high.is_none_or(|high| load <= high)
}

/// Of `searches`, how many intervals have the boundary inside, how many boundaries are within a
/// tenth, and how many requests a search took.
fn simulate(server: &Server, searches: u64) -> (f64, f64, f64) {
    let space = rates(0.1, 1.0, 1000.0);
    let (mut covered, mut close, mut requests) = (0, 0, 0);
    for seed in 0..searches {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (points, answer) = search(&space, |load| server.measure(load, &mut random));
        let found = interval(&points, &[server.required], 0.95);
        covered += u32::from(covers(&found, server.boundary()));
        let sent = |point: &Point| point.judgement.findings[0].tally.requests;
        requests += points.iter().map(sent).sum::<u64>();
        if let Answer::Between { holds, .. } = answer {
            close += u32::from((holds / server.boundary() - 1.0).abs() < 0.1);
        }
    }
    let share = |count: u32| f64::from(count) / searches as f64;
    (
        share(covered),
        share(close),
        requests as f64 / searches as f64,
    )
}

#[test]
fn the_interval_has_the_boundary_inside_as_often_as_stated() {
    for (required, steepness) in [(0.95, 12.0), (0.99, 5.0)] {
        let server = Server {
            middle: 20.0,
            steepness,
            required,
        };
        let (covered, close, requests) = simulate(&server, 40);
        // Two standard errors of a share of 95 % in 40 are 6.9 %.
        assert!(covered >= 0.88, "{required} {steepness}: {covered}");
        if steepness > 10.0 {
            assert!(close >= 0.85, "{required} {steepness}: {close}");
            assert!(requests < 7000.0, "{required} {steepness}: {requests}");
        }
    }
}

#[test]
fn an_interval_is_open_where_nothing_was_measured() {
    let held = interval(&[plain(1.0, true), plain(2.0, true)], &[0.99], 0.95);
    assert_eq!((held.low, held.high), (Some(2.0), None));
    let missed = interval(&[plain(1.0, false)], &[0.99], 0.95);
    assert_eq!((missed.low, missed.high), (None, Some(1.0)));
    let unsure = point(2.0, &[(100, 95.0)], Verdict::Holds);
    let between = interval(
        &[plain(4.0, false), unsure, plain(1.0, true)],
        &[0.95],
        0.95,
    );
    assert_eq!((between.low, between.high), (Some(1.0), Some(4.0)));
}

#[test]
fn of_several_objectives_the_first_to_break_is_the_boundary() {
    let points = [
        point(1.0, &[(500, 500.0), (500, 500.0)], Verdict::Holds),
        point(2.0, &[(500, 500.0), (500, 300.0)], Verdict::Misses),
        point(4.0, &[(500, 200.0), (500, 100.0)], Verdict::Misses),
    ];
    let both = interval(&points, &[0.9, 0.9], 0.95);
    assert_eq!((both.low, both.high), (Some(1.0), Some(2.0)));
}
