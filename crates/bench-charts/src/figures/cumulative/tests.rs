use bench_report::{RequestSample, RunResult};

use super::*;

fn request(start: f64, ttft: f64, gaps: &[f64]) -> RequestSample {
    RequestSample {
        success: true,
        start: Some(start),
        ttft: Some(ttft),
        e2el: Some(ttft + gaps.iter().sum::<f64>()),
        gaps: gaps.to_vec(),
        input_tokens: Some(100),
        ..RequestSample::default()
    }
}

fn run(requests: Vec<RequestSample>) -> RunResult {
    RunResult {
        requests,
        ..RunResult::default()
    }
}

fn steps(layer: &Layer) -> Vec<(f64, f64)> {
    match &layer.marks {
        Marks::Steps(points) => points.iter().map(|point| (point.x, point.y)).collect(),
        other => panic!("no steps: {other:?}"),
    }
}

fn spans(layer: &Layer) -> &[Span] {
    match &layer.marks {
        Marks::Spans(spans) => spans,
        other => panic!("no spans: {other:?}"),
    }
}

#[test]
fn tokens_of_all_requests_are_counted_in_the_order_in_which_they_came() {
    // Tokens at 10.5, 10.75, 11.0 and at 10.625, 11.125.
    let requests = vec![
        request(10.0, 0.5, &[0.25, 0.25]),
        request(10.25, 0.375, &[0.5]),
    ];
    let totals = token_totals(&run(requests.clone())).unwrap();
    assert_eq!(totals.tokens, 5);
    assert_eq!(totals.duration_s, 0.625);
    assert_eq!(totals.tokens_per_s, Some(8.0));
    assert_eq!(totals.counting, Counting::Chunks);
    assert_eq!(totals.requests, 2);
    let figure = cumulative(&run(requests)).unwrap();
    let curve = &figure.panels[0].layers;
    assert_eq!(curve.len(), 1, "prompts are of one length");
    assert_eq!(
        steps(&curve[0]),
        [
            (0.0, 1.0),
            (0.125, 2.0),
            (0.25, 3.0),
            (0.5, 4.0),
            (0.625, 5.0)
        ]
    );
    assert!(
        figure
            .footer
            .iter()
            .any(|line| line.contains("Total tokens: 5"))
    );
}

#[test]
fn chunks_count_as_the_tokens_they_brought_where_that_is_known() {
    let mut known = request(0.0, 1.0, &[1.0, 1.0]);
    known.chunk_tokens = vec![0, 3, 2];
    let totals = token_totals(&run(vec![known.clone()])).unwrap();
    assert_eq!((totals.tokens, totals.duration_s), (5, 1.0));
    assert_eq!(totals.counting, Counting::Tokens);
    let both = run(vec![known, request(0.0, 1.0, &[2.0])]);
    let totals = token_totals(&both).unwrap();
    assert_eq!((totals.tokens, totals.duration_s), (7, 2.0));
    assert_eq!(totals.counting, Counting::Mixed);
    let footer = cumulative(&both).unwrap().footer.join("\n");
    assert!(
        footer.contains("chunks without a count taken for a token"),
        "{footer}"
    );
}

#[test]
fn requests_without_token_times_are_named() {
    let unsent = RequestSample::default();
    let mut whole = request(1.0, 0.5, &[]);
    whole.e2el = Some(2.0);
    let single = request(1.0, 0.5, &[]);
    let some = run(vec![unsent.clone(), single, whole.clone(), unsent.clone()]);
    let totals = token_totals(&some).unwrap();
    assert_eq!((totals.tokens, totals.tokens_per_s), (1, None));
    assert_eq!(totals.lacking, [0, 2, 3]);
    let figure = cumulative(&some).unwrap();
    assert_eq!(figure.panels.len(), 1, "there is no rate");
    let footer = figure.footer.join("\n");
    assert!(footer.contains("Without 3 of 4 requests, for want of their token times: 0, 2, 3"));

    let none = token_totals(&run(vec![unsent, whole]))
        .unwrap_err()
        .to_string();
    assert!(
        none.contains("0 of 2 requests") && none.contains("--save-detailed"),
        "{none}"
    );
    let empty = token_totals(&run(Vec::new())).unwrap_err();
    assert!(matches!(empty, NoChart::NoDetails { .. }));
}

#[test]
fn plateaus_tell_silence_of_the_server_from_want_of_work() {
    let requests = vec![
        // Silent for 3 s with a request under way.
        request(0.0, 0.5, &[0.1, 3.0, 0.1]),
        // Nothing is under way between 3.7 and 10; then the first token takes 2 s.
        request(10.0, 2.0, &[0.1, 0.1]),
        // Neither nothing to do nor waiting takes more than a second.
        request(12.95, 0.75, &[0.1]),
    ];
    let figure = cumulative(&run(requests)).unwrap();
    let layers = &figure.panels[0].layers;
    let near = |layer: &Layer, expected: &[(f64, f64)]| {
        let spans = spans(layer);
        assert_eq!(spans.len(), expected.len(), "{spans:?}");
        for (span, (left, right)) in spans.iter().zip(expected) {
            let off = (span.left - left).abs() + (span.right - right).abs();
            assert!(off < 1e-9, "{span:?} {left} {right}");
        }
    };
    assert_eq!((layers[1].ink, layers[2].ink), (Ink::Bad, Ink::Muted));
    near(&layers[1], &[(0.1, 3.1), (9.5, 11.5), (11.7, 13.2)]);
    near(&layers[2], &[(3.2, 9.5)]);
    let lengths = match &layers[3].marks {
        Marks::Words(words) => words.iter().filter_map(|word| word.label.as_deref()),
        other => panic!("no words: {other:?}"),
    };
    let lengths: Vec<&str> = lengths.collect();
    assert_eq!(lengths, ["6.30 s", "3.00 s", "2.00 s", "1.50 s"]);
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("3 times with requests under way, 1 with none; the longest took 6.30 s"),
        "{footer}"
    );
}

#[test]
fn a_slow_but_steady_stream_has_no_plateau() {
    let figure = cumulative(&run(vec![request(0.0, 2.0, &[2.0; 20])])).unwrap();
    let footer = figure.footer.join("\n");
    assert!(
        footer.contains("Never without a token for more than 20.00 s"),
        "{footer}"
    );
    assert_eq!(figure.panels[0].layers.len(), 1);
}

#[test]
fn shorter_and_longer_prompts_add_up_to_all() {
    let lengths = [10, 20, 20, 3000, 4000];
    let requests = lengths.iter().enumerate().map(|(i, tokens)| RequestSample {
        input_tokens: Some(*tokens),
        ..request(i as f64, 0.5, &[0.25; 4])
    });
    let figure = cumulative(&run(requests.collect())).unwrap();
    for panel in &figure.panels {
        let names: Vec<_> = panel
            .layers
            .iter()
            .filter_map(|one| one.name.clone())
            .collect();
        assert_eq!(
            names,
            [
                "all",
                "prompts of up to 20 tokens",
                "prompts of more than 20 tokens"
            ]
        );
    }
    let last = |layer: usize| {
        steps(&figure.panels[0].layers[layer])
            .last()
            .copied()
            .unwrap()
            .1
    };
    assert_eq!([last(0), last(1), last(2)], [25.0, 15.0, 10.0]);
    // Half of the prompts and more are as long as the longest.
    let mut most = run((0..4)
        .map(|i| request(f64::from(i), 0.5, &[0.25]))
        .collect());
    most.requests[0].input_tokens = Some(7);
    let figure = cumulative(&most).unwrap();
    let name = figure.panels[0].layers[1].name.clone();
    assert_eq!(name.as_deref(), Some("prompts of up to 7 tokens"));
}

#[test]
fn windows_hold_all_tokens_and_have_no_spike_at_the_end() {
    let figure = cumulative(&run(vec![request(0.0, 0.5, &[0.01; 1003])])).unwrap();
    let points = steps(&figure.panels[1].layers[0]);
    let tokens: f64 = points
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0) * pair[0].1)
        .sum();
    assert!((tokens - 1004.0).abs() < 1e-6, "{tokens}");
    assert!((points.last().unwrap().0 - 10.03).abs() < 1e-9);
    assert!(
        points.iter().all(|(_, rate)| (80.0..=120.0).contains(rate)),
        "{points:?}"
    );
}

#[test]
fn many_tokens_are_few_points() {
    let requests = (0..100_000u32).map(|i| RequestSample {
        input_tokens: Some(u64::from(i % 7)),
        ..request(f64::from(i) * 0.01, 0.2, &[0.02; 16])
    });
    let run = run(requests.collect());
    let totals = token_totals(&run).unwrap();
    assert_eq!(totals.tokens, 1_700_000);
    let figure = cumulative(&run).unwrap();
    for layer in figure.panels.iter().flat_map(|panel| &panel.layers) {
        let points = steps(layer);
        assert!(points.len() <= 4001, "{}", points.len());
    }
    let curve = steps(&figure.panels[0].layers[0]);
    assert_eq!(*curve.last().unwrap(), (totals.duration_s, 1_700_000.0));
    assert_eq!(curve[0].0, 0.0);
}
