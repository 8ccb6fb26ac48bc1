use bench_backends::{BodyEnd, backend};
use bench_testkit::{Capture, captures, splits};
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use serde_json::Value;

use crate::{Decoded, decode};

const SERVERS: [&str; 3] = ["vllm-0.32.0", "sglang-0.5.23", "sglang-router-0.3.2"];

fn decode_capture(name: &str) -> Decoded {
    let capture = Capture::load(name);
    let end = match capture.cut {
        true => BodyEnd::Cut("connection closed"),
        false => BodyEnd::Complete,
    };
    decode_frames(name, [&capture.body[..]], end)
}

fn decode_frames<'f>(
    name: &str,
    frames: impl IntoIterator<Item = &'f [u8]>,
    end: BodyEnd<'_>,
) -> Decoded {
    let backend = backend(if name.contains("chat") {
        "openai-chat"
    } else {
        "vllm"
    });
    decode(backend.expect("registered").decoder(), frames, end)
}

/// What a stream holds, read from its JSON with no help of the decoder.
#[derive(Debug, Default, PartialEq)]
struct Held {
    /// Text of the choices, chunk by chunk.
    texts: Vec<(u32, String)>,
    finish: Vec<String>,
    usage: Option<(u32, u32)>,
}

fn held(body: &[u8]) -> Held {
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    let number = |value: &Value| u32::try_from(value.as_u64().expect("number")).expect("small");
    let mut held = Held::default();
    for line in text.lines().filter_map(|line| line.strip_prefix("data: {")) {
        let event: Value = serde_json::from_str(&format!("{{{line}")).expect("JSON");
        for choice in event["choices"].as_array().expect("choices") {
            let piece = choice["text"]
                .as_str()
                .or(choice["delta"]["content"].as_str());
            let index = number(&choice["index"]);
            held.texts.push((index, piece.unwrap_or("").to_owned()));
            held.finish
                .extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
        if let Value::Object(usage) = &event["usage"] {
            let tokens = (&usage["prompt_tokens"], &usage["completion_tokens"]);
            held.usage = Some((number(tokens.0), number(tokens.1)));
        }
    }
    held
}

#[test]
fn every_captured_stream_decodes_to_what_it_holds() {
    let streams = ["chat_stream", "completions_stream"];
    let names: Vec<String> = SERVERS.iter().flat_map(|s| captures(s, &streams)).collect();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let expected = held(&Capture::load(&name).body);
        let Decoded { seen, outcome, .. } = decode_capture(&name);
        let texts: Vec<(u32, String)> = seen
            .chunks
            .iter()
            .map(|chunk| (chunk.0, chunk.2.clone()))
            .collect();
        assert_eq!(texts, expected.texts, "{name}");
        assert!(
            expected.finish.iter().all(|reason| reason == "length"),
            "{name}"
        );
        assert_eq!(outcome, Ok(Finish::Length), "{name}");
        let usage = seen.usages.last().and_then(|usage| usage.0.zip(usage.1));
        assert_eq!(usage, expected.usage, "{name}");
        assert_eq!(seen.models, ["tiny-llama-gpt2tok"], "{name}");
        assert_eq!(seen.done, 1, "{name}");
        assert!(seen.errors.is_empty(), "{name}");
        for ((_, kind, text, _), place) in seen.chunks.iter().zip(0..) {
            let role = name.contains("chat") && place == 0;
            let expected = match (text.as_str(), role) {
                ("", true) => MarkKind::Role,
                ("", false) => MarkKind::Empty,
                _ => MarkKind::Text,
            };
            assert_eq!(*kind, expected, "{name}, chunk {place}");
        }
    }
}

#[test]
fn every_captured_stream_decodes_the_same_however_it_is_cut() {
    let prefixes = ["chat_stream", "completions_stream", "abort_midstream_chat"];
    for name in SERVERS.iter().flat_map(|s| captures(s, &prefixes)) {
        let body = Capture::load(&name).body;
        let expected = decode_capture(&name);
        for size in [1, 3, 64, 500] {
            let frames = splits::every(&body, size);
            assert_eq!(
                decode_frames(&name, frames, BodyEnd::Complete),
                expected,
                "{name}"
            );
        }
        for seed in 0..10 {
            let frames = splits::random(&body, 300, seed);
            assert_eq!(
                decode_frames(&name, frames, BodyEnd::Complete),
                expected,
                "{name}"
            );
        }
    }
}

#[test]
fn a_stream_cut_anywhere_before_its_end_marker_is_truncated() {
    for name in [
        "vllm-0.32.0/chat_stream_usage",
        "sglang-0.5.23/completions_stream_usage",
    ] {
        let body = Capture::load(name).body;
        let whole = body.len() - "data: [DONE]\n\n".len();
        for place in (0..whole).step_by(7) {
            let cut = BodyEnd::Cut("connection reset");
            let outcome = decode_frames(name, [&body[..place]], cut).outcome;
            let expected = Failure::Truncated("connection reset".to_owned());
            assert_eq!(outcome, Err(expected), "{name} cut at {place}");
            let outcome = decode_frames(name, [&body[..place]], BodyEnd::Complete).outcome;
            let ended = matches!(outcome, Ok(Finish::Length) | Err(Failure::Truncated(_)));
            assert!(ended, "{name} ended at {place}: {outcome:?}");
        }
    }
}

#[test]
fn continuous_usage_counts_every_chunk() {
    for (name, tokens) in [
        ("vllm-0.32.0/completions_stream_continuous_usage", 16),
        ("vllm-0.32.0/chat_stream_continuous_usage", 16),
        ("sglang-0.5.23/completions_stream_continuous_usage", 8),
    ] {
        let Decoded { seen, source, .. } = decode_capture(name);
        let counts = seen.tokens();
        let sum: u32 = counts.iter().copied().map(Option::unwrap_or_default).sum();
        assert!(counts.iter().all(Option::is_some), "{name}: {counts:?}");
        assert_eq!(sum, tokens, "{name}: {counts:?}");
        assert_eq!(source, TokenSource::Usage, "{name}");
        let alone = seen.usages.iter().filter(|usage| usage.3).count();
        assert_eq!(alone, 1, "{name}");
    }
}

#[test]
fn logprobs_and_token_ids_count_every_chunk() {
    for (name, tokens) in [
        (
            "vllm-0.32.0/completions_stream_logprobs",
            vec![Some(1), Some(3)],
        ),
        ("vllm-0.32.0/completions_stream_token_ids", vec![Some(1); 4]),
    ] {
        let Decoded { seen, source, .. } = decode_capture(name);
        assert_eq!(seen.tokens(), tokens, "{name}");
        assert_eq!(source, TokenSource::TokenIds, "{name}");
    }
    let chat = decode_capture("vllm-0.32.0/chat_stream_logprobs");
    assert_eq!(
        chat.seen.tokens(),
        [None, Some(1), Some(1), Some(1), Some(1)]
    );
    assert_eq!(chat.source, TokenSource::TokenIds);
    let plain = decode_capture("vllm-0.32.0/completions_stream_usage");
    assert_eq!(plain.source, TokenSource::Unknown);
}

#[test]
fn spot_checks() {
    let n2 = decode_capture("vllm-0.32.0/completions_stream_n2").seen;
    assert!(n2.text(0).starts_with("Mp spotting"));
    assert!(n2.text(1).starts_with(" clinical Provincial"));
    assert_eq!(n2.chunks.len(), 8);
    assert_eq!(n2.usages, [(Some(2), Some(8), None, true)]);

    let sglang = decode_capture("sglang-0.5.23/chat_stream_usage").seen;
    let (first, last) = (sglang.kinds()[0], *sglang.kinds().last().expect("chunks"));
    assert_eq!((first, last), (MarkKind::Role, MarkKind::Empty));
    assert!(sglang.text(0).starts_with("969 rolloutogging"));
    let marks = &sglang.marks[sglang.marks.len() - 3..];
    assert_eq!(marks, [MarkKind::Empty, MarkKind::Usage, MarkKind::Done]);
}

#[test]
fn an_abort_is_a_failure_of_the_server_in_spite_of_done() {
    let aborted = decode_capture("sglang-0.5.23/abort_midstream_chat");
    assert_eq!(aborted.seen.done, 1);
    assert!(
        aborted
            .seen
            .usages
            .contains(&(Some(10), Some(109 - 10), Some(3), true))
    );
    let Err(Failure::Server(text)) = aborted.outcome else {
        panic!("{:?}", aborted.outcome);
    };
    assert!(text.contains("abort"), "{text}");
}

#[test]
fn an_error_event_in_place_of_an_answer_is_a_failure() {
    let refused = decode_capture("sglang-0.5.23/err_bad_param_stream");
    let message = "temperature must be a non-negative finite number, got -1.";
    assert_eq!(refused.seen.errors, [message]);
    assert_eq!(refused.outcome, Err(Failure::Server(message.to_owned())));
}

#[test]
fn a_worker_that_dies_truncates_the_stream() {
    let outcome = decode_capture("sglang-router-0.3.2/worker_dies_midstream").outcome;
    assert_eq!(
        outcome,
        Err(Failure::Truncated("connection closed".to_owned()))
    );
}

#[test]
fn the_messages_of_captured_error_bodies_are_found() {
    for (name, status, begin) in [
        (
            "vllm-0.32.0/err_unknown_model",
            404,
            "The model `nope` does not exist.",
        ),
        ("vllm-0.32.0/err_404", 404, "Not Found"),
        (
            "vllm-0.32.0/err_max_tokens_zero",
            400,
            "max_tokens must be at least 1",
        ),
        (
            "sglang-0.5.23/err_bad_field",
            400,
            "unknown field `no_such`",
        ),
        (
            "sglang-0.5.23/err_too_long_openai",
            400,
            "The input (6001 tokens) is longer",
        ),
        ("sglang-router-0.3.2/all_dead", 503, "No available workers"),
        (
            "sglang-router-0.3.2/err_bad_json",
            400,
            "Failed to parse the request body",
        ),
    ] {
        let capture = Capture::load(name);
        assert_eq!(capture.status, status, "{name}");
        let message = bench_backends::error_message(&capture.body);
        assert!(message.starts_with(begin), "{name}: {message}");
    }
}
