use bench_types::{Finish, MarkKind, ServerTimings, TokenSource};
use proptest::prelude::*;
use serde_json::json;

use crate::{body, chat};

fn delta(delta: serde_json::Value) -> String {
    json!({"model": "m", "choices": [{"index": 0, "delta": delta}]}).to_string()
}

fn kinds_and_texts(deltas: &[serde_json::Value]) -> Vec<(MarkKind, String)> {
    let events: Vec<String> = deltas.iter().cloned().map(delta).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let seen = chat(&body(&events)).seen;
    seen.chunks
        .into_iter()
        .map(|(_, kind, text, _)| (kind, text))
        .collect()
}

#[test]
fn each_delta_has_its_kind() {
    let deltas = [
        json!({"role": "assistant"}),
        json!({"role": "assistant", "content": ""}),
        json!({"content": "a", "reasoning_content": null}),
        json!({"role": "assistant", "content": "b"}),
        json!({"content": ""}),
        json!({"content": null}),
        json!({}),
        json!({"reasoning": "r"}),
        json!({"reasoning_content": "s", "content": null}),
        json!({"reasoning": ""}),
        json!({"refusal": "no"}),
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}),
        json!({"tool_calls": [{"function": {"arguments": "{\"a\""}}]}),
        json!({"tool_calls": [{"function": {"arguments": "1"}}, {"function": {"arguments": "2"}}]}),
        json!({"tool_calls": []}),
        json!({"reasoning": "end. ", "content": "Answer"}),
        json!({"content": "x", "tool_calls": [{"function": {"arguments": "y"}}]}),
    ];
    let expected = [
        (MarkKind::Role, ""),
        (MarkKind::Empty, ""),
        (MarkKind::Text, "a"),
        (MarkKind::Text, "b"),
        (MarkKind::Empty, ""),
        (MarkKind::Empty, ""),
        (MarkKind::Empty, ""),
        (MarkKind::Reasoning, "r"),
        (MarkKind::Reasoning, "s"),
        (MarkKind::Empty, ""),
        (MarkKind::Text, "no"),
        (MarkKind::ToolCall, ""),
        (MarkKind::ToolCall, "{\"a\""),
        (MarkKind::ToolCall, "12"),
        (MarkKind::Empty, ""),
        (MarkKind::Text, "end. Answer"),
        (MarkKind::Text, "xy"),
    ];
    let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(kinds_and_texts(&deltas), expected);
}

#[test]
fn an_empty_completion_chunk_is_empty_and_no_role() {
    let seen = chat(&body(&[r#"{"choices":[{"index":0,"text":""}]}"#])).seen;
    assert_eq!(seen.kinds(), [MarkKind::Empty]);
}

#[test]
fn usage_on_the_finish_chunk_counts_once_and_is_no_continuous_usage() {
    let decoded = chat(&body(&[
        r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
        r#"{"choices":[{"delta":{"content":"a b c"}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":4,"completion_tokens":3}}"#
            .replace('\n', "")
            .as_str(),
    ]));
    assert_eq!(decoded.seen.tokens(), [None, None, None]);
    assert_eq!(decoded.seen.usages, [(Some(4), Some(3), None, false)]);
    assert_eq!(decoded.source, TokenSource::Unknown);
    let marks = [MarkKind::Role, MarkKind::Text, MarkKind::Empty];
    assert_eq!(decoded.seen.marks, marks);
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
}

#[test]
fn continuous_usage_is_counted_choice_by_choice() {
    let chunk = |index: u32, text: &str, tokens: u32| {
        let choices = json!([{"index": index, "text": text}]);
        json!({"choices": choices, "usage": {"completion_tokens": tokens}}).to_string()
    };
    let events = [
        chunk(0, "a", 1),
        chunk(1, "b", 2),
        chunk(0, "", 2),
        chunk(1, "c", 5),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let decoded = chat(&body(&events));
    assert_eq!(decoded.seen.tokens(), [Some(1), Some(2), Some(1), Some(3)]);
    assert_eq!(decoded.source, TokenSource::Usage);
}

#[test]
fn several_choices_in_one_event_are_all_read() {
    let event = r#"{"choices":[{"index":0,"text":"a"},{"index":2,"text":"b"}]}"#;
    let seen = chat(&body(&[event, event])).seen;
    assert_eq!((seen.text(0), seen.text(2)), ("aa".into(), "bb".into()));
}

#[test]
fn the_servers_own_times_are_converted() {
    let seen = chat(&body(&[
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":9,
            "prompt_tokens_details":{"cached_tokens":16}},
            "metrics":{"time_to_first_token_ms":20.0,"generation_time_ms":300.0,
            "queue_time_ms":5.0,"mean_itl_ms":37.5,"tokens_per_second":28.1}}"#
            .replace('\n', "")
            .as_str(),
    ]))
    .seen;
    assert_eq!(seen.usages, [(Some(1), Some(9), Some(16), true)]);
    let expected = ServerTimings {
        queue: Some(0.005),
        prefill: Some(0.02),
        decode: Some(0.3),
        ttft: Some(0.025),
        e2e: Some(0.325),
    };
    assert_eq!(seen.timings, [expected]);
    let null = r#"{"choices":[],"usage":null,"metrics":null}"#;
    let seen = chat(&body(&[null])).seen;
    assert_eq!((seen.timings.len(), seen.usages.len()), (0, 0));
}

#[test]
fn chunks_with_other_keys_in_other_order_and_spaces_are_read() {
    let event = r#"{ "choices" : [ { "finish_reason" : "stop" , "delta" : { "content" : "\u00e9\n" } , "x" : [ { } ] } ] , "y" : 1.5e3 }"#;
    let decoded = chat(&body(&[event]));
    assert_eq!(decoded.seen.text(0), "\u{e9}\n");
    assert_eq!(decoded.outcome, Ok(Finish::Stop));
}

proptest! {
    /// Chunks like the one before take a shorter way; it must lead to the same place.
    #[test]
    fn texts_come_through_whatever_they_hold(texts in prop::collection::vec(".{0,12}", 1..12)) {
        let deltas: Vec<_> = texts.iter().map(|text| json!({"content": text})).collect();
        let seen = kinds_and_texts(&deltas);
        for ((kind, text), expected) in seen.iter().zip(&texts) {
            prop_assert_eq!(text, expected);
            let empty = *kind == MarkKind::Empty;
            prop_assert_eq!(empty, expected.is_empty());
        }
        prop_assert_eq!(seen.len(), texts.len());
    }

    #[test]
    fn a_short_way_counts_like_the_long_one(
        steps in prop::collection::vec((0..3_u32, ".{0,4}", 0..12_u32), 1..16),
    ) {
        let mut totals = [0; 3];
        let events: Vec<String> = steps
            .iter()
            .map(|(index, text, more)| {
                let total = &mut totals[*index as usize];
                *total += more;
                let usage = json!({"completion_tokens": *total, "total_tokens": *total + 7});
                let choices = json!([{"index": index, "text": text}]);
                json!({"choices": choices, "usage": usage}).to_string()
            })
            .collect();
        let short = chat(&events.iter().map(|e| format!("data: {e}\n\n")).collect::<String>());
        // Nothing that ends with a space is taken for a repetition.
        let long = chat(&events.iter().map(|e| format!("data: {e} \n\n")).collect::<String>());
        let counts: Vec<Option<u32>> = steps.iter().map(|(_, _, more)| Some(*more)).collect();
        prop_assert_eq!(short.seen.tokens(), counts);
        prop_assert_eq!(short, long);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(events in prop::collection::vec(".{0,40}", 0..6)) {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let _ = chat(&body(&events));
    }
}
