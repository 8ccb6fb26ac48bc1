//! Text Generation Inference.

use serde_json::{Value, json};

use crate::client::{Answer, Client, server};
use crate::wire::{objects, shapes};

fn body(inputs: &str, parameters: &Value) -> String {
    json!({"inputs": inputs, "parameters": parameters, "stream": true}).to_string()
}

fn post(path: &str, parameters: &Value) -> Answer {
    let server = server(|config| config.max_model_len = 1_000);
    Client::new(&server).post(path, &body("Hello world", parameters))
}

#[test]
fn a_stream() {
    let parameters = json!({"max_new_tokens": 2, "details": true, "seed": 7});
    let answer = post("/generate_stream", &parameters);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-compute-characters"), Some("11"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert!(
        answer
            .text()
            .starts_with("data:{\"index\":1,\"token\":{\"id\":")
    );
    let token = "\"token\":{\"id\":0,\"text\":\"\",\"logprob\":0.0,\"special\":false}";
    let expected = [
        format!("{{\"index\":0,{token},\"generated_text\":null,\"details\":null}}"),
        format!(
            "{{\"index\":0,{token},\"generated_text\":\"\",\"details\":{{\"finish_reason\":\"\",\
             \"generated_tokens\":0,\"seed\":0,\"input_length\":0}}}}"
        ),
    ];
    assert_eq!(shapes(&answer.text()), expected.map(|shape| (None, shape)));
    let events = objects(&answer);
    let text = |i: usize| events[i]["token"]["text"].as_str().unwrap();
    assert_eq!(
        events[1]["generated_text"],
        format!("{}{}", text(0), text(1))
    );
    assert_eq!(
        events[1]["details"],
        json!({"finish_reason": "length", "generated_tokens": 2, "seed": 7, "input_length": 2})
    );
}

#[test]
fn each_token_has_its_event() {
    let server = server(|config| (config.spec_tokens, config.spec_acceptance) = (3, 1.0));
    let body = body("Hi", &json!({"max_new_tokens": 10}));
    let answer = Client::new(&server).post("/generate_stream", &body);
    let indices: Vec<_> = objects(&answer)
        .iter()
        .map(|event| event["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, (1..=10).collect::<Vec<_>>());
    let texts = objects(&answer)
        .iter()
        .filter(|e| e["generated_text"].is_string())
        .count();
    assert_eq!(texts, 1);
    assert!(objects(&answer)[9]["details"].is_null());
}

#[test]
fn a_whole_answer_tells_its_times() {
    let answer = post("/generate", &json!({"max_new_tokens": 3, "details": true}));
    let value = answer.json();
    let text = value["generated_text"].as_str().unwrap();
    assert_eq!(text.split_whitespace().count(), 3);
    assert_eq!(value["details"]["finish_reason"], "length");
    assert_eq!(value["details"]["tokens"].as_array().unwrap().len(), 3);
    let number = |name: &str| answer.header(name).unwrap().parse::<f64>().unwrap();
    assert_eq!(
        (
            number("x-prompt-tokens"),
            number("x-generated-tokens"),
            number("x-total-tokens")
        ),
        (2.0, 3.0, 5.0)
    );
    for name in [
        "x-total-time",
        "x-queue-time",
        "x-inference-time",
        "x-time-per-token",
    ] {
        assert!(number(name) >= 0.0 && number(name).fract() == 0.0, "{name}");
    }
    assert!(number("x-compute-time") >= 0.0);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn the_root_does_both() {
    let answer = post("/", &json!({"max_new_tokens": 3}));
    assert_eq!(objects(&answer).len(), 3);
    let server = server(|_| {});
    let body =
        "{\"inputs\":\"Hello\",\"parameters\":{\"max_new_tokens\":1,\"return_full_text\":true}}";
    let answer = Client::new(&server).post("/", body);
    assert_eq!(
        answer.json(),
        json!([{"generated_text": "Hello simulated"}])
    );
}

#[test]
fn prompts_can_be_truncated() {
    let parameters = json!({"max_new_tokens": 1, "truncate": 1, "details": true});
    let events = objects(&post("/generate_stream", &parameters));
    assert_eq!(events[0]["details"]["input_length"], 1);
}

#[test]
fn the_default_is_100_tokens() {
    assert_eq!(objects(&post("/generate_stream", &json!({}))).len(), 100);
}

#[test]
fn an_end_of_sequence_has_its_name() {
    let server = server(|config| config.early_stop = 1.0);
    let body = body("Hi", &json!({"details": true}));
    let answer = Client::new(&server).post("/generate_stream", &body);
    assert_eq!(objects(&answer)[0]["details"]["finish_reason"], "eos_token");
}

#[test]
fn mistakes_are_validation_errors() {
    let bad = [
        (
            json!({"max_new_tokens": 0}),
            "`max_new_tokens` must be strictly positive",
        ),
        (
            json!({"temperature": 0.0}),
            "`temperature` must be strictly positive",
        ),
        (
            json!({"max_new_tokens": 999}),
            "`inputs` tokens + `max_new_tokens` must be <= 1000. Given: 2 `inputs` tokens and \
             999 `max_new_tokens`",
        ),
    ];
    for (parameters, message) in bad {
        let expected = json!({
            "error": format!("Input validation error: {message}"), "error_type": "validation",
        });
        let answer = post("/generate", &parameters);
        assert_eq!((answer.status, answer.json()), (422, expected.clone()));
        let answer = post("/generate_stream", &parameters);
        assert_eq!((answer.status, objects(&answer)), (200, vec![expected]));
    }
    let server = server(|_| {});
    let answer = Client::new(&server).post("/generate_stream", "{\"inputs\":3}");
    assert_eq!(
        (answer.status, &answer.json()["error_type"]),
        (422, &json!("validation"))
    );
}

#[test]
fn errors_have_their_types() {
    for (fault, kind) in [("status:429", "overloaded"), ("status:424", "generation")] {
        let body = format!("{{\"inputs\":\"Hi\",\"sim_fault\":\"{fault}\"}}");
        let answer = Client::new(&server(|_| {})).post("/generate", &body);
        assert_eq!(answer.json()["error_type"], kind);
    }
    let body = "{\"inputs\":\"Hi\",\"sim_fault\":\"error:1\"}";
    let answer = Client::new(&server(|_| {})).post("/generate_stream", body);
    assert_eq!(
        objects(&answer)[1],
        json!({
            "error": "Request failed during generation: simulated error in the stream",
            "error_type": "generation",
        })
    );
    assert_eq!(
        Client::new(&server(|_| {})).post("/generate", body).status,
        500
    );
}

#[test]
fn the_path_shared_with_sglang_goes_by_the_engine_and_the_prompt() {
    use bench_sim::Flavour;
    let both = "{\"inputs\":\"Hi\",\"text\":\"Hi\",\"parameters\":{\"max_new_tokens\":1},\
                \"sampling_params\":{\"max_new_tokens\":1}}";
    let key = |flavour, key: &str| {
        let server = server(|config| config.engine = flavour);
        Client::new(&server).post("/generate", both).json()[key].is_string()
    };
    assert!(key(Flavour::All, "generated_text"));
    assert!(key(Flavour::Tgi, "generated_text"));
    assert!(key(Flavour::Sglang, "text"));
}
