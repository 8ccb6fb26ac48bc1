use bench_datasets::{Dataset, TimedTrace, dataset_hash};
use bench_types::Prompt;

use super::{arrivals, at, exact, lengths, read_again};
use crate::{builtin, failure, file, text, token_ids};

/// Blocks of 16 tokens: 1 and 2 begin three prompts, and one list is too short.
const TRACE: &str = r#"
{"timestamp": 61.5, "input_length": 40, "output_length": 3, "hash_ids": [1, 2, 3]}
{"timestamp": 60.0, "input_length": 48, "output_length": 5, "hash_ids": [1, 2, 4], "type": "text"}

{"timestamp": 62.0, "input_length": 50, "output_length": 7, "hash_ids": [1, 2]}
{"timestamp": 63.0, "input_length": 20, "output_length": 0, "hash_ids": [9, 9]}
{"timestamp": "62.5", "input_length": 33.0, "output_length": 7, "hash_ids": [1, "b", -1]}
"#;

#[test]
fn the_same_hash_ids_are_the_same_tokens() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 10);
    let made = exact(&TimedTrace::default(), &cx);
    assert_eq!(arrivals(&made), [0.0, 1.5, 2.0, 2.5]);
    assert_eq!(lengths(&made), [(48, 5), (40, 3), (50, 7), (33, 7)]);

    let tokens: Vec<Vec<u32>> = made
        .iter()
        .map(|one| read_again(&tokenizer, &one.turns[0].prompt))
        .collect();
    assert_eq!(tokens[0][..32], tokens[1][..32]);
    assert_eq!(tokens[0][..32], tokens[2][..32]);
    assert_eq!(tokens[0][..16], tokens[3][..16]);
    assert_ne!(tokens[0][..16], tokens[0][16..32]);
    assert_ne!(tokens[0][32..40], tokens[1][32..40]);
    assert_ne!(tokens[0][16..32], tokens[3][16..32]);

    // The very same tokens, if the backend takes token ids.
    cx.takes_token_ids = true;
    for (ids, tokens) in exact(&TimedTrace::default(), &cx).iter().zip(&tokens) {
        assert_eq!(token_ids(ids), tokens);
    }
}

#[test]
fn they_are_the_same_for_ever_whatever_the_seed() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 10);
    let hash = |cx: &_| dataset_hash(&TimedTrace::default().sample(cx).unwrap());
    assert_eq!(hash(&cx), "0fed0de7f6b3ee139168e481aa97db32");
    cx.takes_token_ids = true;
    assert_eq!(hash(&cx), "b71bb1d5d47733660a78f330c52d28ae");
    let first = |cx: &_| {
        let made = TimedTrace::default().sample(cx).unwrap();
        token_ids(&made[0])[..16].to_vec()
    };
    let block = first(&cx);
    cx.seed = 9;
    assert_eq!(first(&cx), block);
    cx.nonce = Some(1);
    assert_ne!(first(&cx), block);
}

#[test]
fn a_nonce_makes_rounds_differ_and_keeps_what_they_share() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 8);
    cx.takes_token_ids = true;
    cx.nonce = Some(3);
    cx.trace.trace_loop = 2;
    let made = exact(&TimedTrace::default(), &cx);
    assert_eq!(made.len(), 8);
    assert_eq!(token_ids(&made[0])[..32], token_ids(&made[1])[..32]);
    assert_eq!(token_ids(&made[4])[..32], token_ids(&made[5])[..32]);
    assert_ne!(token_ids(&made[0])[..16], token_ids(&made[4])[..16]);
    cx.nonce = None;
    let fixed = exact(&TimedTrace::default(), &cx);
    assert_eq!(token_ids(&fixed[0]), token_ids(&fixed[4]));
}

#[test]
fn fields_and_units_have_the_names_that_are_given() {
    let (tokenizer, path) = (
        builtin(),
        file(
            "{\"ts\": 100, \"in\": 9, \"out\": 2, \"blocks\": [5, 6, 7]}\n\
              {\"ts\": 350, \"in\": 4, \"out\": 2}\n",
        ),
    );
    let options = TimedTrace {
        timed_trace_chunk_hash_size: 4,
        timed_trace_sec_multiplier: 0.001,
        timed_trace_label_timestamp: "ts".to_owned(),
        timed_trace_label_input_length: "in".to_owned(),
        timed_trace_label_output_length: "out".to_owned(),
        timed_trace_label_hash_ids: "blocks".to_owned(),
    };
    let cx = at(&tokenizer, &path, 2);
    let made = exact(&options, &cx);
    assert_eq!(arrivals(&made), [0.0, 0.25]);
    assert_eq!(lengths(&made), [(9, 2), (4, 2)]);
    assert!(matches!(made[0].turns[0].prompt, Prompt::Text(_)));
    assert!(!text(&made[0]).starts_with(text(&made[1])));
}

#[test]
fn errors_name_the_line() {
    let tokenizer = builtin();
    let broken = [
        (
            "{\"timestamp\": 1}\n",
            ":1: entry 1: it has no `input_length`",
        ),
        (
            "\n{\"timestamp\": \"noon\"}\n",
            ":2: entry 1: `timestamp` is \"noon\", which is no time",
        ),
        (
            "{\"timestamp\": 1, \"input_length\": -4, \"output_length\": 1}\n",
            ":1: entry 1: `input_length` is -4, which is no number of tokens",
        ),
        (
            "{\"timestamp\": 1, \"input_length\": 4, \"output_length\": 1, \"hash_ids\": [1.5]}\n",
            ":1: entry 1: `hash_ids` is [1.5], which is no list of hash ids",
        ),
        ("[1]\n", ":1: entry 1: invalid type: sequence"),
        ("{\"timestamp\": 1\n", ":1: entry 1: EOF while parsing"),
    ];
    for (json, expected) in broken {
        let path = file(json);
        let message = failure(&TimedTrace::default(), &at(&tokenizer, &path, 5));
        assert!(message.contains(expected), "{message}");
    }
    let path = file(TRACE);
    let cx = at(&tokenizer, &path, 5);
    let no_block = TimedTrace {
        timed_trace_chunk_hash_size: 0,
        ..TimedTrace::default()
    };
    assert!(failure(&no_block, &cx).starts_with("--timed-trace-chunk-hash-size: "));
    let no_unit = TimedTrace {
        timed_trace_sec_multiplier: 0.0,
        ..TimedTrace::default()
    };
    assert!(failure(&no_unit, &cx).starts_with("--timed-trace-sec-multiplier: 0 makes"));
}

#[test]
fn what_cannot_be_replayed_is_refused_by_its_place() {
    let tokenizer = builtin();
    let line = |at: &str, input: &str, ids: &str| {
        format!(
            "{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": 1, \
             \"{ids}\": [1]}}\n"
        )
    };
    for (trace, expected) in [
        (
            line("0", "9", "blocks") + &line("1", "9", "blocks"),
            "--timed-trace-label-hash-ids: no line of",
        ),
        (
            line("1000000000", "9", "hash_ids") + &line("1", "9", "hash_ids"),
            ":1: entry 1: its time is more than 10 years",
        ),
        (
            line("0", "9", "hash_ids") + &line("1", "4000000000", "hash_ids"),
            ":2: entry 2: a prompt of 4000000000 tokens",
        ),
    ] {
        let path = file(&trace);
        let message = failure(&TimedTrace::default(), &at(&tokenizer, &path, 9));
        assert!(message.contains(expected), "{message}");
    }
}
