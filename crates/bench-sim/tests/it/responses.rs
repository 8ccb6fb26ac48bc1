//! The Responses route, compared with what vLLM sent.

use serde_json::{Value, json};

use crate::client::{Answer, Client, server};
use crate::wire::{Capture, Event, events, objects, shape, shapes};

const RESPONSES: &str = "/v1/responses";

fn post(fields: Value) -> Answer {
    let mut body = json!({"model": "sim-model", "input": "Hi", "max_output_tokens": 3});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    Client::new(&server(|_| {})).post(RESPONSES, &body.to_string())
}

fn stream(fault: &str) -> Answer {
    post(json!({"stream": true, "sim_fault": fault}))
}

fn names(answer: &Answer) -> Vec<String> {
    let events = events(&answer.text());
    events.into_iter().map(|(name, _)| name.unwrap()).collect()
}

#[test]
fn a_stream_has_the_shape_that_vllm_gives_it() {
    let capture = Capture::read("vllm-0.32.0/responses_stream");
    let answer = capture.replay(&server(|_| {}));
    // vLLM puts several tokens into one event.
    let dedup = |mut shapes: Vec<Event>| {
        shapes.dedup();
        shapes
    };
    assert_eq!(dedup(shapes(&answer.text())), dedup(capture.shapes()));
    let numbers: Vec<_> = objects(&answer)
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    let last = &objects(&answer)[15]["response"];
    assert_eq!(last["usage"]["output_tokens"], 8);
    assert_eq!(last["status"], "incomplete");
    assert_eq!(last["max_output_tokens"], 8);
}

#[test]
fn the_first_events_leave_before_the_first_token() {
    let server = server(|config| config.ttft_ms = Some(3.6e6));
    let body = "{\"input\":\"Hi\",\"stream\":true,\"sim_fault\":\"cut:0\"}";
    let answer = Client::new(&server).post(RESPONSES, body);
    assert_eq!(names(&answer), ["response.created", "response.in_progress"]);
}

#[test]
fn a_whole_answer_is_the_last_object_of_the_stream() {
    let whole = post(json!({})).text();
    let events = events(&stream("none").text());
    let last: Value = serde_json::from_str(&events[events.len() - 1].1).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), {
        let mut response = last["response"].clone();
        response["created_at"] =
            serde_json::from_str::<Value>(&whole).unwrap()["created_at"].clone();
        response
    });
    let capture = Capture::read("vllm-0.32.0/responses_stream");
    let (_, theirs) = &capture.shapes()[capture.shapes().len() - 1];
    let theirs = theirs.strip_prefix("{\"response\":").unwrap();
    assert!(theirs.starts_with(&shape(&whole)));
}

#[test]
fn reasoning_is_an_item_of_its_own() {
    let answer = stream("reasoning:2");
    let deltas: Vec<_> = names(&answer)
        .into_iter()
        .filter(|n| n.ends_with(".delta"))
        .collect();
    assert_eq!(
        deltas,
        [
            "response.reasoning_text.delta",
            "response.reasoning_text.delta",
            "response.output_text.delta"
        ]
    );
    let objects = objects(&answer);
    let response = &objects[objects.len() - 1]["response"];
    let kinds: Vec<_> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["type"])
        .collect();
    assert_eq!(kinds, ["reasoning", "message"]);
    assert_eq!(
        response["usage"]["output_tokens_details"]["reasoning_tokens"],
        2
    );
    let indices: Vec<_> = objects
        .iter()
        .filter_map(|o| o["output_index"].as_u64())
        .collect();
    assert!(indices.is_sorted() && indices.contains(&0) && indices.contains(&1));
    let whole = post(json!({"sim_fault": "reasoning:2"})).json();
    assert_eq!(whole["output"], response["output"]);
}

#[test]
fn an_error_is_told_twice_and_ends_the_stream() {
    let answer = stream("error:1");
    let names = names(&answer);
    assert_eq!(names[names.len() - 2..], ["error", "response.failed"]);
    let objects = objects(&answer);
    let failed = &objects[objects.len() - 1]["response"];
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["message"], "simulated error in the stream");
    assert_eq!(
        objects[objects.len() - 2]["message"],
        failed["error"]["message"]
    );
    assert_eq!(post(json!({"sim_fault": "error:1"})).status, 500);
}

#[test]
fn the_status_tells_how_it_ended() {
    let status = |answer: &Answer| answer.json()["status"].as_str().unwrap().to_owned();
    assert_eq!(status(&post(json!({}))), "incomplete");
    assert_eq!(status(&post(json!({"sim_fault": "abort:1"}))), "cancelled");
    assert_eq!(
        status(&post(json!({"sim_fault": "cut-clean:1"}))),
        "in_progress"
    );
    let server = server(|config| config.early_stop = 1.0);
    let answer = Client::new(&server).post(RESPONSES, "{\"input\":\"Hi\"}");
    assert_eq!(status(&answer), "completed");
    assert!(answer.json()["incomplete_details"].is_null());
}

#[test]
fn input_comes_as_text_or_messages() {
    let tokens = |fields: Value| {
        post(fields).json()["usage"]["input_tokens"]
            .as_u64()
            .unwrap()
    };
    // user : Hi \n assistant :
    assert_eq!(tokens(json!({})), 6);
    let part = json!([{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]);
    assert_eq!(tokens(json!({"input": part})), 6);
    // system : Be \n
    assert_eq!(tokens(json!({"instructions": "Be"})), 10);
}

#[test]
fn mistakes_are_refused_as_vllm_does() {
    let bad = [
        (json!({"model": "nope"}), 404, "model"),
        (json!({"max_output_tokens": 0}), 400, "max_output_tokens"),
        (json!({"max_output_tokens": 99_999}), 400, "input_tokens"),
        (json!({"input": null}), 400, "input"),
    ];
    for (fields, status, param) in bad {
        let answer = post(fields);
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"]["param"], param);
    }
}

#[test]
fn server_times_are_reported_if_configured() {
    let server = server(|config| config.request_metrics = true);
    let answer = Client::new(&server).post(RESPONSES, "{\"input\":\"Hi\"}");
    assert!(answer.json()["metrics"]["queue_time_ms"].is_f64());
    let body = "{\"input\":\"Hi\",\"stream\":true}";
    let objects = objects(&Client::new(&server).post(RESPONSES, body));
    let metrics = |i: usize| &objects[i]["response"]["metrics"];
    assert!(metrics(0).is_null());
    assert!(metrics(objects.len() - 1)["queue_time_ms"].is_f64());
}
