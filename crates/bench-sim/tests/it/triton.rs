//! Triton's generate extension.

use serde_json::{Value, json};

use crate::client::{Answer, Client, server};
use crate::wire::{objects, shapes};

const ENSEMBLE: &str = "/v2/models/ensemble/generate_stream";

fn post(path: &str, accumulate: bool, body: &str) -> Answer {
    let server = server(|config| {
        config.triton_accumulate = accumulate;
        config.max_model_len = 100;
    });
    Client::new(&server).post(path, body)
}

fn texts(answer: &Answer) -> Vec<String> {
    let text = |event: &Value| event["text_output"].as_str().unwrap().to_owned();
    objects(answer).iter().map(text).collect()
}

const BODY: &str = "{\"text_input\":\"Hello world\",\"max_tokens\":3,\"stream\":true}";

#[test]
fn a_stream_of_deltas() {
    let answer = post(ENSEMBLE, false, BODY);
    let shape = "{\"context_logits\":0.0,\"cum_log_probs\":0.0,\"generation_logits\":0.0,\
                 \"model_name\":\"\",\"model_version\":\"\",\"output_log_probs\":[0.0],\
                 \"sequence_end\":false,\"sequence_id\":0,\"sequence_start\":false,\
                 \"text_output\":\"\"}";
    let expected: Vec<_> = (0..3).map(|_| (None, shape.to_owned())).collect();
    assert_eq!(shapes(&answer.text()), expected);
    assert!(
        texts(&answer)
            .iter()
            .all(|text| text.split_whitespace().count() == 1)
    );
    let first = &objects(&answer)[0];
    assert_eq!(
        (&first["model_name"], &first["model_version"]),
        (&json!("ensemble"), &json!("1"))
    );
    assert!(answer.text().starts_with("data: {"));
}

#[test]
fn accumulated_texts_if_configured() {
    let answer = post(ENSEMBLE, true, BODY);
    let texts = texts(&answer);
    assert_eq!(texts.len(), 3);
    assert!(texts.windows(2).all(|pair| pair[1].starts_with(&pair[0])));
    assert_eq!(texts[2].split_whitespace().count(), 3);
    assert!(!texts[2].contains("Hello"));
    assert_eq!(
        objects(&answer)[2]["output_log_probs"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn one_event_without_stream() {
    let body = BODY.replace("true", "false");
    for accumulate in [false, true] {
        let texts = texts(&post(ENSEMBLE, accumulate, &body));
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0].split_whitespace().count(), 3);
    }
}

#[test]
fn a_whole_answer() {
    let body = BODY.replace("true", "false");
    let path = "/v2/models/sim-model/versions/3/generate";
    let value = post(path, false, &body).json();
    assert_eq!(value["model_name"], "sim-model");
    assert_eq!(value["model_version"], "3");
    assert_eq!(
        value["text_output"]
            .as_str()
            .unwrap()
            .split_whitespace()
            .count(),
        3
    );
}

#[test]
fn what_cannot_be_done_is_a_plain_error() {
    let no_stream = BODY.replace("true", "false");
    let bad = [
        (
            "/v2/models/nope/generate_stream",
            BODY,
            404,
            "unknown model: 'nope'",
        ),
        (
            "/v2/models/ensemble/generate",
            BODY,
            400,
            "exactly 1 response",
        ),
        (
            ENSEMBLE,
            "{\"text_input\":\"x\"}",
            400,
            "'max_tokens' is missing",
        ),
        (
            ENSEMBLE,
            "{\"max_tokens\":1}",
            400,
            "'text_input' is missing",
        ),
        (
            ENSEMBLE,
            "{\"text_input\":\"\",\"max_tokens\":1}",
            400,
            "must not be empty",
        ),
        (
            ENSEMBLE,
            "{\"text_input\":\"x\",\"max_tokens\":100}",
            400,
            "exceeds maximum",
        ),
        (ENSEMBLE, "{", 400, "failed to parse"),
    ];
    for (path, body, status, says) in bad {
        let answer = post(path, false, body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{error}");
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(
        post("/v2/models/ensemble/infer", false, &no_stream).status,
        404
    );
}

#[test]
fn a_least_length_keeps_the_output_from_stopping() {
    let server = server(|config| config.early_stop = 1.0);
    let count = |more: &str| {
        let body = BODY.replace('}', more);
        objects(&Client::new(&server).post(ENSEMBLE, &body)).len()
    };
    assert_eq!(count("}"), 1);
    assert_eq!(count(",\"min_length\":3}"), 3);
    assert_eq!(count(",\"min_tokens\":3}"), 3);
}

#[test]
fn it_is_ready() {
    let server = server(|_| {});
    assert_eq!(Client::new(&server).get("/v2/health/ready").status, 200);
    assert_eq!(Client::new(&server).get("/v2/health/live").status, 200);
}
