use std::sync::Arc;
use std::time::Duration;

use bench_backends::{BackendError, BodyEnd, Request, backend};
use bench_types::{Audio, Failure, Finish, MarkKind, Prompt, Sampling, Task, TokenSource};
use proptest::prelude::*;
use serde_json::json;

use crate::wire::{ERRORS, answer, answer_of, assert_cuts, frames, stream, stream_of};

const NAME: &str = "openai-audio";
const DELTA: &str = r#"data: {"type":"transcript.text.delta","delta":"a"}"#;
const DONE: &str = r#"data: {"type":"transcript.text.done","text":"a"}"#;

fn recording(file_name: &str, bytes: &[u8]) -> Prompt {
    Prompt::Audio(Arc::new(Audio {
        file_name: file_name.to_owned(),
        bytes: bytes.to_vec(),
        duration: Duration::from_secs(1),
    }))
}

/// The parts of the form that is sent: the head of each, and its content.
fn form(request: &Request<'_>) -> Vec<(String, Vec<u8>)> {
    let http = backend(NAME)
        .expect("registered")
        .encode(request)
        .expect("expressible");
    assert_eq!(http.uri(), "/v1/audio/transcriptions");
    let kind = http.headers()["content-type"].to_str().expect("text");
    let boundary = kind
        .strip_prefix("multipart/form-data; boundary=")
        .expect("boundary");
    let frame = format!("\r\n--{boundary}");
    // The first one stands without the line break.
    let body = [b"\r\n", &http.body()[..]].concat();
    let mut pieces = split(&body, frame.as_bytes());
    assert_eq!(pieces.pop(), Some(&b"--\r\n"[..]));
    assert_eq!(pieces.remove(0), b"");
    let part = |piece: &&[u8]| {
        let mut halves = split(piece, b"\r\n\r\n");
        let head = String::from_utf8(halves.remove(0).to_vec()).expect("UTF-8");
        (head.trim_start().to_owned(), halves.join(&b"\r\n\r\n"[..]))
    };
    pieces.iter().map(part).collect()
}

fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some(place) = rest.windows(at.len()).position(|window| window == at) {
        pieces.push(&rest[..place]);
        rest = &rest[place + at.len()..];
    }
    pieces.push(rest);
    pieces
}

/// The fields of the form but for the file, as `name=value`.
fn fields(request: &Request<'_>) -> Vec<String> {
    let field = |(head, content): &(String, Vec<u8>)| {
        let name = head
            .strip_prefix("Content-Disposition: form-data; name=\"")
            .expect("name");
        let value = String::from_utf8(content.clone()).expect("UTF-8");
        format!("{}={value}", name.trim_end_matches('"'))
    };
    form(request)[1..].iter().map(field).collect()
}

#[test]
fn the_recording_is_sent_as_it_is() {
    let bytes = b"RIFF\0\r\n\r\n--\xFF\r\n--bench-form-0000000000000000";
    for (name, kind) in [
        ("a.wav", "audio/wav"),
        ("a.b.MP3", "audio/mpeg"),
        ("a.flac", "audio/flac"),
        ("a.ogg", "audio/ogg"),
        ("a.m4a", "audio/mp4"),
        ("a.webm", "audio/webm"),
        ("wav", "application/octet-stream"),
    ] {
        let prompt = recording(name, bytes);
        let (head, content) = form(&Request::new(&prompt, "m", 0)).remove(0);
        let expected = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}"
        );
        assert_eq!(head, expected);
        assert_eq!(content, bytes);
    }
}

#[test]
fn options_become_fields_of_the_form() {
    let prompt = recording("a.wav", b"x");
    let mut request = Request::new(&prompt, "m", 0);
    let plain = [
        "model=m",
        "response_format=json",
        "stream=true",
        "stream_include_usage=true",
    ];
    assert_eq!(fields(&request), plain);
    request.continuous_usage = true;
    request.include_usage = false;
    let last = fields(&request).split_off(3);
    assert_eq!(
        last,
        [
            "stream_include_usage=true",
            "stream_continuous_usage_stats=true"
        ]
    );
    request.stream = false;
    assert_eq!(fields(&request), ["model=m", "response_format=json"]);

    let sampling = Sampling {
        temperature: Some(0.5),
        top_k: Some(-1),
        ..Sampling::default()
    };
    let extra = json!({
        "language": "en", "response_format": null, "model": "other", "seed": 7, "vad": false,
        "timestamp_granularities[]": ["word", "segment"],
    });
    request.max_output_tokens = 9;
    request.sampling = &sampling;
    request.extra_body = extra.as_object();
    let mut given = fields(&request);
    given.sort_unstable();
    let mut expected = [
        "max_completion_tokens=9",
        "temperature=0.5",
        "top_k=-1",
        "language=en",
        "model=other",
        "seed=7",
        "vad=false",
        "timestamp_granularities[]=segment",
        "timestamp_granularities[]=word",
    ];
    expected.sort_unstable();
    assert_eq!(given, expected);
}

#[test]
fn only_recordings_are_sent() {
    assert_eq!(backend(NAME).expect("registered").task(), Task::Transcribe);
    let refused = |request: &Request<'_>| {
        let result = backend(NAME).expect("registered").encode(request);
        result.expect_err("not expressible")
    };
    let text = Prompt::Text("x".into());
    let error = refused(&Request::new(&text, "m", 1));
    assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
    let prompt = recording("a.wav", b"x");
    let mut request = Request::new(&prompt, "m", 1);
    request.logprobs = Some(1);
    let error = refused(&request).to_string();
    assert!(error.contains("leave out --logprobs"), "{error}");
    request.logprobs = None;
    request.ignore_eos = true;
    let error = refused(&request).to_string();
    assert!(error.contains("leave out --ignore-eos"), "{error}");
}

#[test]
fn formats_that_are_not_json_are_refused() {
    let prompt = recording("a.wav", b"x");
    for (format, fits) in [
        (json!("json"), true),
        (json!("verbose_json"), true),
        (json!("diarized_json"), true),
        (json!("text"), false),
        (json!("srt"), false),
        (json!("vtt"), false),
        (json!(7), false),
    ] {
        let extra = json!({"response_format": format});
        let mut request = Request::new(&prompt, "m", 1);
        request.extra_body = extra.as_object();
        let result = backend(NAME).expect("registered").encode(&request);
        let error = result.err().map(|error| error.to_string());
        assert_eq!(error.is_none(), fits, "{format}: {error:?}");
        let named =
            error.is_none_or(|error| error.contains(&format!("`response_format` {format}")));
        assert!(named, "{format}");
    }
}

#[test]
fn chunks_decode_to_what_they_hold() {
    let decoded = stream_of(NAME, "vllm/transcription_stream");
    assert_eq!(decoded.seen.text(0), " He hoped there");
    assert_eq!(decoded.seen.tokens(), [Some(1); 4]);
    assert_eq!(
        decoded.seen.usages.last(),
        Some(&(Some(4), Some(4), None, true))
    );
    assert_eq!(decoded.seen.models, ["openai/whisper-large-v3"]);
    assert_eq!(decoded.source, TokenSource::Usage);
    assert_eq!((decoded.seen.done, decoded.outcome), (1, Ok(Finish::Stop)));
}

#[test]
fn events_of_openai_decode_to_what_they_hold() {
    let decoded = stream_of(NAME, "openai/transcription_stream");
    let text = MarkKind::Text;
    assert_eq!(
        decoded.seen.marks,
        [text, text, MarkKind::Usage, MarkKind::Done]
    );
    assert_eq!(decoded.seen.text(0), "I see skies of blue");
    assert_eq!(decoded.seen.usages, [(Some(14), Some(45), None, true)]);
    assert_eq!(decoded.source, TokenSource::Unknown);
    assert_eq!(decoded.outcome, Ok(Finish::Unstated));
}

#[test]
fn streams_decode_the_same_however_they_are_cut() {
    assert_cuts(NAME, "vllm/transcription_stream", "data: [DONE]");
    assert_cuts(
        NAME,
        "openai/transcription_stream",
        r#"data: {"type": "transcript.text.done""#,
    );
}

#[test]
fn whole_answers_are_read() {
    let decoded = answer_of(NAME, "vllm/transcription");
    let text = " He hoped there would be stew for dinner.".to_owned();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, text, None)]);
    assert_eq!(decoded.seen.usages, []);
    assert_eq!(
        (decoded.source, decoded.outcome),
        (TokenSource::Unknown, Ok(Finish::Unstated))
    );

    let decoded = answer_of(NAME, "openai/transcription");
    assert_eq!(decoded.seen.text(0), "Imagine the wildest idea.");
    assert_eq!(decoded.seen.usages, [(Some(14), Some(45), None, false)]);
    assert_eq!(
        (decoded.source, decoded.outcome),
        (TokenSource::Usage, Ok(Finish::Unstated))
    );
}

#[test]
fn nothing_said_is_an_answer_and_no_text_is_none() {
    let usage = r#""usage":{"type":"duration","seconds":1}"#;
    let said = |text: &str| answer(NAME, &format!("{{{text}{usage}}}")).outcome;
    assert_eq!(said(r#""text":"","#), Ok(Finish::Unstated));
    assert_eq!(said(""), Err(Failure::NoTokens));
    assert_eq!(said(r#""text":null,"#), Err(Failure::NoTokens));
    let ended = |text: &str| {
        let body = format!(r#"data: {{"type":"transcript.text.done",{text}{usage}}}"#);
        stream(NAME, &format!("{body}\n\n")).outcome
    };
    assert_eq!(ended(r#""text":"","#), Ok(Finish::Unstated));
    assert_eq!(ended(""), Err(Failure::NoTokens));
}

#[test]
fn errors_fail_in_either_kind_of_stream_and_in_place_of_an_answer() {
    let chunk = r#"data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    for (error, message) in ERRORS {
        let failed = Err(Failure::Server(message.to_owned()));
        for before in [DELTA, chunk] {
            let body = format!("{before}\n\ndata: {error}\n\ndata: [DONE]\n\n");
            assert_eq!(stream(NAME, &body).outcome, failed, "{before} {error}");
        }
        assert_eq!(answer(NAME, error).outcome, failed, "{error}");
    }
}

#[test]
fn only_its_last_event_ends_a_stream_of_openai() {
    let truncated = |body: &str| {
        let outcome = stream(NAME, body).outcome;
        assert!(
            matches!(outcome, Err(Failure::Truncated(_))),
            "{body}: {outcome:?}"
        );
    };
    truncated(&format!("{DELTA}\n\n"));
    truncated(&format!("{DELTA}\n\ndata: [DONE]\n\n"));
    truncated(&format!("{DELTA}\n\n{}", &DONE[..30]));
    let whole = format!("{DELTA}\n\n{DONE}\n\n");
    let cut = frames(NAME, [whole.as_bytes()], BodyEnd::Cut("reset"));
    assert_eq!(
        (&*cut.seen.text(0), cut.outcome),
        ("a", Ok(Finish::Unstated))
    );
    // Without deltas the text comes with the end.
    let late = stream(NAME, &format!("{DONE}\n\n{DELTA}\n\n"));
    assert_eq!(
        (&*late.seen.text(0), late.outcome),
        ("a", Ok(Finish::Unstated))
    );
    let odd = r#"data: {"type":"transcript.text.delta","delta":7}"#;
    let outcome = stream(NAME, &format!("{odd}\n\n")).outcome;
    assert!(matches!(outcome, Err(Failure::Protocol(_))), "{outcome:?}");
}

#[test]
fn the_words_of_an_event_may_be_said_in_a_chunk() {
    let said = r#"{"type":"transcript.text.delta","delta":"x"}"#;
    let chunk = json!({"choices": [{"delta": {"content": said}, "finish_reason": "stop"}]});
    let decoded = stream(NAME, &format!("data: {chunk}\n\n"));
    assert_eq!(
        (&*decoded.seen.text(0), decoded.outcome),
        (said, Ok(Finish::Stop))
    );
}

proptest! {
    #[test]
    fn any_recording_and_name_come_through(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        taken in 0..3_u64,
    ) {
        let bytes = [&bytes[..], format!("bench-form-{taken:016x}").as_bytes()].concat();
        let prompt = recording("a.wav", &bytes);
        prop_assert_eq!(&form(&Request::new(&prompt, "m", 1))[0].1, &bytes);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(text in ".{0,80}") {
        let _ = stream(NAME, &format!("data: {text}\n\n{DELTA}\n\ndata: {text}"));
        let _ = answer(NAME, &text);
    }
}
