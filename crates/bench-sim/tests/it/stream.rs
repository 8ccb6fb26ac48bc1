//! The shape of streams.

use bench_sim::{SimTokenizer, WordTokenizer};
use serde_json::json;

use crate::client::{Answer, CHAT, COMPLETIONS, Client, chat, completion, server};

/// Events with what differs from run to run taken out.
fn normal(answer: &Answer) -> Vec<String> {
    let created = answer.objects()[0]["created"].to_string();
    let plain = |e: &String| {
        e.replace(&created, "T")
            .replace(env!("CARGO_PKG_VERSION"), "V")
    };
    answer.events().iter().map(plain).collect()
}

fn post(path: &str, body: &str) -> Answer {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send("POST", path, &[("x-request-id", "r")], body);
    client.read()
}

#[test]
fn a_completion() {
    let answer = post(
        COMPLETIONS,
        &completion(2, ",\"stream_options\":{\"include_usage\":true}"),
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let head = "{\"id\":\"cmpl-r\",\"object\":\"text_completion\",\"created\":T,\
                \"model\":\"sim-model\",\"choices\":[";
    let tail = "\"stop_reason\":null,\"prompt_token_ids\":null,\"token_ids\":null}]}";
    let word = &answer.texts()[1];
    let expected = [
        format!(
            "{head}{{\"index\":0,\"text\":\" simulated\",\"logprobs\":null,\"finish_reason\":null,{tail}"
        ),
        format!(
            "{head}{{\"index\":0,\"text\":\"{word}\",\"logprobs\":null,\"finish_reason\":\"length\",{tail}"
        ),
        format!(
            "{head}],\"usage\":{{\"prompt_tokens\":2,\"total_tokens\":4,\"completion_tokens\":2}},\
             \"system_fingerprint\":\"bench-sim-V\"}}"
        ),
        "[DONE]".to_owned(),
    ];
    assert_eq!(normal(&answer), expected);
    assert_eq!(answer.chunks.len(), 4, "one HTTP chunk per event");
}

#[test]
fn a_chat() {
    let answer = post(CHAT, &chat(2, ""));
    let head = "{\"id\":\"chatcmpl-r\",\"object\":\"chat.completion.chunk\",\"created\":T,\
                \"model\":\"sim-model\",\"choices\":[{\"index\":0,\"delta\":";
    let word = &answer.strings("/choices/0/delta/content")[2];
    let expected = [
        format!(
            "{head}{{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,\
             \"finish_reason\":null}}],\"prompt_token_ids\":null,\"prompt_text\":null}}"
        ),
        format!(
            "{head}{{\"content\":\" simulated\"}},\"logprobs\":null,\"finish_reason\":null,\
             \"token_ids\":null}}]}}"
        ),
        format!(
            "{head}{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":\"length\",\
             \"stop_reason\":null,\"token_ids\":null}}],\"system_fingerprint\":\"bench-sim-V\"}}"
        ),
        "[DONE]".to_owned(),
    ];
    assert_eq!(normal(&answer), expected);
}

#[test]
fn usage_comes_with_every_event_if_asked_for() {
    let options = ",\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}";
    let counts = |answer: &Answer| -> Vec<_> {
        answer
            .objects()
            .iter()
            .map(|o| o["usage"]["completion_tokens"].as_u64())
            .collect()
    };
    let answer = post(COMPLETIONS, &completion(3, options));
    assert_eq!(counts(&answer), [Some(1), Some(2), Some(3), Some(3)]);
    let answer = post(CHAT, &chat(3, options));
    assert_eq!(
        counts(&answer),
        [Some(0), Some(1), Some(2), Some(3), Some(3)]
    );
    let role = answer.events()[0].clone();
    assert!(role.ends_with(
        "\"usage\":{\"prompt_tokens\":6,\"total_tokens\":6,\"completion_tokens\":0,\
         \"completion_tokens_details\":null},\"prompt_token_ids\":null,\"prompt_text\":null}"
    ));
}

#[test]
fn token_ids_come_if_asked_for() {
    let tokenizer = WordTokenizer::default();
    let answer = post(COMPLETIONS, &completion(3, ",\"return_token_ids\":true"));
    let objects = answer.objects();
    let prompt = tokenizer.encode("Hello world");
    assert_eq!(objects[0]["choices"][0]["prompt_token_ids"], json!(prompt));
    assert!(objects[1]["choices"][0]["prompt_token_ids"].is_null());
    for (object, text) in objects.iter().zip(answer.texts()) {
        assert_eq!(
            object["choices"][0]["token_ids"],
            json!(tokenizer.encode(&text))
        );
    }
    let answer = post(CHAT, &chat(1, ",\"return_token_ids\":true"));
    assert!(answer.objects()[0]["prompt_token_ids"].is_array());
    assert!(answer.objects()[1]["choices"][0]["token_ids"].is_array());
}

#[test]
fn logprobs_come_if_asked_for() {
    let answer = post(COMPLETIONS, &completion(2, ",\"logprobs\":1"));
    let logprobs = &answer.objects()[0]["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"], json!([" simulated"]));
    assert_eq!(logprobs["text_offset"], json!([0]));
    assert!(logprobs["token_logprobs"][0].is_f64());
    let answer = post(CHAT, &chat(2, ",\"logprobs\":true,\"top_logprobs\":0"));
    let logprobs = &answer.objects()[1]["choices"][0]["logprobs"]["content"];
    assert_eq!(logprobs[0]["token"], " simulated");
    assert_eq!(logprobs.as_array().unwrap().len(), 1);
}

#[test]
fn several_choices_interleave() {
    let more = ",\"n\":2,\"stream_options\":{\"include_usage\":true}";
    let answer = post(COMPLETIONS, &completion(3, more));
    let objects = answer.objects();
    let of = |index| {
        objects
            .iter()
            .filter(move |o| o["choices"][0]["index"] == index)
            .count()
    };
    assert_eq!((of(0), of(1)), (3, 3));
    assert_eq!(answer.strings("/choices/0/finish_reason").len(), 2);
    assert_eq!(
        objects[6]["usage"],
        json!({"prompt_tokens":2,"total_tokens":8,"completion_tokens":6})
    );
}

#[test]
fn headers_leave_before_the_first_token() {
    // The first token would come in an hour.
    let server = server(|config| config.ttft_ms = Some(3.6e6));
    let mut client = Client::new(&server);
    client.send("POST", COMPLETIONS, &[], &completion(1, ""));
    assert_eq!(client.read_head().0, 200);
    assert_eq!(server.stats().tokens, 0);
}

#[test]
fn an_event_can_hold_several_tokens() {
    let server = server(|config| (config.spec_tokens, config.spec_acceptance) = (3, 1.0));
    let more = ",\"stream_options\":{\"include_usage\":true}";
    let answer = Client::new(&server).post(COMPLETIONS, &completion(10, more));
    let words = |t: &String| t.split_whitespace().count();
    assert_eq!(
        answer.texts().iter().map(words).collect::<Vec<_>>(),
        [1, 4, 4, 1]
    );
    assert_eq!(answer.objects()[4]["usage"]["completion_tokens"], 10);

    let server = crate::client::server(|config| config.stream_interval = 4);
    let answer = Client::new(&server).post(COMPLETIONS, &completion(10, ""));
    assert_eq!(
        answer.texts().iter().map(words).collect::<Vec<_>>(),
        [1, 4, 4, 1]
    );
}

#[test]
fn the_text_has_as_many_tokens_as_the_usage_says() {
    let more = ",\"stream_options\":{\"include_usage\":true}";
    let answer = post(COMPLETIONS, &completion(200, more));
    let text = answer.texts().concat();
    assert_eq!(WordTokenizer::default().encode(&text).len(), 200);
    assert_eq!(answer.objects()[200]["usage"]["completion_tokens"], 200);
}

#[test]
fn an_output_may_stop_early_unless_told_not_to() {
    let server = server(|config| config.early_stop = 1.0);
    let mut client = Client::new(&server);
    let answer = client.post(COMPLETIONS, &completion(5, ""));
    assert_eq!(
        (answer.texts().len(), answer.finish().as_deref()),
        (1, Some("stop"))
    );
    let answer = client.post(COMPLETIONS, &completion(5, ",\"ignore_eos\":true"));
    assert_eq!(
        (answer.texts().len(), answer.finish().as_deref()),
        (5, Some("length"))
    );
}

#[test]
fn cached_tokens_and_server_times_are_reported_if_configured() {
    let server = server(|config| {
        (config.ttft_ms, config.step_us) = (None, 0.0);
        (config.prompt_tokens_details, config.request_metrics) = (true, true);
    });
    let mut client = Client::new(&server);
    let prompt = vec!["7"; 40].join(",");
    let body = format!(
        "{{\"prompt\":[{prompt}],\"max_tokens\":3,\"stream\":true,\
         \"stream_options\":{{\"include_usage\":true}}}}"
    );
    let mut last = || client.post(COMPLETIONS, &body).objects()[3].clone();
    assert_eq!(last()["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let second = last();
    assert_eq!(
        second["usage"]["prompt_tokens_details"]["cached_tokens"],
        32
    );
    let metrics = second["metrics"].as_object().unwrap();
    let names = [
        "time_to_first_token_ms",
        "generation_time_ms",
        "queue_time_ms",
        "mean_itl_ms",
        "tokens_per_second",
    ];
    assert!(
        names.iter().all(|name| metrics[*name].is_f64()),
        "{metrics:?}"
    );
    let whole = client
        .post(COMPLETIONS, &body.replace("true", "false"))
        .json();
    assert_eq!(whole["usage"]["prompt_tokens_details"]["cached_tokens"], 32);
    assert!(whole["metrics"]["queue_time_ms"].is_f64());
}

#[test]
fn request_ids_are_echoed_if_configured() {
    let server = server(|config| config.request_id_headers = true);
    let mut client = Client::new(&server);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-request-id", "mine")],
        &completion(1, ""),
    );
    assert_eq!(client.read().header("x-request-id"), Some("mine"));
    let answer = client.post(COMPLETIONS, &completion(1, ""));
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(answer.objects()[0]["id"], format!("cmpl-{id}"));
}
