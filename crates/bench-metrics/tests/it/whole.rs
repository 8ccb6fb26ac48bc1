//! Runs whose answers come whole: pooling, and generation without streams.

use bench_metrics::{
    Convention, Slo, Summary, SummaryOptions, check_measurable, default_metrics, measurable,
    parse_metrics,
};
use bench_types::MarkKind::{Text, Whole};
use bench_types::{Failure, Nanos, RequestRecord, Task, TokenSource};
use serde_json::Value;

use crate::make::{facts, failed, record};

fn options(task: Task, streamed: bool) -> SummaryOptions {
    SummaryOptions {
        slo: Some(Slo::parse(["e2el:100"]).expect("an objective")),
        task,
        streamed,
        ..SummaryOptions::default()
    }
}

/// Two batches of three inputs, one of them slow, and one that failed.
fn records() -> Vec<RequestRecord> {
    let batch = |id, end| RequestRecord {
        inputs: 3,
        output_tokens: 5,
        ..record(id, &[(end, Whole, 0)])
    };
    vec![batch(0, 52), batch(1, 2000), failed(2, Failure::NoTokens)]
}

fn summary(task: Task, streamed: bool) -> Summary {
    let records = records();
    Summary::of(&records, &facts(&records), &options(task, streamed))
}

/// Every key of an object, at any depth.
fn keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                found.push(key.clone());
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

fn keys_of(summary: &Summary) -> Vec<String> {
    let mut found = Vec::new();
    keys(
        &serde_json::to_value(summary).expect("serializable"),
        &mut found,
    );
    found
}

const OF_STREAMS: [&str; 9] = [
    "ttft",
    "tpot",
    "itl",
    "ttfat",
    "chunk_gap",
    "burst_size",
    "longest_gap",
    "stalls",
    "chunk_sources",
];

#[test]
fn nothing_about_tokens_in_time_is_made_up() {
    for task in [Task::Generate, Task::Transcribe, Task::Pool] {
        let summary = summary(task, false);
        let found = keys_of(&summary);
        for key in OF_STREAMS {
            assert!(
                !found.iter().any(|found| *found == key),
                "{key} of {task:?}"
            );
        }
        for view in [&summary.vllm, &summary.strict] {
            assert_eq!(view.peak.expect("a peak").output_tokens_per_s, None);
        }
        let names = |convention| -> Vec<String> {
            summary.view(convention).metrics.keys().cloned().collect()
        };
        let vllm = [
            "client_queue_time",
            "e2el",
            "e2el_including_client_queue",
            "queue_time",
        ];
        assert_eq!(names(Convention::Vllm), vllm);
        let strict = ["closed", "e2el", "queue_time", "slot_wait"];
        assert_eq!(names(Convention::Strict), strict);
        assert_eq!(names(Convention::Intended), ["closed", "e2el"]);
        assert_eq!(summary.vllm.metrics["e2el"].mean, (50.0 + 1998.0) / 2.0);
    }
}

#[test]
fn pooling_counts_inputs_and_no_output() {
    let pooling = summary(Task::Pool, true);
    let inputs = pooling.inputs.expect("inputs");
    assert_eq!((inputs.total, inputs.per_s), (6, 3.0));
    assert_eq!(pooling.tokens.output, None);
    assert_eq!(pooling.throughput.total_tokens_per_s, 10.0);
    let goodput = pooling.strict.goodput.expect("goodput");
    assert_eq!((goodput.good, goodput.tokens_per_s), (1, None));
    assert_eq!(goodput.attainment, 1.0 / 3.0);
    assert!(!keys_of(&pooling).iter().any(|key| key.contains("output")));

    let generation = summary(Task::Generate, false);
    assert_eq!(generation.inputs, None);
    assert_eq!(generation.tokens.output, Some(10));
    assert_eq!(generation.throughput.output_tokens_per_s, Some(5.0));
}

#[test]
fn tokens_that_nobody_counted_are_absent_and_not_0() {
    let mut records = records();
    for record in &mut records {
        record.output_tokens = 0;
        record.output_tokens_source = TokenSource::Unknown;
    }
    let of = |records: &[RequestRecord]| {
        Summary::of(records, &facts(records), &options(Task::Generate, false))
    };
    let uncounted = of(&records);
    assert_eq!(uncounted.tokens.output, None);
    assert_eq!(uncounted.throughput.output_tokens_per_s, None);
    assert_eq!(
        uncounted.strict.goodput.expect("goodput").tokens_per_s,
        None
    );
    let [source] = uncounted.tokens.output_sources[..] else {
        panic!("{:?}", uncounted.tokens.output_sources);
    };
    assert_eq!((source.source, source.requests), (TokenSource::Unknown, 2));

    records[0].output_tokens = 5;
    records[0].output_tokens_source = TokenSource::Usage;
    let partly = of(&records);
    assert_eq!(partly.tokens.output, Some(5));
    assert_eq!(partly.tokens.output_sources.len(), 2);
    // Without an answer there were no tokens, which is known.
    assert_eq!(of(&records[2..]).tokens.output, Some(0));
}

#[test]
fn transcription_is_measured_against_the_length_of_the_recordings() {
    let mut records = records();
    for record in &mut records {
        record.audio = Some(Nanos::from_millis(7500));
    }
    let facts = facts(&records);
    let of = |task| Summary::of(&records, &facts, &options(task, false)).audio;
    let audio = of(Task::Transcribe).expect("audio");
    // The recording that was not transcribed does not count.
    assert_eq!((audio.seconds, audio.rtfx), (15.0, 7.5));
    assert_eq!(of(Task::Generate), None);
}

#[test]
fn a_stream_of_a_transcription_has_every_metric() {
    let records = [record(0, &[(10, Text, 1), (20, Text, 1)])];
    let summary = Summary::of(&records, &facts(&records), &options(Task::Transcribe, true));
    assert_eq!(summary.strict.metrics["ttft"].mean, 8.0);
    assert_eq!(measurable(Task::Transcribe, true).len(), 13);
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_can() {
    let names = |task, streamed| -> Vec<&str> {
        let metrics = measurable(task, streamed);
        metrics.iter().map(|metric| metric.name).collect()
    };
    let whole = [
        "e2el",
        "closed",
        "queue_time",
        "client_queue_time",
        "e2el_including_client_queue",
        "slot_wait",
    ];
    assert_eq!(names(Task::Pool, true), whole);
    assert_eq!(names(Task::Generate, false), whole);

    let chosen = parse_metrics("e2el,itl").expect("known metrics");
    assert_eq!(check_measurable(&chosen, Task::Generate, true), Ok(()));
    let error = |task| {
        let refused = check_measurable(&chosen, task, false);
        refused.expect_err("refused").to_string()
    };
    assert_eq!(
        error(Task::Generate),
        "'itl' needs a stream of tokens, and these answers are not streamed; \
         choose from e2el, closed, queue_time, client_queue_time, \
         e2el_including_client_queue, slot_wait"
    );
    assert!(error(Task::Pool).contains("embeddings, scores and rankings come whole"));
    let defaults: Vec<&str> = default_metrics(Task::Pool, true)
        .iter()
        .map(|metric| metric.name)
        .collect();
    assert_eq!(defaults, ["e2el"]);
    assert_eq!(default_metrics(Task::Generate, true).len(), 3);
}

#[test]
fn an_objective_that_no_answer_can_meet_is_refused() {
    let slo = |text: &str| Slo::parse([text]).expect("an objective");
    assert_eq!(slo("e2el:5").check_measurable(Task::Pool, true), Ok(()));
    assert_eq!(slo("ttft:5").check_measurable(Task::Generate, true), Ok(()));
    let error = slo("ttft:5").check_measurable(Task::Generate, false);
    assert_eq!(
        error.expect_err("refused").to_string(),
        "'ttft' needs a stream of tokens, and these answers are not streamed; choose from e2el"
    );
}

#[test]
fn the_failure_rate_is_of_what_was_sent() {
    let mut records = records();
    let mut never_sent = failed(3, Failure::Cancelled);
    never_sent.timeline.sent = None;
    records.push(never_sent);
    let of = |records: &[RequestRecord]| {
        Summary::of(records, &facts(records), &SummaryOptions::default()).failure_rate()
    };
    assert_eq!(of(&records), 1.0 / 3.0);
    assert_eq!(of(&records[3..]), 0.0);
}

#[test]
fn part_of_a_run_is_read_without_copies() {
    let records = records();
    let facts = facts(&records);
    let slow = records.iter().filter(|record| record.id == 1);
    let summary = Summary::of(slow, &facts, &options(Task::Pool, true));
    assert_eq!((summary.requests.sent, summary.requests.failed), (1, 0));
    assert_eq!(summary.strict.metrics["e2el"].mean, 1998.0);
}
