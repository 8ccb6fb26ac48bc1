use bench_datasets::{Dataset, Random, RandomIds, dataset_hash};

use crate::{builtin, context, failure, text, token_ids};

fn random(input: u32) -> Random {
    Random {
        random_input_len: input,
        random_range_ratio: "0".parse().unwrap(),
        random_output_len: 9,
        ..Random::default()
    }
}

#[test]
fn texts_are_of_any_token_and_exact() {
    let tokenizer = builtin();
    let dataset = RandomIds {
        random: random(300),
    };
    let made = dataset.sample(&context(&tokenizer, 30, 2)).unwrap();
    for conversation in &made {
        assert_eq!(tokenizer.count(text(conversation)).unwrap(), 300);
        assert_eq!(conversation.turns[0].prompt_tokens, Some(300));
        assert_eq!(conversation.turns[0].max_output_tokens, 9);
    }
    // Those of `random` are words alone.
    let is_word = |c: char| c.is_alphabetic() || c == ' ';
    assert!(made.iter().any(|c| !text(c).chars().all(is_word)));
}

#[test]
fn token_ids_are_those_of_random() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 5, 2);
    cx.prompt_token_ids = true;
    let made = RandomIds { random: random(30) }.sample(&cx).unwrap();
    assert_eq!(made, random(30).sample(&cx).unwrap());
    assert!(made.iter().all(|c| token_ids(c).len() == 30));
}

#[test]
fn a_seed_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for threads in [1, 4] {
        let mut cx = context(&tokenizer, 40, 42);
        cx.threads = threads;
        let made = RandomIds { random: random(64) }.sample(&cx).unwrap();
        assert_eq!(dataset_hash(&made), "2e2e2d133cdefa1b750654c6ab1441f8");
    }
}

#[test]
fn without_a_tokenizer_it_says_what_to_give() {
    let cx = bench_datasets::SampleContext::new(1, 0);
    let message = failure(&RandomIds::default(), &cx);
    assert!(
        message.starts_with("the random-ids dataset needs a tokenizer"),
        "{message}"
    );
}
