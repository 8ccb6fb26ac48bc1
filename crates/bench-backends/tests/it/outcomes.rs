use bench_backends::{BodyEnd, backend};
use bench_types::{Failure, Finish, MarkKind};

use crate::{Decoded, body, chat, decode};

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
const DONE: &str = "[DONE]";

fn outcome(events: &[&str]) -> Result<Finish, Failure> {
    chat(&body(events)).outcome
}

fn truncated(outcome: &Result<Finish, Failure>) -> bool {
    matches!(outcome, Err(Failure::Truncated(_)))
}

#[test]
fn a_whole_answer() {
    assert_eq!(outcome(&[ROLE, TEXT, STOP, USAGE, DONE]), Ok(Finish::Stop));
}

#[test]
fn the_end_marker_may_be_missing_if_the_finish_reason_came() {
    assert_eq!(outcome(&[ROLE, TEXT, STOP]), Ok(Finish::Stop));
}

#[test]
fn the_finish_reason_may_be_missing_if_the_end_marker_came() {
    assert_eq!(outcome(&[ROLE, TEXT, DONE]), Ok(Finish::Unstated));
    assert_eq!(outcome(&[ROLE, DONE]), Err(Failure::NoTokens));
}

#[test]
fn a_clean_end_without_either_is_truncated() {
    for events in [&[][..], &[ROLE], &[ROLE, TEXT], &[ROLE, TEXT, USAGE]] {
        assert!(truncated(&outcome(events)), "{events:?}");
    }
}

#[test]
fn every_choice_needs_a_finish_reason_unless_the_end_marker_came() {
    let second = r#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#;
    let stop = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#;
    assert!(truncated(&outcome(&[TEXT, second, STOP])));
    assert_eq!(outcome(&[TEXT, second, STOP, stop]), Ok(Finish::Stop));
    assert_eq!(outcome(&[TEXT, second, STOP, DONE]), Ok(Finish::Stop));
}

#[test]
fn a_body_cut_after_the_end_marker_is_whole_and_before_it_is_not() {
    let cut = |events: &[&str]| {
        let decoder = backend("openai-chat").expect("registered").decoder();
        let body = body(events);
        decode(decoder, [body.as_bytes()], BodyEnd::Cut("reset")).outcome
    };
    assert_eq!(cut(&[TEXT, STOP, USAGE, DONE]), Ok(Finish::Stop));
    assert_eq!(
        cut(&[TEXT, STOP, USAGE]),
        Err(Failure::Truncated("reset".into()))
    );
    assert_eq!(cut(&[]), Err(Failure::Truncated("reset".into())));
}

#[test]
fn every_shape_of_error_in_the_stream_fails_even_if_done_follows() {
    for (event, message) in [
        (
            r#"{"error":{"message":"overloaded","code":503}}"#,
            "overloaded",
        ),
        (r#"{"error":"overloaded"}"#, "overloaded"),
        (
            r#"{"object":"error","message":"too long","code":400}"#,
            "too long",
        ),
        (r#"{"detail":"gone"}"#, "gone"),
        (r#"{"error":{"code":7}}"#, r#"{"error":{"code":7}}"#),
        (r#"{"error":{"message":"both"},"choices":[]}"#, "both"),
    ] {
        for events in [
            &[event, DONE][..],
            &[event],
            &[ROLE, TEXT, STOP, event, DONE],
        ] {
            let Decoded { seen, outcome, .. } = chat(&body(events));
            assert_eq!(outcome, Err(Failure::Server(message.into())), "{event}");
            assert_eq!(seen.errors, [message]);
        }
    }
    let null = r#"{"error":null,"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#;
    assert_eq!(outcome(&[null]), Ok(Finish::Stop));
}

#[test]
fn an_event_declared_an_error_is_one_whatever_it_holds() {
    let text = chat("event: error\ndata: out of memory\n\ndata: [DONE]\n\n");
    assert_eq!(text.outcome, Err(Failure::Server("out of memory".into())));
    let json = chat("event: error\ndata: {\"message\":\"no\"}\n\n");
    assert_eq!(json.outcome, Err(Failure::Server("no".into())));
}

#[test]
fn aborts_fail() {
    for reason in ["abort", "error"] {
        let stop = STOP.replace("stop", reason);
        let outcome = outcome(&[ROLE, TEXT, &stop, USAGE, DONE]);
        assert!(matches!(outcome, Err(Failure::Server(_))), "{outcome:?}");
    }
}

#[test]
fn finish_reasons_have_their_names() {
    for (reason, finish) in [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("tool_calls", Finish::ToolCalls),
        ("content_filter", Finish::ContentFilter),
        ("something_new", Finish::Other),
    ] {
        assert_eq!(outcome(&[TEXT, &STOP.replace("stop", reason)]), Ok(finish));
    }
}

#[test]
fn an_answer_without_a_token_is_no_success() {
    let none = USAGE.replace("\"completion_tokens\":1", "\"completion_tokens\":0");
    assert_eq!(outcome(&[ROLE, STOP, DONE]), Err(Failure::NoTokens));
    assert_eq!(outcome(&[ROLE, STOP, &none, DONE]), Err(Failure::NoTokens));
    assert_eq!(outcome(&[DONE]), Err(Failure::NoTokens));
    // The end-of-sequence token at once, or a token that makes no character yet.
    assert_eq!(outcome(&[ROLE, STOP, USAGE, DONE]), Ok(Finish::Stop));
    let ids = r#"{"choices":[{"text":"","token_ids":[5],"finish_reason":"length"}]}"#;
    assert_eq!(outcome(&[ids]), Ok(Finish::Length));
}

#[test]
fn a_malformed_event_is_a_failure_that_quotes_it() {
    let long = format!("{{\"choices\":[{{{}", "x".repeat(1_000));
    for event in ["{\"choices\":", "hello", "[1]", "{\"choices\":7}", &long] {
        let Err(Failure::Protocol(text)) = outcome(&[TEXT, event, STOP, DONE]) else {
            panic!("{event}");
        };
        assert!(text.contains(&event[..event.len().min(20)]), "{text}");
        assert!(text.len() < 400, "{text}");
    }
    let index = r#"{"choices":[{"index":4000000000,"text":"x"}]}"#;
    assert!(matches!(outcome(&[index]), Err(Failure::Protocol(_))));
}

#[test]
fn a_last_event_cut_in_the_middle_is_a_truncation_and_a_whole_one_counts() {
    let beginning = body(&[ROLE, TEXT, STOP]);
    for tail in ["data: {\"choices\":[", "data: [DON", "data"] {
        let outcome = chat(&format!("{beginning}{tail}")).outcome;
        match tail {
            "data" => assert_eq!(outcome, Ok(Finish::Stop)),
            _ => assert!(truncated(&outcome), "{tail}: {outcome:?}"),
        }
    }
    let done = chat(&format!("{beginning}data: [DONE]"));
    assert_eq!((done.seen.done, done.outcome), (1, Ok(Finish::Stop)));
}

#[test]
fn what_follows_the_end_marker_is_not_read() {
    let decoded = chat(&body(&[TEXT, STOP, DONE, TEXT, "garbage", DONE]));
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
    assert_eq!(
        decoded.seen.marks,
        [MarkKind::Text, MarkKind::Empty, MarkKind::Done]
    );
}

#[test]
fn events_of_no_interest_are_skipped() {
    let decoded = chat(&body(&[
        "{}",
        "",
        " ",
        "{\"type\":\"ping\"}",
        TEXT,
        STOP,
        DONE,
    ]));
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
    assert_eq!(decoded.seen.chunks.len(), 2);
}
