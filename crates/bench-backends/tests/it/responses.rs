use bench_backends::{BackendError, Request, backend};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, TokenSource};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::encode::{captured, encoded};
use crate::wire::{ERRORS, answer, answer_of, assert_cuts, stream, stream_of};

const NAME: &str = "openai-responses";
const VLLM: &str = "vllm-0.32.0/responses_stream";

/// A stream of these events, each with the name of its type.
fn body(events: &[Value]) -> String {
    let event = |event: &Value| {
        let name = event["type"].as_str().unwrap_or("message");
        format!("event: {name}\ndata: {event}\n\n")
    };
    events.iter().map(event).collect()
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "delta": text})
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed"}})
}

#[test]
fn requests_come_out_as_they_were_captured() {
    let hello = Prompt::Text("Hello world".into());
    let request = Request::new(&hello, "tiny-llama-gpt2tok", 8);
    let (path, mut body) = encoded("vllm-responses", &request);
    // The capture leaves it to the server whether answers are kept.
    let store = body.as_object_mut().and_then(|body| body.remove("store"));
    assert_eq!(store, Some(json!(false)));
    assert_eq!((path, body), captured(VLLM));

    let chat = Prompt::Chat(r#"[{"role":"user","content":"Hi"}]"#.into());
    let mut request = Request::new(&chat, "gpt-5-mini", 64);
    let sampling = Sampling {
        temperature: Some(0.5),
        ..Sampling::default()
    };
    request.sampling = &sampling;
    request.stream = false;
    assert_eq!(encoded(NAME, &request), captured("openai/responses"));
}

#[test]
fn all_parameters_of_the_route_are_sent() {
    let prompt = Prompt::Text("x".into());
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.9),
        top_k: Some(20),
        frequency_penalty: Some(0.2),
        presence_penalty: Some(0.1),
        repetition_penalty: Some(1.05),
        min_p: None,
    };
    let extra = json!({"store": true, "reasoning": {"effort": "low"}});
    let mut request = Request::new(&prompt, "m", 1);
    request.sampling = &sampling;
    request.ignore_eos = true;
    request.logprobs = Some(2);
    request.extra_body = extra.as_object();
    let expected = json!({
        "model": "m", "input": "x", "max_output_tokens": 1, "stream": true, "store": true,
        "temperature": 0.0, "top_p": 0.9, "top_k": 20, "frequency_penalty": 0.2,
        "presence_penalty": 0.1, "repetition_penalty": 1.05, "ignore_eos": true,
        "top_logprobs": 2, "include": ["message.output_text.logprobs"],
        "reasoning": {"effort": "low"},
    });
    assert_eq!(encoded(NAME, &request).1, expected);
}

#[test]
fn what_the_route_does_not_take_is_refused() {
    let refused = |prompt: &Prompt, sampling: &Sampling| {
        let mut request = Request::new(prompt, "m", 1);
        request.sampling = sampling;
        let result = backend(NAME).expect("registered").encode(&request);
        result.expect_err("not expressible")
    };
    let none = Sampling::default();
    let ids = refused(&Prompt::TokenIds([1].into()), &none);
    assert!(matches!(ids, BackendError::Prompt { .. }), "{ids}");
    let chat = refused(&Prompt::Chat("{}".into()), &none);
    assert!(chat.to_string().contains("JSON array"), "{chat}");
    let min_p = Sampling {
        min_p: Some(0.1),
        ..Sampling::default()
    };
    let text = refused(&Prompt::Text("x".into()), &min_p).to_string();
    assert!(text.contains("leave out --min-p"), "{text}");
}

#[test]
fn the_captured_stream_decodes_to_what_it_holds() {
    let decoded = stream_of(NAME, VLLM);
    let seen = decoded.seen;
    let texts: Vec<&str> = seen.chunks.iter().map(|chunk| &*chunk.2).collect();
    let expected = [
        " Logo",
        " Auditor catchingiveness donkeyHan",
        "ithub",
        " hump",
    ];
    assert_eq!(texts, expected);
    let marks = [MarkKind::Text; 4].iter();
    let marks: Vec<MarkKind> = marks
        .copied()
        .chain([MarkKind::Usage, MarkKind::Done])
        .collect();
    assert_eq!(seen.marks, marks);
    assert_eq!(seen.usages, [(Some(11), Some(8), Some(0), true)]);
    assert_eq!(seen.models, ["tiny-llama-gpt2tok"]);
    assert_eq!(decoded.source, TokenSource::Unknown);
    // vLLM says `response.completed` with the status `incomplete`.
    assert_eq!(decoded.outcome, Ok(Finish::Length));
}

#[test]
fn reasoning_and_tool_calls_have_their_kinds() {
    let decoded = stream_of(NAME, "openai/responses_stream_tool");
    let kinds = [
        MarkKind::Reasoning,
        MarkKind::Reasoning,
        MarkKind::ToolCall,
        MarkKind::ToolCall,
    ];
    assert_eq!(decoded.seen.kinds(), kinds);
    let text = "Thinking about weather.{\"city\":\"Zürich\"}";
    assert_eq!(decoded.seen.text(0), text);
    assert_eq!(decoded.seen.usages, [(Some(41), Some(33), Some(32), true)]);
    assert_eq!(decoded.outcome, Ok(Finish::ToolCalls));
}

#[test]
fn log_probabilities_count_tokens() {
    let decoded = stream_of(NAME, "openai/responses_stream_incomplete");
    assert_eq!(decoded.seen.tokens(), [Some(1), Some(2), Some(1)]);
    assert_eq!(decoded.source, TokenSource::TokenIds);
    assert_eq!(decoded.outcome, Ok(Finish::Length));
}

#[test]
fn streams_decode_the_same_however_they_are_cut() {
    assert_cuts(NAME, VLLM, "event: response.completed");
    assert_cuts(
        NAME,
        "openai/responses_stream_tool",
        "event: response.completed",
    );
    assert_cuts(
        NAME,
        "openai/responses_stream_incomplete",
        "event: response.incomplete",
    );
}

#[test]
fn whole_answers_are_read() {
    let decoded = answer_of(NAME, "openai/responses");
    let text = "Think. Deeper. An answer. No more.".to_owned();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, text, None)]);
    assert_eq!(decoded.seen.usages, [(Some(36), Some(87), Some(16), false)]);
    assert_eq!(decoded.seen.models, ["gpt-5-mini"]);
    assert_eq!(decoded.source, TokenSource::Usage);
    assert_eq!(decoded.outcome, Ok(Finish::Stop));

    let call = r#"{"status":"completed","output":[{"type":"function_call","arguments":"{}"}]}"#;
    let decoded = answer(NAME, call);
    assert_eq!(
        (&*decoded.seen.text(0), decoded.outcome),
        ("{}", Ok(Finish::ToolCalls))
    );
    let empty = r#"{"status":"completed","output":[]}"#;
    assert_eq!(answer(NAME, empty).outcome, Err(Failure::NoTokens));
}

#[test]
fn failures_are_failures_of_the_server() {
    let failed = |message: &str| Err(Failure::Server(message.to_owned()));
    let message = "The model failed to generate a response.";
    let decoded = stream_of(NAME, "openai/responses_stream_failed");
    assert_eq!(
        (decoded.outcome, &decoded.seen.errors[..]),
        (failed(message), &[message.to_owned()][..])
    );

    let boom = json!({"type": "error", "code": "server_error", "message": "boom", "param": null});
    assert_eq!(
        stream(NAME, &body(&[delta("a"), boom, completed()])).outcome,
        failed("boom")
    );
    for (error, message) in ERRORS {
        let events = format!("{}data: {error}\n\ndata: [DONE]\n\n", body(&[delta("a")]));
        assert_eq!(stream(NAME, &events).outcome, failed(message), "{error}");
        assert_eq!(answer(NAME, error).outcome, failed(message), "{error}");
    }
    let text = "event: error\ndata: out of memory\n\n";
    assert_eq!(stream(NAME, text).outcome, failed("out of memory"));
    for (kind, status) in [
        ("completed", "cancelled"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ] {
        let response = json!({"status": status, "output": [], "usage": {"output_tokens": 3}});
        let event = json!({"type": format!("response.{kind}"), "response": response});
        let gave_up = failed(&format!("the server gave up (status `{status}`)"));
        assert_eq!(stream(NAME, &body(&[delta("a"), event])).outcome, gave_up);
        assert_eq!(answer(NAME, &response.to_string()).outcome, gave_up);
    }
}

#[test]
fn only_the_terminal_event_ends_a_stream() {
    let truncated = |text: &str| match stream(NAME, text).outcome {
        Err(Failure::Truncated(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = truncated(&(body(&[delta("a")]) + "data: [DONE]\n\n"));
    assert!(text.contains("response.completed"), "{text}");
    let text = truncated(&(body(&[delta("a")]) + "data: {\"type\":\"resp"));
    assert!(text.contains("{\"type\":\"resp"), "{text}");

    let done = body(&[delta("a"), completed()]);
    assert_eq!(stream(NAME, &done).outcome, Ok(Finish::Stop));
    let more = stream(
        NAME,
        &format!("{done}data: [DONE]\n\n{}", body(&[delta("b")])),
    );
    assert_eq!((more.seen.done, &*more.seen.text(0)), (1, "a"));
    let none = stream(NAME, &body(&[completed()]));
    assert_eq!(none.outcome, Err(Failure::NoTokens));
}

#[test]
fn reasons_why_an_answer_is_incomplete_have_their_names() {
    for (details, finish) in [
        (json!({"reason": "max_output_tokens"}), Finish::Length),
        (json!({"reason": "content_filter"}), Finish::ContentFilter),
        (json!({"reason": "new"}), Finish::Other),
        (Value::Null, Finish::Other),
    ] {
        let response = json!({"status": "incomplete", "incomplete_details": details});
        let event = json!({"type": "response.incomplete", "response": response});
        assert_eq!(
            stream(NAME, &body(&[delta("a"), event])).outcome,
            Ok(finish)
        );
    }
}

#[test]
fn an_empty_delta_is_no_content_and_one_that_is_no_text_is_malformed() {
    let decoded = stream(NAME, &body(&[delta(""), delta("a"), completed()]));
    assert_eq!(decoded.seen.kinds(), [MarkKind::Empty, MarkKind::Text]);
    let odd = json!({"type": "response.output_text.delta", "delta": {"x": 1}});
    let outcome = stream(NAME, &body(&[odd])).outcome;
    assert!(matches!(outcome, Err(Failure::Protocol(_))), "{outcome:?}");
    // The deltas of a type that is not known may be anything.
    let new = json!({"type": "response.new.delta", "delta": {"x": 1}});
    let outcome = stream(NAME, &body(&[new, delta("a"), completed()])).outcome;
    assert_eq!(outcome, Ok(Finish::Stop));
}

#[test]
fn names_of_events_may_be_missing() {
    let events = [delta("a\u{2028}b"), completed()];
    let bare: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let decoded = stream(NAME, &bare);
    assert_eq!(
        (&*decoded.seen.text(0), decoded.outcome),
        ("a\u{2028}b", Ok(Finish::Stop))
    );
}

proptest! {
    #[test]
    fn texts_come_through_whatever_they_hold(texts in prop::collection::vec(".{0,12}", 1..12)) {
        let mut events: Vec<Value> = texts.iter().map(|text| delta(text)).collect();
        events.push(completed());
        prop_assert_eq!(stream(NAME, &body(&events)).seen.text(0), texts.concat());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(text in ".{0,80}") {
        let _ = stream(NAME, &format!("data: {text}\n\n"));
        let _ = answer(NAME, &text);
    }
}
