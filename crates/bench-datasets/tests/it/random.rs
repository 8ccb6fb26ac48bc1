use std::collections::BTreeMap;

use bench_datasets::{Dataset, Random, RangeRatio, Tokenizer, dataset_hash};
use bench_types::Conversation;

use crate::statistics::{chi_square, kolmogorov_smirnov};
use crate::{builtin, context, failure, text, token_ids};

fn random(input: u32, ratio: f64, prefix: u32) -> Random {
    Random {
        random_input_len: input,
        random_output_len: 100,
        random_range_ratio: RangeRatio::new(ratio, ratio).unwrap(),
        random_prefix_len: prefix,
        random_batch_size: 1,
    }
}

/// All texts encode to as many tokens as their conversations say; returns those lengths.
fn exact_lengths(tokenizer: &Tokenizer, conversations: &[Conversation]) -> Vec<u32> {
    let texts: Vec<&str> = conversations.iter().map(text).collect();
    let counted = tokenizer.count_all(&texts).unwrap();
    let said: Vec<u32> = conversations
        .iter()
        .map(|c| c.turns[0].prompt_tokens.unwrap())
        .collect();
    assert_eq!(counted, said);
    counted
}

#[test]
fn texts_are_exact_at_every_length() {
    let tokenizer = builtin();
    for input in [1, 2, 3, 7, 100, 1_024, 2_287, 2_288, 5_000] {
        let made = random(input, 0.0, 0)
            .sample(&context(&tokenizer, 8, 1))
            .unwrap();
        assert_eq!(exact_lengths(&tokenizer, &made), vec![input; 8]);
    }
}

#[test]
fn lengths_stay_within_the_range_and_reach_its_ends() {
    let tokenizer = builtin();
    let made = random(10, 0.25, 3)
        .sample(&context(&tokenizer, 400, 1))
        .unwrap();
    let inputs = exact_lengths(&tokenizer, &made);
    // 10 * 0.75 rounded down and 10 * 1.25 rounded up, after a prefix of 3.
    assert_eq!(inputs.iter().min(), Some(&(3 + 7)));
    assert_eq!(inputs.iter().max(), Some(&(3 + 13)));
    let outputs = || made.iter().map(|c| c.turns[0].max_output_tokens);
    assert_eq!((outputs().min(), outputs().max()), (Some(75), Some(125)));
}

#[test]
fn input_and_output_spread_apart() {
    let tokenizer = builtin();
    let options = Random {
        random_range_ratio: r#"{"input": 0.0, "output": 0.99}"#.parse().unwrap(),
        random_output_len: 2,
        ..random(5, 0.0, 0)
    };
    let made = options.sample(&context(&tokenizer, 200, 0)).unwrap();
    assert_eq!(exact_lengths(&tokenizer, &made), vec![5; 200]);
    let outputs = || made.iter().map(|c| c.turns[0].max_output_tokens);
    assert_eq!((outputs().min(), outputs().max()), (Some(1), Some(4)));
}

#[test]
fn lengths_are_uniform() {
    let tokenizer = builtin();
    let made = random(20, 0.5, 0)
        .sample(&context(&tokenizer, 21_000, 3))
        .unwrap();
    let mut counts = BTreeMap::<u32, f64>::new();
    for conversation in &made {
        *counts
            .entry(conversation.turns[0].prompt_tokens.unwrap())
            .or_default() += 1.0;
    }
    assert_eq!(
        counts.keys().copied().collect::<Vec<_>>(),
        (10..=30).collect::<Vec<_>>()
    );
    let expected = vec![made.len() as f64 / counts.len() as f64; counts.len()];
    let counts: Vec<f64> = counts.into_values().collect();
    let p = chi_square(&counts, &expected);
    assert!(p > 0.01, "p = {p:.4}");
    let lengths: Vec<u32> = made
        .iter()
        .filter_map(|c| c.turns[0].prompt_tokens)
        .collect();
    let p = kolmogorov_smirnov(&lengths, 10, 30);
    assert!(p > 0.01, "p = {p:.4}");
}

#[test]
fn all_prompts_share_the_prefix_and_nothing_else() {
    let tokenizer = builtin();
    let made = random(20, 0.0, 50)
        .sample(&context(&tokenizer, 50, 9))
        .unwrap();
    assert_eq!(exact_lengths(&tokenizer, &made), vec![70; 50]);
    let ids: Vec<Vec<u32>> = made
        .iter()
        .map(|c| tokenizer.encode(text(c)).unwrap())
        .collect();
    assert!(ids.iter().all(|prompt| prompt[..50] == ids[0][..50]));
    let mut seconds: Vec<u32> = ids.iter().map(|prompt| prompt[50]).collect();
    seconds.sort_unstable();
    seconds.dedup();
    assert!(seconds.len() > 40, "{}", seconds.len());
}

#[test]
fn a_prompt_may_be_the_prefix_alone() {
    let tokenizer = builtin();
    let made = random(0, 0.0, 4)
        .sample(&context(&tokenizer, 2, 9))
        .unwrap();
    assert_eq!(exact_lengths(&tokenizer, &made), [4, 4]);
}

#[test]
fn token_ids_take_every_token_but_the_special_ones() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 4, 5);
    cx.prompt_token_ids = true;
    let made = random(4_093, 0.0, 2).sample(&cx).unwrap();
    for conversation in &made {
        let ids = token_ids(conversation);
        assert_eq!(ids.len(), 4_095);
        assert_eq!(ids[..2], token_ids(&made[0])[..2]);
        let mut inner = ids[2..].to_vec();
        inner.sort_unstable();
        assert_eq!(inner, tokenizer.ordinary_ids());
    }
}

#[test]
fn the_general_lengths_go_first() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 3, 5);
    cx.input_len = Some(11);
    cx.output_len = Some(12);
    let made = random(4, 0.0, 0).sample(&cx).unwrap();
    assert_eq!(exact_lengths(&tokenizer, &made), [11; 3]);
    assert!(made.iter().all(|c| c.turns[0].max_output_tokens == 12));
}

/// A seed stands for the same bytes for ever: a new value here breaks what users compare.
#[test]
fn a_seed_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for (prompt_token_ids, golden) in [
        (false, "62493fe9055914f2d4925c2ad3a68551"),
        (true, "20d6ab9a2082cabdb01400b2b9a4525f"),
    ] {
        for threads in [1, 2, 7] {
            let mut cx = context(&tokenizer, 64, 42);
            cx.threads = threads;
            cx.prompt_token_ids = prompt_token_ids;
            let made = random(64, 0.5, 16).sample(&cx).unwrap();
            assert_eq!(dataset_hash(&made), golden);
        }
    }
}

#[test]
fn another_seed_means_other_prompts() {
    let tokenizer = builtin();
    let hash = |seed| {
        dataset_hash(
            &random(64, 0.0, 0)
                .sample(&context(&tokenizer, 8, seed))
                .unwrap(),
        )
    };
    assert_ne!(hash(0), hash(1));
}

#[test]
fn without_a_tokenizer_it_says_what_to_give() {
    let message = failure(
        &Random::default(),
        &bench_datasets::SampleContext::new(1, 0),
    );
    assert!(
        message.contains("--tokenizer") && message.contains("`builtin`"),
        "{message}"
    );
}

#[test]
fn a_prompt_without_tokens_is_refused() {
    let tokenizer = builtin();
    let message = failure(&random(0, 0.0, 0), &context(&tokenizer, 1, 0));
    assert!(
        message.starts_with("--random-input-len: 0 allows"),
        "{message}"
    );
}

/// A tokenizer built for a test.
fn tokenizer(json: serde_json::Value) -> Tokenizer {
    Tokenizer::from_json("awkward", json.to_string().as_bytes()).unwrap()
}

/// BPE over whole texts, without pieces: `a b` is one token, so tokens run into each other.
fn without_pieces() -> Tokenizer {
    tokenizer(serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE", "unk_token": null,
            "vocab": {
                " ": 0, "a": 1, "b": 2, "c": 3, "d": 4, "ab": 5, "abc": 6, " d": 7, "a ": 8,
                "a b": 9, "cd": 10, "bb": 11, "cc": 12
            },
            "merges": [
                ["a", "b"], ["ab", "c"], [" ", "d"], ["a", " "], ["a ", "b"], ["c", "d"],
                ["b", "b"], ["c", "c"]
            ]
        }
    }))
}

/// SentencePiece's way: spaces are `▁`, and one is put before the text.
fn metaspace(words: usize) -> Tokenizer {
    let letters: Vec<char> = ('a'..='z').collect();
    let mut vocab = serde_json::Map::new();
    let mut merges = Vec::new();
    let mut add = |token: String| {
        let id = vocab.len();
        vocab.insert(token, id.into());
    };
    add("<s>".to_owned());
    add("▁".to_owned());
    letters.iter().for_each(|letter| add(letter.to_string()));
    for i in 0..words {
        let (first, second) = (letters[i / 26], letters[i % 26]);
        if i % 26 == 0 {
            add(format!("▁{first}"));
            merges.push(format!("▁ {first}"));
        }
        add(format!("▁{first}{second}"));
        merges.push(format!("▁{first} {second}"));
    }
    tokenizer(serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{
            "id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        ]},
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}
        ]},
        "model": {"type": "BPE", "unk_token": null, "vocab": vocab, "merges": merges}
    }))
}

#[test]
fn prompts_are_mended_where_words_run_into_each_other() {
    let tokenizer = without_pieces();
    for prefix in [0, 1, 6] {
        for input in [1, 2, 5, 64] {
            let ratio = if input > 1 { 0.5 } else { 0.0 };
            let made = random(input, ratio, prefix)
                .sample(&context(&tokenizer, 60, 8))
                .unwrap();
            exact_lengths(&tokenizer, &made);
            let ids: Vec<Vec<u32>> = made
                .iter()
                .map(|c| tokenizer.encode(text(c)).unwrap())
                .collect();
            let prefix = prefix as usize;
            assert!(
                ids.iter()
                    .all(|prompt| prompt[..prefix] == ids[0][..prefix])
            );
        }
    }
}

#[test]
fn mended_prompts_do_not_depend_on_the_threads() {
    let tokenizer = without_pieces();
    let hash = |threads| {
        let mut cx = context(&tokenizer, 50, 8);
        cx.threads = threads;
        dataset_hash(&random(30, 0.2, 3).sample(&cx).unwrap())
    };
    assert_eq!(hash(1), hash(5));
}

#[test]
fn a_tokenizer_that_adds_the_first_space_gets_none() {
    let tokenizer = metaspace(600);
    let made = random(33, 0.0, 4)
        .sample(&context(&tokenizer, 60, 8))
        .unwrap();
    // One token less: the server adds `<s>` itself.
    assert_eq!(exact_lengths(&tokenizer, &made), vec![36; 60]);
    assert!(made.iter().all(|c| !text(c).starts_with(' ')));
}

#[test]
fn few_words_with_spaces_put_before_them_are_mended() {
    let tokenizer = metaspace(40);
    let made = random(33, 0.3, 4)
        .sample(&context(&tokenizer, 60, 8))
        .unwrap();
    exact_lengths(&tokenizer, &made);
}

#[test]
fn a_tokenizer_that_loses_texts_is_an_error() {
    let tokenizer = tokenizer(serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Replace", "pattern": {"Regex": "."}, "content": ""},
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "unk_token": null, "vocab": {"a": 0, "b": 1}, "merges": []}
    }));
    let message = failure(&random(4, 0.0, 0), &context(&tokenizer, 1, 0));
    assert!(
        message.contains("`awkward`") && message.contains("exactly 4 tokens"),
        "{message}"
    );
}
