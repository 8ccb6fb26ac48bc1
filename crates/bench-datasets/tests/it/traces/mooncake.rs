use bench_datasets::{Dataset, Mooncake, MooncakeWorkload, dataset_hash};
use bench_types::History;

use super::{arrivals, at, exact, lengths};
use crate::{builtin, failure, file, token_ids};

pub(super) const TRACE: &str = r#"{"timestamp": 0, "input_length": 700, "output_length": 52, "hash_ids": [46, 47]}
{"timestamp": 3000, "input_length": 600, "output_length": 26, "hash_ids": [46, 2353]}
"#;

#[test]
fn prompts_are_as_long_as_the_trace_says_and_times_are_milliseconds() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 5);
    cx.takes_token_ids = true;
    let made = exact(&Mooncake::default(), &cx);
    assert_eq!(arrivals(&made), [0.0, 3.0]);
    assert_eq!(lengths(&made), [(700, 52), (600, 26)]);
    assert_eq!(token_ids(&made[0])[..512], token_ids(&made[1])[..512]);
    assert_ne!(token_ids(&made[0])[512..520], token_ids(&made[1])[512..520]);
    assert_eq!(dataset_hash(&made), "266cea3f71e7f2f95b8ad5303acdaa2b");

    let slow = Mooncake {
        mooncake_slowdown_factor: 2.5,
        ..Mooncake::default()
    };
    assert_eq!(arrivals(&slow.sample(&cx).unwrap()), [0.0, 7.5]);
}

#[test]
fn rounds_repeat_all_that_was_said() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 1);
    cx.takes_token_ids = true;
    let three = Mooncake {
        mooncake_num_rounds: 3,
        ..Mooncake::default()
    };
    let made = exact(&three, &cx);
    let turns = &made[0].turns;
    assert_eq!(made[0].history, History::Whole);
    let tokens: Vec<_> = turns
        .iter()
        .map(|turn| turn.prompt_tokens.unwrap())
        .collect();
    assert_eq!(tokens, [700, 2 * 700 + 52, 3 * 700 + 2 * 52]);
    let whole = super::read_again(&tokenizer, &turns[2].prompt);
    for turn in turns {
        let ids = super::read_again(&tokenizer, &turn.prompt);
        assert_eq!(ids, whole[..ids.len()]);
    }
    assert_eq!(whole[..700], whole[752..1452]);
}

#[test]
fn the_file_has_to_be_given_and_the_error_says_where_it_is() {
    let tokenizer = builtin();
    let options = Mooncake {
        mooncake_workload: MooncakeWorkload::Toolagent,
        ..Mooncake::default()
    };
    let message = failure(&options, &crate::context(&tokenizer, 1, 0));
    assert!(message.contains("toolagent_trace.jsonl of https://github.com/kvcache-ai/Mooncake"));

    let path = file(TRACE);
    let cx = at(&tokenizer, &path, 1);
    let never = Mooncake {
        mooncake_num_rounds: 0,
        ..Mooncake::default()
    };
    assert!(failure(&never, &cx).starts_with("--mooncake-num-rounds"));
    let frozen = Mooncake {
        mooncake_slowdown_factor: 0.0,
        ..Mooncake::default()
    };
    assert!(failure(&frozen, &cx).starts_with("--mooncake-slowdown-factor: 0 is no factor"));
}
