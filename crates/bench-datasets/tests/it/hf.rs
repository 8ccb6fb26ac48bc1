use std::path::Path;

use bench_datasets::{Dataset, HuggingFace, dataset_hash};
use bench_types::{Conversation, Prompt};
use serde_json::{Value, json};

use crate::tables::file_of;
use crate::{builtin, context, failure, text};

fn jsonl(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// The conversations of these rows, in their order.
fn made_of(options: &HuggingFace, rows: &[Value]) -> Result<Vec<Conversation>, String> {
    let tokenizer = builtin();
    let path = file_of("jsonl", jsonl(rows).as_bytes());
    let mut cx = context(&tokenizer, rows.len(), 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    cx.no_oversample = true;
    options.sample(&cx).map_err(|error| error.to_string())
}

fn output(conversation: &Conversation) -> u32 {
    conversation.turns[0].max_output_tokens
}

#[test]
fn columns_are_recognised() {
    let words = |n: usize| " the".repeat(n);
    let cases = [
        (json!({"text": "Go on", "label": 1}), "Go on", 256),
        (json!({"prompt": "Ask", "completion": " the"}), "Ask", 1),
        (json!({"prompt": ["First", "Second"]}), "First", 256),
        (json!({"question": "Who?", "answer": " the"}), "Who?", 1),
        (
            json!({"question": "Who?", "context": "He did."}),
            "He did.\n\nWho?",
            256,
        ),
        (
            json!({"instruction": "Sort", "input": "b a", "output": " the the"}),
            "Sort\n\nb a",
            2,
        ),
        (json!({"instruction": "Sort", "input": ""}), "Sort", 256),
        (
            json!({"turns": ["One", "Two"], "category": "x"}),
            "One",
            256,
        ),
        (
            json!({"problem": words(2_000), "solution": words(900)}),
            &words(2_000),
            900,
        ),
        (
            json!({"code": "x = 1", "change_request": "Make it 2", "norm_distance": 0.1}),
            "Change this file as asked, and answer with the whole new file.\n\nChange: Make it \
             2\n\nFile:\n```\nx = 1\n```",
            4_000,
        ),
        (
            json!({"conversations": [{"from": "human", "value": words(9)},
                {"from": "gpt", "value": words(5)}, {"from": "human", "value": "?"}]}),
            &words(9),
            5,
        ),
        (
            json!({"conversation": [[{"role": "user", "content": words(4)}],
                [{"role": "assistant", "content": words(6)}]]}),
            &words(4),
            6,
        ),
    ];
    for (row, prompt, tokens) in cases {
        let made = made_of(&HuggingFace::default(), std::slice::from_ref(&row)).unwrap();
        assert_eq!(text(&made[0]), prompt, "{row}");
        assert_eq!(output(&made[0]), tokens, "{row}");
        assert_eq!(
            made[0].turns[0].prompt_tokens,
            Some(builtin().count(prompt).unwrap()),
            "{row}"
        );
    }
}

#[test]
fn a_system_prompt_is_a_message() {
    let rows = [
        json!({"system_prompt": "Be brief please.", "question": "Who wrote Hamlet, and when?",
        "output": "Shakespeare, about the year 1600."}),
    ];
    let made = made_of(&HuggingFace::default(), &rows).unwrap();
    let Prompt::Chat(messages) = &made[0].turns[0].prompt else {
        panic!("{made:?}");
    };
    assert_eq!(
        serde_json::from_str::<Value>(messages).unwrap(),
        json!([{"role": "system", "content": "Be brief please."},
            {"role": "user", "content": "Who wrote Hamlet, and when?"}])
    );
}

#[test]
fn output_lengths_go_by_flag_then_name_then_answer() {
    let rows = [json!({"instruction": "Sort", "input": "b a", "output": "a b"})];
    let mut options = HuggingFace {
        hf_name: Some("likaixin/InstructCoder".to_owned()),
        ..HuggingFace::default()
    };
    assert_eq!(output(&made_of(&options, &rows).unwrap()[0]), 200);
    options.hf_output_len = Some(33);
    assert_eq!(output(&made_of(&options, &rows).unwrap()[0]), 33);
}

#[test]
fn recorded_conversations_keep_limits_unless_a_length_is_given() {
    let row = |prompt: usize, answer: usize| {
        json!({"messages": [{"role": "user", "content": " the".repeat(prompt)},
            {"role": "assistant", "content": " the".repeat(answer)}]})
    };
    let rows = [
        row(3, 9),
        row(9, 3),
        row(1_025, 9),
        row(1_024, 1_025),
        row(1_024, 1_024),
    ];
    let made = made_of(&HuggingFace::default(), &rows).unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(output(&made[0]), 1_024);
    let fixed = HuggingFace {
        hf_output_len: Some(7),
        ..HuggingFace::default()
    };
    assert_eq!(made_of(&fixed, &rows).unwrap().len(), 5);
    let message = made_of(&HuggingFace::default(), &rows[..4]).unwrap_err();
    assert!(message.contains("none of the 4 entries"), "{message}");
}

#[test]
fn edits_may_be_chosen_by_their_distance() {
    let row =
        |distance: f64| json!({"code": "x", "change_request": "y", "norm_distance": distance});
    let options = HuggingFace {
        blazedit_min_distance: 0.2,
        blazedit_max_distance: 0.5,
        ..HuggingFace::default()
    };
    let made = made_of(&options, &[row(0.1), row(0.2), row(0.5), row(0.6)]).unwrap();
    assert_eq!(made.len(), 2);
    let message = made_of(&options, &[json!({"text": "x"})]).unwrap_err();
    assert!(
        message.contains(":1: entry 1: it has no `norm_distance`"),
        "{message}"
    );
}

#[test]
fn pictures_go_behind_the_text() {
    let rows = [
        json!({"question": "What is it?", "image": {"bytes": "iVBORw0KGgo=", "path": "a.png"}}),
        json!({"turns": [[{"role": "user", "content": "And these?"}]],
            "images": ["https://example.com/a.jpg", "/9j/4AAQ"]}),
    ];
    let made = made_of(&HuggingFace::default(), &rows).unwrap();
    let sent: Vec<Value> = made
        .iter()
        .map(|one| match &one.turns[0].prompt {
            Prompt::Chat(json) => serde_json::from_str(json).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        sent[0],
        json!([{"role": "user", "content": [{"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}])
    );
    assert_eq!(
        sent[1][0]["content"][1]["image_url"]["url"],
        "https://example.com/a.jpg"
    );
    assert_eq!(
        sent[1][0]["content"][2]["image_url"]["url"],
        "data:image/jpeg;base64,/9j/4AAQ"
    );
    assert_eq!(made.iter().map(output).collect::<Vec<_>>(), [128, 128]);
    assert_eq!(made[0].turns[0].prompt_tokens, None);

    let message = made_of(
        &HuggingFace::default(),
        &[json!({"question": "?", "image": {"path": "a.png"}})],
    )
    .unwrap_err();
    assert!(
        message.contains("entry 1: `image` is an object, not a picture"),
        "{message}"
    );
}

#[test]
fn what_is_not_recognised_is_listed() {
    let message = made_of(&HuggingFace::default(), &[json!({"foo": 1, "bar": "x"})]).unwrap_err();
    assert!(message.contains("in its columns (bar, foo)"), "{message}");
    assert!(message.contains("instruction and input"), "{message}");
    let message = made_of(&HuggingFace::default(), &[json!({"audio": {"path": "x"}})]).unwrap_err();
    assert!(
        message.contains("`audio` is no text") && message.contains("custom_audio"),
        "{message}"
    );
}

/// Writes a file, with its folders.
fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn all_files_of_a_split_are_read_in_order() {
    let tokenizer = builtin();
    let root = tempfile::tempdir().unwrap();
    let row = |text: &str| jsonl(&[json!({"text": text})]);
    write(root.path(), "train/b.jsonl", row("two").as_bytes());
    write(root.path(), "train/a.jsonl", row("one").as_bytes());
    write(root.path(), "test/a.jsonl", row("three").as_bytes());
    write(root.path(), "README.md", b"about");
    let missing = root.path().join("not here");
    let mut cx = context(&tokenizer, 5, 0);
    cx.dataset_path = Some(root.path());
    cx.disable_shuffle = true;
    cx.no_oversample = true;
    let texts = |options: &HuggingFace| {
        let made = options.sample(&cx).unwrap();
        made.iter()
            .map(|one| text(one).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&HuggingFace::default()), ["one", "two"]);
    let mut test = HuggingFace {
        hf_split: Some("test".to_owned()),
        ..HuggingFace::default()
    };
    assert_eq!(texts(&test), ["three"]);
    test.hf_split = Some("dev".to_owned());
    let message = failure(&test, &cx);
    assert!(
        message.contains("it has no split `validation`"),
        "{message}"
    );

    cx.dataset_path = Some(&missing);
    assert!(failure(&HuggingFace::default(), &cx).contains("not here"));
}

#[test]
fn the_seed_orders_and_repeats() {
    let tokenizer = builtin();
    let rows: Vec<Value> = (0..20)
        .map(|n| json!({"text": format!("Text {n}")}))
        .collect();
    let path = file_of("json", Value::from(rows).to_string().as_bytes());
    let made = |seed, count, threads| {
        let mut cx = context(&tokenizer, count, seed);
        cx.dataset_path = Some(&path);
        cx.threads = threads;
        HuggingFace::default().sample(&cx).unwrap()
    };
    assert_eq!(made(1, 30, 1), made(1, 30, 4));
    assert_eq!(made(1, 30, 1).len(), 30);
    assert_eq!(made(1, 30, 1)[..20], made(1, 20, 1));
    assert_ne!(made(1, 20, 1), made(2, 20, 1));
    assert_eq!(
        dataset_hash(&made(1, 30, 1)),
        "07ba3fd71ced82c790ff917b5f13dafb"
    );
}

#[cfg(feature = "parquet")]
#[test]
fn shards_of_parquet_with_lists_and_pictures_are_read() {
    use crate::tables::columns::{Column, bytes_of};

    let tokenizer = builtin();
    let root = tempfile::tempdir().unwrap();
    let shard = |question: &str, picture: &[u8]| {
        bytes_of(&[
            ("turns", Column::Lists(&[&[question, "And?"]])),
            ("image", Column::Bytes(&[picture])),
        ])
    };
    let second = shard("Second?", b"\xff\xd8\xff\xe0");
    let first = shard("First?", b"\x89PNG\r\n\x1a\n");
    write(root.path(), "data/test-00001-of-00002.parquet", &second);
    write(root.path(), "data/test-00000-of-00002.parquet", &first);
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(root.path());
    cx.disable_shuffle = true;
    let made = HuggingFace::default().sample(&cx).unwrap();
    let parts: Vec<Value> = made
        .iter()
        .map(|one| match &one.turns[0].prompt {
            Prompt::Chat(json) => serde_json::from_str::<Value>(json).unwrap()[0]["content"].take(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts[0][0]["text"], "First?");
    assert_eq!(
        parts[0][1]["image_url"]["url"],
        "data:image/png;base64,iVBORw0KGgo="
    );
    assert_eq!(parts[1][0]["text"], "Second?");
    assert_eq!(
        parts[1][1]["image_url"]["url"],
        "data:image/jpeg;base64,/9j/4A=="
    );

    std::fs::remove_file(root.path().join("data/test-00001-of-00002.parquet")).unwrap();
    let message = failure(&HuggingFace::default(), &cx);
    assert!(
        message.contains("of the 2 shards of `test` only 1 are there"),
        "{message}"
    );
}
