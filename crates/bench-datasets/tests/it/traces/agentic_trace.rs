use bench_datasets::{AgenticOptions, AgenticTrace, Dataset, SampleContext, ShareGpt};
use bench_types::{Conversation, History, Prompt};

use crate::{failure, file};

const TRACE: &str = r#"{
  "metadata": {"source": "test"},
  "conversations": [
    [
      {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
       "prompt_tokens": 10},
      {"messages": [{"role": "tool", "tool_call_id": "1", "content": "b"}]}
    ],
    [],
    [{"messages": [{"role": "user", "content": "c"}]}]
  ]
}"#;

fn from(dataset_offset: usize, agentic_max_turns: Option<u32>) -> AgenticTrace {
    AgenticTrace {
        sharegpt: ShareGpt::default(),
        options: AgenticOptions {
            agentic_max_turns,
            dataset_offset,
        },
    }
}

fn json(prompt: &Prompt) -> &str {
    match prompt {
        Prompt::Chat(json) => json,
        other => panic!("no messages: {other:?}"),
    }
}

fn prompts(conversations: &[Conversation]) -> Vec<Vec<&str>> {
    conversations
        .iter()
        .map(|one| one.turns.iter().map(|turn| json(&turn.prompt)).collect())
        .collect()
}

#[test]
fn a_turn_is_what_is_new_and_the_answers_are_the_servers() {
    let path = file(TRACE);
    let mut cx = SampleContext::new(10, 0);
    cx.dataset_path = Some(&path);
    let made = from(0, None).sample(&cx).unwrap();
    let first = r#"[{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]"#;
    let second = r#"[{"role": "tool", "tool_call_id": "1", "content": "b"}]"#;
    let other = r#"[{"role": "user", "content": "c"}]"#;
    assert_eq!(prompts(&made), [vec![first, second], vec![other]]);
    assert!(
        made.iter()
            .all(|one| one.history == History::Live && one.arrival.is_none())
    );
    assert_eq!(made[0].turns[1].max_output_tokens, 220);

    let made = from(4, Some(1)).sample(&cx).unwrap();
    assert_eq!(prompts(&made), [vec![other], vec![first]]);
    let mut short = from(0, None);
    short.sharegpt.sharegpt_output_len = Some(9);
    assert_eq!(short.sample(&cx).unwrap()[0].turns[0].max_output_tokens, 9);
    cx.output_len = Some(5);
    assert_eq!(short.sample(&cx).unwrap()[0].turns[0].max_output_tokens, 5);
}

#[test]
fn errors_name_the_line() {
    let broken = [
        (
            "{\n\"conversations\": [\n[{\"messages\": [{\"content\": 1}]}],\n[]]}",
            ":3: entry 1: missing field `role`",
        ),
        (
            "{\"conversations\": [[],\n[{\"messages\":\n7}]]}",
            ":3: entry 2: invalid type: integer `7`",
        ),
        (
            "{\"conversations\": [[{\"messages\": [{\"role\": \"user\"}]},\n{\"messages\": []}]]}",
            ":2: entry 1: `messages` is empty",
        ),
        (
            "{\"conversations\": [[{\"messages\": [{\"role\": \"user\"}]},\n{\"message\": []}]]}",
            ":2: entry 1: missing field `messages`",
        ),
        ("\n", "the file is empty"),
        (
            "{\"talks\": []}",
            ":1: entry 1: missing field `conversations`",
        ),
        (
            "{\"conversations\": [[]]}",
            "none of the 1 entries can be used",
        ),
    ];
    for (json, expected) in broken {
        let path = file(json);
        let mut cx = SampleContext::new(5, 0);
        cx.dataset_path = Some(&path);
        let message = failure(&from(0, None), &cx);
        assert!(message.contains(expected), "{message}");
    }
    let cx = SampleContext::new(5, 0);
    assert!(failure(&from(0, Some(0)), &cx).starts_with("--agentic-max-turns"));
}
