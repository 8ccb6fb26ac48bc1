use bench_metrics::{Convention, Metric, Unit, parse_metrics};
use bench_types::MarkKind::{Done, Empty, Reasoning, Role, Text, ToolCall, Usage};
use bench_types::{RequestRecord, TokenSource};

use crate::make::record;

fn samples(record: &RequestRecord, name: &str, convention: Convention) -> Vec<f64> {
    let metric = Metric::find(name).expect("a metric of that name");
    let mut samples = Vec::new();
    (metric.observe)(record, convention, &mut samples);
    samples
}

fn vllm(record: &RequestRecord, name: &str) -> Vec<f64> {
    samples(record, name, Convention::Vllm)
}

fn strict(record: &RequestRecord, name: &str) -> Vec<f64> {
    samples(record, name, Convention::Strict)
}

fn intended(record: &RequestRecord, name: &str) -> Vec<f64> {
    samples(record, name, Convention::Intended)
}

/// Role chunk, reasoning, answer, finish chunk, usage, end marker.
fn chat() -> RequestRecord {
    record(
        0,
        &[
            (12, Role, 0),
            (22, Reasoning, 1),
            (32, Reasoning, 1),
            (52, Text, 1),
            (56, Text, 1),
            (57, Empty, 0),
            (60, Usage, 0),
            (61, Done, 0),
        ],
    )
}

#[test]
fn a_role_chunk_is_the_first_token_only_for_vllm() {
    assert_eq!(vllm(&chat(), "ttft"), [10.0]);
    assert_eq!(strict(&chat(), "ttft"), [20.0]);
    assert_eq!(intended(&chat(), "ttft"), [22.0]);
}

#[test]
fn the_first_answer_token_comes_after_reasoning() {
    assert_eq!(strict(&chat(), "ttfat"), [50.0]);
    assert_eq!(intended(&chat(), "ttfat"), [52.0]);
    let only_reasoning = record(0, &[(5, Reasoning, 1)]);
    assert!(strict(&only_reasoning, "ttfat").is_empty());
    let tool_call = record(0, &[(5, Reasoning, 1), (7, ToolCall, 1)]);
    assert_eq!(strict(&tool_call, "ttfat"), [5.0]);
}

#[test]
fn latency_ends_with_the_last_choice_or_the_last_content_or_the_stream() {
    assert_eq!(vllm(&chat(), "e2el"), [55.0]);
    assert_eq!(strict(&chat(), "e2el"), [54.0]);
    assert_eq!(intended(&chat(), "e2el"), [56.0]);
    assert_eq!(strict(&chat(), "closed"), [59.0]);
    assert_eq!(intended(&chat(), "closed"), [61.0]);
}

#[test]
fn tpot_spreads_the_time_after_the_first_token() {
    assert_eq!(vllm(&chat(), "tpot"), [45.0 / 3.0]);
    assert_eq!(strict(&chat(), "tpot"), [34.0 / 3.0]);
    let single = record(0, &[(12, Role, 0), (22, Text, 1), (23, Empty, 0)]);
    assert!(vllm(&single, "tpot").is_empty());
    assert!(strict(&single, "tpot").is_empty());
    assert_eq!(strict(&single, "e2el"), [20.0]);
}

#[test]
fn vllm_takes_every_gap_between_choices() {
    assert_eq!(vllm(&chat(), "itl"), [10.0, 10.0, 20.0, 4.0, 1.0]);
    assert_eq!(strict(&chat(), "itl"), [10.0, 20.0, 4.0]);
    assert_eq!(strict(&chat(), "chunk_gap"), [10.0, 20.0, 4.0]);
    assert_eq!(strict(&chat(), "longest_gap"), [20.0]);
}

#[test]
fn a_gap_is_shared_by_the_tokens_of_its_chunk() {
    let bursts = record(0, &[(10, Text, 2), (16, Text, 3), (20, Text, 1)]);
    assert_eq!(vllm(&bursts, "itl"), [6.0, 4.0]);
    assert_eq!(strict(&bursts, "itl"), [2.0, 2.0, 2.0, 4.0]);
    assert_eq!(strict(&bursts, "chunk_gap"), [6.0, 4.0]);
    assert_eq!(strict(&bursts, "burst_size"), [2.0, 3.0, 1.0]);
}

#[test]
fn a_chunk_without_a_token_rolls_into_the_next() {
    let halves = record(
        0,
        &[(10, Text, 1), (13, Text, 0), (20, Text, 2), (25, Text, 0)],
    );
    assert_eq!(strict(&halves, "itl"), [5.0, 5.0]);
    assert_eq!(strict(&halves, "chunk_gap"), [3.0, 7.0, 5.0]);
    assert_eq!(strict(&halves, "burst_size"), [1.0, 2.0]);
}

#[test]
fn an_empty_chunk_with_tokens_is_an_arrival() {
    let split = record(
        0,
        &[(10, Text, 1), (14, Empty, 1), (20, Text, 1), (21, Empty, 0)],
    );
    assert_eq!(strict(&split, "itl"), [4.0, 6.0]);
    assert_eq!(strict(&split, "chunk_gap"), [10.0]);
    // Before the first content it is part of the time to the first token.
    let early = record(0, &[(10, Empty, 1), (14, Text, 1), (20, Text, 1)]);
    assert_eq!(strict(&early, "ttft"), [12.0]);
    assert_eq!(strict(&early, "itl"), [6.0]);
}

#[test]
fn without_counts_each_content_chunk_is_a_token() {
    for source in [TokenSource::Chunks, TokenSource::Unknown] {
        let mut uncounted = record(0, &[(10, Text, 0), (14, Empty, 0), (20, Text, 0)]);
        uncounted.chunk_tokens = source;
        assert_eq!(strict(&uncounted, "itl"), [10.0]);
        assert!(strict(&uncounted, "burst_size").is_empty());
    }
}

#[test]
fn ttft_and_all_itls_lead_to_the_last_token() {
    let marks = [
        (9, Empty, 2),
        (10, Text, 2),
        (13, Text, 0),
        (20, Empty, 3),
        (41, Text, 7),
    ];
    let record = record(0, &marks);
    let sum: f64 = strict(&record, "itl").iter().sum::<f64>() + strict(&record, "ttft")[0];
    assert!((sum - strict(&record, "e2el")[0]).abs() < 1e-9);
}

#[test]
fn waiting_in_the_client_is_measured_from_the_schedule() {
    assert_eq!(vllm(&chat(), "queue_time"), [2.0]);
    assert_eq!(vllm(&chat(), "client_queue_time"), [2.0]);
    let e2el = vllm(&chat(), "e2el")[0];
    assert_eq!(vllm(&chat(), "e2el_including_client_queue"), [e2el + 2.0]);
    assert_eq!(strict(&chat(), "slot_wait"), [1.0]);
}

#[test]
fn a_stream_without_chunks_has_no_samples() {
    let nothing = record(0, &[]);
    for name in [
        "ttft",
        "ttfat",
        "itl",
        "e2el",
        "tpot",
        "chunk_gap",
        "longest_gap",
    ] {
        assert!(vllm(&nothing, name).is_empty(), "{name}");
        assert!(strict(&nothing, name).is_empty(), "{name}");
    }
}

#[test]
fn metrics_are_chosen_by_name() {
    let names = |list: &str| -> Vec<&str> {
        let metrics = parse_metrics(list).expect("known metrics");
        metrics.iter().map(|metric| metric.name).collect()
    };
    assert_eq!(names("itl, ttft,itl"), ["ttft", "itl"]);
    let chosen = parse_metrics("ttft,e2el").expect("known metrics");
    assert!(chosen.iter().all(|metric| metric.unit == Unit::Millis));
    let error = parse_metrics("ttft,tpop")
        .expect_err("a typing error")
        .to_string();
    assert!(
        error.starts_with("unknown metric 'tpop', did you mean 'tpot'?"),
        "{error}"
    );
}
