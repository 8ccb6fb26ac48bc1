//! What servers say about themselves, and what they must not be quoted with.

use bench_core::report::{Report, VllmResult, console};
use bench_core::types::FailureClass;
use bench_core::{
    Control, LogPlace, RecordLogOptions, RequestOptions, Run, RunBuilder, RunError,
    backends::backend,
};
use bench_sim::{Flavour, SimConfig, SimHandle};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{execute, failed_as, prompts, quick, refusal, run, start};

const KEY: &str = "sk-correct-horse";
const WRONG: &str = "sk-battery-staple";

fn locked(engine: Flavour) -> SimHandle {
    start(SimConfig {
        engine,
        api_key: Some(KEY.to_owned()),
        ..quick()
    })
}

fn bearer(key: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).expect("a header");
    value.set_sensitive(true);
    value
}

fn with_key(builder: RunBuilder, model: &str, key: &str) -> RunBuilder {
    builder.request(RequestOptions {
        model: model.to_owned(),
        authorization: Some(bearer(key)),
        ..RequestOptions::default()
    })
}

fn json(report: &Report) -> String {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, true);
    serde_json::to_string(&result).expect("JSON")
}

/// What the report says that the server said about itself, and the result as text.
async fn server_info(engine: Flavour) -> (Map<String, Value>, String) {
    let server = locked(engine);
    let builder = with_key(run(&server, prompts(2, 2)), "sim-model", KEY);
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.completed, 2);
    let text = json(&report);
    let info = report.setup.server_info.get(&server.url());
    (
        info.and_then(Value::as_object)
            .expect("it says something")
            .clone(),
        text,
    )
}

fn names(info: &Map<String, Value>) -> Vec<&str> {
    info.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn servers_are_asked_what_they_are() {
    let (vllm, _) = server_info(Flavour::Vllm).await;
    assert_eq!(names(&vllm), ["version"]);
    assert!(vllm["version"]["version"].is_string());
    let (tgi, _) = server_info(Flavour::Tgi).await;
    assert_eq!(names(&tgi), ["info"]);
    assert_eq!(tgi["info"]["model_id"], "sim-model");
    let (all, _) = server_info(Flavour::All).await;
    let mut all = names(&all);
    all.sort_unstable();
    assert_eq!(all, ["info", "model_info", "server_info", "version"]);
}

#[tokio::test]
async fn a_server_that_tells_its_own_key_is_not_quoted() {
    let (sglang, text) = server_info(Flavour::Sglang).await;
    let mut known = names(&sglang);
    known.sort_unstable();
    assert_eq!(known, ["model_info", "server_info"]);
    let info = &sglang["server_info"];
    assert_eq!(info["api_key"], "[redacted]");
    assert_eq!(info["internal_states"][0]["api_key"], "[redacted]");
    assert_eq!(info["served_model_name"], "sim-model");
    assert!(text.contains("served_model_name"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}

#[tokio::test]
async fn a_key_that_is_refused_shows_up_nowhere() {
    let server = locked(Flavour::All);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let builder = with_key(run(&server, prompts(3, 2)), "sim-model", WRONG)
        .keep_text(true)
        .record_log(RecordLogOptions {
            place: LogPlace::File(path.clone()),
            overwrite: false,
            detailed: true,
        });
    let report = execute(builder).await;
    assert_eq!(failed_as(&report.records, FailureClass::Status(401)), 3);
    let log = std::fs::read_to_string(path).expect("written");
    for text in [console(&report), json(&report), log] {
        // It is there that the server quotes the key.
        assert!(
            text.contains("Incorrect API key provided: [redacted]"),
            "{text}"
        );
        assert!(!text.contains(WRONG), "{text}");
    }
    let sent = server.stats().recorded;
    let sent = sent
        .iter()
        .find_map(|request| request.headers.get(AUTHORIZATION));
    assert_eq!(sent, Some(&bearer(WRONG)), "the server did get it");
}

#[tokio::test]
async fn a_key_in_a_header_of_its_own_is_kept_too() {
    let server = locked(Flavour::All);
    let mut key = HeaderValue::from_static(WRONG);
    key.set_sensitive(true);
    let anthropic = backend("anthropic").expect("there is one");
    let builder = Run::builder(server.url(), anthropic)
        .model("sim-model")
        .header(HeaderName::from_static("x-api-key"), key)
        .conversations(prompts(2, 2));
    let report = execute(builder).await;
    assert_eq!(failed_as(&report.records, FailureClass::Status(401)), 2);
    let text = json(&report);
    assert!(
        text.contains("[redacted]") && !text.contains(WRONG),
        "{text}"
    );
}

#[tokio::test]
async fn a_model_list_is_asked_for_with_the_headers_of_the_protocol() {
    let server = locked(Flavour::All);
    let anthropic = backend("anthropic").expect("there is one");
    let builder = Run::builder(server.url(), anthropic).conversations(prompts(2, 2));
    let report = execute(with_key(builder, "", KEY)).await;
    assert_eq!(report.summary.requests.completed, 2);
    let recorded = server.stats().recorded;
    let mut paths = recorded.iter().filter(|asked| asked.path == "/v1/models");
    let headers = &paths.next().expect("it was asked").headers;
    assert_eq!(headers.get("x-api-key").expect("a key"), KEY);
    assert!(headers.contains_key("anthropic-version"));
    assert_eq!(headers.get(AUTHORIZATION), Some(&bearer(KEY)));
    assert!(!headers.contains_key("content-type"));
}

#[tokio::test]
async fn errors_do_not_quote_the_key() {
    let server = locked(Flavour::All);
    let run = || run(&server, prompts(2, 2));
    let unnamed = with_key(run(), "", WRONG);
    let reset = with_key(run(), "sim-model", WRONG).control(Control {
        reset_cache: true,
        ..Control::default()
    });
    let profiled = with_key(run(), "sim-model", WRONG).control(Control {
        profile: Some(bench_core::Profile::default()),
        ..Control::default()
    });
    let late = std::time::Duration::from_millis(1);
    let unready = with_key(run(), "sim-model", WRONG).ready_timeout(late);
    let is: [fn(&RunError) -> bool; 4] = [
        |error| matches!(error, RunError::Control { .. }),
        |error| matches!(error, RunError::Control { .. }),
        |error| matches!(error, RunError::Control { .. }),
        |error| matches!(error, RunError::NotReady { .. }),
    ];
    for (builder, is) in [unnamed, reset, profiled, unready].into_iter().zip(is) {
        let error = refusal(builder).await;
        assert!(is(&error), "{error:?}");
        if matches!(error, RunError::Control { .. }) {
            assert!(error.to_string().contains("--api-key"), "{error}");
        }
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(
                text.contains("[redacted]") && !text.contains(WRONG),
                "{text}"
            );
        }
    }
}
