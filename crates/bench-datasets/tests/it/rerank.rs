use std::sync::Arc;

use bench_datasets::{
    Dataset, Random, RandomRerank, RangeRatio, RerankOptions, Tokenizer, dataset_hash,
};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context, failure};

fn rerank(input: u32, ratio: f64, batch_size: u32, no_reranker: bool) -> RandomRerank {
    RandomRerank {
        random: Random {
            random_input_len: input,
            random_range_ratio: RangeRatio::new(ratio, ratio).unwrap(),
            random_batch_size: batch_size,
            ..Random::default()
        },
        options: RerankOptions { no_reranker },
    }
}

fn parts(conversation: &Conversation) -> (&str, &[Arc<str>]) {
    match &conversation.turns[0].prompt {
        Prompt::Rerank { query, documents } => (query, documents),
        other => panic!("nothing to rank: {other:?}"),
    }
}

/// What a tokenizer counts of the request: the query, and each document.
fn counted(tokenizer: &Tokenizer, conversation: &Conversation) -> (u32, Vec<u32>) {
    let (query, documents) = parts(conversation);
    (
        tokenizer.count(query).unwrap(),
        tokenizer.count_all(documents).unwrap(),
    )
}

/// The built-in tokenizer of a model that puts one special token before a text, and one more
/// between two.
fn with_specials() -> Tokenizer {
    let json = include_bytes!("../../assets/tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_slice(json).unwrap();
    let special = serde_json::json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}});
    let text = |id| serde_json::json!({"Sequence": {"id": id, "type_id": 0}});
    json["post_processor"] = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [special, text("A")],
        "pair": [special, text("A"), special, text("B")],
        "special_tokens": {
            "<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}
        }
    });
    Tokenizer::from_json("specials", json.to_string().as_bytes()).unwrap()
}

#[test]
fn every_pair_is_as_long_as_asked() {
    let tokenizer = builtin();
    for input in [2, 3, 64, 513] {
        let made = rerank(input, 0.0, 4, false)
            .sample(&context(&tokenizer, 10, 2))
            .unwrap();
        let sizes: Vec<usize> = made.iter().map(|c| parts(c).1.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        for conversation in &made {
            let (query, documents) = counted(&tokenizer, conversation);
            assert_eq!(query, input / 2);
            assert!(documents.iter().all(|document| query + document == input));
            let turn = &conversation.turns[0];
            assert_eq!(turn.prompt_tokens, Some(input * documents.len() as u32));
            assert_eq!(turn.max_output_tokens, 0);
        }
    }
}

#[test]
fn special_tokens_of_a_pair_are_part_of_its_length() {
    let tokenizer = with_specials();
    assert_eq!(tokenizer.specials_per_prompt(), 1);
    assert_eq!(tokenizer.specials_per_pair(), 2);
    for (no_reranker, expected) in [(false, (15, vec![15; 3])), (true, (31, vec![31; 2]))] {
        let made = rerank(32, 0.0, 3, no_reranker)
            .sample(&context(&tokenizer, 3, 2))
            .unwrap();
        assert_eq!(counted(&tokenizer, &made[0]), expected);
    }
}

#[test]
fn all_requests_share_one_query_and_no_document() {
    let tokenizer = builtin();
    let made = rerank(40, 0.3, 3, false)
        .sample(&context(&tokenizer, 60, 5))
        .unwrap();
    assert_eq!(made.len(), 20);
    assert!(made.iter().all(|c| parts(c).0 == parts(&made[0]).0));
    let mut documents: Vec<&Arc<str>> = made.iter().flat_map(|c| parts(c).1).collect();
    documents.sort_unstable();
    documents.dedup();
    assert_eq!(documents.len(), 60);
}

#[test]
fn lengths_spread_around_what_the_query_leaves() {
    let tokenizer = builtin();
    for seed in 0..20 {
        let made = rerank(100, 0.5, 500, false)
            .sample(&context(&tokenizer, 500, seed))
            .unwrap();
        let (query, documents) = counted(&tokenizer, &made[0]);
        assert!((25..=75).contains(&query), "{query}");
        let (low, high) = ((100 - query) / 2, (3 * (100 - query)).div_ceil(2));
        assert_eq!(documents.iter().min(), Some(&low));
        assert_eq!(documents.iter().max(), Some(&high));
        let tokens: u32 = documents.iter().map(|document| query + document).sum();
        assert_eq!(made[0].turns[0].prompt_tokens, Some(tokens));
    }
}

#[test]
fn a_wide_ratio_leaves_a_token_for_the_query_and_each_document() {
    let tokenizer = builtin();
    for seed in 0..50 {
        let made = rerank(2, 0.99, 5, false)
            .sample(&context(&tokenizer, 5, seed))
            .unwrap();
        let (query, documents) = counted(&tokenizer, &made[0]);
        assert_eq!(query, 1);
        assert!(documents.iter().all(|document| (1..=2).contains(document)));
    }
}

#[test]
fn without_a_reranker_the_query_is_one_of_the_texts() {
    let tokenizer = builtin();
    let made = rerank(16, 0.0, 5, true)
        .sample(&context(&tokenizer, 10, 3))
        .unwrap();
    let sizes: Vec<usize> = made.iter().map(|c| parts(c).1.len()).collect();
    assert_eq!(sizes, [4, 4, 1]);
    for conversation in &made {
        let (query, documents) = counted(&tokenizer, conversation);
        assert_eq!((query, documents[0]), (16, 16));
        let tokens = query + documents.iter().sum::<u32>();
        assert_eq!(conversation.turns[0].prompt_tokens, Some(tokens));
    }
    let one = rerank(16, 0.0, 5, true).sample(&context(&tokenizer, 1, 3));
    assert_eq!(parts(&one.unwrap()[0]).1.len(), 1);
}

#[test]
fn a_seed_means_the_same_documents_whatever_the_threads() {
    let tokenizer = builtin();
    let hash = |seed, threads| {
        let mut cx = context(&tokenizer, 40, seed);
        cx.threads = threads;
        dataset_hash(&rerank(64, 0.2, 4, false).sample(&cx).unwrap())
    };
    assert_eq!(hash(1, 1), "07d94ee328bc6e89602cf381d1c83a4b");
    assert_eq!(hash(1, 1), hash(1, 5));
    assert_ne!(hash(1, 1), hash(2, 1));
}

#[test]
fn no_prompts_are_no_requests() {
    let tokenizer = builtin();
    let made = rerank(64, 0.0, 4, false).sample(&context(&tokenizer, 0, 0));
    assert_eq!(made.unwrap(), []);
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    let tokenizer = builtin();
    let refused = |dataset: &RandomRerank, start: &str| {
        let message = failure(dataset, &context(&tokenizer, 4, 0));
        assert!(message.starts_with(start), "{message}");
    };
    refused(
        &rerank(8, 0.0, 0, false),
        "--random-batch-size: a request without a document",
    );
    refused(
        &rerank(8, 0.0, 1, true),
        "--random-batch-size: with --no-reranker the query is one of the texts",
    );
    refused(
        &rerank(1, 0.0, 1, false),
        "--random-input-len: 1 leaves no token for the query or for a document",
    );
    let mut prefixed = rerank(8, 0.0, 1, false);
    prefixed.random.random_prefix_len = 3;
    refused(
        &prefixed,
        "--random-prefix-len: documents to be ranked have no shared",
    );

    let mut cx = context(&tokenizer, 4, 0);
    cx.prompt_token_ids = true;
    let message = failure(&rerank(8, 0.0, 1, false), &cx);
    assert!(message.starts_with("--prompt-token-ids: "), "{message}");
    cx.tokenizer = None;
    assert!(failure(&prefixed, &cx).contains("--tokenizer"));
}
