//! Chat templates, and the datasets that use them.

use bench_datasets::{
    ChatTemplate, Custom, Dataset, HuggingFace, OpenAiLog, SampleContext, ShareGpt, SpecBench,
    Tokenizer,
};
use bench_types::Prompt;
use serde_json::{Map, Value, json};

use crate::{builtin, file, text};

/// In the manner of ChatML, with what templates use of Python and Jinja.
const SOURCE: &str = r#"{%- for message in messages %}
    {%- if loop.first and message.role != 'system' and default_system is defined %}
        {{- '<|im_start|>system\n' + default_system + '<|im_end|>\n' }}
    {%- endif %}
    {%- if message['role'] not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('unknown role ' ~ message['role']) }}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\n' + message.content.strip() + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"#;

/// A directory of the built-in tokenizer with this configuration, and the template in a file of
/// its own if there is one.
fn directory(config: &Value, template: Option<&str>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tokenizer.json");
    std::fs::copy(tokenizer, root.path().join("tokenizer.json")).unwrap();
    std::fs::write(
        root.path().join("tokenizer_config.json"),
        config.to_string(),
    )
    .unwrap();
    if let Some(template) = template {
        std::fs::write(root.path().join("chat_template.jinja"), template).unwrap();
    }
    root
}

fn load(root: &tempfile::TempDir, variables: Value) -> Option<ChatTemplate> {
    let Value::Object(variables) = variables else {
        panic!("{variables}")
    };
    ChatTemplate::load(root.path().to_str().unwrap(), variables).unwrap()
}

const ASKED: &str = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";

#[test]
fn templates_are_rendered_as_transformers_does() {
    let root = directory(&json!({"chat_template": SOURCE}), None);
    let template = load(&root, json!({})).unwrap();
    let hello = json!({"role": "user", "content": " Hello\n"});
    assert_eq!(
        template.render(std::slice::from_ref(&hello)).unwrap(),
        ASKED
    );

    let given = load(&root, json!({"default_system": "Be brief."})).unwrap();
    assert_eq!(
        given.render(std::slice::from_ref(&hello)).unwrap(),
        format!("<|im_start|>system\nBe brief.<|im_end|>\n{ASKED}")
    );
    let error = template
        .render(&[json!({"role": "judge", "content": "?"})])
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("unknown role judge") && message.contains("--skip-chat-template"),
        "{message}"
    );
}

#[test]
fn a_template_is_found_in_either_place() {
    let named = json!({"chat_template": [{"name": "tool_use", "template": "x"},
        {"name": "default", "template": "{{ bos_token }}|{{ eos_token }}"}],
        "bos_token": {"content": "<s>"}, "eos_token": "</s>"});
    let template = load(&directory(&named, None), json!({})).unwrap();
    assert_eq!(template.render(&[]).unwrap(), "<s>|</s>");

    let template = load(&directory(&json!({}), Some("of the file")), json!({})).unwrap();
    assert_eq!(template.render(&[]).unwrap(), "of the file");

    assert!(load(&directory(&json!({}), None), json!({})).is_none());
    assert!(ChatTemplate::load("builtin", Map::new()).unwrap().is_none());
    let broken = directory(&json!({"chat_template": "{% if %}"}), None);
    assert!(ChatTemplate::load(broken.path().to_str().unwrap(), Map::new()).is_err());
}

#[test]
fn what_users_ask_is_sent_by_the_template() {
    let tokenizer = builtin();
    let template = load(
        &directory(&json!({"chat_template": SOURCE}), None),
        json!({}),
    )
    .unwrap();
    let prompt = |dataset: &dyn Dataset, entry: Value, everywhere: bool| {
        let path = file(&format!("{entry}\n"));
        let mut cx = SampleContext::new(1, 0);
        cx.tokenizer = Some(&tokenizer);
        cx.chat_template = Some(&template);
        cx.apply_chat_template = everywhere;
        cx.dataset_path = Some(&path);
        let made = dataset.sample(&cx).unwrap();
        let counted = tokenizer.count(text(&made[0])).unwrap();
        assert_eq!(made[0].turns[0].prompt_tokens, Some(counted));
        text(&made[0]).to_owned()
    };
    let (custom, hf) = (Custom::default(), HuggingFace::default());
    assert_eq!(prompt(&custom, json!({"prompt": "Hello"}), false), ASKED);
    assert_eq!(
        prompt(&SpecBench::default(), json!({"turns": ["Hello"]}), false),
        ASKED
    );
    assert_eq!(prompt(&hf, json!({"question": "Hello"}), false), ASKED);
    let messages = json!({"messages": [{"role": "system", "content": "Hi"},
        {"role": "user", "content": "Hello"}]});
    assert_eq!(
        prompt(&OpenAiLog::default(), messages, false),
        format!("<|im_start|>system\nHi<|im_end|>\n{ASKED}")
    );
    // As in `vllm bench serve`, these are sent as they stand.
    assert_eq!(
        prompt(&hf, json!({"problem": "Hello there, how are you?"}), false),
        "Hello there, how are you?"
    );
    let talk = json!({"conversations": [{"value": "Hello, who are you today?"},
        {"value": "The one who answers."}]});
    let sharegpt = ShareGpt::default();
    assert_eq!(
        prompt(&sharegpt, talk.clone(), false),
        "Hello, who are you today?"
    );
    assert_eq!(
        prompt(&sharegpt, talk, true),
        ASKED.replace("Hello", "Hello, who are you today?")
    );
    assert!(Custom::default().takes_chat_template() && !sharegpt.takes_chat_template());
}

#[test]
fn the_beginning_that_the_server_adds_is_left_to_it() {
    let source = "{{ bos_token }}{{ messages[0].content }}";
    let root = directory(
        &json!({"chat_template": source, "bos_token": "<|endoftext|>"}),
        None,
    );
    let path = root.path().join("tokenizer.json");
    let template = load(&root, json!({})).unwrap();
    let plain = Tokenizer::load(path.to_str().unwrap()).unwrap();
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let first = json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}});
    let text_a = json!({"Sequence": {"id": "A", "type_id": 0}});
    json["post_processor"] = json!({"type": "TemplateProcessing", "single": [first, text_a],
        "pair": [first, text_a, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0],
            "tokens": ["<|endoftext|>"]}}});
    let adding = Tokenizer::from_json("adding", json.to_string().as_bytes()).unwrap();
    assert_eq!(
        (plain.specials_per_prompt(), adding.specials_per_prompt()),
        (0, 1)
    );

    let entries = file("{\"prompt\": \"Hello\"}\n");
    let made = |tokenizer, ids| {
        let mut cx = SampleContext::new(1, 0);
        cx.tokenizer = Some(tokenizer);
        cx.chat_template = Some(&template);
        cx.dataset_path = Some(&entries);
        cx.prompt_token_ids = ids;
        Custom::default().sample(&cx).unwrap()[0].turns[0]
            .prompt
            .clone()
    };
    assert_eq!(
        made(&plain, false),
        Prompt::Text("<|endoftext|>Hello".into())
    );
    assert_eq!(made(&adding, false), Prompt::Text("Hello".into()));
    let whole = adding.encode("<|endoftext|>Hello").unwrap();
    assert_eq!(made(&adding, true), Prompt::TokenIds(whole.into()));
}
