use bench_backends::{BackendError, BodyEnd, Request, backend};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, Task, TokenSource};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Decoded;
use crate::encode::{captured, encoded};
use crate::wire::{ERRORS, answer, answer_of, frames};

const NAMES: [&str; 4] = [
    "openai-embeddings",
    "sglang-embedding",
    "vllm-pooling",
    "infinity-embeddings",
];

fn refused(name: &str, request: &Request<'_>) -> BackendError {
    let result = backend(name).expect("registered").encode(request);
    result.expect_err("not expressible")
}

/// Asserts that an answer is whole and holds these counts and this model.
fn assert_whole(decoded: &Decoded, usage: (u32, u32, Option<u32>, bool), model: &str) {
    let nothing = String::new();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, nothing, None)]);
    let (prompt, completion, cached, alone) = usage;
    let usage = (Some(prompt), Some(completion), cached, alone);
    assert_eq!(decoded.seen.usages, [usage]);
    assert_eq!(decoded.seen.models, [model]);
    assert_eq!(decoded.source, TokenSource::Usage);
    assert_eq!(decoded.outcome, Ok(Finish::Unstated));
}

/// The message of the failure that an answer is malformed.
fn malformed(name: &str, body: &str) -> String {
    match answer(name, body).outcome {
        Err(Failure::Protocol(text)) => text,
        other => panic!("{name} {body}: {other:?}"),
    }
}

#[test]
fn requests_come_out_as_the_documentation_shows_them() {
    let texts = ["The food was delicious", "and the waiter...", "é"];
    let batch = Prompt::Batch(texts.map(Into::into).into());
    let request = Request::new(&batch, "text-embedding-3-small", 0);
    let (path, body) = captured("openai/embeddings");
    assert_eq!(encoded("vllm-embedding", &request), (path, body.clone()));
    let (path, pooling) = encoded("vllm-pooling", &request);
    assert_eq!((&*path, &pooling), ("/pooling", &body));

    let pair = Prompt::Batch(["a".into(), "b".into()].into());
    let request = Request::new(&pair, "BAAI/bge-small-en-v1.5", 0);
    let expected = captured("infinity/embeddings");
    assert_eq!(encoded("infinity-embeddings", &request), expected);
    // The same body on another route.
    let (path, body) = encoded("sglang-embedding", &request);
    assert_eq!((&*path, body), ("/v1/embeddings", expected.1));

    let documents = [
        "The capital of Brazil is Brasilia.",
        "The capital of France is Paris.",
    ];
    let ranking = Prompt::Rerank {
        query: "What is the capital of France?".into(),
        documents: documents.map(Into::into).into(),
    };
    let request = Request::new(&ranking, "BAAI/bge-reranker-base", 0);
    assert_eq!(encoded("rerank", &request), captured("vllm/rerank"));
}

#[test]
fn every_kind_of_input_has_its_form() {
    let chat = Prompt::Chat(r#"[{"role":"user","content":"Hi"}]"#.into());
    let ids = Prompt::TokenIds([1, 2].into());
    let text = Prompt::Text("x".into());
    let body = |name: &str, prompt: &Prompt| encoded(name, &Request::new(prompt, "m", 0)).1;
    for name in NAMES {
        assert_eq!(body(name, &text)["input"], json!("x"));
    }
    for name in &NAMES[..3] {
        assert_eq!(body(name, &ids)["input"], json!([1, 2]));
    }
    for name in ["openai-embeddings", "vllm-pooling"] {
        let body = body(name, &chat);
        assert_eq!(body["messages"], json!([{"role": "user", "content": "Hi"}]));
        assert!(body.get("input").is_none());
    }
    for (name, prompt) in [
        ("infinity-embeddings", &ids),
        ("infinity-embeddings", &chat),
        ("sglang-embedding", &chat),
        ("vllm-rerank", &text),
    ] {
        let error = refused(name, &Request::new(prompt, "m", 0));
        assert!(
            matches!(error, BackendError::Prompt { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn they_ask_for_whole_answers_and_say_so() {
    let prompt = Prompt::Text("x".into());
    let extra = json!({"encoding_format": "base64", "dimensions": 8});
    let mut request = Request::new(&prompt, "m", 0);
    request.extra_body = extra.as_object();
    for name in NAMES {
        let backend = backend(name).expect("registered");
        assert!(!backend.can_stream(), "{name}");
        assert_eq!(backend.task(), Task::Pool, "{name}");
        let http = backend.encode(&request).expect("expressible");
        assert_eq!(http.headers()["accept"], "application/json");
        let body: Value = serde_json::from_slice(http.body()).expect("JSON");
        assert_eq!(body["encoding_format"], "base64");
        assert_eq!(body["dimensions"], 8);
        assert!(body.get("stream").is_none());
    }
}

#[test]
fn what_has_no_meaning_here_is_refused() {
    let prompt = Prompt::Text("x".into());
    let sampling = Sampling {
        temperature: Some(0.0),
        ..Sampling::default()
    };
    let mut request = Request::new(&prompt, "m", 0);
    request.sampling = &sampling;
    for name in NAMES {
        let error = refused(name, &request).to_string();
        assert!(error.contains("leave out --temperature"), "{error}");
    }
    let mut request = Request::new(&prompt, "m", 0);
    request.ignore_eos = true;
    for name in NAMES {
        let error = refused(name, &request).to_string();
        assert!(error.contains("leave out --ignore-eos"), "{error}");
    }
    let extra = json!({"encoding_format": "bytes"});
    let mut request = Request::new(&prompt, "m", 0);
    request.extra_body = extra.as_object();
    let error = refused("vllm-pooling", &request).to_string();
    let expected = "`encoding_format` \"bytes\" of --extra-body: ask for \"float\" or \"base64\"";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn answers_are_read() {
    let decoded = answer_of("openai-embeddings", "openai/embeddings");
    assert_whole(&decoded, (17, 0, None, false), "text-embedding-3-small");
    let decoded = answer_of("openai-embeddings", "openai/embeddings_base64");
    assert_whole(&decoded, (5, 0, None, false), "text-embedding-3-small");
    let decoded = answer_of("vllm-pooling", "vllm/pooling");
    assert_whole(&decoded, (7, 0, None, false), "m");
    let decoded = answer_of("infinity-embeddings", "infinity/embeddings");
    assert_whole(&decoded, (9, 0, None, false), "BAAI/bge-small-en-v1.5");
    let decoded = answer_of("vllm-rerank", "vllm/rerank");
    assert_whole(&decoded, (56, 0, None, false), "BAAI/bge-reranker-base");
}

#[test]
fn usage_may_be_partial_or_missing() {
    let usage = |usage: Value| {
        let body = json!({"data": [{"embedding": [1]}], "usage": usage});
        let decoded = answer("openai-embeddings", &body.to_string());
        assert_eq!(decoded.outcome, Ok(Finish::Unstated));
        (decoded.seen.usages, decoded.source)
    };
    let counted = |prompt, cached| {
        let usage = (Some(prompt), Some(0), cached, false);
        (vec![usage], TokenSource::Usage)
    };
    assert_eq!(usage(json!({"total_tokens": 3})), counted(3, None));
    let details = json!({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}});
    assert_eq!(usage(details), counted(3, Some(2)));
    for none in [json!({}), Value::Null] {
        assert_eq!(usage(none), (vec![], TokenSource::Unknown));
    }
}

#[test]
fn vectors_come_in_several_forms_but_never_empty() {
    let data = |entries: Value| json!({"data": entries}).to_string();
    for filled in [
        json!([{"data": [[0.5, 1e-3], [2]], "index": 0}]),
        json!([{"data": 0.25}]),
        json!([{"embedding": {"12": 0.5}}]),
        json!([{"embedding": [1], "index": 1}, {"embedding": "AACAPw==", "index": 0}]),
    ] {
        let outcome = answer("vllm-pooling", &data(filled)).outcome;
        assert_eq!(outcome, Ok(Finish::Unstated));
    }
    let second = |entry: Value| data(json!([{"embedding": [1], "index": 0}, entry]));
    for (body, message) in [
        (data(json!([])), "there are no results"),
        ("{}".to_owned(), "there are no results"),
        (second(json!({"embedding": []})), "result 1 holds nothing"),
        (second(json!({"embedding": ""})), "result 1 holds nothing"),
        (second(json!({"embedding": null})), "result 1 holds nothing"),
        (second(json!({"index": 1})), "result 1 holds nothing"),
        (
            second(json!({"embedding": [1], "index": 0})),
            "the same index",
        ),
        (
            second(json!({"embedding": [1], "index": 2})),
            "a result is missing",
        ),
        (second(json!({"embedding": true})), "expected numbers"),
        ("not JSON".to_owned(), "not JSON"),
        (String::new(), "EOF"),
    ] {
        let text = malformed("openai-embeddings", &body);
        assert!(text.contains(message), "{body}: {text}");
    }
}

#[test]
fn rankings_may_leave_out_documents_but_not_repeat_them() {
    let outcome = |body: &Value| answer("vllm-rerank", &body.to_string()).outcome;
    let top = json!({"results": [{"index": 7, "relevance_score": 0.5}]});
    assert_eq!(outcome(&top), Ok(Finish::Unstated));
    // SGLang's answer is the bare list.
    let bare = json!([{"index": 1, "score": 1}, {"index": 0, "score": -2.5, "document": "d"}]);
    assert_eq!(outcome(&bare), Ok(Finish::Unstated));
    for (body, message) in [
        (json!({"results": []}), "there are no results"),
        (json!([]), "there are no results"),
        (json!({"results": [{"index": 0}]}), "result 0 holds nothing"),
        (
            json!([{"index": 1, "score": 1}, {"index": 1, "score": 2}]),
            "the same index",
        ),
    ] {
        let text = malformed("vllm-rerank", &body.to_string());
        assert!(text.contains(message), "{body}: {text}");
    }
}

#[test]
fn errors_in_place_of_an_answer_fail() {
    for name in ["openai-embeddings", "vllm-rerank"] {
        for (error, message) in ERRORS {
            let outcome = answer(name, error).outcome;
            assert_eq!(
                outcome,
                Err(Failure::Server(message.into())),
                "{name} {error}"
            );
        }
    }
}

#[test]
fn an_answer_that_is_cut_is_truncated_and_a_stream_is_none() {
    let cut = frames("vllm-pooling", [], BodyEnd::Cut("reset")).outcome;
    assert_eq!(cut, Err(Failure::Truncated("reset".into())));
    let none = frames("vllm-pooling", [], BodyEnd::Complete).outcome;
    assert!(matches!(none, Err(Failure::Truncated(_))), "{none:?}");
    let stream = frames("vllm-pooling", [&b"data: {}\n\n"[..]], BodyEnd::Complete).outcome;
    let Err(Failure::Protocol(text)) = stream else {
        panic!("{stream:?}");
    };
    assert!(text.contains("leave `stream` out"), "{text}");
}

proptest! {
    #[test]
    fn any_order_of_all_indices_is_whole(order in Just((0..20_u32).collect::<Vec<_>>()).prop_shuffle()) {
        let entries: Vec<Value> = order
            .iter()
            .map(|index| json!({"index": index, "embedding": [0.5, *index]}))
            .collect();
        let whole = answer("openai-embeddings", &json!({"data": entries}).to_string());
        prop_assert_eq!(whole.outcome, Ok(Finish::Unstated));
        // Unless it is the last one that is missing, which nobody can see.
        let partial = answer("openai-embeddings", &json!({"data": &entries[1..]}).to_string());
        prop_assert_eq!(partial.outcome.is_ok(), order[0] == 19);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(text in ".{0,80}") {
        let _ = answer("openai-embeddings", &text);
        let _ = answer("vllm-rerank", &format!("[{text}]"));
    }
}
