use std::collections::{BTreeMap, HashSet};

use bench_datasets::{
    Dataset, GeneratedSharedPrefix, GroupDistribution, MultiTurn, SampleContext, dataset_hash,
};
use bench_types::{Conversation, History};

use crate::statistics::{chi_square, kolmogorov_smirnov};
use crate::{builtin, context, failure, text, token_ids};

fn groups(groups: u32, per_group: u32) -> GeneratedSharedPrefix {
    GeneratedSharedPrefix {
        gsp_num_groups: groups,
        gsp_prompts_per_group: per_group,
        gsp_system_prompt_len: 40,
        gsp_question_len: 12,
        gsp_output_len: 9,
        gsp_send_routing_key: true,
        ..GeneratedSharedPrefix::default()
    }
}

/// The number of a prompt's group.
fn group(conversation: &Conversation) -> usize {
    let key = conversation.routing_key.as_deref().unwrap();
    key.parse().unwrap()
}

fn of_each_group(made: &[Conversation]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for conversation in made {
        *counts.entry(group(conversation)).or_default() += 1;
    }
    counts
}

#[test]
fn prompts_are_exact_with_the_empty_line_between() {
    let tokenizer = builtin();
    let between = tokenizer.count("\n\n").unwrap();
    for (system, question) in [(40, 12), (1, 1), (0, 5), (2_500, 7)] {
        let dataset = GeneratedSharedPrefix {
            gsp_system_prompt_len: system,
            gsp_question_len: question,
            ..groups(3, 4)
        };
        let made = dataset.sample(&context(&tokenizer, 12, 1)).unwrap();
        let expected = match system {
            0 => question,
            _ => system + between + question,
        };
        for conversation in &made {
            let turn = &conversation.turns[0];
            assert_eq!(turn.prompt_tokens, Some(expected));
            assert_eq!(turn.max_output_tokens, 9);
            assert_eq!(tokenizer.count(text(conversation)).unwrap(), expected);
            assert_eq!(text(conversation).contains("\n\n"), system > 0);
        }
    }
}

#[test]
fn a_group_shares_its_system_prompt_and_nothing_else() {
    let tokenizer = builtin();
    let made = groups(5, 6).sample(&context(&tokenizer, 30, 1)).unwrap();
    assert_eq!(of_each_group(&made), (0..5).map(|g| (g, 6)).collect());
    let parts = |c: &Conversation| {
        let (system, question) = text(c).split_once("\n\n").unwrap();
        (group(c), system.to_owned(), question.to_owned())
    };
    let parts: Vec<_> = made.iter().map(parts).collect();
    let systems: HashSet<_> = parts
        .iter()
        .map(|(group, system, _)| (group, system))
        .collect();
    assert_eq!(systems.len(), 5);
    let questions: HashSet<_> = parts.iter().map(|(.., question)| question).collect();
    assert_eq!(questions.len(), 30);
}

#[test]
fn prompts_are_shuffled_unless_they_are_to_be_ordered() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 30, 1);
    let order = |ordered| -> Vec<usize> {
        let dataset = GeneratedSharedPrefix {
            gsp_ordered: ordered,
            ..groups(5, 6)
        };
        dataset.sample(&cx).unwrap().iter().map(group).collect()
    };
    assert!(order(true).is_sorted());
    assert!(!order(false).is_sorted());
}

#[test]
fn as_many_are_made_as_are_asked_for() {
    let tokenizer = builtin();
    assert_eq!(groups(5, 6).count(), Some(30));
    assert_eq!(GeneratedSharedPrefix::default().count(), Some(1_024));
    let made = |n| groups(5, 6).sample(&context(&tokenizer, n, 1)).unwrap();
    assert_eq!(made(7), made(30)[..7]);
    assert_eq!(
        of_each_group(&made(42)).into_values().collect::<Vec<_>>(),
        [9, 9, 8, 8, 8]
    );
    let none = groups(5, 0).sample(&context(&tokenizer, 10, 1)).unwrap();
    assert_eq!(of_each_group(&none), (0..5).map(|g| (g, 2)).collect());
}

#[test]
fn lengths_are_uniform() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 5_000, 4);
    cx.prompt_token_ids = true;
    let dataset = GeneratedSharedPrefix {
        gsp_range_ratio: 0.25,
        gsp_output_len: 400,
        ..groups(1_000, 5)
    };
    let made = dataset.sample(&cx).unwrap();
    let outputs: Vec<u32> = made.iter().map(|c| c.turns[0].max_output_tokens).collect();
    let p = kolmogorov_smirnov(&outputs, 100, 400);
    assert!(p > 0.01, "outputs: p = {p:.4}");

    let without_system = GeneratedSharedPrefix {
        gsp_system_prompt_len: 0,
        gsp_question_len: 60,
        ..dataset
    };
    let made = without_system.sample(&cx).unwrap();
    let questions: Vec<u32> = made.iter().map(|c| token_ids(c).len() as u32).collect();
    let p = kolmogorov_smirnov(&questions, 15, 60);
    assert!(p > 0.01, "questions: p = {p:.4}");
}

fn zipf(alpha: f64) -> GeneratedSharedPrefix {
    GeneratedSharedPrefix {
        gsp_group_distribution: GroupDistribution::Zipf,
        gsp_zipf_alpha: Some(alpha),
        gsp_system_prompt_len: 2,
        gsp_question_len: 2,
        ..groups(40, 500)
    }
}

#[test]
fn groups_are_drawn_by_the_law_of_zipf() {
    let tokenizer = builtin();
    for alpha in [0.6, 1.0, 1.5] {
        let made = zipf(alpha).sample(&context(&tokenizer, 20_000, 6)).unwrap();
        let counts = of_each_group(&made);
        let weights: Vec<f64> = (1..=40).map(|k| f64::from(k).powf(-alpha)).collect();
        let sum: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|w| 20_000.0 * w / sum).collect();
        let counts: Vec<f64> = (0..40).map(|g| counts[&g] as f64).collect();
        let p = chi_square(&counts, &expected);
        assert!(p > 0.01, "alpha {alpha}: p = {p:.4}");
    }
}

#[test]
fn the_distribution_of_groups_changes_no_text() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 50, 6);
    let questions = |dataset: GeneratedSharedPrefix| -> HashSet<String> {
        let made = dataset.sample(&cx).unwrap();
        let question = |c: &Conversation| text(c).split_once("\n\n").unwrap().1.to_owned();
        made.iter().map(question).collect()
    };
    let uniform = groups(5, 10);
    let zipf = GeneratedSharedPrefix {
        gsp_group_distribution: GroupDistribution::Zipf,
        gsp_zipf_alpha: Some(1.1),
        ..uniform.clone()
    };
    assert_eq!(questions(uniform), questions(zipf));
}

#[test]
fn a_conversation_has_the_system_prompt_once_and_live_answers() {
    let tokenizer = builtin();
    let dataset = GeneratedSharedPrefix {
        gsp_num_turns: 3,
        ..groups(2, 4)
    };
    let between = tokenizer.count("\n\n").unwrap();
    let made = dataset.sample(&context(&tokenizer, 8, 1)).unwrap();
    for conversation in &made {
        assert_eq!(conversation.history, History::Live);
        let lengths: Vec<u32> = conversation
            .turns
            .iter()
            .map(|turn| match &turn.prompt {
                bench_types::Prompt::Text(text) => tokenizer.count(text).unwrap(),
                other => panic!("not a text: {other:?}"),
            })
            .collect();
        assert_eq!(lengths, [40 + between + 12, 12, 12]);
        let said: Vec<u32> = conversation
            .turns
            .iter()
            .map(|turn| turn.prompt_tokens.unwrap())
            .collect();
        assert_eq!(said, lengths);
    }
    let single = groups(2, 4).sample(&context(&tokenizer, 8, 1)).unwrap();
    assert!(single.iter().all(|c| c.history == History::Whole));
}

#[test]
fn routing_keys_are_sent_on_request_only() {
    let tokenizer = builtin();
    let without = GeneratedSharedPrefix {
        gsp_send_routing_key: false,
        ..groups(2, 1)
    };
    let made = without.sample(&context(&tokenizer, 2, 1)).unwrap();
    assert!(made.iter().all(|c| c.routing_key.is_none()));
}

#[test]
fn more_turns_than_the_user_wants_are_left_out() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 4, 1);
    cx.multi_turn = Some(MultiTurn {
        history: History::Recorded,
        turns: 9,
        max_turns: Some(2),
    });
    let dataset = GeneratedSharedPrefix {
        gsp_num_turns: 3,
        ..groups(2, 2)
    };
    for conversation in dataset.sample(&cx).unwrap() {
        assert_eq!(conversation.turns.len(), 2);
        assert_eq!(conversation.history, History::Recorded);
    }
}

#[test]
fn a_seed_means_the_same_prompts_whatever_the_threads() {
    let tokenizer = builtin();
    for threads in [1, 4] {
        let mut cx = context(&tokenizer, 40, 42);
        cx.threads = threads;
        let dataset = GeneratedSharedPrefix {
            gsp_num_turns: 2,
            gsp_range_ratio: 0.5,
            ..groups(6, 7)
        };
        let uniform = dataset.sample(&cx).unwrap();
        let dataset = GeneratedSharedPrefix {
            gsp_group_distribution: GroupDistribution::Zipf,
            gsp_zipf_alpha: Some(1.2),
            ..dataset
        };
        let zipf = dataset.sample(&cx).unwrap();
        let hashes = [dataset_hash(&uniform), dataset_hash(&zipf)];
        assert_eq!(
            hashes,
            [
                "21b7cb1e4a55481b69aa8882c9754d90",
                "8894681ad473b72c51eba47613b98726"
            ]
        );
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 4, 0);
    let refused = |dataset: GeneratedSharedPrefix, cx: &SampleContext<'_>, start: &str| {
        let message = failure(&dataset, cx);
        assert!(message.starts_with(start), "{message}");
    };
    refused(groups(0, 4), &cx, "--gsp-num-groups: ");
    let with = |change: fn(&mut GeneratedSharedPrefix)| {
        let mut dataset = groups(2, 2);
        change(&mut dataset);
        dataset
    };
    refused(
        with(|d| d.gsp_question_len = 0),
        &cx,
        "--gsp-question-len: ",
    );
    refused(with(|d| d.gsp_num_turns = 0), &cx, "--gsp-num-turns: ");
    refused(
        with(|d| d.gsp_range_ratio = 1.5),
        &cx,
        "--gsp-range-ratio: 1.5",
    );
    refused(
        with(|d| d.gsp_zipf_alpha = Some(1.0)),
        &cx,
        "--gsp-zipf-alpha: it belongs to",
    );
    let zipf = GroupDistribution::Zipf;
    refused(
        GeneratedSharedPrefix {
            gsp_group_distribution: zipf,
            ..groups(2, 2)
        },
        &cx,
        "--gsp-group-distribution: zipf needs",
    );
    refused(
        GeneratedSharedPrefix {
            gsp_group_distribution: zipf,
            gsp_zipf_alpha: Some(f64::NAN),
            ..groups(2, 2)
        },
        &cx,
        "--gsp-zipf-alpha: NaN",
    );
    let mut ids = cx;
    ids.prompt_token_ids = true;
    refused(with(|d| d.gsp_num_turns = 2), &ids, "--prompt-token-ids: ");
}
