//! Token counts of which the server gives only some, or none.

use bench_types::{Finish, TokenSource};
use serde_json::{Value, json};

use crate::Decoded;
use crate::wire::{answer, stream};

/// Prompt and completion tokens of the last report.
fn counts(decoded: &Decoded) -> (Option<u32>, Option<u32>) {
    let last = decoded.seen.usages.last();
    last.map_or((None, None), |usage| (usage.0, usage.1))
}

fn events(events: &[Value]) -> String {
    let event = |event: &Value| format!("data: {event}\n\n");
    events.iter().map(event).collect()
}

/// The stream of a backend whose text is "ab", with this usage where it reports any.
fn streamed(backend: &str, usage: &Value) -> Decoded {
    let body = match backend {
        "openai" => events(&[
            json!({"choices": [{"index": 0, "text": "a"}]}),
            json!({"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}),
            json!({"choices": [], "usage": usage}),
        ]),
        "anthropic" => {
            let delta = json!({"type": "text_delta", "text": "ab"});
            // The count at the beginning is none of what will be generated.
            let start = json!({"usage": {"output_tokens": 1}});
            let reason = json!({"stop_reason": "end_turn"});
            events(&[
                json!({"type": "message_start", "message": start}),
                json!({"type": "content_block_delta", "delta": delta}),
                json!({"type": "message_delta", "delta": reason, "usage": usage}),
                json!({"type": "message_stop"}),
            ])
        }
        "openai-responses" => events(&[
            json!({"type": "response.output_text.delta", "delta": "ab"}),
            json!({"type": "response.completed", "response": {"usage": usage}}),
        ]),
        "openai-audio" => events(&[
            json!({"type": "transcript.text.delta", "delta": "ab"}),
            json!({"type": "transcript.text.done", "text": "ab", "usage": usage}),
        ]),
        "sglang" => events(&[json!({"text": "ab", "meta_info": meta(usage)})]),
        "tgi" => events(&[
            json!({"token": {"text": "ab"}, "generated_text": "ab", "details": details(usage)}),
        ]),
        other => panic!("no stream of {other}"),
    };
    stream(backend, &body)
}

/// The answer of a backend whose text is "ab", with this usage.
fn whole(backend: &str, usage: &Value) -> Decoded {
    let body = match backend {
        "openai" => json!({"choices": [{"text": "ab", "finish_reason": "stop"}], "usage": usage}),
        "anthropic" => {
            json!({"content": [{"text": "ab"}], "stop_reason": "end_turn", "usage": usage})
        }
        "openai-responses" => {
            let content = json!([{"content": [{"text": "ab"}]}]);
            json!({"output": content, "usage": usage})
        }
        "openai-audio" => json!({"text": "ab", "usage": usage}),
        "sglang" => json!({"text": "ab", "meta_info": meta(usage)}),
        "tgi" => json!({"generated_text": "ab", "details": details(usage)}),
        other => panic!("no answer of {other}"),
    };
    answer(backend, &body.to_string())
}

fn meta(usage: &Value) -> Value {
    let mut meta = usage.clone();
    meta["finish_reason"] = json!({"type": "stop"});
    meta
}

fn details(usage: &Value) -> Value {
    let mut details = usage.clone();
    details["finish_reason"] = json!("stop_sequence");
    details
}

/// Every backend with counts, and its names for those of the prompt and of the answer.
const NAMES: [(&str, &str, &str); 6] = [
    ("openai", "prompt_tokens", "completion_tokens"),
    ("anthropic", "input_tokens", "output_tokens"),
    ("openai-responses", "input_tokens", "output_tokens"),
    ("openai-audio", "input_tokens", "output_tokens"),
    ("sglang", "prompt_tokens", "completion_tokens"),
    ("tgi", "input_length", "generated_tokens"),
];

#[test]
fn counts_that_are_missing_are_not_made_up() {
    for (backend, prompt, completion) in NAMES {
        for (usage, expected) in [
            (json!({}), (None, None)),
            (json!({prompt: null, completion: null}), (None, None)),
            (json!({prompt: 5}), (Some(5), None)),
            (json!({prompt: 5, completion: null}), (Some(5), None)),
            (json!({completion: 2}), (None, Some(2))),
            (json!({prompt: null, completion: 2}), (None, Some(2))),
            (json!({prompt: 5, completion: 2}), (Some(5), Some(2))),
        ] {
            let streamed = streamed(backend, &usage);
            let finished = matches!(streamed.outcome, Ok(Finish::Stop | Finish::Unstated));
            assert!(finished, "{backend} {usage}: {:?}", streamed.outcome);
            assert_eq!(streamed.seen.text(0), "ab", "{backend} {usage}");
            assert_eq!(counts(&streamed), expected, "{backend} {usage}");

            let whole = whole(backend, &usage);
            assert!(whole.outcome.is_ok(), "{backend} {usage}: {whole:?}");
            assert_eq!(counts(&whole), expected, "{backend} {usage}");
            let source = match expected.1 {
                Some(_) => TokenSource::Usage,
                None => TokenSource::Unknown,
            };
            assert_eq!(whole.source, source, "{backend} {usage}");
        }
    }
}

#[test]
fn usage_in_every_chunk_need_not_count_the_tokens() {
    let chunk = |text: &str| {
        let usage = json!({"prompt_tokens": 5, "completion_tokens": null});
        json!({"choices": [{"index": 0, "text": text}], "usage": usage})
    };
    // Those that are recognized without being parsed too.
    let chunks: Vec<Value> = ["a", "b", "c", "d"].map(chunk).into();
    let decoded = stream("openai", &events(&chunks));
    assert_eq!(decoded.seen.tokens(), [None; 4]);
    assert_eq!(decoded.seen.usages, [(Some(5), None, None, false); 4]);
    assert_eq!(decoded.source, TokenSource::Unknown);
}
