use bench_backends::{BackendError, BodyEnd, Request, backend};
use bench_testkit::{Capture, captures, splits};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, TokenSource};
use serde_json::json;

use crate::encode::{captured, encoded};
use crate::{Decoded, decode, whole};

const STREAM: &str = "triton/generate_stream";

fn stream(body: &[u8], end: BodyEnd<'_>) -> Decoded {
    decode_frames([body], end)
}

fn decode_frames<'f>(frames: impl IntoIterator<Item = &'f [u8]>, end: BodyEnd<'_>) -> Decoded {
    decode(
        backend("trtllm").expect("registered").decoder(),
        frames,
        end,
    )
}

fn capture(name: &str) -> Decoded {
    stream(&Capture::load(name).body, BodyEnd::Complete)
}

fn whole_body(body: &[u8]) -> Decoded {
    whole(backend("trtllm").expect("registered").decoder(), &[], body)
}

#[test]
fn requests_have_the_documented_form() {
    let hello = Prompt::Text("Hello world".into());
    let mut request = Request::new(&hello, "ignored", 5);
    assert_eq!(encoded("triton", &request), captured(STREAM));
    request.stream = false;
    assert_eq!(
        encoded("tensorrt-llm", &request),
        captured("triton/generate")
    );

    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(1.0),
        top_k: Some(-1),
        min_p: None,
        frequency_penalty: Some(0.2),
        presence_penalty: Some(0.3),
        repetition_penalty: Some(1.1),
    };
    request.sampling = &sampling;
    request.ignore_eos = true;
    request.logprobs = Some(1);
    let extra = json!({"end_id": 2, "accumulate_tokens": true});
    request.extra_body = extra.as_object();
    request.path = Some("/v2/models/tensorrt_llm_bls/generate");
    let (path, body) = encoded("trt", &request);
    assert_eq!(path, "/v2/models/tensorrt_llm_bls/generate");
    let expected = json!({
        "text_input": "Hello world", "max_tokens": 5, "stream": false,
        "accumulate_tokens": true, "bad_words": "", "stop_words": "", "temperature": 0.0,
        "top_p": 1.0, "frequency_penalty": 0.2, "presence_penalty": 0.3,
        "repetition_penalty": 1.1, "min_length": 5, "return_log_probs": true, "end_id": 2,
    });
    assert_eq!(body, expected);
}

#[test]
fn what_the_protocol_cannot_express_is_refused() {
    let triton = backend("trtllm").expect("registered");
    let chat = Prompt::Chat("[]".into());
    let error = triton.encode(&Request::new(&chat, "m", 1));
    let error = error.expect_err("chat");
    assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
    let text = Prompt::Text("x".into());
    let sampling = Sampling {
        min_p: Some(0.1),
        ..Sampling::default()
    };
    let mut request = Request::new(&text, "m", 1);
    request.sampling = &sampling;
    let error = triton.encode(&request).expect_err("min_p");
    assert!(error.to_string().contains("--min-p"), "{error}");
    let mut request = Request::new(&text, "m", 1);
    request.logprobs = Some(2);
    let error = triton.encode(&request).expect_err("two candidates");
    assert!(error.to_string().contains("--logprobs 1"), "{error}");
}

#[test]
fn pieces_and_wholes_decode_to_the_same() {
    let pieces = capture(STREAM);
    let chunk = |kind, text: &str| (0, kind, text.to_owned(), None);
    let expected = [
        chunk(MarkKind::Text, " a"),
        chunk(MarkKind::Text, " a"),
        chunk(MarkKind::Text, " caf\u{e9}"),
        chunk(MarkKind::Empty, ""),
        chunk(MarkKind::Text, " and"),
    ];
    assert_eq!(pieces.seen.chunks, expected);
    assert_eq!((&pieces.seen.usages[..], pieces.seen.done), (&[][..], 0));
    assert_eq!(pieces.source, TokenSource::Unknown);
    assert_eq!(pieces.outcome, Ok(Finish::Unstated));
    assert_eq!(capture("triton/generate_stream_whole"), pieces);
}

#[test]
fn the_end_of_the_body_is_the_end_of_the_answer() {
    let body = Capture::load(STREAM).body;
    let first = body
        .windows(2)
        .position(|two| two == b"\n\n")
        .expect("events")
        + 2;
    assert_eq!(
        stream(&body[..first], BodyEnd::Complete).outcome,
        Ok(Finish::Unstated)
    );
    let cut = BodyEnd::Cut("reset");
    for end in [0, first, body.len()] {
        let outcome = stream(&body[..end], cut).outcome;
        assert_eq!(outcome, Err(Failure::Truncated("reset".into())), "{end}");
    }
    assert_eq!(
        stream(b"", BodyEnd::Complete).outcome,
        Err(Failure::NoTokens)
    );
    let outcome = stream(&body[..first + 20], BodyEnd::Complete).outcome;
    assert!(matches!(outcome, Err(Failure::Truncated(_))), "{outcome:?}");
}

#[test]
fn errors_fail_inside_the_stream_and_before_it() {
    let decoded = capture("triton/err_midstream");
    let message = "in ensemble 'ensemble', Executor failed";
    assert_eq!(decoded.seen.errors, [message]);
    assert_eq!(decoded.outcome, Err(Failure::Server(message.into())));
    let refused = Capture::load("triton/err_unknown_model");
    assert_eq!(refused.status, 400);
    let message = "Request for unknown model: 'ensemble' is not found";
    assert_eq!(bench_backends::error_message(&refused.body), message);
    let outcome = whole_body(&refused.body).outcome;
    assert_eq!(outcome, Err(Failure::Server(message.into())));
}

#[test]
fn whole_answers() {
    let decoded = whole_body(&Capture::load("triton/generate").body);
    let text = " a a caf\u{e9} and".to_owned();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, text, None)]);
    assert_eq!(decoded.outcome, Ok(Finish::Unstated));
    assert_eq!(whole_body(b"{}").outcome, Err(Failure::NoTokens));
    let malformed = whole_body(br#"{"text_output":["a","b"]}"#).outcome;
    assert!(
        matches!(malformed, Err(Failure::Protocol(_))),
        "{malformed:?}"
    );
}

#[test]
fn every_stream_decodes_the_same_however_it_is_cut() {
    for name in captures("triton", &["generate_stream", "err_midstream"]) {
        let body = Capture::load(&name).body;
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
