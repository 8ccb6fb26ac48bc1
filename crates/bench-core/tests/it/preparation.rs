//! What is found out before the first request.

use std::time::Duration;

use bench_core::types::{Conversation, Prompt};
use bench_core::{Run, RunError, StopHandle, backends::backend};
use bench_sim::SimConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{execute, prompts, quick, refusal, run, start, succeeded};

pub(super) fn unused_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let url = unused_address();
    let builder = Run::builder(&url, backend("vllm").expect("there is one"))
        .model("any")
        .conversations(prompts(2, 2));
    let text = refusal(builder).await.to_string();
    assert!(
        text.contains(&url) && text.contains("is it running"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_come_up_in_time() {
    let stop = StopHandle::new();
    let builder = Run::builder(unused_address(), backend("vllm").expect("there is one"))
        .model("any")
        .ready_timeout(Duration::from_millis(10))
        .stop_handle(stop.clone())
        .conversations(prompts(2, 2));
    let error = refusal(builder).await;
    assert!(matches!(error, RunError::NotReady { .. }), "{error}");
    assert!(
        !stop.is_stopped(),
        "nobody asked it to, and it would end the waiting"
    );
}

#[tokio::test]
async fn a_server_that_is_ready_late() {
    let config = SimConfig {
        faults: vec!["status:503@first:1".parse().expect("a fault")],
        ..quick()
    };
    let server = start(config);
    let report = execute(run(&server, prompts(3, 2)).ready_timeout(super::PATIENCE)).await;
    assert_eq!(report.summary.requests.completed, 3);
    assert_eq!(server.stats().requests, 5, "two to find it ready");
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_waited_for() {
    let config = SimConfig {
        api_key: Some("right".to_owned()),
        ..quick()
    };
    let server = start(config);
    let error = refusal(run(&server, prompts(3, 2)).ready_timeout(super::PATIENCE)).await;
    assert!(matches!(error, RunError::NotReady { .. }), "{error}");
    assert!(error.to_string().contains("401"), "{error}");
    assert_eq!(server.stats().recorded.len(), 1);
}

#[tokio::test]
async fn a_stop_ends_the_waiting() {
    let stop = StopHandle::new();
    stop.stop();
    let builder = Run::builder(unused_address(), backend("vllm").expect("there is one"))
        .model("any")
        .ready_timeout(super::PATIENCE)
        .stop_handle(stop)
        .conversations(prompts(2, 2));
    let error = refusal(builder).await;
    assert!(matches!(error, RunError::Stopped { .. }), "{error}");
}

/// Why a command line against a server at `url` makes no run, though it may wait for long.
#[cfg(feature = "cli")]
async fn unprepared(url: String, stop: StopHandle) -> bench_core::cli::OptionsError {
    use bench_core::cli::{RunOptions, Surroundings};
    let mut options = RunOptions::default();
    options.server.base_url = vec![url];
    options.server.ready_check_timeout_sec = 3600.0;
    let around = Surroundings {
        stop,
        ..Surroundings::default()
    };
    let prepared = tokio::time::timeout(super::PATIENCE, options.prepare(around));
    let prepared = prepared.await.expect("it ends");
    prepared.map(|_| ()).expect_err("there is no model")
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_model_list_that_is_refused_is_not_waited_for() {
    use bench_core::cli::OptionsError;
    let config = SimConfig {
        api_key: Some("right".to_owned()),
        ..quick()
    };
    let server = start(config);
    let error = unprepared(server.url(), StopHandle::new()).await;
    let refused = matches!(&error, OptionsError::Run(RunError::Control { .. }));
    assert!(refused, "{error}");
    assert_eq!(server.stats().recorded.len(), 1);
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_stop_ends_the_waiting_for_a_model() {
    use bench_core::cli::OptionsError;
    let stop = StopHandle::new();
    stop.stop();
    let error = unprepared(unused_address(), stop).await;
    let stopped = matches!(&error, OptionsError::Run(RunError::Stopped { .. }));
    assert!(stopped, "{error}");
}

#[tokio::test]
async fn a_model_that_the_server_does_not_have() {
    let server = start(quick());
    let text = refusal(run(&server, prompts(2, 2)).model("no-such-model"))
        .await
        .to_string();
    assert!(
        text.contains("no-such-model") && text.contains("sim-model"),
        "{text}"
    );
    assert!(text.contains("404"), "{text}");
}

#[tokio::test]
async fn nothing_to_send() {
    let server = start(quick());
    assert!(matches!(
        refusal(run(&server, Vec::new())).await,
        RunError::NothingToSend
    ));
}

#[tokio::test]
async fn a_prompt_the_backend_cannot_send() {
    let server = start(quick());
    let ids = Prompt::TokenIds([1, 2, 3].into());
    let builder = Run::builder(server.url(), backend("openai-chat").expect("there is one"))
        .model("sim-model")
        .conversations(vec![Conversation::single(0, ids, Some(3), 2)]);
    assert!(matches!(refusal(builder).await, RunError::Backend(_)));
    assert_eq!(server.stats().requests, 0);
}

#[tokio::test]
async fn token_ids_reach_the_server_as_they_are() {
    let server = start(quick());
    let ids = Prompt::TokenIds([5, 6, 7, 8].into());
    let conversation = Conversation::single(0, ids, Some(4), 2);
    let report = execute(run(&server, vec![conversation])).await;
    assert_eq!(report.summary.requests.completed, 1);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let recorded = server.stats().recorded;
    let asked = recorded.iter().rev();
    let mut asked = asked.filter(|request| request.path == "/v1/completions");
    let body = &asked.next().expect("recorded").body;
    let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(body["prompt"], serde_json::json!([5, 6, 7, 8]));
}

#[tokio::test]
async fn a_chat_with_llama_cpp_is_limited_by_the_name_it_knows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 8192];
                let read = peer.read(&mut bytes).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                let (kind, body) = match text.split(' ').take(2).collect::<Vec<_>>()[..] {
                    ["POST", _] => {
                        let _ = sender.send(text.clone());
                        let chunk =
                            r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#;
                        (
                            "text/event-stream",
                            format!("data: {chunk}\n\ndata: [DONE]\n\n"),
                        )
                    }
                    ["GET", "/v1/models"] => (
                        "application/json",
                        r#"{"data":[{"id":"m","owned_by":"me"}]}"#.to_owned(),
                    ),
                    _ => ("text/plain", "what?".to_owned()),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
                     connection: close\r\n\r\n"
                );
                // One that only looked whether somebody is there is gone.
                let _ = peer.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    let chat = backend("openai-chat").expect("there is one");
    let builder = Run::builder(format!("http://{address}"), chat)
        .model("m")
        .conversations(prompts(1, 7));
    let report = execute(builder).await;
    server.abort();
    assert!(
        succeeded(&report.records[0]),
        "{:?}",
        report.records[0].outcome
    );
    assert_eq!(report.setup.backend, "llama.cpp-chat");
    assert!(
        report.warnings[0].contains("llama.cpp"),
        "{:?}",
        report.warnings
    );
    let request = asked.recv().await.expect("it was asked");
    assert!(request.contains(r#""max_tokens":7"#), "{request}");
}

/// What the only request of a run over the dataset `custom` asks, or why there is no run.
#[cfg(feature = "cli")]
async fn asked(flags: serde_json::Value) -> Result<serde_json::Value, String> {
    use bench_core::cli::{RunOptions, Surroundings};
    let server = start(quick());
    let root = tempfile::tempdir().expect("a directory");
    let tokenizer = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../bench-datasets/assets/tokenizer.json"
    );
    std::fs::copy(tokenizer, root.path().join("tokenizer.json")).expect("copied");
    let template = serde_json::json!({
        "chat_template": "[{{ mood|default('calm') }}] {{ messages[0].content }}"
    });
    let config = root.path().join("tokenizer_config.json");
    std::fs::write(config, template.to_string()).expect("written");
    let prompts = root.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\": \"Hello\"}\n").expect("written");

    let mut options: RunOptions = serde_json::from_value(flags).expect("options");
    options.server.base_url = vec![server.url()];
    options.server.model = Some("sim-model".to_owned());
    options.server.tokenizer = root.path().to_str().map(str::to_owned);
    options.dataset.dataset_name = "custom".to_owned();
    options.dataset.dataset_path = Some(prompts);
    options.load.num_prompts = Some(1);
    let prepared = options.prepare(Surroundings::default()).await;
    let (run, _) = prepared.map_err(|error| error.to_string())?;
    run.execute(&mut ()).await.expect("a report");
    let body = server
        .stats()
        .recorded
        .iter()
        .rfind(|request| request.method == "POST")
        .expect("recorded")
        .body
        .clone();
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn questions_are_sent_by_the_chat_template_to_backends_of_plain_text() {
    use serde_json::json;
    let prompt = async |flags| asked(flags).await.map(|body| body["prompt"].clone());
    assert_eq!(prompt(json!({})).await.expect("sent"), "[calm] Hello");
    let kwargs = json!({"chat-template-kwargs": "{\"mood\": \"glad\"}"});
    assert_eq!(prompt(kwargs).await.expect("sent"), "[glad] Hello");
    let skip = json!({"skip-chat-template": true});
    assert_eq!(prompt(skip).await.expect("sent"), "Hello");

    let chat = asked(json!({"backend": "openai-chat"}))
        .await
        .expect("sent");
    assert_eq!(chat["messages"][0]["content"], "Hello");
    for (flag, value) in [
        ("apply-chat-template", json!(true)),
        ("chat-template-kwargs", json!("{}")),
    ] {
        let refused = asked(json!({"backend": "openai-chat", flag: value})).await;
        let text = refused.expect_err("it has no effect");
        assert!(
            text.contains(flag) && text.contains("--extra-body"),
            "{text}"
        );
    }
    let text = asked(json!({"chat-template-kwargs": "[]"}))
        .await
        .expect_err("a list");
    assert!(text.contains("not a JSON object"), "{text}");
}
