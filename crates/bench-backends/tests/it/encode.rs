use bench_backends::{BackendError, Request, backend};
use bench_testkit::wire_fixtures;
use bench_types::{Prompt, Sampling};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The path and the body that `name` was asked with.
pub(crate) fn captured(name: &str) -> (String, Value) {
    let path = wire_fixtures().join(format!("{name}.request.txt"));
    let text = std::fs::read_to_string(path).expect("fixture");
    let (head, body) = text.split_at(text.find("\n{").expect("body"));
    let path = head.lines().next().and_then(|line| line.split(' ').nth(1));
    let body = serde_json::from_str(body).expect("JSON");
    (path.expect("path").to_owned(), body)
}

/// The path and the body that the backend `name` writes.
pub(crate) fn encoded(name: &str, request: &Request<'_>) -> (String, Value) {
    let http = backend(name)
        .expect("registered")
        .encode(request)
        .expect("expressible");
    let body = serde_json::from_slice(http.body()).expect("JSON");
    (http.uri().to_string(), body)
}

#[test]
fn requests_come_out_as_they_were_captured() {
    let text = Prompt::Text("Hello world".into());
    let ids = Prompt::TokenIds([15_496, 995, 11].into());
    let request = |prompt, tokens| Request::new(prompt, "tiny-llama-gpt2tok", tokens);

    let mut plain = request(&text, 16);
    plain.ignore_eos = true;
    plain.include_usage = false;
    let expected = captured("vllm-0.32.0/completions_stream");
    assert_eq!(encoded("vllm", &plain), expected);

    let mut usage = request(&text, 16);
    usage.ignore_eos = true;
    let expected = captured("vllm-0.32.0/completions_stream_usage");
    assert_eq!(encoded("openai", &usage), expected);

    usage.continuous_usage = true;
    let expected = captured("vllm-0.32.0/completions_stream_continuous_usage");
    assert_eq!(encoded("vllm", &usage), expected);

    let expected = captured("vllm-0.32.0/completions_prompt_token_ids");
    assert_eq!(encoded("vllm", &request(&ids, 4)), expected);

    let mut logprobs = request(&text, 4);
    logprobs.logprobs = Some(2);
    logprobs.include_usage = false;
    let expected = captured("vllm-0.32.0/completions_stream_logprobs");
    assert_eq!(encoded("vllm", &logprobs), expected);

    let expected = captured("vllm-0.32.0/chat_stream_usage");
    assert_eq!(encoded("openai-chat", &request(&text, 16)), expected);

    let (_, body) = encoded("vllm-chat", &logprobs);
    assert_eq!(body["logprobs"], json!(true));
    assert_eq!(body["top_logprobs"], json!(2));

    let extra = json!({"temperature": 2.0, "seed": 7, "max_tokens": 64});
    let mut more = request(&text, 64);
    more.ignore_eos = true;
    more.extra_body = extra.as_object();
    let (path, mut body) = encoded("openai-chat", &more);
    // The capture was asked with the older name of the limit.
    body.as_object_mut()
        .expect("object")
        .remove("max_completion_tokens");
    assert_eq!((path, body), captured("vllm-0.32.0/chat_stream_utf8"));
}

#[test]
fn the_users_fields_win_and_no_key_occurs_twice() {
    let prompt = Prompt::Text("x".into());
    let extra = json!({"max_tokens": 5, "stream_options": {"include_usage": false}, "n": 2});
    let mut request = Request::new(&prompt, "m", 9);
    request.extra_body = extra.as_object();
    let http = backend("vllm")
        .expect("registered")
        .encode(&request)
        .expect("expressible");
    let text = std::str::from_utf8(http.body()).expect("UTF-8");
    let expected = r#"{"model":"m","prompt":"x","stream":true,"max_tokens":5,"n":2,"stream_options":{"include_usage":false}}"#;
    assert_eq!(text, expected);
}

#[test]
fn sampling_parameters_are_sent_only_if_given() {
    let prompt = Prompt::Text("x".into());
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.9),
        top_k: Some(-1),
        min_p: Some(0.1),
        frequency_penalty: Some(0.2),
        presence_penalty: Some(0.3),
        repetition_penalty: Some(1.1),
    };
    let mut request = Request::new(&prompt, "m", 1);
    request.include_usage = false;
    let bare = json!({"model": "m", "prompt": "x", "max_tokens": 1, "stream": true});
    assert_eq!(encoded("vllm", &request).1, bare);
    request.sampling = &sampling;
    let expected = json!({
        "model": "m", "prompt": "x", "max_tokens": 1, "stream": true,
        "temperature": 0.0, "top_p": 0.9, "top_k": -1, "min_p": 0.1,
        "frequency_penalty": 0.2, "presence_penalty": 0.3, "repetition_penalty": 1.1,
    });
    assert_eq!(encoded("vllm", &request).1, expected);
}

#[test]
fn chat_messages_are_sent_as_they_are() {
    let messages = r#" [{"role":"system","content":"s"},{"role":"user","content":"é\n"}] "#;
    let prompt = Prompt::Chat(messages.into());
    let (path, body) = encoded("openai-chat", &Request::new(&prompt, "m", 1));
    assert_eq!(path, "/v1/chat/completions");
    let expected: Value = serde_json::from_str(messages).expect("JSON");
    assert_eq!(body["messages"], expected);
}

#[test]
fn prompts_that_do_not_fit_are_refused_with_the_cure() {
    let refused = |name: &str, prompt: Prompt| {
        let request = Request::new(&prompt, "m", 1);
        let result = backend(name).expect("registered").encode(&request);
        let error = result.expect_err("does not fit");
        assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
        error.to_string()
    };
    let text = refused("vllm", Prompt::Chat("[]".into()));
    assert!(
        text.contains("`vllm`") && text.contains("`openai-chat`"),
        "{text}"
    );
    let text = refused("openai-chat", Prompt::TokenIds([1].into()));
    assert!(text.contains("use the backend `vllm`"), "{text}");
    let text = refused("openai-chat", Prompt::Chat("hello".into()));
    assert!(text.contains("JSON array"), "{text}");
}

#[test]
fn headers_and_path_are_set_and_can_be_replaced() {
    let prompt = Prompt::Text("x".into());
    let mut key = HeaderValue::from_static("Bearer k");
    key.set_sensitive(true);
    let traceparent = HeaderName::from_static("traceparent");
    let accept = http::header::ACCEPT;
    let headers = [
        (traceparent.clone(), HeaderValue::from_static("00-a-b-01")),
        (accept.clone(), HeaderValue::from_static("*/*")),
    ];
    let mut request = Request::new(&prompt, "m", 1);
    request.authorization = Some(&key);
    request.request_id = Some("id-1");
    request.headers = &headers;
    request.path = Some("/proxy/v1/completions?x=1");
    let http = backend("vllm")
        .expect("registered")
        .encode(&request)
        .expect("expressible");
    assert_eq!(http.method(), http::Method::POST);
    assert_eq!(http.uri(), "/proxy/v1/completions?x=1");
    let header = |name: &HeaderName| http.headers().get(name).expect("set");
    assert_eq!(header(&http::header::CONTENT_TYPE), "application/json");
    assert_eq!(header(&HeaderName::from_static("x-request-id")), "id-1");
    assert_eq!(header(&traceparent), "00-a-b-01");
    assert_eq!(header(&accept), "*/*");
    assert!(header(&http::header::AUTHORIZATION).is_sensitive());
    assert!(!format!("{http:?}").contains("Bearer"));

    request.request_id = Some("a\nb");
    let error = backend("vllm")
        .expect("registered")
        .encode(&request)
        .expect_err("newline");
    assert!(matches!(error, BackendError::RequestId { .. }), "{error}");
    request.request_id = None;
    request.path = Some("no path");
    let error = backend("vllm")
        .expect("registered")
        .encode(&request)
        .expect_err("space");
    assert!(matches!(error, BackendError::Path { .. }), "{error}");
}

#[test]
fn counts_in_every_chunk_are_asked_for_or_refused() {
    let text = Prompt::Text("x".into());
    let mut request = Request::new(&text, "m", 1);
    request.continuous_usage = true;
    for name in [
        "tgi",
        "trtllm",
        "deepspeed-mii",
        "openai-responses",
        "anthropic",
    ] {
        let result = backend(name).expect("registered").encode(&request);
        let error = result.expect_err(name).to_string();
        assert!(error.contains("leave out --continuous-usage"), "{error}");
    }
    // The route of sglang has them without being asked, and vectors have none.
    for name in ["openai", "openai-chat", "sglang", "openai-embeddings"] {
        let result = backend(name).expect("registered").encode(&request);
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}
