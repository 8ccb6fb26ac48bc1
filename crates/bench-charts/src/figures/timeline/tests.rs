use bench_report::{RequestSample, RunResult, ServerTimes};

use super::*;

fn answered(start: f64) -> RequestSample {
    RequestSample {
        success: true,
        start: Some(start),
        client_queue: Some(1.0),
        ttft: Some(2.0),
        e2el: Some(5.0),
        gaps: vec![0.25, 2.5, 0.25],
        server: ServerTimes {
            queue: Some(0.5),
            ..ServerTimes::default()
        },
        ..RequestSample::default()
    }
}

fn failed(start: f64) -> RequestSample {
    RequestSample {
        error: Some("HTTP status 503".to_owned()),
        start: Some(start),
        ..RequestSample::default()
    }
}

fn chart(requests: Vec<RequestSample>) -> Figure {
    let run = RunResult {
        requests,
        ..RunResult::default()
    };
    timeline(&run).unwrap()
}

/// The boxes of a layer, as left, right and row.
fn boxes(figure: &Figure, ink: Ink) -> Vec<(f64, f64, usize)> {
    let mut layers = figure.panels[0].layers.iter();
    let found = layers.find_map(|layer| match &layer.marks {
        Marks::Spans(spans) if layer.ink == ink => Some(spans),
        _ => None,
    });
    let spans = found.map_or(&[][..], Vec::as_slice);
    spans
        .iter()
        .map(|span| (span.left, span.right, span.bottom as usize))
        .collect()
}

#[test]
fn a_row_shows_where_the_time_of_a_request_went() {
    // In the file the later request comes first.
    let figure = chart(vec![answered(20.0), answered(10.0)]);
    let row = |ink| boxes(&figure, ink);
    assert_eq!(
        row(Phase::ClientQueue.ink()),
        [(0.0, 1.0, 0), (10.0, 11.0, 1)]
    );
    assert_eq!(
        row(Phase::ServerQueue.ink()),
        [(1.0, 1.5, 0), (11.0, 11.5, 1)]
    );
    assert_eq!(row(Phase::Prefill.ink()), [(1.5, 3.0, 0), (11.5, 13.0, 1)]);
    assert_eq!(row(Phase::Decode.ink()), [(3.0, 6.0, 0), (13.0, 16.0, 1)]);
    assert_eq!(
        row(Phase::Stall.ink()),
        [(3.25, 5.75, 0), (13.25, 15.75, 1)]
    );
    assert_eq!(row(Ink::Bad), []);
}

#[test]
fn failures_are_marked_even_without_a_length() {
    let mut cut = failed(3.0);
    cut.failed_after = Some(1.0);
    let figure = chart(vec![
        answered(1.0),
        failed(2.0),
        cut,
        RequestSample::default(),
    ]);
    assert_eq!(boxes(&figure, Ink::Bad), [(3.0, 4.0, 2)]);
    let points = |name: &str| {
        let mut layers = figure.panels[0].layers.iter();
        let layer = layers.find(|layer| layer.name.as_deref() == Some(name));
        match layer.map(|layer| &layer.marks) {
            Some(Marks::Points(points)) => points.clone(),
            other => panic!("{other:?}"),
        }
    };
    let ended = points("end of a failed request");
    assert_eq!((ended[0].x, ended[0].y), (4.0, 2.5));
    let lost = points(END_UNKNOWN);
    assert_eq!((lost[0].x, lost[0].y), (2.0, 1.5));
    assert_eq!(lost[0].label.as_deref(), Some("request 1: HTTP status 503"));
    assert_eq!((ended.len(), lost.len()), (1, 1));
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("Without 1 of 4 requests, whose time of sending is not known: 3"),
        "{footer}"
    );
}

#[test]
fn an_answer_that_came_whole_is_one_piece() {
    let whole = RequestSample {
        success: true,
        start: Some(1.0),
        e2el: Some(2.0),
        ..RequestSample::default()
    };
    let figure = chart(vec![whole]);
    assert_eq!(figure.panels[0].layers.len(), 1);
    assert_eq!(boxes(&figure, Phase::Whole.ink()), [(0.0, 2.0, 0)]);
}

#[test]
fn of_very_many_requests_some_are_shown_and_all_failures_are_counted() {
    let requests = (0..100_000u32).map(|i| match i % 10 {
        0 => failed(f64::from(i)),
        _ => answered(f64::from(i)),
    });
    let figure = chart(requests.collect());
    let marks: usize = figure.panels[0]
        .layers
        .iter()
        .map(|layer| match &layer.marks {
            Marks::Spans(spans) => spans.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert!((4000..=12_000).contains(&marks), "{marks}");
    let rows = boxes(&figure, Phase::Decode.ink());
    assert!(rows.iter().any(|row| row.2 > 98_000) && rows.iter().any(|row| row.2 < 2000));
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("1000 of 100000 requests are shown"),
        "{footer}"
    );
    assert!(
        footer.contains("2000 of 10000 failures are marked"),
        "{footer}"
    );
}

#[test]
fn a_chart_that_cannot_be_drawn_says_why() {
    let run = RunResult {
        requests: vec![RequestSample::default()],
        ..RunResult::default()
    };
    let error = timeline(&run).unwrap_err().to_string();
    assert!(error.contains("the time at which it was sent"), "{error}");
    let error = timeline(&RunResult::default()).unwrap_err().to_string();
    assert!(error.contains("--save-detailed"), "{error}");
}
