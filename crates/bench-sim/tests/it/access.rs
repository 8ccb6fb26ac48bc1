//! Who is let in, and under which names models are served.

use serde_json::{Value, json};

use crate::client::{Answer, CHAT, COMPLETIONS, Client, chat, completion, server};

#[test]
fn adapters_are_models_of_their_own() {
    let server = server(|config| config.lora = vec!["one".to_owned(), "two".to_owned()]);
    let mut client = Client::new(&server);
    let models = client.get("/v1/models").json();
    let of = |key: &str| -> Vec<Value> {
        let all = models["data"].as_array().unwrap();
        all.iter().map(|model| model[key].clone()).collect()
    };
    assert_eq!(of("id"), ["sim-model", "one", "two"]);
    assert_eq!(
        of("parent"),
        [Value::Null, json!("sim-model"), json!("sim-model")]
    );

    for model in ["one", "two", "two", "sim-model"] {
        let asked = |body: String| body.replace("sim-model", model);
        let answer = client.post(COMPLETIONS, &asked(completion(2, "")));
        assert_eq!(answer.strings("/model"), [model; 2]);
        let answer = client.post(CHAT, &asked(chat(2, "").replace("true", "false")));
        assert_eq!(answer.json()["model"], model);
    }
    client.post(COMPLETIONS, "{\"prompt\":\"x\",\"max_tokens\":1}");
    let unknown = client.post(
        COMPLETIONS,
        &completion(2, "").replace("sim-model", "three"),
    );
    assert_eq!(unknown.status, 404);

    let stats = server.stats();
    let models: Vec<_> = stats.models.iter().map(|(name, n)| (&**name, *n)).collect();
    assert_eq!(models, [("one", 2), ("sim-model", 3), ("two", 4)]);
    assert_eq!(stats.requests, 10);
}

#[test]
fn without_the_key_nothing_but_health_is_there() {
    let server = server(|config| config.api_key = Some("right".to_owned()));
    let mut client = Client::new(&server);
    let mut post = |headers: &[(&str, &str)]| {
        client.send("POST", COMPLETIONS, headers, &completion(2, ""));
        client.read()
    };
    let message = |answer: &Answer| {
        assert_eq!(answer.status, 401);
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "invalid_api_key");
        error["message"].as_str().unwrap().to_owned()
    };
    assert!(message(&post(&[])).contains("Authorization: Bearer"));
    let quoted = "Incorrect API key provided: sk-wrong.";
    assert_eq!(
        message(&post(&[("authorization", "Bearer sk-wrong")])),
        quoted
    );
    assert_eq!(message(&post(&[("authorization", "sk-wrong")])), quoted);
    assert!(post(&[("authorization", "Bearer right")]).done());
    assert_eq!(server.stats().requests, 1);

    assert_eq!(client.get("/health").status, 200);
    for path in ["/v1/models", "/metrics", "/server_info", "/nope"] {
        assert_eq!(client.get(path).status, 401, "{path}");
    }
}
