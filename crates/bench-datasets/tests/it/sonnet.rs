use std::collections::HashSet;

use bench_datasets::{Dataset, Sonnet, dataset_hash};
use bench_types::Conversation;

use crate::{builtin, context, failure, file, text, token_ids};

#[test]
fn prompts_are_lines_up_to_the_length_asked_for() {
    let tokenizer = builtin();
    let made = Sonnet::default()
        .sample(&context(&tokenizer, 50, 1))
        .unwrap();
    for conversation in &made {
        let turn = &conversation.turns[0];
        let counted = tokenizer.count(text(conversation)).unwrap();
        assert_eq!(turn.prompt_tokens, Some(counted));
        assert!((450..=550).contains(&counted), "{counted}");
        assert_eq!(turn.max_output_tokens, 150);
    }
}

#[test]
fn prompts_share_their_beginning_and_lines_are_the_poets() {
    let tokenizer = builtin();
    let made = Sonnet::default()
        .sample(&context(&tokenizer, 50, 1))
        .unwrap();
    let all: HashSet<&str> = include_str!("../../assets/sonnets.txt").lines().collect();
    let first: Vec<&str> = text(&made[0]).lines().collect();
    assert_eq!(first[1], "From fairest creatures we desire increase,");
    assert!(first[1..].iter().all(|line| all.contains(line)));
    let shared = (0..).take_while(|&i| {
        let same = |c: &Conversation| text(c).lines().nth(i) == Some(first[i]);
        made.iter().all(same)
    });
    let shared = shared.count();
    let tokens = tokenizer
        .count(&(first[..shared].join("\n") + "\n"))
        .unwrap();
    assert!((180..=220).contains(&tokens), "{tokens}");
}

#[test]
fn the_built_in_text_is_whole_sonnets() {
    let lines: Vec<&str> = include_str!("../../assets/sonnets.txt").lines().collect();
    assert_eq!(lines.len(), 25 * 14);
    assert!(
        lines
            .iter()
            .all(|line| line.trim() == *line && !line.is_empty())
    );
    assert_eq!(lines[11 * 14], "Shall I compare thee to a summer's day?");
}

#[test]
fn another_text_and_other_lengths_are_taken() {
    let tokenizer = builtin();
    let path = file("one line\n\nanother line\r\n   and a third\n");
    let mut cx = context(&tokenizer, 3, 1);
    cx.dataset_path = Some(&path);
    cx.input_len = Some(60);
    cx.output_len = Some(5);
    let dataset = Sonnet {
        sonnet_prefix_len: 0,
        ..Sonnet::default()
    };
    for conversation in dataset.sample(&cx).unwrap() {
        let lines: Vec<&str> = text(&conversation).lines().skip(1).collect();
        let known = ["one line", "another line", "   and a third"];
        assert!(lines.len() > 5 && lines.iter().all(|line| known.contains(line)));
        assert!(conversation.turns[0].prompt_tokens.unwrap() <= 60);
        assert_eq!(conversation.turns[0].max_output_tokens, 5);
    }
    cx.prompt_token_ids = true;
    let made = dataset.sample(&cx).unwrap();
    assert_eq!(
        Some(token_ids(&made[0]).len() as u32),
        made[0].turns[0].prompt_tokens
    );
}

#[test]
fn a_nonce_changes_the_beginning_and_no_line() {
    let tokenizer = builtin();
    let sample = |nonce| {
        let mut cx = context(&tokenizer, 40, 3);
        cx.nonce = Some(nonce);
        Sonnet::default().sample(&cx).unwrap()
    };
    let (one, two) = (sample(1), sample(2));
    let blocks = |made: &[Conversation]| -> HashSet<Vec<u32>> {
        let block = |c: &Conversation| tokenizer.encode(text(c)).unwrap()[..16].to_vec();
        made.iter().map(block).collect()
    };
    assert_eq!(blocks(&one).len(), 1);
    assert!(blocks(&one).is_disjoint(&blocks(&two)));
    let mut own_lines = HashSet::new();
    for (one, two) in one.iter().zip(&two) {
        assert!(one.turns[0].prompt_tokens.unwrap() <= 550);
        let lines = text(one).lines().zip(text(two).lines());
        let changed: Vec<&str> = lines.filter(|(a, b)| a != b).map(|(a, _)| a).collect();
        assert_eq!(changed.len(), 2, "{changed:?}");
        assert_eq!(text(one).lines().count(), text(two).lines().count());
        own_lines.insert(changed[1].to_owned());
    }
    assert_eq!(own_lines.len(), 40);
}

#[test]
fn a_seed_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for threads in [1, 4] {
        let mut cx = context(&tokenizer, 30, 42);
        cx.threads = threads;
        let made = Sonnet::default().sample(&cx).unwrap();
        assert_eq!(dataset_hash(&made), "4f50b792ae8ca321ecbba5df7a158705");
    }
}

#[test]
fn lengths_that_cannot_be_had_are_refused() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 3, 1);
    let dataset = |input, prefix| Sonnet {
        sonnet_input_len: input,
        sonnet_prefix_len: prefix,
        ..Sonnet::default()
    };
    let message = failure(&dataset(12, 0), &cx);
    assert!(message.starts_with("--sonnet-input-len: 12"), "{message}");
    let message = failure(&dataset(200, 400), &cx);
    assert!(message.starts_with("--sonnet-prefix-len: 400"), "{message}");
    let empty = file("\n\n");
    cx.dataset_path = Some(&empty);
    let message = failure(&dataset(200, 0), &cx);
    assert!(message.contains("all of them are empty"), "{message}");
    cx.tokenizer = None;
    assert!(failure(&dataset(200, 0), &cx).contains("--tokenizer"));
}

#[test]
fn a_nonce_leaves_prompts_as_long_as_asked_for() {
    let tokenizer = builtin();
    let mean = |nonce, input| {
        let mut cx = context(&tokenizer, 60, 5);
        cx.nonce = nonce;
        let dataset = Sonnet {
            sonnet_input_len: input,
            sonnet_prefix_len: 0,
            ..Sonnet::default()
        };
        let made = dataset.sample(&cx).unwrap();
        let tokens = made.iter().map(|one| one.turns[0].prompt_tokens.unwrap());
        f64::from(tokens.sum::<u32>()) / 60.0
    };
    for input in [100, 550] {
        let (without, with) = (mean(None, input), mean(Some(4), input));
        assert!((without - with).abs() < 8.0, "{without} {with}");
    }
    let mut cx = context(&tokenizer, 3, 1);
    cx.nonce = Some(1);
    let dataset = |input, prefix| Sonnet {
        sonnet_input_len: input,
        sonnet_prefix_len: prefix,
        ..Sonnet::default()
    };
    for (input, prefix, flag) in [
        (25, 0, "--sonnet-input-len: 25 tokens leave no room"),
        (100, 100, "--sonnet-prefix-len: 100 tokens do not fit"),
    ] {
        let message = failure(&dataset(input, prefix), &cx);
        assert!(message.starts_with(flag), "{message}");
        assert!(message.contains("--fixed-prompts"), "{message}");
    }
}
