//! Routes that generate nothing.

use serde_json::{Value, json};

use crate::client::{Answer, Client, End, server};

const EMBEDDINGS: &str = "/v1/embeddings";

fn post(path: &str, body: &Value) -> Answer {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send("POST", path, &[("x-request-id", "r")], &body.to_string());
    client.read()
}

fn floats(vector: &Value) -> Vec<f32> {
    let vector = vector.as_array().unwrap();
    vector.iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

#[test]
fn an_embedding() {
    let body = json!({ "model": "sim-model", "input": "Hello world" });
    for path in [EMBEDDINGS, "/embeddings"] {
        let answer = post(path, &body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        let text = answer.text();
        let (head, rest) = text.split_once(",\"created\":").unwrap();
        assert_eq!(head, "{\"id\":\"embd-r\",\"object\":\"list\"");
        let (_, rest) = rest.split_once(',').unwrap();
        let (head, rest) = rest.split_once('[').unwrap();
        assert_eq!(head, "\"model\":\"sim-model\",\"data\":");
        let (head, rest) = rest.split_once('[').unwrap();
        assert_eq!(head, "{\"index\":0,\"object\":\"embedding\",\"embedding\":");
        let (vector, tail) = rest.split_once(']').unwrap();
        assert_eq!(vector.split(',').count(), 16);
        assert_eq!(
            tail,
            "}],\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2,\"completion_tokens\":0,\
             \"prompt_tokens_details\":null}}"
        );
    }
}

#[test]
fn inputs_come_in_four_forms_and_as_messages() {
    let messages = json!([{ "role": "user", "content": "Hi" }]);
    let forms = [
        (json!({ "input": "a b c" }), 3, 1),
        (json!({ "input": [1, 2, 3, 4] }), 4, 1),
        (json!({ "input": ["a", "a b"] }), 3, 2),
        (json!({ "input": [[1, 2], [3], [4]] }), 4, 3),
        (json!({ "messages": messages }), 6, 1),
    ];
    for (body, tokens, vectors) in forms {
        let answer = post(EMBEDDINGS, &body).json();
        assert_eq!(answer["usage"]["prompt_tokens"], tokens, "{body}");
        assert_eq!(answer["data"].as_array().unwrap().len(), vectors, "{body}");
    }
}

#[test]
fn equal_inputs_have_equal_vectors() {
    let body = json!({ "input": ["a b", "b a", "a b"] });
    let data = post(EMBEDDINGS, &body).json()["data"].clone();
    let vectors: Vec<_> = (0..3).map(|i| floats(&data[i]["embedding"])).collect();
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1]);
    let index: Vec<_> = (0..3).map(|i| data[i]["index"].clone()).collect();
    assert_eq!(index, [0, 1, 2]);
    let again = post(EMBEDDINGS, &json!({ "input": "a b" })).json();
    assert_eq!(floats(&again["data"][0]["embedding"]), vectors[0]);
}

#[test]
fn vectors_come_as_base64_and_in_other_lengths() {
    let server = server(|config| config.embedding_dim = 5);
    let mut client = Client::new(&server);
    let mut vector = |more: &str| {
        let body = format!("{{\"input\":\"x\"{more}}}");
        client.post(EMBEDDINGS, &body).json()["data"][0]["embedding"].clone()
    };
    let plain = floats(&vector(",\"encoding_format\":\"float\""));
    assert_eq!(plain.len(), 5);
    let length: f32 = plain.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");

    let base64 = vector(",\"encoding_format\":\"base64\"");
    let bytes = decode(base64.as_str().unwrap());
    let decoded: Vec<_> = bytes
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    assert_eq!(decoded, plain);

    assert_eq!(floats(&vector(",\"dimensions\":2")).len(), 2);
}

/// Base64 to bytes, bit by bit.
fn decode(base64: &str) -> Vec<u8> {
    let alphabet: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['+', '/'])
        .collect();
    let six = |c: char| alphabet.iter().position(|a| *a == c).unwrap();
    let bit = |c: char| (0..6).rev().map(move |i| (six(c) >> i & 1) as u8);
    let bits: Vec<u8> = base64.trim_end_matches('=').chars().flat_map(bit).collect();
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks_exact(8).map(byte).collect()
}

#[test]
fn a_pooled_vector() {
    let value = post("/pooling", &json!({ "input": ["a", "b"] })).json();
    assert_eq!(
        (&value["id"], &value["object"]),
        (&json!("pool-r"), &json!("list"))
    );
    assert_eq!(value["data"][1]["object"], "pooling");
    assert_eq!(floats(&value["data"][1]["data"]).len(), 16);
}

#[test]
fn documents_are_ranked() {
    let documents: Vec<_> = (0..9).map(|i| format!("document {i}")).collect();
    let body = json!({ "model": "sim-model", "query": "Which?", "documents": documents });
    for path in ["/v1/rerank", "/rerank", "/v2/rerank"] {
        let value = post(path, &body).json();
        assert_eq!(
            (&value["id"], &value["model"]),
            (&json!("rerank-r"), &json!("sim-model"))
        );
        // Two tokens of the query and two of each document.
        assert_eq!(
            value["usage"],
            json!({ "prompt_tokens": 36, "total_tokens": 36 })
        );
        let results = value["results"].as_array().unwrap();
        let score = |r: &Value| r["relevance_score"].as_f64().unwrap();
        assert!(results.is_sorted_by(|a, b| score(a) > score(b)));
        assert!(results.iter().all(|r| (0.0..1.0).contains(&score(r))));
        let mut seen: Vec<_> = results
            .iter()
            .map(|r| r["index"].as_u64().unwrap())
            .collect();
        assert_ne!(seen, (0..9).collect::<Vec<_>>());
        for result in results {
            let index = result["index"].as_u64().unwrap() as usize;
            assert_eq!(result["document"]["text"], documents[index]);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..9).collect::<Vec<_>>());

        let mut best = body.clone();
        best["top_n"] = 2.into();
        assert_eq!(post(path, &best).json()["results"], json!(results[..2]));
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let server = server(|config| config.max_model_len = 100);
    let mut client = Client::new(&server);
    let mut error = |path: &str, body: Value| {
        let answer = client.post(path, &body.to_string());
        let error = answer.json()["error"].clone();
        (
            answer.status,
            error["param"].clone(),
            error["message"].to_string(),
        )
    };
    let long = vec![1; 101];
    let bad = [
        (EMBEDDINGS, json!({}), "input", "must not be empty"),
        (
            EMBEDDINGS,
            json!({ "input": [] }),
            "input",
            "must not be empty",
        ),
        (
            EMBEDDINGS,
            json!({ "input": ["a", ""] }),
            "input",
            "must not be empty",
        ),
        (
            EMBEDDINGS,
            json!({ "input": long }),
            "input_tokens",
            "at least 101",
        ),
        (
            EMBEDDINGS,
            json!({ "input": "a", "dimensions": 17 }),
            "dimensions",
            "in 1..=16",
        ),
        (
            EMBEDDINGS,
            json!({ "input": "a", "dimensions": 0 }),
            "dimensions",
            "in 1..=16",
        ),
        (
            "/pooling",
            json!({ "input": "a", "encoding_format": "hex" }),
            "encoding_format",
            "float or base64",
        ),
        (
            "/pooling",
            json!({ "input": "a", "truncate_prompt_tokens": 101 }),
            "truncate_prompt_tokens",
            "-1 or in 1..=100",
        ),
        (
            "/rerank",
            json!({ "query": "a", "documents": [] }),
            "input",
            "must not be empty",
        ),
    ];
    for (path, body, wrong, says) in bad {
        let (status, param, message) = error(path, body);
        assert_eq!((status, param), (400, json!(wrong)), "{message}");
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(error("/rerank", json!({ "documents": ["a"] })).0, 400);
    assert_eq!(
        error(EMBEDDINGS, json!({ "model": "nope", "input": "a" })).0,
        404
    );
}

#[test]
fn inputs_may_fill_the_context_and_be_truncated_to_it() {
    // A KV cache of exactly the context's size.
    let server = server(|config| {
        (config.ttft_ms, config.step_us) = (None, 0.0);
        (config.max_model_len, config.kv_blocks) = (160, 10);
    });
    let mut client = Client::new(&server);
    let mut tokens = |count: usize, truncate: &str| {
        let body = format!("{{\"input\":{:?}{truncate}}}", vec![1; count]);
        client.post(EMBEDDINGS, &body).json()["usage"]["prompt_tokens"].clone()
    };
    assert_eq!(tokens(160, ""), 160);
    assert_eq!(tokens(500, ",\"truncate_prompt_tokens\":-1"), 160);
    assert_eq!(tokens(500, ",\"truncate_prompt_tokens\":7"), 7);
    assert_eq!(tokens(5, ",\"truncate_prompt_tokens\":7"), 5);
}

#[test]
fn faults_hit_them_as_well() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let mut fault = |fault: &str| {
        let body = json!({ "input": ["a", "b", "c"], "sim_fault": fault }).to_string();
        client.post(EMBEDDINGS, &body)
    };
    assert_eq!(fault("status:503").json()["error"]["code"], 503);
    assert_eq!(fault("error:1").status, 500);
    assert_eq!(
        fault("cut-clean:2").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(fault("no-usage").json().get("usage"), None);
    assert_eq!(fault("empty").text(), "");
    assert_eq!(fault("cut:1").end, End::Cut);
    let stats = server.stats();
    assert_eq!((stats.requests, stats.faulted), (6, 6));
}
