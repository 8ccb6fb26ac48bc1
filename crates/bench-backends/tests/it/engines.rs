//! The engines with the OpenAI routes have names of their own.

use bench_backends::{Request, backend};
use bench_types::Prompt;

use crate::encode::encoded;

#[test]
fn an_engine_is_called_by_its_own_name() {
    for (asked, name, path) in [
        ("vllm", "vllm", "/v1/completions"),
        ("sglang-oai", "sglang-oai", "/v1/completions"),
        ("trtllm-serve", "trtllm-serve", "/v1/completions"),
        ("tgi-oai", "tgi-oai", "/v1/completions"),
        ("lmdeploy", "openai", "/v1/completions"),
        ("vllm-chat", "openai-chat", "/v1/chat/completions"),
        ("lmdeploy-chat", "openai-chat", "/v1/chat/completions"),
        ("sglang-oai-chat", "sglang-oai-chat", "/v1/chat/completions"),
        (
            "trtllm-serve-chat",
            "trtllm-serve-chat",
            "/v1/chat/completions",
        ),
        ("tgi-chat", "tgi-chat", "/v1/chat/completions"),
        ("llama.cpp-chat", "llama.cpp-chat", "/v1/chat/completions"),
    ] {
        let found = backend(asked).expect(asked);
        assert_eq!((found.name(), found.default_path(true)), (name, path));
    }
}

#[test]
fn the_limit_of_a_chat_has_the_name_that_the_server_knows() {
    let prompt = Prompt::Text("x".into());
    let request = Request::new(&prompt, "m", 7);
    for (name, limit, other) in [
        ("openai-chat", "max_completion_tokens", "max_tokens"),
        ("sglang-oai-chat", "max_completion_tokens", "max_tokens"),
        ("trtllm-serve-chat", "max_completion_tokens", "max_tokens"),
        ("tgi-chat", "max_tokens", "max_completion_tokens"),
        ("llama.cpp-chat", "max_tokens", "max_completion_tokens"),
    ] {
        let (_, body) = encoded(name, &request);
        assert_eq!(body[limit], 7, "{name}");
        assert_eq!(body.get(other), None, "{name}");
    }
}

#[test]
fn a_refused_prompt_names_the_engine() {
    let ids = Prompt::TokenIds([1].into());
    let messages = Prompt::Chat("hello".into());
    let tgi = backend("tgi-chat").expect("registered");
    for prompt in [&ids, &messages] {
        let error = tgi.encode(&Request::new(prompt, "m", 1));
        let error = error.expect_err("does not fit");
        assert!(error.to_string().contains("`tgi-chat`"), "{error}");
    }
}

#[test]
fn an_adapter_is_named_where_the_protocol_has_a_place_for_it() {
    let prompt = Prompt::Text("x".into());
    let mut request = Request::new(&prompt, "my-adapter", 7);
    request.lora = Some("my-adapter");
    let body = |name| encoded(name, &request).1;
    assert_eq!(body("vllm")["model"], "my-adapter");
    assert_eq!(body("openai-chat")["model"], "my-adapter");
    assert_eq!(body("sglang")["lora_path"], "my-adapter");
    assert_eq!(body("tgi")["parameters"]["adapter_id"], "my-adapter");
    for name in ["trtllm", "deepspeed-mii"] {
        let error = backend(name).expect(name).encode(&request);
        let text = error.expect_err("there is none").to_string();
        assert!(text.contains("leave out --lora-modules"), "{text}");
    }
}
