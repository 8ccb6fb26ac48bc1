use bench_backends::{BackendError, BodyEnd, Request, backend};
use bench_testkit::{Capture, captures, splits};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, ServerTimings, TokenSource};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::encode::{captured, encoded};
use crate::{Decoded, body, decode, whole};

const STREAM: &str = "sglang-0.5.23/generate_stream";

fn stream(body: &[u8], end: BodyEnd<'_>) -> Decoded {
    decode_frames([body], end)
}

fn decode_frames<'f>(frames: impl IntoIterator<Item = &'f [u8]>, end: BodyEnd<'_>) -> Decoded {
    decode(
        backend("sglang").expect("registered").decoder(),
        frames,
        end,
    )
}

fn capture(name: &str) -> Decoded {
    let capture = Capture::load(name);
    let end = match capture.cut {
        true => BodyEnd::Cut("connection closed"),
        false => BodyEnd::Complete,
    };
    stream(&capture.body, end)
}

fn capture_whole(name: &str) -> Decoded {
    let decoder = backend("sglang").expect("registered").decoder();
    whole(decoder, &[], &Capture::load(name).body)
}

/// A stream of these events.
fn events(events: &[Value]) -> Decoded {
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    stream(body(&events).as_bytes(), BodyEnd::Complete)
}

/// The body of the capture of an abort.
fn aborted() -> Vec<u8> {
    Capture::load("sglang-0.5.23/abort_midstream").body
}

/// The events of a capture as JSON, without the end marker.
fn json_of(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("UTF-8");
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().expect("number")).expect("small")
}

fn streams() -> Vec<String> {
    let mut names = captures(
        "sglang-0.5.23",
        &["generate_stream", "generate_batch_stream"],
    );
    names.extend(captures("sglang-0.5.23", &["generate_input_ids"]));
    names.extend(captures("sglang-router-0.3.2", &["generate_stream"]));
    assert_eq!(names.len(), 8, "{names:?}");
    names
}

#[test]
fn requests_come_out_as_they_were_captured() {
    let hello = Prompt::Text("Hello world".into());
    let mut request = Request::new(&hello, "ignored", 8);
    request.ignore_eos = true;
    assert_eq!(encoded("sglang-native", &request), captured(STREAM));
    request.stream = false;
    let expected = captured("sglang-0.5.23/generate");
    assert_eq!(encoded("sglang", &request), expected);

    let ids = Prompt::TokenIds([15_496, 995, 11].into());
    let mut request = Request::new(&ids, "m", 4);
    request.ignore_eos = true;
    let expected = captured("sglang-0.5.23/generate_input_ids");
    assert_eq!(encoded("sglang", &request), expected);

    let batch = Prompt::Batch(["Hello".into(), "world".into()].into());
    request.prompt = &batch;
    let expected = captured("sglang-0.5.23/generate_batch_stream");
    assert_eq!(encoded("sglang", &request), expected);
    request.request_id = Some("id");
    let (_, body) = encoded("sglang", &request);
    assert_eq!(body["rid"], json!(["id_0", "id_1"]));

    let trace = Prompt::Text("Hello trace".into());
    let mut request = Request::new(&trace, "m", 8);
    request.ignore_eos = true;
    request.request_id = Some("my-rid-1");
    let expected = captured("sglang-0.5.23/generate_stream_rid");
    assert_eq!(encoded("sglang", &request), expected);
}

#[test]
fn the_users_sampling_parameters_are_merged_and_other_fields_replace() {
    let hello = Prompt::Text("Hello world".into());
    let mut request = Request::new(&hello, "m", 12);
    request.ignore_eos = true;
    let extra = json!({"sampling_params": {"stream_interval": 4}});
    request.extra_body = extra.as_object();
    let expected = captured("sglang-0.5.23/generate_stream_interval");
    assert_eq!(encoded("sglang", &request), expected);

    request.max_output_tokens = 3;
    request.logprobs = Some(2);
    let extra = json!({"return_text_in_logprobs": true});
    request.extra_body = extra.as_object();
    let expected = captured("sglang-0.5.23/generate_stream_logprob");
    assert_eq!(encoded("sglang", &request), expected);

    let extra = json!({"sampling_params": {"max_new_tokens": 1}, "text": "y", "rid": "r"});
    request.extra_body = extra.as_object();
    request.request_id = Some("id");
    let http = backend("sglang").expect("registered").encode(&request);
    let http = http.expect("expressible");
    let text = std::str::from_utf8(http.body()).expect("UTF-8");
    let expected = concat!(
        r#"{"sampling_params":{"ignore_eos":true,"max_new_tokens":1},"stream":true,"#,
        r#""return_logprob":true,"top_logprobs_num":2,"rid":"r","text":"y"}"#
    );
    assert_eq!(text, expected);
}

#[test]
fn every_sampling_parameter_has_its_name() {
    let prompt = Prompt::Text("x".into());
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.9),
        top_k: Some(-1),
        min_p: Some(0.1),
        frequency_penalty: Some(0.2),
        presence_penalty: Some(0.3),
        repetition_penalty: Some(1.1),
    };
    let mut request = Request::new(&prompt, "m", 1);
    request.sampling = &sampling;
    let expected = json!({
        "max_new_tokens": 1, "temperature": 0.0, "top_p": 0.9, "top_k": -1, "min_p": 0.1,
        "frequency_penalty": 0.2, "presence_penalty": 0.3, "repetition_penalty": 1.1,
    });
    assert_eq!(encoded("sglang", &request).1["sampling_params"], expected);
}

#[test]
fn chat_messages_are_refused() {
    let prompt = Prompt::Chat("[]".into());
    let request = Request::new(&prompt, "m", 1);
    let error = backend("sglang").expect("registered").encode(&request);
    let error = error.expect_err("chat");
    assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
    assert!(error.to_string().contains("`sglang`"), "{error}");
}

#[test]
fn every_captured_stream_decodes_to_what_it_holds() {
    for name in streams() {
        let held = json_of(&Capture::load(&name).body);
        let Decoded {
            seen,
            source,
            outcome,
        } = capture(&name);
        assert_eq!(outcome, Ok(Finish::Length), "{name}");
        assert_eq!(source, TokenSource::Usage, "{name}");
        assert_eq!(seen.done, 1, "{name}");
        assert_eq!(seen.chunks.len(), held.len(), "{name}");
        let mut before = vec![(String::new(), 0, 0, 0); 2];
        for (event, (chunk, usage)) in held.iter().zip(seen.chunks.iter().zip(&seen.usages)) {
            let index = event["index"].as_u64().unwrap_or(0) as usize;
            let (text, meta) = (event["text"].as_str().expect("text"), &event["meta_info"]);
            let tokens = number(&meta["completion_tokens"]);
            let (text_before, tokens_before, ..) = before[index].clone();
            let new = text.strip_prefix(&*text_before).expect("grows");
            let kind = match new {
                "" => MarkKind::Empty,
                _ => MarkKind::Text,
            };
            let expected = (
                index as u32,
                kind,
                new.to_owned(),
                Some(tokens - tokens_before),
            );
            assert_eq!(*chunk, expected, "{name}");
            let (prompt, cached) = (&meta["prompt_tokens"], &meta["cached_tokens"]);
            before[index] = (text.to_owned(), tokens, number(prompt), number(cached));
            let sums = before
                .iter()
                .fold((0, 0, 0), |sum, (_, tokens, prompt, cached)| {
                    (sum.0 + prompt, sum.1 + tokens, sum.2 + cached)
                });
            let sums = (Some(sums.0), Some(sums.1), Some(sums.2), false);
            assert_eq!(*usage, sums, "{name}");
        }
    }
}

#[test]
fn spot_checks() {
    let plain = capture(STREAM);
    let chunk = |kind, text: &str| (0, kind, text.to_owned(), Some(1));
    let expected = [
        chunk(MarkKind::Empty, ""),
        chunk(MarkKind::Text, "\u{FFFD}revolution"),
        chunk(MarkKind::Text, " Component"),
    ];
    assert_eq!(plain.seen.chunks[..3], expected);
    assert_eq!(
        plain.seen.usages.last(),
        Some(&(Some(2), Some(8), Some(1), false))
    );
    let interval = capture("sglang-0.5.23/generate_stream_interval").seen;
    assert_eq!(interval.tokens(), [Some(1), Some(4), Some(4), Some(3)]);
    let batch = capture("sglang-0.5.23/generate_batch_stream").seen;
    assert_eq!(batch.text(0), " Mohamed abducted Sydney Nice");
    assert_eq!(batch.text(1), " SaturnAf drainageOutput");
    assert_eq!(
        batch.usages.last(),
        Some(&(Some(2), Some(8), Some(0), false))
    );
}

#[test]
fn the_servers_own_times_are_taken_as_far_as_they_are_there() {
    let queue = 0.000_624_679_999_873_478_7;
    let prefill = 1_795_296_881.346_065_8 - 1_795_296_881.330_397_4;
    let (ttft, e2e) = (0.020_902_034_999_835_45, 0.075_067_583_999_953_06);
    let first = ServerTimings {
        queue: Some(queue),
        prefill: Some(prefill),
        ..ServerTimings::default()
    };
    let last = ServerTimings {
        decode: Some(e2e - ttft),
        ttft: Some(ttft),
        e2e: Some(e2e),
        ..first
    };
    assert_eq!(capture(STREAM).seen.timings, [first, last]);

    // Without --enable-metrics.
    let meta = json!({"completion_tokens": 1, "finish_reason": {"type": "stop"},
        "e2e_latency": 0.5, "queue_time": null});
    let bare = events(&[json!({"text": "x", "meta_info": meta})]).seen;
    let e2e = ServerTimings {
        e2e: Some(0.5),
        ..ServerTimings::default()
    };
    assert_eq!(bare.timings, [e2e]);
    let none = capture("sglang-router-0.3.2/worker_dies_midstream").seen;
    assert_eq!(none.timings, []);
}

#[test]
fn whole_answers_decode_to_what_they_hold() {
    for (name, texts, usage, times) in [
        (
            "sglang-0.5.23/generate",
            &[" perl grade 387 Kurds LtaboolaCollege unpopular"][..],
            (Some(2), Some(8), Some(0), false),
            1,
        ),
        (
            "sglang-0.5.23/generate_batch",
            &["pa Guatemala Comprehensive dungeon", "kinServsysourced"],
            (Some(2), Some(8), Some(0), false),
            2,
        ),
    ] {
        let Decoded {
            seen,
            source,
            outcome,
        } = capture_whole(name);
        let chunks: Vec<_> = (0..)
            .zip(texts)
            .map(|(index, text)| (index, MarkKind::Whole, (*text).to_owned(), None))
            .collect();
        assert_eq!(seen.chunks, chunks, "{name}");
        assert_eq!(seen.usages.last(), Some(&usage), "{name}");
        assert_eq!(seen.timings.len(), times, "{name}");
        assert!(seen.timings[0].ttft.is_some(), "{name}");
        assert_eq!((source, outcome), (TokenSource::Usage, Ok(Finish::Length)));
    }
}

#[test]
fn a_whole_answer_must_be_one() {
    let decoder = || backend("sglang").expect("registered").decoder();
    let outcome = |body: &str| whole(decoder(), &[], body.as_bytes()).outcome;
    assert_eq!(outcome("[]"), Err(Failure::NoTokens));
    for malformed in ["", "{}", "[{\"text\":\"x\"}]", "7", "[["] {
        let outcome = outcome(malformed);
        assert!(matches!(outcome, Err(Failure::Protocol(_))), "{malformed}");
    }
    let error = outcome(r#"{"error":{"message":"full"}}"#);
    assert_eq!(error, Err(Failure::Server("full".into())));
}

/// Rewrites the events so that they hold only what is new.
fn incremental(events: &mut [Value], texts: bool) {
    let (mut text, mut ids) = (String::new(), 0);
    for event in events {
        let whole = event["text"].as_str().expect("text").to_owned();
        if texts {
            event["text"] = json!(whole.strip_prefix(&*text).expect("grows"));
        }
        text = whole;
        let list = event["output_ids"].as_array().expect("ids").clone();
        event["output_ids"] = json!(list[ids..]);
        ids = list.len();
    }
}

#[test]
fn servers_that_send_only_what_is_new_are_understood() {
    for name in streams() {
        if name.contains("batch") {
            continue;
        }
        let held = json_of(&Capture::load(&name).body);
        let expected = events(&held);
        // Older versions send new ids with all text.
        for texts in [true, false] {
            let mut held = held.clone();
            incremental(&mut held, texts);
            assert_eq!(events(&held), expected, "{name}, {texts}");
        }
    }
}

#[test]
fn errors_in_the_stream_fail_in_spite_of_done() {
    for (name, message) in [
        (
            "sglang-0.5.23/err_bad_param_stream",
            "temperature must be a non-negative finite number, got -1.",
        ),
        (
            "sglang-0.5.23/err_too_long_stream",
            "The input (6001 tokens) is longer than the model's context length (4096 tokens).",
        ),
    ] {
        let decoded = capture(name);
        assert_eq!(decoded.seen.errors, [message], "{name}");
        assert_eq!(decoded.seen.done, 1, "{name}");
        assert_eq!(decoded.outcome, Err(Failure::Server(message.into())));
    }
    let refused = capture_whole("sglang-0.5.23/err_too_long").outcome;
    assert!(matches!(refused, Err(Failure::Server(_))), "{refused:?}");
    let refused = capture_whole("sglang-0.5.23/err_bad_json").outcome;
    assert!(matches!(refused, Err(Failure::Server(_))), "{refused:?}");
}

#[test]
fn an_abort_is_a_failure_with_its_message() {
    let aborted = stream(&aborted(), BodyEnd::Complete);
    let message = "the server gave up (finish_reason `abort`): Aborted";
    assert_eq!(aborted.outcome, Err(Failure::Server(message.into())));
    assert_eq!(aborted.seen.done, 1);
    assert!(aborted.seen.text(0).starts_with("aj annexed"));
    assert!(aborted.seen.text(0).ends_with("improvements07586"));
    let sum: u32 = aborted.seen.tokens().iter().flatten().sum();
    assert_eq!(
        aborted.seen.usages.last().and_then(|usage| usage.1),
        Some(sum)
    );
}

#[test]
fn a_worker_that_dies_truncates_the_stream() {
    let dead = capture("sglang-router-0.3.2/worker_dies_midstream");
    assert_eq!(dead.seen.text(0), " w0 w1 w2");
    assert_eq!(dead.seen.tokens(), [Some(1); 3]);
    let closed = Failure::Truncated("connection closed".into());
    assert_eq!(dead.outcome, Err(closed));
}

#[test]
fn every_answer_of_a_batch_must_finish_unless_the_end_marker_came() {
    let mut held = json_of(&Capture::load("sglang-0.5.23/generate_batch_stream").body);
    assert_eq!(events(&held).outcome, Ok(Finish::Length));
    held.pop();
    let outcome = events(&held).outcome;
    assert!(matches!(outcome, Err(Failure::Truncated(_))), "{outcome:?}");
    let mut text: String = held
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    text.push_str("data: [DONE]\n\n");
    let outcome = stream(text.as_bytes(), BodyEnd::Complete).outcome;
    assert_eq!(outcome, Ok(Finish::Length));
}

#[test]
fn counts_that_are_missing_are_not_made_up() {
    let decoded = events(&[
        json!({"text": "a"}),
        json!({"text": "ab", "meta_info": {"finish_reason": {"type": "stop", "matched": 2}}}),
    ]);
    assert_eq!(decoded.seen.text(0), "ab");
    assert_eq!(decoded.seen.tokens(), [None, None]);
    assert_eq!(decoded.seen.usages, []);
    assert_eq!(decoded.source, TokenSource::Unknown);
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
}

#[test]
fn a_server_without_a_tokenizer_sends_ids_as_content() {
    let event = |ids: &[u32], tokens: u32, reason: Value| {
        let meta = json!({"completion_tokens": tokens, "finish_reason": reason});
        json!({"output_ids": ids, "meta_info": meta})
    };
    let decoded = events(&[
        event(&[7], 1, Value::Null),
        event(&[7, 8, 9], 3, json!({"type": "length", "length": 3})),
    ]);
    assert_eq!(decoded.seen.kinds(), [MarkKind::Text, MarkKind::Text]);
    assert_eq!(decoded.seen.tokens(), [Some(1), Some(2)]);
    assert_eq!(decoded.outcome, Ok(Finish::Length));
}

#[test]
fn malformed_events_are_failures_and_strange_ones_are_not() {
    let large = json!({"index": 4_000_000_000_u32, "text": "x", "meta_info": {}});
    let outcome = events(&[large]).outcome;
    assert!(matches!(outcome, Err(Failure::Protocol(_))), "{outcome:?}");
    let outcome = events(&[json!({"text": 7})]).outcome;
    assert!(matches!(outcome, Err(Failure::Protocol(_))), "{outcome:?}");
    let shrinking = |tokens: u32| json!({"text": "x", "meta_info": {"completion_tokens": tokens}});
    let seen = events(&[json!({}), shrinking(3), shrinking(1), shrinking(4)]).seen;
    assert_eq!(seen.tokens(), [Some(3), Some(0), Some(1)]);
}

#[test]
fn every_stream_decodes_the_same_however_it_is_cut() {
    let mut names = streams();
    names.push("sglang-0.5.23/err_too_long_stream".into());
    let load = |name: String| (Capture::load(&name).body, name);
    let mut bodies: Vec<_> = names.into_iter().map(load).collect();
    bodies.push((aborted(), "abort".into()));
    for (body, name) in bodies {
        let expected = stream(&body, BodyEnd::Complete);
        for size in [1, 3, 64, 500] {
            let frames = splits::every(&body, size);
            assert_eq!(decode_frames(frames, BodyEnd::Complete), expected, "{name}");
        }
        for seed in 0..10 {
            let frames = splits::random(&body, 300, seed);
            assert_eq!(decode_frames(frames, BodyEnd::Complete), expected, "{name}");
        }
    }
}

#[test]
fn a_stream_cut_anywhere_before_its_end_marker_is_truncated() {
    let body = Capture::load(STREAM).body;
    let end = body.len() - "data: [DONE]\n\n".len();
    let cut = BodyEnd::Cut("connection reset");
    for place in (0..end).step_by(13) {
        let outcome = stream(&body[..place], cut).outcome;
        let expected = Failure::Truncated("connection reset".into());
        assert_eq!(outcome, Err(expected), "cut at {place}");
    }
    assert_eq!(stream(&body, cut).outcome, Ok(Finish::Length));
}

proptest! {
    /// Whatever the texts are, with ids or without, all so far gives what was added to it.
    #[test]
    fn all_text_so_far_gives_what_is_new(
        parts in prop::collection::vec(("[a-z\u{e9}\"\n ]{1,9}", 1..4_u32), 2..20),
        ids in any::<bool>(),
    ) {
        let (mut text, mut tokens) = (String::new(), 0);
        let held: Vec<Value> = parts
            .iter()
            .map(|(part, more)| {
                text.push_str(part);
                tokens += more;
                let list = ids.then(|| vec![1; tokens as usize]);
                json!({"text": text, "output_ids": list,
                    "meta_info": {"completion_tokens": tokens}})
            })
            .collect();
        let seen = events(&held).seen;
        for (chunk, (part, more)) in seen.chunks.iter().zip(&parts) {
            prop_assert_eq!(&chunk.2, part);
            prop_assert_eq!(chunk.3, Some(*more));
        }
        prop_assert_eq!(seen.chunks.len(), parts.len());
    }
}
