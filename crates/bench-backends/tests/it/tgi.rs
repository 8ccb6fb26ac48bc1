use bench_backends::{BackendError, BodyEnd, Request, StreamEvent, backend};
use bench_testkit::{Capture, captures, splits};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, ServerTimings, TokenSource};
use serde_json::{Value, json};

use crate::encode::{captured, encoded};
use crate::{Decoded, decode, whole};

const STREAM: &str = "tgi-3/generate_stream";

fn stream(body: &[u8], end: BodyEnd<'_>) -> Decoded {
    decode_frames([body], end)
}

fn decode_frames<'f>(frames: impl IntoIterator<Item = &'f [u8]>, end: BodyEnd<'_>) -> Decoded {
    decode(backend("tgi").expect("registered").decoder(), frames, end)
}

fn capture(name: &str) -> Decoded {
    stream(&Capture::load(name).body, BodyEnd::Complete)
}

fn whole_body(headers: &[(String, String)], body: &[u8]) -> Decoded {
    whole(backend("tgi").expect("registered").decoder(), headers, body)
}

/// The parameters sent for `sampling`.
fn parameters(sampling: &Sampling) -> Value {
    let prompt = Prompt::Text("x".into());
    let mut request = Request::new(&prompt, "m", 1);
    request.sampling = sampling;
    let (_, mut body) = encoded("tgi", &request);
    let parameters = body["parameters"].as_object_mut().expect("object");
    for always in ["max_new_tokens", "details", "decoder_input_details"] {
        parameters.remove(always).expect(always);
    }
    body["parameters"].take()
}

#[test]
fn requests_have_the_documented_form() {
    let hello = Prompt::Text("Hello world".into());
    let mut request = Request::new(&hello, "ignored", 5);
    assert_eq!(encoded("tgi", &request), captured(STREAM));
    request.stream = false;
    assert_eq!(encoded("tgi", &request), captured("tgi-3/generate"));

    request.logprobs = Some(2);
    let extra = json!({"parameters": {"max_new_tokens": 6, "seed": 7}, "x": 1});
    request.extra_body = extra.as_object();
    let (_, body) = encoded("tgi", &request);
    let expected = json!({"inputs": "Hello world", "x": 1, "parameters": {
        "max_new_tokens": 6, "do_sample": false, "top_n_tokens": 2, "details": true,
        "decoder_input_details": false, "seed": 7,
    }});
    assert_eq!(body, expected);
}

#[test]
fn values_that_stand_for_off_are_left_out_because_the_server_refuses_them() {
    let none = Sampling::default();
    assert_eq!(parameters(&none), json!({"do_sample": false}));
    let all = Sampling {
        temperature: Some(0.7),
        top_p: Some(0.9),
        top_k: Some(5),
        frequency_penalty: Some(0.2),
        repetition_penalty: Some(1.1),
        ..none.clone()
    };
    let expected = json!({"do_sample": true, "temperature": 0.7, "top_p": 0.9, "top_k": 5,
        "frequency_penalty": 0.2, "repetition_penalty": 1.1});
    assert_eq!(parameters(&all), expected);
    let greedy = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.9),
        top_k: Some(5),
        ..none.clone()
    };
    assert_eq!(parameters(&greedy), json!({"do_sample": false}));
    let off = Sampling {
        temperature: Some(1.0),
        top_p: Some(1.0),
        top_k: Some(-1),
        ..none
    };
    let expected = json!({"do_sample": true, "temperature": 1.0});
    assert_eq!(parameters(&off), expected);
}

#[test]
fn what_the_protocol_cannot_express_is_refused() {
    let tgi = backend("tgi").expect("registered");
    let ids = Prompt::TokenIds([1].into());
    let error = tgi.encode(&Request::new(&ids, "m", 1)).expect_err("ids");
    assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
    let text = Prompt::Text("x".into());
    let sampling = Sampling {
        min_p: Some(0.1),
        ..Sampling::default()
    };
    let mut request = Request::new(&text, "m", 1);
    request.sampling = &sampling;
    let error = tgi.encode(&request).expect_err("min_p");
    assert!(error.to_string().contains("--min-p"), "{error}");
    let mut request = Request::new(&text, "m", 1);
    request.ignore_eos = true;
    let error = tgi.encode(&request).expect_err("ignore_eos");
    assert!(error.to_string().contains("--ignore-eos"), "{error}");
}

#[test]
fn a_stream_is_counted_token_by_token() {
    let Decoded {
        seen,
        source,
        outcome,
    } = capture(STREAM);
    let chunk = |kind, text: &str| (0, kind, text.to_owned(), Some(1));
    let expected = [
        chunk(MarkKind::Text, " a"),
        chunk(MarkKind::Empty, ""),
        chunk(MarkKind::Text, " caf\u{e9}"),
        chunk(MarkKind::Text, "\n"),
        chunk(MarkKind::Text, " is"),
    ];
    assert_eq!(seen.chunks, expected);
    assert_eq!(seen.usages, [(Some(2), Some(5), None, false)]);
    assert_eq!(seen.timings, []);
    assert_eq!(
        (source, outcome),
        (TokenSource::TokenIds, Ok(Finish::Length))
    );
}

#[test]
fn a_special_token_counts_and_makes_no_text() {
    let Decoded { seen, outcome, .. } = capture("tgi-3/generate_stream_eos");
    assert_eq!(seen.text(0), "Hi!");
    let kinds = [MarkKind::Text, MarkKind::Text, MarkKind::Empty];
    assert_eq!(
        (seen.kinds(), seen.tokens()),
        (kinds.into(), vec![Some(1); 3])
    );
    // This version does not tell the length of the prompt.
    assert_eq!(seen.usages, [(None, Some(3), None, false)]);
    assert_eq!(outcome, Ok(Finish::Stop));
}

#[test]
fn a_stop_sequence_is_a_stop() {
    let body = Capture::load(STREAM).body;
    let text = String::from_utf8(body).expect("UTF-8");
    let text = text.replace("\"length\"", "\"stop_sequence\"");
    let outcome = stream(text.as_bytes(), BodyEnd::Complete).outcome;
    assert_eq!(outcome, Ok(Finish::Stop));
}

#[test]
fn an_error_in_the_stream_fails() {
    let decoded = capture("tgi-3/err_midstream");
    let message = "Request failed during generation: Server error: CUDA out of memory";
    assert_eq!(decoded.seen.errors, [message]);
    assert_eq!(decoded.seen.text(0), "Hi");
    assert_eq!(decoded.outcome, Err(Failure::Server(message.into())));
}

#[test]
fn error_bodies_have_their_message() {
    for (name, status, begin) in [
        ("tgi-3/err_validation", 422, "Input validation error"),
        ("tgi-3/err_overloaded", 429, "Model is overloaded"),
    ] {
        let capture = Capture::load(name);
        assert_eq!(capture.status, status);
        let message = bench_backends::error_message(&capture.body);
        assert!(message.starts_with(begin), "{message}");
        let outcome = whole_body(&[], &capture.body).outcome;
        assert_eq!(outcome, Err(Failure::Server(message)));
    }
}

#[test]
fn without_the_event_that_has_the_whole_text_a_stream_is_truncated() {
    let body = Capture::load(STREAM).body;
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let last = text.trim_end().rfind("data:").expect("events");
    let outcome = stream(&body[..last], BodyEnd::Complete).outcome;
    assert!(matches!(outcome, Err(Failure::Truncated(_))), "{outcome:?}");
    let cut = BodyEnd::Cut("reset");
    for place in (0..last).step_by(7) {
        let outcome = stream(&body[..place], cut).outcome;
        assert_eq!(outcome, Err(Failure::Truncated("reset".into())), "{place}");
    }
    // After it nothing can be missing.
    assert_eq!(stream(&body, cut).outcome, Ok(Finish::Length));
}

#[test]
fn a_whole_answer_comes_with_times_in_the_headers() {
    let capture = Capture::load("tgi-3/generate");
    let Decoded {
        seen,
        source,
        outcome,
    } = whole_body(&capture.headers, &capture.body);
    assert_eq!(source, TokenSource::Usage);
    let text = " a caf\u{e9}\n is".to_owned();
    assert_eq!(seen.chunks, [(0, MarkKind::Whole, text, None)]);
    // The body does not tell the length of the prompt, the headers do.
    assert_eq!(seen.usages, [(Some(2), Some(5), None, false)]);
    let times = ServerTimings {
        queue: Some(0.012),
        e2e: Some(0.131),
        ..ServerTimings::default()
    };
    assert_eq!(
        (&seen.timings[..], outcome),
        (&[times][..], Ok(Finish::Length))
    );

    let array = [&b"[ "[..], &capture.body, b"]"].concat();
    let again = whole_body(&capture.headers, &array);
    assert_eq!((again.seen, again.outcome), (seen, Ok(Finish::Length)));
}

#[test]
fn headers_that_are_no_times_are_no_times() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let body = br#"{"generated_text":"x"}"#;
    for value in ["", "soon", "-1", "NaN", "inf"] {
        let headers = [header("x-queue-time", value), header("x-total-time", "250")];
        let seen = whole_body(&headers, body).seen;
        assert_eq!(
            (seen.timings[0].queue, seen.timings[0].e2e),
            (None, Some(0.25))
        );
        let seen = whole_body(&headers[..1], body).seen;
        assert_eq!(seen.timings, [], "{value}");
    }
}

#[test]
fn a_whole_answer_must_be_one() {
    let outcome = |body: &[u8]| whole_body(&[], body).outcome;
    assert_eq!(outcome(br#"{"generated_text":""}"#), Err(Failure::NoTokens));
    for body in [&b""[..], b"[]", b"7", b"[{},{}]", b"{"] {
        assert!(
            matches!(outcome(body), Err(Failure::Protocol(_))),
            "{body:?}"
        );
    }
}

#[test]
fn every_stream_decodes_the_same_however_it_is_cut() {
    for name in captures("tgi-3", &["generate_stream", "err_midstream"]) {
        let body = Capture::load(&name).body;
        let expected = stream(&body, BodyEnd::Complete);
        for frames in splits::in_two(&body) {
            assert_eq!(decode_frames(frames, BodyEnd::Complete), expected, "{name}");
        }
        for size in [1, 3, 64] {
            let frames = splits::every(&body, size);
            assert_eq!(decode_frames(frames, BodyEnd::Complete), expected, "{name}");
        }
    }
}

#[test]
fn a_stream_has_no_times_in_its_headers() {
    let capture = Capture::load(STREAM);
    let headers = capture
        .headers
        .iter()
        .map(|(name, value)| {
            let name: http::HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        })
        .collect();
    let mut emitted = 0;
    let mut decoder = backend("tgi").expect("registered").decoder();
    decoder.headers(&headers, &mut |_: StreamEvent<'_>| emitted += 1);
    assert_eq!(emitted, 0);
}
