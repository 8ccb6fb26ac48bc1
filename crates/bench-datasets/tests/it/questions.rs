//! Datasets of questions: Spec-Bench, SPEED-Bench, MT-Bench, LongBench v2.

use bench_datasets::{
    Dataset, LongBenchV2, MtBench, ShareGpt, SpecBench, SpeedBench, SpeedBenchSubset, dataset_hash,
};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context, failure, file, text};

const QUESTIONS: &str = r#"{"question_id": 1, "category": "writing", "turns": ["Write a limerick.", "Another."]}
{"question_id": 2, "category": "math", "turns": ["What is 6 x 7?"]}
{"question_id": 3, "category": "math", "turns": ["And 7 x 8?"]}
"#;

fn texts(conversations: &[Conversation]) -> Vec<&str> {
    conversations.iter().map(text).collect()
}

fn outputs(conversations: &[Conversation]) -> Vec<u32> {
    let output = |c: &Conversation| c.turns[0].max_output_tokens;
    conversations.iter().map(output).collect()
}

#[test]
fn first_questions_are_sent_those_of_a_category_if_asked_for() {
    let tokenizer = builtin();
    let path = file(QUESTIONS);
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    let made = SpecBench::default().sample(&cx).unwrap();
    assert_eq!(
        texts(&made),
        ["Write a limerick.", "What is 6 x 7?", "And 7 x 8?"]
    );
    assert_eq!(outputs(&made), [256; 3]);
    for conversation in &made {
        let count = tokenizer.count(text(conversation)).unwrap();
        assert_eq!(conversation.turns[0].prompt_tokens, Some(count));
    }
    assert_eq!(dataset_hash(&made), "5a36cb0654f8acd6741590fde9285efb");
    assert_eq!(
        outputs(&SpeedBench::default().sample(&cx).unwrap()),
        [4_096; 3]
    );
    assert_eq!(MtBench::default().sample(&cx).unwrap(), made);

    cx.num_prompts = 2;
    let mut math = SpecBench {
        spec_bench_category: Some("math".to_owned()),
        spec_bench_output_len: 9,
    };
    let made = math.sample(&cx).unwrap();
    assert_eq!(texts(&made), ["What is 6 x 7?", "And 7 x 8?"]);
    assert_eq!(outputs(&made), [9; 2]);
    cx.output_len = Some(5);
    assert_eq!(outputs(&math.sample(&cx).unwrap()), [5; 2]);

    math.spec_bench_category = Some("maths".to_owned());
    let message = failure(&math, &cx);
    assert!(
        message.starts_with("--spec-bench-category: ")
            && message.ends_with("no entry of the category `maths`; it has math, writing"),
        "{message}"
    );
}

#[test]
fn too_few_questions_are_repeated_unless_that_is_unwanted() {
    let tokenizer = builtin();
    let path = file(QUESTIONS);
    let mut cx = context(&tokenizer, 7, 3);
    cx.dataset_path = Some(&path);
    let made = SpecBench::default().sample(&cx).unwrap();
    assert_eq!(made.len(), 7);
    assert_eq!(
        made.iter().map(|c| c.id).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6]
    );
    assert_eq!(SpecBench::default().sample(&cx).unwrap(), made);
    cx.no_oversample = true;
    assert_eq!(SpecBench::default().sample(&cx).unwrap(), made[..3]);
}

#[test]
fn a_subset_is_a_file_of_the_directory() {
    let tokenizer = builtin();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("throughput_2k.jsonl"),
        r#"{"messages": [{"role": "user", "content": "Hello"}], "category": "mixed"}"#,
    )
    .unwrap();
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(directory.path());
    let mut options = SpeedBench {
        speed_bench_dataset_subset: "throughput_2k".parse().unwrap(),
        speed_bench_category: Some("mixed".to_owned()),
        ..SpeedBench::default()
    };
    assert_eq!(text(&options.sample(&cx).unwrap()[0]), "Hello");

    options.speed_bench_dataset_subset = SpeedBenchSubset::Qualitative;
    let message = failure(&options, &cx);
    assert!(message.contains("has no qualitative.jsonl"), "{message}");
    let unknown = "throughput_64k".parse::<SpeedBenchSubset>().unwrap_err();
    assert!(unknown.contains("throughput_32k"), "{unknown}");
}

#[test]
fn an_entry_without_questions_is_named() {
    let tokenizer = builtin();
    for (entry, problem) in [
        (r#"{"category": "a"}"#, "missing field `turns`"),
        (r#"{"turns": []}"#, "`turns` is empty"),
        (r#"{"turns": [7]}"#, "`turns` is 7, not a list of texts"),
        (r#"{"turns": "x"}"#, "`turns` is the text \"x\", not a list"),
    ] {
        let path = file(&format!("\n{entry}\n"));
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        let message = failure(&MtBench::default(), &cx);
        let place = format!("{}:2: entry 1: {problem}", path.display());
        assert!(message.starts_with(&place), "{message}");
    }
}

#[test]
fn a_long_text_comes_before_its_question_and_choices() {
    let tokenizer = builtin();
    let row = |context: &str| {
        serde_json::json!({"_id": "x", "context": context, "question": "Who?", "choice_A": "I",
            "choice_B": "You", "choice_C": "We", "choice_D": "They", "answer": "A"})
    };
    let path = file(&serde_json::json!([row("Once."), row(&"long ".repeat(99))]).to_string());
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    cx.no_oversample = true;
    let made = LongBenchV2::default().sample(&cx).unwrap();
    assert_eq!(
        text(&made[0]),
        "Once.\n\nQuestion: Who?\nA. I\nB. You\nC. We\nD. They\nAnswer:"
    );
    assert_eq!(outputs(&made), [10, 10]);

    let mut short = LongBenchV2 {
        sharegpt: ShareGpt {
            sharegpt_context_len: Some(90),
            sharegpt_output_len: Some(20),
            ..ShareGpt::default()
        },
    };
    assert_eq!(outputs(&short.sample(&cx).unwrap()), [20]);
    short.sharegpt.sharegpt_context_len = Some(21);
    assert!(failure(&short, &cx).contains("--sharegpt-context-len"));

    let path = file("{\"context\": \"a\", \"question\": \"b\", \"choice_A\": \"c\"}\n");
    cx.dataset_path = Some(&path);
    let message = failure(&LongBenchV2::default(), &cx);
    assert!(
        message.contains(":1: entry 1: missing field `choice_B`"),
        "{message}"
    );
}

#[test]
fn several_messages_go_out_as_messages() {
    let tokenizer = builtin();
    let path = file(
        r#"{"messages": [{"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}"#
            .replace('\n', " ")
            .as_str(),
    );
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(&path);
    let made = SpeedBench::default().sample(&cx).unwrap();
    let Prompt::Chat(json) = &made[0].turns[0].prompt else {
        panic!("{made:?}");
    };
    let sent: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(sent.as_array().unwrap().len(), 2);
    assert_eq!(sent[1]["content"], "Hello");
}
