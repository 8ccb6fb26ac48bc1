use std::collections::BTreeMap;

use bench_datasets::{Dataset, PrefixRepetition, dataset_hash};

use crate::{builtin, context, failure, text, token_ids};

fn dataset(prefix: u32, suffix: u32, prefixes: u32) -> PrefixRepetition {
    PrefixRepetition {
        prefix_repetition_prefix_len: prefix,
        prefix_repetition_suffix_len: suffix,
        prefix_repetition_num_prefixes: prefixes,
        prefix_repetition_output_len: 7,
    }
}

#[test]
fn prompts_are_exact_with_the_seam() {
    let tokenizer = builtin();
    for (prefix, suffix) in [(256, 256), (1, 1), (0, 5), (5, 0), (3_000, 10)] {
        let made = dataset(prefix, suffix, 4)
            .sample(&context(&tokenizer, 12, 3))
            .unwrap();
        for conversation in &made {
            let turn = &conversation.turns[0];
            assert_eq!(turn.prompt_tokens, Some(prefix + suffix));
            assert_eq!(turn.max_output_tokens, 7);
            let counted = tokenizer.count(text(conversation)).unwrap();
            assert_eq!(counted, prefix + suffix);
        }
    }
}

#[test]
fn every_prompt_asked_for_is_made_and_prefixes_have_equal_shares() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 32, 3);
    cx.prompt_token_ids = true;
    let made = dataset(40, 10, 5).sample(&cx).unwrap();
    assert_eq!(made.len(), 32);
    let mut shares = BTreeMap::<&[u32], u32>::new();
    for conversation in &made {
        *shares.entry(&token_ids(conversation)[..40]).or_default() += 1;
    }
    let mut shares: Vec<u32> = shares.into_values().collect();
    shares.sort_unstable();
    assert_eq!(shares, [6, 6, 6, 7, 7]);
}

#[test]
fn prompts_are_shuffled_unless_the_order_is_kept() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 30, 3);
    cx.prompt_token_ids = true;
    let changes = |cx: &bench_datasets::SampleContext<'_>| {
        let made = dataset(20, 5, 3).sample(cx).unwrap();
        let differ = |pair: &&[bench_types::Conversation]| {
            token_ids(&pair[0])[..20] != token_ids(&pair[1])[..20]
        };
        made.windows(2).filter(differ).count()
    };
    assert!(changes(&cx) > 10);
    cx.disable_shuffle = true;
    assert_eq!(changes(&cx), 2);
}

#[test]
fn a_seed_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for (prompt_token_ids, golden) in [
        (false, "1f2f3e09d3d022853920ce8a36c431ab"),
        (true, "0e56786da997472ca2b37b14edd6e31a"),
    ] {
        for threads in [1, 4] {
            let mut cx = context(&tokenizer, 40, 42);
            cx.threads = threads;
            cx.prompt_token_ids = prompt_token_ids;
            let made = dataset(32, 16, 6).sample(&cx).unwrap();
            assert_eq!(dataset_hash(&made), golden);
        }
    }
}

#[test]
fn what_makes_no_prompt_is_refused() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 4, 0);
    let message = failure(&dataset(4, 4, 0), &cx);
    assert!(
        message.starts_with("--prefix-repetition-num-prefixes: "),
        "{message}"
    );
    let message = failure(&dataset(0, 0, 1), &cx);
    assert!(
        message.starts_with("--prefix-repetition-suffix-len: 0"),
        "{message}"
    );
}
