//! Conversations of several turns, made up and recorded.

use bench_datasets::{Dataset, MultiTurn, Random, ShareGpt, dataset_hash};
use bench_types::{Conversation, History, Prompt};
use serde_json::json;

use crate::{builtin, context, failure, file};

fn live(turns: u32) -> Option<MultiTurn> {
    Some(MultiTurn {
        history: History::Live,
        turns,
        max_turns: None,
    })
}

fn texts(conversation: &Conversation) -> Vec<&str> {
    conversation
        .turns
        .iter()
        .map(|turn| match &turn.prompt {
            Prompt::Text(text) => &**text,
            other => panic!("no text: {other:?}"),
        })
        .collect()
}

#[test]
fn every_random_turn_is_new_and_exact_and_only_the_first_begins_with_the_prefix() {
    let tokenizer = builtin();
    let options = Random {
        random_input_len: 20,
        random_prefix_len: 7,
        random_output_len: 5,
        ..Random::default()
    };
    let mut cx = context(&tokenizer, 6, 1);
    cx.multi_turn = live(3);
    let made = options.sample(&cx).unwrap();
    assert_eq!(made.len(), 6);
    let mut all = Vec::new();
    for conversation in &made {
        assert_eq!(conversation.history, History::Live);
        let lengths: Vec<_> = conversation.turns.iter().map(|t| t.prompt_tokens).collect();
        assert_eq!(lengths, [Some(27), Some(20), Some(20)]);
        let texts = texts(conversation);
        // Strung together they are as long as their parts, which is what a text server is sent.
        assert_eq!(tokenizer.count(&texts.concat()).unwrap(), 67);
        all.extend(texts);
    }
    let prefix = |text: &str| text.split(' ').take(8).collect::<Vec<_>>().join(" ");
    let shared = prefix(all[0]);
    for (place, text) in all.iter().enumerate() {
        assert_eq!(prefix(text) == shared, place % 3 == 0, "{text}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 18);
}

#[test]
fn random_conversations_are_the_same_for_a_seed_and_any_number_of_threads() {
    let tokenizer = builtin();
    let hash = |seed, threads, history| {
        let mut cx = context(&tokenizer, 9, seed);
        cx.multi_turn = live(4).map(|wanted| MultiTurn { history, ..wanted });
        cx.threads = threads;
        dataset_hash(&Random::default().sample(&cx).unwrap())
    };
    let known = hash(1, 1, History::Live);
    assert_eq!(known, "9323134416d60729eca2a7ebb6895d9d");
    assert_eq!(known, hash(1, 4, History::Live));
    assert_ne!(known, hash(2, 1, History::Live));
}

#[test]
fn a_turn_is_one_prompt() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 4, 1);
    cx.multi_turn = live(2);
    let options = Random {
        random_batch_size: 2,
        ..Random::default()
    };
    assert!(failure(&options, &cx).contains("--random-batch-size"));
}

/// A file of one conversation of these messages: who, and how many words.
fn recorded(messages: &[(Option<&str>, usize)]) -> tempfile::TempPath {
    let message = |(from, words): &(Option<&str>, usize)| {
        let text = vec![" the"; *words].concat();
        match from {
            Some(from) => json!({"from": from, "value": text}),
            None => json!({"value": text}),
        }
    };
    let messages: Vec<_> = messages.iter().map(message).collect();
    file(&json!([{"conversations": messages}]).to_string())
}

#[test]
fn a_recorded_conversation_is_taken_up_to_what_is_too_long_or_out_of_turn() {
    let tokenizer = builtin();
    let (human, gpt) = (Some("human"), Some("gpt"));
    let two = [(human, 5), (gpt, 6), (human, 1), (gpt, 2)];
    let with = |more: &[(Option<&'static str>, usize)]| [&two[..], more].concat();
    let cases = [
        (with(&[]), Some(2)),
        (with(&[(human, 3), (gpt, 9)]), Some(3)),
        // The answer is missing.
        (with(&[(human, 3)]), Some(2)),
        // Not the user's turn.
        (with(&[(gpt, 3), (human, 9), (gpt, 4)]), Some(2)),
        (
            with(&[(human, 1_025), (gpt, 9), (human, 3), (gpt, 4)]),
            Some(2),
        ),
        (with(&[(human, 1_024), (gpt, 1_025)]), Some(2)),
        // What comes before the user is left out.
        ([&[(Some("system"), 50)][..], &two].concat(), Some(2)),
        // Where nobody is named, the first is the user.
        (
            two.iter().map(|(_, words)| (None, *words)).collect(),
            Some(2),
        ),
        // Of a single turn nothing is gone on from.
        (two[..2].to_vec(), None),
        // The first is as long as a single request must be.
        ([&[(human, 3), (gpt, 6)][..], &two].concat(), None),
    ];
    for (messages, expected) in cases {
        let path = recorded(&messages);
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        cx.multi_turn = live(9);
        let made = ShareGpt::default().sample(&cx);
        let turns = made.ok().map(|made| made[0].turns.len());
        assert_eq!(turns, expected, "{messages:?}");
    }
}

#[test]
fn a_recorded_conversation_has_the_answers_and_their_lengths() {
    let tokenizer = builtin();
    let (human, gpt) = (Some("human"), Some("gpt"));
    let path = recorded(&[
        (human, 5),
        (gpt, 6),
        (human, 1),
        (gpt, 2),
        (human, 3),
        (gpt, 4),
    ]);
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(&path);
    cx.multi_turn = Some(MultiTurn {
        history: History::Recorded,
        turns: 9,
        max_turns: Some(2),
    });
    let made = ShareGpt::default().sample(&cx).unwrap();
    assert_eq!(made[0].history, History::Recorded);
    let turns: Vec<_> = made[0]
        .turns
        .iter()
        .map(|turn| {
            (
                turn.prompt_tokens,
                turn.reply_tokens,
                turn.max_output_tokens,
            )
        })
        .collect();
    assert_eq!(turns, [(Some(5), Some(6), 6), (Some(1), Some(2), 2)]);
    assert_eq!(made[0].turns[1].reply.as_deref(), Some(" the the"));

    let fixed = ShareGpt {
        sharegpt_output_len: Some(9),
        ..ShareGpt::default()
    };
    let made = fixed.sample(&cx).unwrap();
    assert_eq!(made[0].turns[1].max_output_tokens, 9);
    assert_eq!(
        made[0].turns[1].reply_tokens,
        Some(2),
        "the answer is as it was"
    );
}
