use bench_datasets::{Dataset, OpenAiLog, ShareGpt, Warnings, dataset_hash};
use bench_types::Prompt;

use crate::{builtin, context, failure, file};

const LOG: &str = r#"{"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}], "max_tokens": 17, "temperature": 0.5}
{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "Bye"}], "max_completion_tokens": 8, "temperature": 1, "tools": []}}
{"messages": [{"role": "user", "content": "And?"}]}
"#;

#[test]
fn bodies_are_sent_with_their_limits() {
    let tokenizer = builtin();
    let path = file(LOG);
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    cx.warnings = Some(&warnings);
    let made = OpenAiLog::default().sample(&cx).unwrap();
    let outputs: Vec<u32> = made.iter().map(|c| c.turns[0].max_output_tokens).collect();
    assert_eq!(outputs, [17, 8, 256]);
    let Prompt::Chat(json) = &made[0].turns[0].prompt else {
        panic!("{made:?}");
    };
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(json).unwrap(),
        serde_json::json!([{"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"}])
    );
    let counted = tokenizer.count("Be brief.").unwrap() + tokenizer.count("Hello").unwrap();
    assert_eq!(made[0].turns[0].prompt_tokens, Some(counted));
    assert_eq!(made[1].turns[0].prompt, Prompt::Text("Bye".into()));
    assert_eq!(dataset_hash(&made), "0beb6ab284d72e201c68a00e19062fc5");

    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("are not sent: `temperature` (2), `tools` (1)"),
        "{said:?}"
    );

    let fixed = OpenAiLog {
        sharegpt: ShareGpt {
            sharegpt_output_len: Some(3),
            ..ShareGpt::default()
        },
    };
    assert_eq!(fixed.sample(&cx).unwrap()[0].turns[0].max_output_tokens, 3);
}

#[test]
fn a_body_without_messages_is_named() {
    let tokenizer = builtin();
    for (line, problem) in [
        (r#"{"prompt": "x"}"#, "missing field `messages`"),
        (r#"{"messages": []}"#, "`messages` is empty"),
        (
            r#"{"messages": "x"}"#,
            "`messages` is the text \"x\", not a list",
        ),
        (
            r#"{"messages": [{"role": "user"}]}"#,
            "`messages` holds an object, not a message",
        ),
        (
            r#"{"messages": ["x"]}"#,
            "`messages` holds the text \"x\", not a message",
        ),
    ] {
        let path = file(&format!("{line}\n"));
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        let message = failure(&OpenAiLog::default(), &cx);
        let place = format!("{}:1: entry 1: {problem}", path.display());
        assert!(message.starts_with(&place), "{message}");
    }
}
