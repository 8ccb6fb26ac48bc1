use std::sync::Arc;

use bench_datasets::{Dataset, Random, RangeRatio, dataset_hash};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context, failure, text};

fn random(batch_size: u32) -> Random {
    Random {
        random_input_len: 30,
        random_output_len: 50,
        random_range_ratio: RangeRatio::new(0.5, 0.5).unwrap(),
        random_prefix_len: 3,
        random_batch_size: batch_size,
    }
}

fn batch(conversation: &Conversation) -> &[Arc<str>] {
    match &conversation.turns[0].prompt {
        Prompt::Batch(texts) => texts,
        other => panic!("not a batch: {other:?}"),
    }
}

#[test]
fn batches_are_the_single_prompts_in_their_order() {
    let tokenizer = builtin();
    let singles = random(1).sample(&context(&tokenizer, 10, 4)).unwrap();
    let batches = random(4).sample(&context(&tokenizer, 10, 4)).unwrap();
    assert_eq!(batches.iter().map(|c| c.id).collect::<Vec<_>>(), [0, 1, 2]);
    let sizes: Vec<usize> = batches.iter().map(|c| batch(c).len()).collect();
    assert_eq!(sizes, [4, 4, 2]);

    let flat: Vec<&str> = batches.iter().flat_map(batch).map(|t| &**t).collect();
    assert_eq!(flat, singles.iter().map(text).collect::<Vec<_>>());
    for (request, singles) in batches.iter().zip(singles.chunks(4)) {
        let turn = &request.turns[0];
        let counted = tokenizer.count_all(batch(request)).unwrap();
        assert_eq!(turn.prompt_tokens, Some(counted.iter().sum()));
        assert_eq!(
            turn.max_output_tokens,
            singles[0].turns[0].max_output_tokens
        );
    }
}

#[test]
fn a_last_batch_of_one_is_a_batch() {
    let tokenizer = builtin();
    let made = random(2).sample(&context(&tokenizer, 3, 4)).unwrap();
    let sizes: Vec<usize> = made.iter().map(|c| batch(c).len()).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn batches_do_not_depend_on_the_threads() {
    let tokenizer = builtin();
    let hash = |threads| {
        let mut cx = context(&tokenizer, 50, 8);
        cx.threads = threads;
        dataset_hash(&random(7).sample(&cx).unwrap())
    };
    assert_eq!(hash(1), hash(3));
}

#[test]
fn what_cannot_be_a_batch_is_refused() {
    let tokenizer = builtin();
    let message = failure(&random(0), &context(&tokenizer, 1, 0));
    assert!(
        message.starts_with("--random-batch-size: a request of 0 prompts"),
        "{message}"
    );

    let mut cx = context(&tokenizer, 4, 0);
    cx.prompt_token_ids = true;
    let message = failure(&random(2), &cx);
    assert!(
        message.starts_with("--random-batch-size: 2 prompts in a request are sent as text")
            && message.contains("leave out --prompt-token-ids"),
        "{message}"
    );
}
