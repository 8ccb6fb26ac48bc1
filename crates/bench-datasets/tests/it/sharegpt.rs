use bench_datasets::{Dataset, SampleContext, ShareGpt, Warnings, dataset_hash};
use bench_types::Prompt;

use crate::{builtin, context, failure, file, fixture, text};

#[test]
fn the_first_turns_within_the_limits_are_taken() {
    let tokenizer = builtin();
    let path = fixture("sharegpt.json");
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let made = ShareGpt::default().sample(&cx).unwrap();
    let texts: Vec<&str> = made.iter().map(text).collect();
    assert_eq!(
        texts,
        [
            "How long should I boil an egg if I want the yolk to stay soft?",
            "Write a short poem about a lighthouse in the fog.",
            "What is the difference between a queue and a stack?",
        ]
    );
    for conversation in &made {
        let turn = &conversation.turns[0];
        assert_eq!(
            turn.prompt_tokens,
            Some(tokenizer.count(text(conversation)).unwrap())
        );
        assert!(turn.max_output_tokens >= 4);
    }
    assert_eq!(made.iter().map(|c| c.id).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn the_limits_are_those_of_vllm() {
    let tokenizer = builtin();
    let word = |n: usize| vec![" the"; n].concat();
    let entry = |prompt, answer| {
        serde_json::json!({"conversations": [
            {"from": "human", "value": word(prompt)}, {"from": "gpt", "value": word(answer)}
        ]})
    };
    let lengths = [
        (4, 4, true, true),
        (3, 4, false, false),
        (4, 3, false, true),
        (1_024, 4, true, true),
        (1_025, 4, false, false),
        (1_024, 1_024, true, true),
        (1_024, 1_025, false, true),
    ];
    for (prompt, answer, alone, with_output_len) in lengths {
        let path = file(&serde_json::json!([entry(prompt, answer)]).to_string());
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        let recorded = ShareGpt::default().sample(&cx);
        assert_eq!(recorded.is_ok(), alone, "{prompt} {answer}: {recorded:?}");
        let fixed = ShareGpt {
            sharegpt_output_len: Some(2),
            ..ShareGpt::default()
        };
        assert_eq!(
            fixed.sample(&cx).is_ok(),
            with_output_len,
            "{prompt} {answer} with 2"
        );
    }
}

#[test]
fn a_seed_means_an_order_whatever_the_threads() {
    let tokenizer = builtin();
    let path = fixture("sharegpt.json");
    let made = |seed, threads| {
        let mut cx = context(&tokenizer, 20, seed);
        cx.dataset_path = Some(&path);
        cx.threads = threads;
        dataset_hash(&ShareGpt::default().sample(&cx).unwrap())
    };
    assert_eq!(made(1, 1), made(1, 4));
    assert_ne!(made(1, 1), made(2, 1));
}

#[test]
fn too_few_conversations_are_repeated_or_not() {
    let tokenizer = builtin();
    let path = fixture("sharegpt.json");
    let mut cx = context(&tokenizer, 20, 0);
    cx.dataset_path = Some(&path);
    let repeated = ShareGpt::default().sample(&cx).unwrap();
    assert_eq!(repeated.len(), 20);
    assert_eq!(
        repeated.iter().map(|c| c.id).collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );

    cx.no_oversample = true;
    let once = ShareGpt::default().sample(&cx).unwrap();
    assert_eq!(once.len(), 5);
    assert_eq!(once, repeated[..5]);
}

/// What is said of a file of these conversations, of which five are asked for.
fn said(entries: &serde_json::Value, no_oversample: bool) -> Vec<String> {
    let tokenizer = builtin();
    let path = file(&entries.to_string());
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 5, 0);
    cx.dataset_path = Some(&path);
    cx.warnings = Some(&warnings);
    cx.no_oversample = no_oversample;
    ShareGpt::default().sample(&cx).unwrap();
    warnings.take()
}

#[test]
fn what_is_left_out_or_repeated_is_counted() {
    let turn = |words| serde_json::json!({"value": vec![" the"; words].concat()});
    let of = |turns: &[usize]| {
        let turns: Vec<_> = turns.iter().map(|&words| turn(words)).collect();
        serde_json::json!({ "conversations": turns })
    };
    let entries = serde_json::json!([of(&[5, 5]), of(&[5]), of(&[2, 5]), of(&[6, 6]), of(&[5, 1])]);
    let said_of_all = said(&entries, false);
    assert_eq!(said_of_all.len(), 3, "{said_of_all:?}");
    let short = "1 of the 5 entries of `sharegpt` are left out: they have fewer than two turns";
    assert_eq!(said_of_all[0], short);
    let beyond = "2 of the 4 entries of `sharegpt` that were looked at are left out";
    assert!(said_of_all[1].starts_with(beyond), "{said_of_all:?}");
    let repeated = "`sharegpt` has only 2 prompts of the 5 asked for: 3 are sent again";
    assert!(said_of_all[2].starts_with(repeated), "{said_of_all:?}");

    let once = said(&entries, true);
    assert_eq!(once[2], "`sharegpt` has only 2 prompts of the 5 asked for");
    let enough = serde_json::json!(vec![of(&[5, 5]); 5]);
    assert!(said(&enough, false).is_empty());
}

#[test]
fn without_a_tokenizer_the_output_length_must_be_given() {
    let path = fixture("sharegpt.json");
    let mut cx = SampleContext::new(2, 0);
    cx.dataset_path = Some(&path);
    let message = failure(&ShareGpt::default(), &cx);
    assert!(message.contains("--tokenizer") && message.contains("--sharegpt-output-len"));

    let fixed = ShareGpt {
        sharegpt_output_len: Some(9),
        ..ShareGpt::default()
    };
    for conversation in fixed.sample(&cx).unwrap() {
        assert_eq!(conversation.turns[0].prompt_tokens, None);
        assert_eq!(conversation.turns[0].max_output_tokens, 9);
    }
}

#[test]
fn prompts_may_be_token_ids() {
    let tokenizer = builtin();
    let path = fixture("sharegpt.json");
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(&path);
    let texts = ShareGpt::default().sample(&cx).unwrap();
    cx.prompt_token_ids = true;
    for (ids, as_text) in ShareGpt::default().sample(&cx).unwrap().iter().zip(&texts) {
        let expected = tokenizer.encode(text(as_text)).unwrap();
        assert_eq!(ids.turns[0].prompt, Prompt::TokenIds(expected.into()));
    }
}

#[test]
fn errors_name_the_file_the_line_and_the_entry() {
    let tokenizer = builtin();
    let path =
        file("[\n  {\"conversations\": []},\n  {\"conversations\": [\n    {\"from\": 1}\n  ]}\n]");
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(&path);
    let message = failure(&ShareGpt::default(), &cx);
    let place = format!("{}:4: entry 2: missing field `value`", path.display());
    assert!(message.starts_with(&place), "{message}");

    let path = file("[{\"conversations\": []}\n{\"conversations\": []}]");
    cx.dataset_path = Some(&path);
    let message = failure(&ShareGpt::default(), &cx);
    assert!(
        message.contains(":2: entry 1: no `,` or `]` follows it"),
        "{message}"
    );

    let path = file("[{\"conversations\": []}]");
    cx.dataset_path = Some(&path);
    let message = failure(&ShareGpt::default(), &cx);
    assert!(
        message.contains("none of the 1 entries can be used"),
        "{message}"
    );

    cx.dataset_path = None;
    assert!(failure(&ShareGpt::default(), &cx).contains("--dataset-path"));
}

#[test]
fn a_context_length_takes_the_place_of_the_limits() {
    let tokenizer = builtin();
    let word = |n: usize| vec![" the"; n].concat();
    for (most, prompt, answer, taken) in [
        (3_000, 2, 2, true),
        (3_000, 1, 3, false),
        (3_000, 3, 1, false),
        (3_000, 2_000, 998, true),
        (3_000, 2_000, 1_001, false),
        // No limit.
        (0, 2_000, 1_001, true),
        (0, 2, 2, true),
        (0, 1, 3, false),
    ] {
        let entry = serde_json::json!([{"conversations": [
            {"from": "human", "value": word(prompt)}, {"from": "gpt", "value": word(answer)}
        ]}]);
        let path = file(&entry.to_string());
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        let options = ShareGpt {
            sharegpt_context_len: Some(most),
            ..ShareGpt::default()
        };
        let made = options.sample(&cx);
        assert_eq!(made.is_ok(), taken, "{most} {prompt} {answer}");
        if let Err(error) = made {
            assert!(error.to_string().contains("at least 2 tokens"), "{error}");
        }
    }
}

#[test]
fn a_suffix_stands_before_the_mark_of_the_assistant() {
    let tokenizer = builtin();
    let entry = |prompt| {
        serde_json::json!({"conversations": [
            {"from": "human", "value": prompt}, {"from": "gpt", "value": "One two three four five"}
        ]})
    };
    let entries = serde_json::json!([
        entry("What is it that you do?"),
        entry("What is it that you do? Assistant:")
    ]);
    let path = file(&entries.to_string());
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let options = ShareGpt {
        prompt_suffix: " Be brief. ".to_owned(),
        ..ShareGpt::default()
    };
    let made = options.sample(&cx).unwrap();
    assert_eq!(
        text(&made[0]),
        "What is it that you do? Be brief. Assistant:"
    );
    assert_eq!(
        text(&made[1]),
        "What is it that you do?  Be brief. Assistant:"
    );
    let count = tokenizer.count(text(&made[0])).unwrap();
    assert_eq!(made[0].turns[0].prompt_tokens, Some(count));
}
