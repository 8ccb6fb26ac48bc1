//! Synthetic prompts differ from run to run, and nothing else about them does.

use std::collections::HashSet;

use bench_datasets::{
    Dataset, GeneratedSharedPrefix, PrefixRepetition, Random, RandomIds, RandomRerank, RangeRatio,
    Tokenizer, dataset_hash, workload_hash,
};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context};

/// The tokens of a block of a server's prefix cache.
const BLOCK: usize = 16;

fn random(prefix: u32) -> Random {
    Random {
        random_input_len: 40,
        random_range_ratio: RangeRatio::new(0.5, 0.5).unwrap(),
        random_prefix_len: prefix,
        ..Random::default()
    }
}

/// All that take a nonce and send one text.
fn datasets() -> Vec<Box<dyn Dataset>> {
    vec![
        Box::new(random(0)),
        Box::new(random(24)),
        Box::new(RandomIds { random: random(24) }),
        Box::new(PrefixRepetition {
            prefix_repetition_prefix_len: 20,
            prefix_repetition_suffix_len: 20,
            prefix_repetition_num_prefixes: 3,
            ..PrefixRepetition::default()
        }),
        Box::new(GeneratedSharedPrefix {
            gsp_num_groups: 4,
            gsp_system_prompt_len: 20,
            gsp_question_len: 20,
            ..GeneratedSharedPrefix::default()
        }),
    ]
}

fn sample(
    dataset: &dyn Dataset,
    tokenizer: &Tokenizer,
    nonce: Option<u64>,
    token_ids: bool,
) -> Vec<Conversation> {
    let mut cx = context(tokenizer, 200, 11);
    cx.nonce = nonce;
    cx.prompt_token_ids = token_ids;
    dataset.sample(&cx).unwrap()
}

fn tokens(tokenizer: &Tokenizer, conversation: &Conversation) -> Vec<u32> {
    match &conversation.turns[0].prompt {
        Prompt::Text(text) => tokenizer.encode(text).unwrap(),
        Prompt::TokenIds(ids) => ids.to_vec(),
        other => panic!("neither text nor token ids: {other:?}"),
    }
}

/// Lengths of prompts and outputs.
fn lengths(conversations: &[Conversation]) -> Vec<(Option<u32>, u32)> {
    let turns = conversations.iter().flat_map(|c| &c.turns);
    turns
        .map(|turn| (turn.prompt_tokens, turn.max_output_tokens))
        .collect()
}

#[test]
fn runs_with_different_nonces_have_no_block_in_common() {
    let tokenizer = builtin();
    for dataset in datasets() {
        for token_ids in [false, true] {
            let run = |nonce| -> HashSet<Vec<u32>> {
                let made = sample(&*dataset, &tokenizer, nonce, token_ids);
                let first = |c: &Conversation| tokens(&tokenizer, c)[..BLOCK].to_vec();
                made.iter().map(first).collect()
            };
            let runs = [run(None), run(Some(0)), run(Some(1)), run(Some(1 << 40))];
            let together: HashSet<&Vec<u32>> = runs.iter().flatten().collect();
            let apart: usize = runs.iter().map(HashSet::len).sum();
            assert_eq!(together.len(), apart, "{}", dataset.name());
        }
    }
}

#[test]
fn prompts_of_a_run_share_a_block_only_where_that_is_meant() {
    let tokenizer = builtin();
    let blocks = |dataset: &dyn Dataset, from: usize| {
        let made = sample(dataset, &tokenizer, Some(5), false);
        let block = |c: &Conversation| tokens(&tokenizer, c)[from..from + BLOCK].to_vec();
        made.iter().map(block).collect::<HashSet<_>>().len()
    };
    let [plain, prefixed, ids, repeated, grouped] = &datasets()[..] else {
        unreachable!()
    };
    assert_eq!(blocks(&**plain, 0), 200);
    assert_eq!((blocks(&**prefixed, 0), blocks(&**prefixed, 24)), (1, 200));
    assert_eq!((blocks(&**ids, 0), blocks(&**ids, 24)), (1, 200));
    assert_eq!((blocks(&**repeated, 0), blocks(&**repeated, 20)), (3, 200));
    assert_eq!((blocks(&**grouped, 0), blocks(&**grouped, 20)), (4, 200));
}

#[test]
fn lengths_and_all_but_the_first_tokens_follow_from_the_seed() {
    let tokenizer = builtin();
    for dataset in datasets() {
        let fixed = sample(&*dataset, &tokenizer, None, true);
        let run = sample(&*dataset, &tokenizer, Some(7), true);
        assert_eq!(lengths(&fixed), lengths(&run), "{}", dataset.name());
        for (fixed, run) in fixed.iter().zip(&run) {
            let (fixed, run) = (tokens(&tokenizer, fixed), tokens(&tokenizer, run));
            let changed = fixed.iter().zip(&run).filter(|(a, b)| a != b).count();
            assert!(changed <= 16, "{}: {changed}", dataset.name());
            assert_eq!(fixed.last(), run.last());
        }
    }
}

#[test]
fn texts_with_a_nonce_are_exact() {
    let tokenizer = builtin();
    for dataset in datasets() {
        for conversation in sample(&*dataset, &tokenizer, Some(3), false) {
            let counted = tokens(&tokenizer, &conversation).len() as u32;
            assert_eq!(Some(counted), conversation.turns[0].prompt_tokens);
        }
    }
}

#[test]
fn prompts_shorter_than_the_beginning_stay_as_long() {
    let tokenizer = builtin();
    let short = Random {
        random_input_len: 3,
        ..Random::default()
    };
    for conversation in sample(&short, &tokenizer, Some(3), false) {
        assert_eq!(tokens(&tokenizer, &conversation).len(), 3);
    }
}

#[test]
fn queries_and_documents_differ_from_run_to_run() {
    let tokenizer = builtin();
    let dataset = RandomRerank {
        random: Random {
            random_batch_size: 10,
            ..random(0)
        },
        ..RandomRerank::default()
    };
    let texts = |nonce| -> HashSet<String> {
        let made = sample(&dataset, &tokenizer, nonce, false);
        let all = made.iter().flat_map(|c| match &c.turns[0].prompt {
            Prompt::Rerank { query, documents } => documents.iter().chain([query]),
            other => panic!("nothing to rank: {other:?}"),
        });
        all.map(|text| text.chars().take(30).collect()).collect()
    };
    let (first, second) = (texts(Some(1)), texts(Some(2)));
    assert_eq!((first.len(), second.len()), (201, 201));
    assert!(first.is_disjoint(&second));
}

#[test]
fn the_workload_is_that_of_the_groups_and_not_of_the_words() {
    let tokenizer = builtin();
    let of = |dataset: &dyn Dataset, nonce, token_ids| {
        let made = sample(dataset, &tokenizer, Some(nonce), token_ids);
        workload_hash(dataset.name(), &made)
    };
    let repeated = |prefixes| PrefixRepetition {
        prefix_repetition_num_prefixes: prefixes,
        ..PrefixRepetition::default()
    };
    let grouped = |groups| GeneratedSharedPrefix {
        gsp_num_groups: groups,
        gsp_system_prompt_len: 100,
        ..GeneratedSharedPrefix::default()
    };
    for token_ids in [false, true] {
        for (few, many) in [
            (&repeated(1) as &dyn Dataset, &repeated(20) as &dyn Dataset),
            (&repeated(19), &repeated(20)),
            (&grouped(3), &grouped(20)),
        ] {
            let name = few.name();
            assert_eq!(of(few, 1, token_ids), of(few, 2, token_ids), "{name}");
            assert_eq!(of(many, 1, token_ids), of(many, 2, token_ids), "{name}");
            assert_ne!(of(few, 1, token_ids), of(many, 1, token_ids), "{name}");
        }
    }
    for dataset in datasets() {
        assert_eq!(
            of(&*dataset, 1, false),
            of(&*dataset, 2, false),
            "{}",
            dataset.name()
        );
    }
}

/// A seed and a nonce stand for the same bytes for ever.
#[test]
fn a_nonce_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for threads in [1, 3] {
        let mut cx = context(&tokenizer, 64, 42);
        cx.nonce = Some(1);
        cx.threads = threads;
        let made = random(16).sample(&cx).unwrap();
        assert_eq!(dataset_hash(&made), "19c85b4695a29b676117cafa48011d7e");
    }
}
