use std::time::Duration;

use bench_datasets::{Dataset, Replay, SampleContext, TraceOptions, dataset_hash};
use bench_types::{History, Prompt};

use super::{arrivals, at, read_again};
use crate::{builtin, failure, file, text};

/// Two sessions whose lines alternate, and a request by itself.
const TRACE: &str = r#"
{"session": "a", "id": "1", "at": 100.5, "history": "recorded", "messages": [{"role": "user", "content": "Hi"}], "output_tokens": 8, "reply": "Hello!", "adapter": "lora-1", "class": "chat", "routing_key": "k"}
{"session": "b", "at": 100.0, "input_tokens": 40, "hash_ids": [1, 2, 3], "block_tokens": 16, "output_tokens": 4}
{"session": "a", "id": "2", "delay": 1.5, "messages": [{"role": "user", "content": "More"}], "output_tokens": 9, "reply": "Yes.", "class": "chat"}
{"session": "b", "delay": 0.25, "input_tokens": 50, "hash_ids": [1, 2, 4], "block_tokens": 16, "output_tokens": 5}
{"session": "a", "parent": "1", "messages": [{"role": "user", "content": "Else"}], "output_tokens": 10}
{"at": 103, "prompt": "Name three rivers.", "output_tokens": 30}
"#;

#[test]
fn sessions_become_conversations() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let cx = at(&tokenizer, &path, 10);
    let made = Replay.sample(&cx).unwrap();
    assert_eq!(arrivals(&made), [0.0, 0.5, 3.0]);
    let [blocks, tree, alone] = &made[..] else {
        panic!("three sessions: {made:?}");
    };

    assert_eq!(blocks.history, History::Whole);
    let tokens: Vec<Vec<u32>> = blocks
        .turns
        .iter()
        .map(|turn| read_again(&tokenizer, &turn.prompt))
        .collect();
    assert_eq!((tokens[0].len(), tokens[1].len()), (40, 50));
    assert_eq!(tokens[0][..32], tokens[1][..32]);
    assert_ne!(tokens[0][32..40], tokens[1][32..40]);
    assert_eq!(blocks.turns[1].pause, Duration::from_millis(250));
    assert_eq!(blocks.turns[1].prompt_tokens, Some(50));

    assert_eq!(tree.history, History::Recorded);
    let told: Vec<_> = tree
        .turns
        .iter()
        .map(|turn| (turn.parent, turn.pause.as_secs_f64(), turn.reply.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (None, 0.0, Some("Hello!")),
            (None, 1.5, Some("Yes.")),
            (Some(0), 0.0, None)
        ]
    );
    let reply = tokenizer.count("Hello!").unwrap();
    assert_eq!(tree.turns[0].reply_tokens, Some(reply));
    let messages = r#"[{"role": "user", "content": "More"}]"#;
    assert_eq!(tree.turns[1].prompt, Prompt::Chat(messages.into()));
    let shared = [&tree.adapter, &tree.class, &tree.routing_key];
    assert_eq!(
        shared.map(|text| text.as_deref()),
        [Some("lora-1"), Some("chat"), Some("k")]
    );

    assert_eq!(text(alone), "Name three rivers.");
    assert_eq!(alone.turns[0].max_output_tokens, 30);
    let counted = tokenizer.count("Name three rivers.").unwrap();
    assert_eq!(alone.turns[0].prompt_tokens, Some(counted));
    assert_eq!(dataset_hash(&made), "6d633a1d01ad08e30f4e663c9e5d1539");
}

#[test]
fn lengths_alone_are_prompts_of_their_own() {
    let (tokenizer, path) = (
        builtin(),
        file(
            "{\"at\": 1e9, \"input_tokens\": 30, \"output_tokens\": 1}\n\
              {\"at\": 1e9, \"input_tokens\": 30, \"output_tokens\": 1}\n",
        ),
    );
    let mut cx = at(&tokenizer, &path, 2);
    let made = super::exact(&Replay, &cx);
    assert_eq!(super::lengths(&made), [(30, 1), (30, 1)]);
    assert_ne!(text(&made[0])[..20], text(&made[1])[..20]);
    cx.tokenizer = None;
    assert!(failure(&Replay, &cx).contains("needs a tokenizer"));
}

#[test]
fn recorded_prompts_need_no_tokenizer_and_are_the_same_in_every_round() {
    let path = file(
        "{\"at\": 0, \"prompt\": \"x\", \"output_tokens\": 1}\n\
                     {\"at\": 3, \"prompt\": \"y\", \"output_tokens\": 1}\n",
    );
    let mut cx = SampleContext::new(5, 0);
    cx.dataset_path = Some(&path);
    cx.nonce = Some(1);
    cx.trace = TraceOptions {
        trace_loop: 3,
        trace_speedup: 3.0,
        ..TraceOptions::default()
    };
    let made = Replay.sample(&cx).unwrap();
    let texts: Vec<&str> = made.iter().map(text).collect();
    assert_eq!(texts, ["x", "y", "x", "y", "x"]);
    assert_eq!(arrivals(&made), [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert!(made.iter().all(|one| one.turns[0].prompt_tokens.is_none()));
}

#[test]
fn errors_name_the_line() {
    let first = r#"{"session": "a", "id": "x", "at": 0, "prompt": "p", "output_tokens": 1}"#;
    let recorded = first.replace("\"at\"", "\"history\": \"recorded\", \"at\"");
    let broken = [
        (
            r#"{"at": 0, "prompt": "p", "output_tokens": 1, "size": 2}"#,
            "1: entry 1: unknown field `size`",
        ),
        (
            r#"{"at": 0, "prompt": "p"}"#,
            "1: entry 1: missing field `output_tokens`",
        ),
        (
            r#"{"at": 0, "prompt": "p", "output_tokens": 0}"#,
            "1: entry 1: `output_tokens` is 0",
        ),
        (
            r#"{"prompt": "p", "output_tokens": 1}"#,
            "1: entry 1: it has no `at`",
        ),
        (
            r#"{"at": 1e300, "prompt": "p", "output_tokens": 1}"#,
            "1: entry 1: `at` is no time",
        ),
        (
            r#"{"at": 0, "delay": 1, "prompt": "p", "output_tokens": 1}"#,
            "1: entry 1: it has a `delay`",
        ),
        (
            r#"{"at": 0, "parent": "x", "prompt": "p", "output_tokens": 1}"#,
            "1: entry 1: it follows a `parent`",
        ),
        (
            r#"{"at": 0, "output_tokens": 1}"#,
            "1: entry 1: it has to have one of",
        ),
        (
            r#"{"at": 0, "prompt": "p", "input_tokens": 3, "output_tokens": 1}"#,
            "1: entry 1: it has to have one of",
        ),
        (
            r#"{"at": 0, "prompt": "p", "hash_ids": [], "output_tokens": 1}"#,
            "`hash_ids` and `block_tokens` belong",
        ),
        (
            r#"{"at": 0, "input_tokens": 3, "hash_ids": [1], "output_tokens": 1}"#,
            "no `block_tokens`",
        ),
        (
            r#"{"at": 0, "messages": [{"content": "p"}], "output_tokens": 1}"#,
            "`messages`: missing field `role`",
        ),
        (
            r#"{"at": 0, "messages": [], "output_tokens": 1}"#,
            "`messages` is empty",
        ),
        (
            r#"FIRST
{"session": "a", "at": 1, "prompt": "q", "output_tokens": 1}"#,
            "2: entry 2: it has an `at`",
        ),
        (
            r#"FIRST
{"session": "a", "delay": -1, "prompt": "q", "output_tokens": 1}"#,
            "2: entry 2: `delay` is -1",
        ),
        (
            r#"FIRST
{"session": "a", "parent": "y", "prompt": "q", "output_tokens": 1}
{"session": "a", "id": "y", "prompt": "r", "output_tokens": 1}"#,
            "2: entry 2: no line of its session before it has the `id` `y`",
        ),
        (
            r#"FIRST
{"session": "a", "id": "x", "prompt": "q", "output_tokens": 1}"#,
            "2: entry 2: its session has a line with the `id` `x`",
        ),
        (
            r#"FIRST
{"session": "a", "adapter": "l", "prompt": "q", "output_tokens": 1}"#,
            "its `adapter` is not that of",
        ),
        (
            r#"FIRST
{"session": "a", "history": "live", "prompt": "q", "output_tokens": 1}"#,
            "its `history` is not that of",
        ),
        (
            r#"RECORDED
{"session": "a", "prompt": "q", "output_tokens": 1}"#,
            "2: entry 2: its session has recorded history, and line 1",
        ),
        ("", "none of the 0 entries"),
    ];
    let tokenizer = builtin();
    for (lines, expected) in broken {
        let lines = lines.replace("FIRST", first).replace("RECORDED", &recorded);
        let path = file(&lines);
        let message = failure(&Replay, &at(&tokenizer, &path, 5));
        assert!(message.contains(expected), "{lines}: {message}");
    }
}
