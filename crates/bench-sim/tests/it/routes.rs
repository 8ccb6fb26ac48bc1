//! Every route, and every way to ask for something that is not there.

use serde_json::json;

use crate::client::{CHAT, COMPLETIONS, Client, End, completion, server};

#[test]
fn models() {
    let server = server(|config| config.model = "m".to_owned());
    let answer = Client::new(&server).get("/v1/models");
    assert_eq!(
        (answer.status, answer.header("server")),
        (200, Some("bench-sim"))
    );
    let model = &answer.json()["data"][0];
    assert_eq!(
        (&model["id"], &model["owned_by"]),
        (&json!("m"), &json!("bench-sim"))
    );
    assert_eq!(model["max_model_len"], 32_768);
}

#[test]
fn health_and_version() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let health = client.get("/health");
    assert_eq!(
        (health.status, health.header("content-length")),
        (200, Some("0"))
    );
    assert_eq!(
        client.get("/version").json(),
        json!({ "version": env!("CARGO_PKG_VERSION") })
    );
}

#[test]
fn tokenize_and_detokenize() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let answer = client
        .post("/tokenize", "{\"prompt\":\"Hello world!\"}")
        .json();
    assert_eq!(
        (&answer["count"], &answer["max_model_len"]),
        (&json!(3), &json!(32_768))
    );
    let body = json!({ "model": "sim-model", "tokens": answer["tokens"] }).to_string();
    assert_eq!(
        client.post("/detokenize", &body).json(),
        json!({ "prompt": "Hello world!" })
    );
    let body =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]}";
    // user : Hi \n assistant :
    assert_eq!(client.post("/tokenize", body).json()["count"], 6);
    assert_eq!(client.post("/tokenize", "{}").status, 400);
    assert_eq!(
        client
            .post("/tokenize", "{\"model\":\"nope\",\"prompt\":\"x\"}")
            .status,
        404
    );
}

#[test]
fn a_completion_that_is_not_streamed() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let body =
        "{\"model\":\"sim-model\",\"prompt\":\"Hello world\",\"max_tokens\":3,\"no_such_field\":1}";
    client.send("POST", COMPLETIONS, &[("x-request-id", "r1")], body);
    let answer = client.read();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let text = answer.text();
    let (head, rest) = text.split_once(",\"created\":").unwrap();
    assert_eq!(head, "{\"id\":\"cmpl-r1\",\"object\":\"text_completion\"");
    let (_, rest) = rest.split_once(',').unwrap();
    let (head, tail) = rest.split_once("\"text\":\" simulated").unwrap();
    assert_eq!(head, "\"model\":\"sim-model\",\"choices\":[{\"index\":0,");
    let (_, tail) = tail.split_once('"').unwrap();
    assert_eq!(
        tail.replace(env!("CARGO_PKG_VERSION"), "V"),
        ",\"logprobs\":null,\"finish_reason\":\"length\",\"stop_reason\":null,\"token_ids\":null,\
         \"prompt_logprobs\":null,\"prompt_token_ids\":null,\"routed_experts\":null}],\
         \"service_tier\":null,\"system_fingerprint\":\"bench-sim-V\",\"usage\":{\"prompt_tokens\":2,\
         \"total_tokens\":5,\"completion_tokens\":3,\"prompt_tokens_details\":null,\
         \"completion_tokens_details\":null},\"kv_transfer_params\":null,\
         \"ec_transfer_params\":null,\"metrics\":null}"
    );
}

#[test]
fn a_chat_that_is_not_streamed() {
    let server = server(|_| {});
    let body =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_completion_tokens\":2}";
    let answer = Client::new(&server).post(CHAT, body);
    let value = answer.json();
    assert_eq!(value["object"], "chat.completion");
    let message = &value["choices"][0]["message"];
    assert!(
        message["content"]
            .as_str()
            .unwrap()
            .starts_with(" simulated ")
    );
    assert_eq!(message["role"], "assistant");
    assert_eq!(value["usage"]["prompt_tokens"], 6);
    assert!(answer.text().ends_with(
        "\"prompt_logprobs\":null,\"prompt_token_ids\":null,\"prompt_text\":null,\
         \"kv_transfer_params\":null,\"ec_transfer_params\":null,\"metrics\":null}"
    ));
}

#[test]
fn prompts_come_in_four_forms() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let forms = [
        ("\"a b c\"", 3, 1),
        ("[1,2,3,4]", 4, 1),
        ("[\"a\",\"a b\"]", 3, 2),
        ("[[1,2],[3],[4]]", 4, 3),
    ];
    for (prompt, tokens, choices) in forms {
        let answer = client
            .post(COMPLETIONS, &format!("{{\"prompt\":{prompt},\"n\":2}}"))
            .json();
        assert_eq!(answer["usage"]["prompt_tokens"], tokens, "{prompt}");
        assert_eq!(answer["choices"].as_array().unwrap().len(), 2 * choices);
        assert_eq!(answer["usage"]["completion_tokens"], 2 * choices * 16);
    }
}

#[test]
fn what_cannot_be_done_is_refused_as_vllm_does() {
    let server = server(|config| config.max_model_len = 100);
    let mut client = Client::new(&server);
    let mut error = |body: &str| {
        let answer = client.post(COMPLETIONS, body);
        let error = answer.json()["error"].clone();
        assert_eq!(error["code"], answer.status);
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        (answer.status, text("type"), text("param"), text("message"))
    };
    let (status, kind, param, message) = error("{\"model\":\"nope\",\"prompt\":\"x\"}");
    assert_eq!(
        (status, kind.as_str(), param.as_str()),
        (404, "NotFoundError", "model")
    );
    assert_eq!(
        message,
        "The model `nope` does not exist. Valid aliases: sim-model."
    );

    let (status, kind, param, _) = error("{\"model\": ");
    assert_eq!(
        (status, kind.as_str(), param.as_str()),
        (400, "Bad Request", "body.10")
    );

    let long = vec!["1"; 100].join(",");
    let bad = [
        (
            "{\"prompt\":\"x\",\"max_tokens\":0}".to_owned(),
            "max_tokens",
            "at least 1, got 0.",
        ),
        ("{\"prompt\":\"\"}".to_owned(), "prompt", "non-empty"),
        ("{\"prompt\":[]}".to_owned(), "prompt", "non-empty"),
        ("{}".to_owned(), "prompt", "non-empty"),
        ("{\"prompt\":\"x\",\"n\":0}".to_owned(), "n", "n must be"),
        (
            "{\"prompt\":\"x\",\"temperature\":-1}".to_owned(),
            "temperature",
            "got -1.0.",
        ),
        (
            "{\"prompt\":\"x\",\"max_tokens\":100}".to_owned(),
            "input_tokens",
            "100 output",
        ),
        (
            format!("{{\"prompt\":[{long}]}}"),
            "input_tokens",
            "at least 101 input tokens",
        ),
        (
            "{\"prompt\":\"x\",\"sim_fault\":\"cut\"}".to_owned(),
            "",
            "invalid fault \"cut\": a number is missing",
        ),
    ];
    for (body, wrong, says) in bad {
        let (status, kind, param, message) = error(&body);
        assert_eq!(
            (status, kind.as_str(), param.as_str()),
            (400, "BadRequestError", wrong)
        );
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn other_routes_and_methods() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let answer = client.get("/nope");
    assert_eq!(
        (answer.status, answer.json()),
        (404, json!({ "detail": "Not Found" }))
    );
    assert_eq!(client.get(COMPLETIONS).status, 405);
    assert_eq!(client.post("/health", "").status, 405);
}

#[test]
fn metrics_tell_what_happened() {
    // With steps this long the abort comes before the engine is through with the output.
    let server = server(|config| (config.ttft_ms, config.step_us) = (None, 1_000.0));
    let mut client = Client::new(&server);
    // Twice the same 40 tokens: the second time, two full blocks are cached.
    let prompt = vec!["7"; 40].join(",");
    for _ in 0..2 {
        let body = format!("{{\"prompt\":[{prompt}],\"max_tokens\":5}}");
        assert_eq!(client.post(COMPLETIONS, &body).status, 200);
    }
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "abort:1")],
        &completion(5, ""),
    );
    assert_eq!(client.read().end, End::Clean);
    let answer = client.get("/metrics");
    let text = answer.text();
    let value = |name: &str, label: &str| -> f64 {
        let line = |l: &&str| l.starts_with(&format!("vllm:{name}{{")) && l.contains(label);
        let line = text
            .lines()
            .find(line)
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(
        value("num_requests_running", "model_name=\"sim-model\""),
        0.0
    );
    assert_eq!(value("num_requests_waiting", ""), 0.0);
    assert_eq!(value("kv_cache_usage_perc", ""), 0.0);
    assert_eq!(value("num_preemptions_total", ""), 0.0);
    assert_eq!(value("prompt_tokens_total", ""), 82.0);
    assert_eq!(value("prefix_cache_queries_total", ""), 82.0);
    assert_eq!(value("prefix_cache_hits_total", ""), 32.0);
    assert_eq!(
        value("request_success_total", "finished_reason=\"length\""),
        2.0
    );
    assert_eq!(
        value("request_success_total", "finished_reason=\"abort\""),
        1.0
    );
    assert_eq!(value("time_to_first_token_seconds_count", ""), 3.0);
    assert_eq!(
        value("time_to_first_token_seconds_bucket", "le=\"+Inf\""),
        3.0
    );
    assert!(value("generation_tokens_total", "") >= 11.0);
    assert!(value("inter_token_latency_seconds_count", "") >= 8.0);
    assert_eq!(value("e2e_request_latency_seconds_count", ""), 3.0);
    assert!(value("request_time_per_output_token_seconds_count", "") >= 2.0);
}
