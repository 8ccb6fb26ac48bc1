use bench_datasets::{Custom, Dataset, SampleContext, dataset_hash};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context, failure, file, fixture, text};

fn outputs(conversations: &[Conversation]) -> Vec<u32> {
    conversations
        .iter()
        .map(|c| c.turns[0].max_output_tokens)
        .collect()
}

fn custom(custom_output_len: i64) -> Custom {
    Custom { custom_output_len }
}

#[test]
fn jsonl_gives_prompts_and_their_output_lengths() {
    let tokenizer = builtin();
    let path = fixture("custom.jsonl");
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let made = Custom::default().sample(&cx).unwrap();
    assert_eq!(text(&made[0]), "Name three rivers that cross a border.");
    assert_eq!(outputs(&made), [256, 256, 256]);
    assert_eq!(outputs(&custom(-1).sample(&cx).unwrap()), [40, 120, 8]);
    assert_eq!(outputs(&custom(17).sample(&cx).unwrap()), [17, 17, 17]);
    for conversation in &made {
        let count = tokenizer.count(text(conversation)).unwrap();
        assert_eq!(conversation.turns[0].prompt_tokens, Some(count));
    }
}

#[test]
fn an_array_gives_completions_to_measure() {
    let tokenizer = builtin();
    let path = fixture("custom.json");
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let measured = tokenizer.count("Paris is the capital of France.").unwrap();
    assert_eq!(
        outputs(&Custom::default().sample(&cx).unwrap()),
        [measured, 256]
    );

    cx.output_len = Some(3);
    assert_eq!(outputs(&Custom::default().sample(&cx).unwrap()), [3, 3]);

    cx.output_len = None;
    cx.tokenizer = None;
    let uncounted = Custom::default().sample(&cx).unwrap();
    assert_eq!(outputs(&uncounted), [256, 256]);
    assert!(uncounted.iter().all(|c| c.turns[0].prompt_tokens.is_none()));
}

#[test]
fn the_seed_orders_and_repeats() {
    let tokenizer = builtin();
    let path = fixture("custom.jsonl");
    let made = |seed| {
        let mut cx = context(&tokenizer, 12, seed);
        cx.dataset_path = Some(&path);
        let made = Custom::default().sample(&cx).unwrap();
        made.iter().map(|c| text(c).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(made(3).len(), 12);
    assert_eq!(made(3), made(3));
    assert_ne!(made(3), made(4));

    let mut cx = context(&tokenizer, 12, 3);
    cx.dataset_path = Some(&path);
    cx.no_oversample = true;
    assert_eq!(Custom::default().sample(&cx).unwrap().len(), 5);
}

#[test]
fn errors_name_the_line() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 5, 0);
    let path = file("{\"prompt\": \"a\", \"output_tokens\": 3}\n\n{\"prompt\": \"b\"}\n");
    cx.dataset_path = Some(&path);
    let message = failure(&custom(-1), &cx);
    let place = format!("{}:3: entry 2: it does not say", path.display());
    assert!(message.starts_with(&place), "{message}");

    let path = file("{\"prompt\": \"a\"}\n{\"promt\": \"b\"}\n");
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    let place = format!(
        "{}:2: entry 2: missing field `prompt` or `messages`",
        path.display()
    );
    assert!(message.starts_with(&place), "{message}");

    let path = file("[\n{\"prompt\": \"a\"},\n{\"prompt\": 7}\n]");
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    assert!(
        message.contains(":3: entry 2: `prompt` is 7, not a text"),
        "{message}"
    );

    let path = file("");
    cx.dataset_path = Some(&path);
    assert!(failure(&Custom::default(), &cx).contains("the file is empty"));

    let message = failure(&custom(-2), &SampleContext::new(1, 0));
    assert!(
        message.starts_with("--custom-output-len: -2 is no number of tokens"),
        "{message}"
    );
}

#[test]
fn token_ids_need_a_tokenizer() {
    let path = fixture("custom.jsonl");
    let mut cx = SampleContext::new(1, 0);
    cx.dataset_path = Some(&path);
    cx.prompt_token_ids = true;
    assert!(failure(&Custom::default(), &cx).contains("leave out --prompt-token-ids"));
}

#[test]
fn messages_and_recorded_conversations_are_taken_too() {
    let tokenizer = builtin();
    let lines = [
        r#"{"messages": [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}, {"role": "user", "content": "Three"}, {"role": "assistant", "content": "Four five six"}]}"#,
        r#"{"conversations": [{"from": "human", "value": "Ask"}, {"from": "gpt", "value": "Answer this"}, {"from": "human", "value": "More"}]}"#,
        r#"{"prompt": [{"role": "user", "content": "Plain"}], "output_tokens": 4}"#,
    ];
    let path = file(&lines.join("\n"));
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let made = custom(-1).sample(&cx).unwrap();
    let count = |text: &str| tokenizer.count(text).unwrap();
    assert_eq!(
        outputs(&made),
        [count("Four five six"), count("Answer this"), 4]
    );
    let Prompt::Chat(json) = &made[0].turns[0].prompt else {
        panic!("{made:?}");
    };
    let sent: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(sent.as_array().unwrap().len(), 3);
    assert_eq!(
        sent[2],
        serde_json::json!({"role": "user", "content": "Three"})
    );
    assert_eq!(text(&made[1]), "Ask");
    assert_eq!(text(&made[2]), "Plain");
    assert_eq!(dataset_hash(&made), "ac7005a99cca45d7bbd93c4ab4230a76");

    cx.prompt_token_ids = true;
    assert!(failure(&custom(-1), &cx).contains("chat messages, which are no token ids"));
    cx.prompt_token_ids = false;

    let path = file(r#"{"messages": [{"role": "assistant", "content": "Alone"}]}"#);
    cx.dataset_path = Some(&path);
    let message = failure(&custom(-1), &cx);
    assert!(message.contains("nothing that was asked"), "{message}");
}
