use bench_report::{RequestSample, RunResult};

use super::*;

/// A stream of tokens every 0.125 s, silent from `at` for `silence`.
fn stream(start: f64, at: f64, silence: f64) -> RequestSample {
    let before = (at / 0.125) as usize;
    let mut gaps = vec![0.125; before];
    gaps.push(silence);
    gaps.extend([0.125; 8]);
    RequestSample {
        success: true,
        start: Some(start),
        ttft: Some(0.0),
        e2el: Some(gaps.iter().sum()),
        gaps,
        ..RequestSample::default()
    }
}

fn chart(requests: Vec<RequestSample>) -> Figure {
    let run = RunResult {
        requests,
        ..RunResult::default()
    };
    stalls(&run).unwrap()
}

fn spans(figure: &Figure, ink: Ink) -> Vec<(f64, f64, usize)> {
    let layers = figure.panels[0].layers.iter();
    let spans = layers.filter_map(|layer| match &layer.marks {
        Marks::Spans(spans) if layer.ink == ink => Some(spans),
        _ => None,
    });
    spans
        .flatten()
        .map(|span| (span.left, span.right, span.bottom as usize))
        .collect()
}

fn heat(figure: &Figure) -> Option<&Heat> {
    figure.panels[0]
        .layers
        .iter()
        .find_map(|layer| match &layer.marks {
            Marks::Heat(heat) => Some(heat),
            _ => None,
        })
}

#[test]
fn stalls_stand_in_the_slot_of_their_request_shaded_by_length() {
    let requests = vec![
        stream(100.0, 1.0, 0.75),
        stream(100.5, 1.0, 4.0),
        // The first is over by now, and its slot free.
        stream(103.0, 1.0, 1.5),
        stream(103.5, 1.0, 0.25),
    ];
    let figure = chart(requests);
    assert_eq!(spans(&figure, Ink::Series(4)), [(1.0, 1.75, 0)]);
    assert_eq!(spans(&figure, Ink::Series(1)), [(4.0, 5.5, 0)]);
    assert_eq!(spans(&figure, Ink::Bad), [(1.5, 5.5, 1)]);
    assert!(heat(&figure).is_none());
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains(
            "3 gaps longer than 500 ms in 3 requests; the longest was 4.00 s in request 1 at 1.50 s"
        ),
        "{footer}"
    );
    assert!(
        !footer.contains("paused"),
        "two at once may be chance: {footer}"
    );
}

#[test]
fn many_silent_streams_are_a_pause_of_the_server() {
    // Five of eight streams are silent from 2.0 to 3.0.
    let mut requests: Vec<RequestSample> = (0..5).map(|_| stream(0.0, 2.0, 1.0)).collect();
    requests.extend((0..3).map(|_| stream(0.0, 2.0, 0.125)));
    let figure = chart(requests);
    assert_eq!(
        spans(&figure, Ink::Muted),
        [(2.0, 3.0, 8)],
        "above the slots"
    );
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains(
            "The server paused 1 time: pause 1 at 2.00 s for 1.00 s, 5 of 8 streams silent"
        ),
        "{footer}"
    );
    // The curves below: the most at once in each column.
    let curves: Vec<f64> = figure.panels[1]
        .layers
        .iter()
        .map(|layer| match &layer.marks {
            Marks::Steps(points) => points.iter().map(|point| point.y).fold(0.0, f64::max),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(curves, [8.0, 5.0]);
}

#[test]
fn streams_that_are_silent_one_after_the_other_are_no_pause() {
    let requests = (0..8)
        .map(|i| stream(0.0, f64::from(i) * 2.0, 1.5))
        .collect();
    let figure = chart(requests);
    assert_eq!(spans(&figure, Ink::Muted), []);
}

#[test]
fn without_a_stall_the_longest_gaps_are_shown() {
    let figure = chart(vec![stream(0.0, 1.0, 0.375), stream(0.0, 1.0, 0.125)]);
    let heat = heat(&figure).expect("a field");
    assert_eq!((heat.x_edges.len(), heat.y_edges.len()), (COLUMNS + 1, 3));
    assert_eq!(heat.values.len(), COLUMNS * 2);
    let most = |row: usize| {
        heat.values[row * COLUMNS..][..COLUMNS]
            .iter()
            .copied()
            .fold(0.0, f64::max)
    };
    assert_eq!((most(0), most(1)), (375.0, 125.0));
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("No gap was longer than 500 ms; the longest was 375 ms in request 0"),
        "{footer}"
    );
}

#[test]
fn very_many_stalls_become_a_field_of_bounded_size() {
    let requests = (0..100_000u32).map(|i| stream(f64::from(i) * 0.01, 1.0, 0.75));
    let figure = chart(requests.collect());
    let heat = heat(&figure).expect("a field");
    assert!(heat.values.len() <= COLUMNS * ROWS);
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("100000 gaps longer than 500 ms"),
        "{footer}"
    );
    assert!(
        footer.contains("Too many to be drawn one by one"),
        "{footer}"
    );
    for layer in &figure.panels[1].layers {
        assert!(matches!(&layer.marks, Marks::Steps(points) if points.len() == COLUMNS + 1));
    }
}

#[test]
fn a_chart_that_cannot_be_drawn_says_why() {
    let whole = RequestSample {
        success: true,
        start: Some(1.0),
        e2el: Some(2.0),
        ..RequestSample::default()
    };
    let run = RunResult {
        requests: vec![whole],
        ..RunResult::default()
    };
    let error = stalls(&run).unwrap_err().to_string();
    assert!(error.contains("times of its tokens"), "{error}");
}
