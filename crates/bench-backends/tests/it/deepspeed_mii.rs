use bench_backends::{BackendError, Request, backend};
use bench_types::{Failure, Finish, MarkKind, Prompt, Sampling, TokenSource};
use serde_json::{Value, json};

use crate::encode::encoded;
use crate::whole;

fn sent(temperature: Option<f64>) -> Value {
    let prompt = Prompt::Text("x".into());
    let sampling = Sampling {
        temperature,
        top_p: Some(1.0),
        ..Sampling::default()
    };
    let mut request = Request::new(&prompt, "m", 4);
    request.sampling = &sampling;
    let (path, body) = encoded("deepspeed-mii", &request);
    assert_eq!(path, "/v1/completions");
    body
}

#[test]
fn requests_never_ask_for_a_stream() {
    let mii = backend("deepspeed-mii").expect("registered");
    assert!(!mii.can_stream());
    let expected = |temperature: f64| {
        json!({"model": "m", "prompt": "x", "max_tokens": 4, "temperature": temperature,
            "top_p": 1.0})
    };
    assert_eq!(sent(Some(0.7)), expected(0.7));
    assert_eq!(sent(Some(0.0)), expected(0.01));
    assert_eq!(sent(None).get("temperature"), None);

    let prompt = Prompt::Text("x".into());
    let http = mii.encode(&Request::new(&prompt, "m", 4)).expect("text");
    assert_eq!(http.headers()[http::header::ACCEPT], "application/json");
    let prompt = Prompt::TokenIds([1].into());
    let error = mii.encode(&Request::new(&prompt, "m", 4)).expect_err("ids");
    assert!(matches!(error, BackendError::Prompt { .. }), "{error}");
}

#[test]
fn answers_are_those_of_the_completions_route() {
    let decoder = || backend("deepspeed-mii").expect("registered").decoder();
    let body = r#"{"id":"cmpl-1","object":"text_completion","created":1,"model":"m",
        "choices":[{"index":0,"text":" there","logprobs":null,"finish_reason":"length"}],
        "usage":{"prompt_tokens":1,"total_tokens":5,"completion_tokens":4}}"#;
    let decoded = whole(decoder(), &[], body.as_bytes());
    let text = " there".to_owned();
    assert_eq!(decoded.seen.chunks, [(0, MarkKind::Whole, text, None)]);
    assert_eq!(decoded.seen.usages, [(Some(1), Some(4), None, false)]);
    assert_eq!(decoded.outcome, Ok(Finish::Length));
    for (body, texts) in [
        (r#"{"text":[" there"]}"#, &[" there"][..]),
        (r#"{"text":" there"}"#, &[" there"]),
        (
            r#"{"text":[" there","a"],"choices":null}"#,
            &[" there", "a"],
        ),
    ] {
        let decoded = whole(decoder(), &[], body.as_bytes());
        let chunk = |(choice, text): (u32, &&str)| (choice, MarkKind::Whole, (*text).into(), None);
        let chunks: Vec<_> = (0..).zip(texts).map(chunk).collect();
        assert_eq!(decoded.seen.chunks, chunks, "{body}");
        assert_eq!(decoded.outcome, Ok(Finish::Unstated), "{body}");
        assert_eq!(decoded.source, TokenSource::Unknown, "{body}");
    }
    let nothing = whole(decoder(), &[], br#"{"text":[]}"#).outcome;
    assert_eq!(nothing, Err(Failure::NoTokens));
    let odd = whole(decoder(), &[], br#"{"text":7}"#).outcome;
    assert!(matches!(odd, Err(Failure::Protocol(_))), "{odd:?}");
    let error = whole(decoder(), &[], br#"{"detail":"no"}"#).outcome;
    assert_eq!(error, Err(Failure::Server("no".into())));
}
