//! Anthropic's Messages route.

use serde_json::{Value, json};

use crate::client::{Answer, Client, server};
use crate::wire::{events, objects};

const MESSAGES: &str = "/v1/messages";

fn body(fields: Value) -> String {
    let mut body = json!({
        "model": "sim-model", "max_tokens": 3,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body.to_string()
}

fn post(fields: Value) -> Answer {
    Client::new(&server(|_| {})).post(MESSAGES, &body(fields))
}

fn stream(fault: &str) -> Answer {
    post(json!({"stream": true, "sim_fault": fault}))
}

fn names(answer: &Answer) -> Vec<String> {
    let events = events(&answer.text());
    events.into_iter().map(|(name, _)| name.unwrap()).collect()
}

#[test]
fn a_stream() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let body = body(json!({"stream": true, "max_tokens": 1}));
    let headers = [
        ("x-request-id", "r1"),
        ("x-api-key", "any"),
        ("anthropic-version", "2023-06-01"),
    ];
    client.send("POST", MESSAGES, &headers, &body);
    let expected = [
        (
            "message_start",
            "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_r1\",\
          \"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"sim-model\",\
          \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":6,\
          \"output_tokens\":0}}}",
        ),
        (
            "content_block_start",
            "{\"type\":\"content_block_start\",\"content_block\":\
          {\"type\":\"text\",\"text\":\"\"},\"index\":0}",
        ),
        ("ping", "{\"type\":\"ping\"}"),
        (
            "content_block_delta",
            "{\"type\":\"content_block_delta\",\"delta\":\
          {\"type\":\"text_delta\",\"text\":\" simulated\"},\"index\":0}",
        ),
        (
            "content_block_stop",
            "{\"type\":\"content_block_stop\",\"index\":0}",
        ),
        (
            "message_delta",
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\
          \"stop_sequence\":null},\"usage\":{\"input_tokens\":6,\"output_tokens\":1}}",
        ),
        ("message_stop", "{\"type\":\"message_stop\"}"),
    ];
    let expected = expected.map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"));
    assert_eq!(client.read().text(), expected.concat());
}

#[test]
fn a_whole_answer() {
    let value = post(json!({})).json();
    let text = value["content"][0]["text"].as_str().unwrap();
    assert_eq!(text.split_whitespace().count(), 3);
    assert_eq!(value["stop_reason"], "max_tokens");
    assert_eq!(
        value["usage"],
        json!({"input_tokens": 6, "output_tokens": 3})
    );
    assert!(post(json!({"sim_fault": "cut-clean:1"})).json()["stop_reason"].is_null());
}

#[test]
fn thinking_has_a_block_of_its_own() {
    let answer = stream("reasoning:2");
    assert_eq!(
        names(&answer),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let objects = objects(&answer);
    assert_eq!(
        objects[1]["content_block"],
        json!({"type": "thinking", "thinking": ""})
    );
    assert_eq!(objects[3]["delta"]["type"], "thinking_delta");
    assert_eq!(
        (&objects[7]["delta"]["type"], &objects[7]["index"]),
        (&json!("text_delta"), &json!(1))
    );
    let whole = post(json!({"sim_fault": "reasoning:2"})).json();
    assert_eq!(whole["content"][0]["type"], "thinking");
    assert_eq!(whole["content"][1]["type"], "text");
}

#[test]
fn an_error_is_the_last_event() {
    let answer = stream("error:1");
    assert_eq!(names(&answer).last().unwrap(), "error");
    assert_eq!(
        objects(&answer).last().unwrap(),
        &json!({"type": "error", "error": {
            "type": "api_error", "message": "simulated error in the stream",
        }})
    );
}

#[test]
fn the_last_event_is_what_marks_the_end() {
    let names = names(&stream("no-done"));
    assert_eq!(names.last().unwrap(), "message_delta");
}

#[test]
fn cached_tokens_are_told_apart_if_configured() {
    let server = server(|config| {
        (config.ttft_ms, config.step_us) = (None, 0.0);
        config.prompt_tokens_details = true;
    });
    let long = "word ".repeat(40);
    let body =
        body(json!({"messages": [{"role": "user", "content": [{"type": "text", "text": long}]}]}));
    let usage = || Client::new(&server).post(MESSAGES, &body).json()["usage"].clone();
    let (first, second) = (usage(), usage());
    assert_eq!(first["cache_read_input_tokens"], 0);
    let cached = second["cache_read_input_tokens"].as_u64().unwrap();
    assert!(cached >= 16);
    let input = |usage: &Value| usage["input_tokens"].as_u64().unwrap();
    assert_eq!(input(&second) + cached, input(&first));
}

#[test]
fn mistakes_are_refused_as_anthropic_does() {
    let bad = [
        (
            body(json!({"model": "nope"})),
            404,
            "not_found_error",
            "model: nope",
        ),
        (
            body(json!({"max_tokens": null})),
            400,
            "invalid_request_error",
            "max_tokens: Field required",
        ),
        (
            body(json!({"max_tokens": 0})),
            400,
            "invalid_request_error",
            "greater than or equal to 1",
        ),
        (
            body(json!({"max_tokens": 99_999})),
            400,
            "invalid_request_error",
            "context length",
        ),
        (
            body(json!({"messages": []})),
            400,
            "invalid_request_error",
            "messages",
        ),
        (
            "{".to_owned(),
            400,
            "invalid_request_error",
            "not valid JSON",
        ),
        (
            body(json!({"sim_fault": "status:529"})),
            529,
            "overloaded_error",
            "simulated error",
        ),
        (
            body(json!({"sim_fault": "status:429"})),
            429,
            "rate_limit_error",
            "simulated error",
        ),
    ];
    for (body, status, kind, says) in bad {
        let answer = Client::new(&server(|_| {})).post(MESSAGES, &body);
        let value = answer.json();
        assert_eq!((answer.status, &value["type"]), (status, &json!("error")));
        assert_eq!(value["error"]["type"], kind);
        let message = value["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn the_system_prompt_counts() {
    let tokens = |system: Value| {
        let value = post(json!({"system": system})).json();
        value["usage"]["input_tokens"].as_u64().unwrap()
    };
    // system : Be \n user : Hi \n assistant :
    assert_eq!(tokens(json!("Be")), 10);
    assert_eq!(tokens(json!([{"type": "text", "text": "Be"}])), 10);
}

#[test]
fn the_key_comes_in_a_header_of_its_own() {
    let server = server(|config| config.api_key = Some("right".to_owned()));
    let mut client = Client::new(&server);
    let mut post = |key: &str| {
        client.send("POST", MESSAGES, &[("x-api-key", key)], &body(json!({})));
        client.read()
    };
    assert_eq!(post("right").status, 200);
    let answer = post("sk-wrong");
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("sk-wrong"));
}
