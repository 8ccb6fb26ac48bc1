use bench_backends::{BackendError, Request, backend};
use bench_testkit::Capture;
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, TokenSource};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::encode::{captured, encoded};
use crate::wire::{ERRORS, answer, answer_of, assert_cuts, stream, stream_of};

const NAME: &str = "anthropic";

fn body(events: &[Value]) -> String {
    let event = |event: &Value| {
        let name = event["type"].as_str().expect("type");
        format!("event: {name}\ndata: {event}\n\n")
    };
    events.iter().map(event).collect()
}

fn text(text: &str) -> Value {
    let delta = json!({"type": "text_delta", "text": text});
    json!({"type": "content_block_delta", "index": 0, "delta": delta})
}

fn reason(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}})
}

fn stop() -> Value {
    json!({"type": "message_stop"})
}

#[test]
fn requests_come_out_as_the_documentation_shows_them() {
    let hello = Prompt::Text("Hello".into());
    let request = Request::new(&hello, "claude-sonnet-4-5", 256);
    assert_eq!(
        encoded("claude", &request),
        captured("anthropic/messages_stream")
    );

    let sampling = Sampling {
        temperature: Some(1.0),
        top_p: Some(0.9),
        top_k: Some(5),
        ..Sampling::default()
    };
    let extra = json!({"thinking": {"type": "disabled"}});
    let mut request = Request::new(&hello, "m", 1);
    request.sampling = &sampling;
    request.stream = false;
    request.extra_body = extra.as_object();
    let expected = json!({
        "model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 1.0, "top_p": 0.9, "top_k": 5, "thinking": {"type": "disabled"},
    });
    assert_eq!(encoded(NAME, &request).1, expected);
}

#[test]
fn messages_of_the_system_move_to_their_own_field() {
    let user = json!({"role": "user", "content": [{"type": "text", "text": "é"}]});
    let system = |content: Value| json!({"role": "system", "content": content});
    let block = |text: &str| json!({"type": "text", "text": text});
    for (messages, expected) in [
        (vec![user.clone()], Value::Null),
        (vec![system(json!("s")), user.clone()], json!("s")),
        (
            vec![
                system(json!("s")),
                user.clone(),
                json!({"role": "developer", "content": "d"}),
            ],
            json!([block("s"), block("d")]),
        ),
        (
            vec![system(json!([block("a"), block("b")])), user.clone()],
            json!([block("a"), block("b")]),
        ),
    ] {
        let prompt = Prompt::Chat(json!(messages).to_string().into());
        let (_, body) = encoded(NAME, &Request::new(&prompt, "m", 1));
        assert_eq!(body["messages"], json!([user]));
        assert_eq!(body["system"], expected);
    }
}

#[test]
fn the_headers_of_the_protocol_are_set_and_can_be_replaced() {
    let prompt = Prompt::Text("x".into());
    let mut key = HeaderValue::from_static("Bearer sk-1");
    key.set_sensitive(true);
    let version = HeaderName::from_static("anthropic-version");
    let newer = [(version.clone(), HeaderValue::from_static("2030-01-01"))];
    let mut request = Request::new(&prompt, "m", 1);
    let http = |request: &Request<'_>| {
        backend(NAME)
            .expect("registered")
            .encode(request)
            .expect("expressible")
    };
    let plain = http(&request);
    assert_eq!(plain.headers()[&version], "2023-06-01");
    assert!(!plain.headers().contains_key("x-api-key"));

    request.authorization = Some(&key);
    request.headers = &newer;
    let keyed = http(&request);
    assert_eq!(keyed.headers()[&version], "2030-01-01");
    assert_eq!(keyed.headers()["x-api-key"], "sk-1");
    assert_eq!(keyed.headers()["authorization"], "Bearer sk-1");
    assert!(!format!("{keyed:?}").contains("sk-1"));

    let basic = HeaderValue::from_static("Basic eDp5");
    request.authorization = Some(&basic);
    assert!(!http(&request).headers().contains_key("x-api-key"));
}

#[test]
fn what_the_protocol_cannot_express_is_refused() {
    let refused = |request: &Request<'_>| {
        let result = backend(NAME).expect("registered").encode(request);
        result.expect_err("not expressible")
    };
    for prompt in [
        Prompt::TokenIds([1].into()),
        Prompt::Chat("hello".into()),
        Prompt::Chat("[{\"content\":\"no role\"}]".into()),
        Prompt::Chat("[7]".into()),
    ] {
        let error = refused(&Request::new(&prompt, "m", 1));
        assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
    }
    let prompt = Prompt::Text("x".into());
    let mut request = Request::new(&prompt, "m", 1);
    request.ignore_eos = true;
    let error = refused(&request).to_string();
    assert!(error.contains("leave out --ignore-eos"), "{error}");
    request.ignore_eos = false;
    request.logprobs = Some(1);
    let error = refused(&request).to_string();
    assert!(error.contains("leave out --logprobs"), "{error}");
    request.logprobs = None;
    let sampling = Sampling {
        repetition_penalty: Some(1.0),
        ..Sampling::default()
    };
    request.sampling = &sampling;
    let error = refused(&request).to_string();
    assert!(error.contains("leave out --repetition-penalty"), "{error}");
}

#[test]
fn a_stream_decodes_to_what_it_holds() {
    let decoded = stream_of(NAME, "anthropic/messages_stream");
    let seen = decoded.seen;
    assert_eq!(seen.text(0), "Hello! Ça va ?\n");
    let text = MarkKind::Text;
    assert_eq!(
        seen.marks,
        [text, text, text, MarkKind::Usage, MarkKind::Done]
    );
    assert_eq!(seen.usages, [(Some(25), Some(15), Some(0), true)]);
    assert_eq!(seen.models, ["claude-sonnet-4-5"]);
    assert_eq!(decoded.source, TokenSource::Unknown);
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
}

#[test]
fn thinking_and_the_input_of_tools_have_their_kinds() {
    let (thought, text) = (MarkKind::Reasoning, MarkKind::Text);
    let decoded = stream_of(NAME, "anthropic/messages_stream_thinking");
    assert_eq!(decoded.seen.kinds(), [thought, thought, text, text]);
    assert_eq!(decoded.seen.text(0), "27 * 453 is 12231.27 * 453 = 12,231");
    // What was written to the cache and read from it is part of the prompt.
    assert_eq!(
        decoded.seen.usages,
        [(Some(2_112), Some(41), Some(2_000), true)]
    );
    assert_eq!(decoded.outcome, Ok(Finish::Length));

    let decoded = stream_of(NAME, "anthropic/messages_stream_tool");
    let call = MarkKind::ToolCall;
    assert_eq!(
        decoded.seen.kinds(),
        [text, text, MarkKind::Empty, call, call]
    );
    let said = "Okay, let's check.{\"location\": \"San Francisco, CA\"}";
    assert_eq!(decoded.seen.text(0), said);
    assert_eq!(decoded.seen.usages, [(Some(472), Some(89), None, true)]);
    assert_eq!(decoded.outcome, Ok(Finish::ToolCalls));
}

#[test]
fn streams_decode_the_same_however_they_are_cut() {
    for kind in ["stream", "stream_thinking", "stream_tool"] {
        let fixture = format!("anthropic/messages_{kind}");
        assert_cuts(NAME, &fixture, "event: message_stop");
    }
}

#[test]
fn whole_answers_are_read() {
    let decoded = answer_of(NAME, "anthropic/messages");
    let said = "Hm. Hi! My name is Claude.{\"a\": 1}".to_owned();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, said, None)]);
    assert_eq!(
        decoded.seen.usages,
        [(Some(2_100), Some(503), Some(5), false)]
    );
    assert_eq!(decoded.seen.models, ["claude-sonnet-4-5"]);
    assert_eq!(decoded.source, TokenSource::Usage);
    assert_eq!(decoded.outcome, Ok(Finish::ToolCalls));
    let empty = r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#;
    assert_eq!(answer(NAME, empty).outcome, Err(Failure::NoTokens));
}

#[test]
fn errors_fail_whatever_else_came() {
    let failed = |message: &str| Err(Failure::Server(message.to_owned()));
    let decoded = stream_of(NAME, "anthropic/messages_stream_overloaded");
    assert_eq!(decoded.outcome, failed("Overloaded"));
    assert_eq!(
        (decoded.seen.errors, decoded.seen.done),
        (vec!["Overloaded".to_owned()], 0)
    );
    let typed = r#"{"type":"error","error":{"type":"api_error","message":"typed"}}"#;
    for (error, message) in ERRORS.into_iter().chain([(typed, "typed")]) {
        let events = format!("{}data: {error}\n\ndata: [DONE]\n\n", body(&[text("a")]));
        assert_eq!(stream(NAME, &events).outcome, failed(message), "{error}");
        assert_eq!(answer(NAME, error).outcome, failed(message), "{error}");
    }
    let refused = Capture::load("anthropic/err_rate_limit");
    let message = bench_backends::error_message(&refused.body);
    assert_eq!(message, "This request would exceed your rate limit.");
}

#[test]
fn a_message_that_stops_without_a_reason_was_given_up() {
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": null}});
    for events in [
        body(&[text("a"), delta, stop()]),
        body(&[text("a"), stop()]),
    ] {
        let outcome = stream(NAME, &events).outcome;
        assert!(matches!(outcome, Err(Failure::Server(_))), "{outcome:?}");
    }
    let whole = r#"{"content":[{"type":"text","text":"a"}],"stop_reason":null}"#;
    let outcome = answer(NAME, whole).outcome;
    assert!(matches!(outcome, Err(Failure::Server(_))), "{outcome:?}");
}

#[test]
fn the_end_is_judged_by_the_reason_and_not_by_an_end_marker() {
    let done = "data: [DONE]\n\n";
    let outcome = |text: String| stream(NAME, &text).outcome;
    let truncated =
        |outcome: Result<Finish, Failure>| matches!(outcome, Err(Failure::Truncated(_)));
    assert!(truncated(outcome(body(&[text("a")]) + done)));
    assert!(truncated(outcome(body(&[text("a")]))));
    assert!(truncated(outcome(
        body(&[text("a"), reason("end_turn")]) + "data: {\"type\""
    )));
    assert_eq!(
        outcome(body(&[text("a"), reason("end_turn")])),
        Ok(Finish::Stop)
    );
    let more = stream(
        NAME,
        &(body(&[text("a"), reason("end_turn"), stop(), text("b")]) + done),
    );
    assert_eq!((more.seen.done, &*more.seen.text(0)), (1, "a"));
    let none = body(&[reason("end_turn"), stop()]);
    assert_eq!(outcome(none), Err(Failure::NoTokens));
}

#[test]
fn reasons_have_their_names() {
    for (name, finish) in [
        ("end_turn", Finish::Stop),
        ("stop_sequence", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("tool_use", Finish::ToolCalls),
        ("refusal", Finish::ContentFilter),
        ("pause_turn", Finish::Other),
    ] {
        let events = body(&[text("a"), reason(name), stop()]);
        assert_eq!(stream(NAME, &events).outcome, Ok(finish));
    }
}

#[test]
fn what_is_not_known_is_skipped_and_what_is_malformed_fails() {
    let citation = json!({"type": "citations_delta", "citation": {"cited_text": "x"}});
    let citation = json!({"type": "content_block_delta", "index": 0, "delta": citation});
    let start =
        json!({"type": "content_block_start", "content_block": {"type": "text", "text": "T"}});
    let new = json!({"type": "something_new", "x": [1]});
    let events = body(&[new, start, citation, text("a"), reason("end_turn"), stop()]);
    let decoded = stream(NAME, &events);
    assert_eq!(
        (&*decoded.seen.text(0), decoded.outcome),
        ("Ta", Ok(Finish::Stop))
    );
    for malformed in [
        "{\"type\":",
        "[1]",
        "{\"type\":7}",
        "{\"delta\":{\"text\":1}}",
    ] {
        let outcome = stream(NAME, &format!("data: {malformed}\n\n")).outcome;
        assert!(
            matches!(outcome, Err(Failure::Protocol(_))),
            "{malformed}: {outcome:?}"
        );
    }
}

proptest! {
    #[test]
    fn texts_come_through_whatever_they_hold(texts in prop::collection::vec(".{0,12}", 1..12)) {
        let mut events: Vec<Value> = texts.iter().map(|piece| text(piece)).collect();
        events.extend([reason("end_turn"), stop()]);
        prop_assert_eq!(stream(NAME, &body(&events)).seen.text(0), texts.concat());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(text in ".{0,80}") {
        let _ = stream(NAME, &format!("data: {text}\n\n"));
        let _ = answer(NAME, &text);
    }
}
