//! SGLang's own route, compared with what SGLang sent.

use bench_sim::SimHandle;
use serde_json::{Value, json};

use crate::client::{Client, End};
use crate::wire::{Capture, objects, shape, shapes};

const GENERATE: &str = "/generate";

/// A server that tells its times, with some between tokens, so that no rate is infinite.
fn server() -> SimHandle {
    crate::client::server(|config| {
        config.itl_ms = Some(1.0);
        config.request_metrics = true;
        config.max_model_len = 4_096;
    })
}

/// A capture from `sglang-0.5.23`.
fn capture(name: &str) -> Capture {
    Capture::read(&format!("sglang-0.5.23/{name}"))
}

#[test]
fn answers_have_the_shape_that_sglang_gives_them() {
    let server = server();
    for name in ["generate", "generate_batch"] {
        let capture = capture(name);
        let answer = capture.replay(&server);
        assert_eq!(shape(&answer.text()), shape(&capture.response), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn streams_have_the_shape_that_sglang_gives_them() {
    let server = server();
    // Of the tokens that SGLang found in its cache the simulated server knows whole blocks.
    let uncached = |name: &str, mut shapes: Vec<crate::wire::Event>| {
        for (_, shape) in &mut shapes {
            *shape = shape.replace("{\"device\":0,\"host\":0}", "null");
        }
        assert!(shapes.len() > 3, "{name}");
        shapes
    };
    for name in [
        "generate_stream",
        "generate_stream_interval",
        "generate_input_ids",
        "generate_stream_rid",
        "generate_stream_logprob",
    ] {
        let capture = capture(name);
        let answer = capture.replay(&server);
        assert_eq!(
            shapes(&answer.text()),
            uncached(name, capture.shapes()),
            "{name}"
        );
    }
}

#[test]
fn a_batch_interleaves_by_index() {
    let capture = capture("generate_batch_stream");
    let answer = capture.replay(&server());
    let of = |body: &str, index: u32| -> Vec<String> {
        let end = format!(",\"index\":{index}}}");
        let own = |(_, data): &crate::wire::Event| data.ends_with(&end);
        let events = crate::wire::events(body).into_iter().filter(own);
        events.map(|(_, data)| shape(&data)).collect()
    };
    for index in 0..2 {
        let ours = of(&answer.text(), index);
        assert_eq!(ours, of(&capture.response, index));
        assert_eq!(ours.len(), 4);
    }
    let objects = objects(&answer);
    assert_ne!(objects[0]["index"], objects[1]["index"]);
    assert_ne!(objects[0]["meta_info"]["id"], objects[1]["meta_info"]["id"]);
}

#[test]
fn errors_are_those_of_sglang() {
    let server = server();
    for name in [
        "err_bad_field",
        "err_bad_param_stream",
        "err_too_long",
        "err_too_long_stream",
        "err_bad_json",
    ] {
        let mut capture = capture(name);
        // The capture only tells what its long prompt was.
        let long = "hello ".repeat(6_000);
        capture.request = capture.request.replace("hello x 6000 ", &long);
        let answer = capture.replay(&server);
        assert_eq!((answer.status, answer.end), (capture.status, End::Clean));
        let (ours, theirs) = (answer.text(), capture.response);
        match name {
            // What went wrong is said in the words of another parser.
            "err_bad_json" => assert_eq!(shape(&ours), shape(&theirs)),
            _ => assert_eq!(ours.trim_end(), theirs.trim_end(), "{name}"),
        }
    }
}

#[test]
fn an_abort_ends_as_in_sglang() {
    let server = server();
    let capture = capture("abort_midstream");
    let body = json!({
        "text": "x", "sampling_params": {"max_new_tokens": 9}, "stream": true,
        "sim_fault": "abort:3",
    });
    let answer = Client::new(&server).post(GENERATE, &body.to_string());
    let (ours, theirs) = (shapes(&answer.text()), capture.shapes());
    assert_eq!(ours[ours.len() - 2..], theirs[theirs.len() - 2..]);
    let last = &objects(&answer)[3]["meta_info"]["finish_reason"];
    assert_eq!(
        last.to_string(),
        "{\"err_type\":null,\"message\":\"Aborted\",\"status_code\":null,\"type\":\"abort\"}"
    );
}

/// Streams four tokens after a prompt of forty; more fields may be given.
fn forty(server: &SimHandle, more: Value) -> Vec<Value> {
    let mut body = json!({
        "input_ids": vec![7; 40], "sampling_params": {"max_new_tokens": 4}, "stream": true,
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    objects(&Client::new(server).post(GENERATE, &body.to_string()))
}

#[test]
fn events_hold_all_that_was_generated_so_far() {
    let events = forty(&server(), json!({"rid": "mine"}));
    assert_eq!(events.len(), 4);
    for (i, pair) in events.windows(2).enumerate() {
        let text = |k: usize| pair[k]["text"].as_str().unwrap();
        assert!(text(1).starts_with(text(0)) && text(1).len() > text(0).len());
        assert_eq!(pair[0]["output_ids"].as_array().unwrap().len(), i + 1);
        assert_eq!(pair[0]["meta_info"]["completion_tokens"], i + 1);
        assert_eq!(pair[0]["meta_info"]["id"], "mine");
    }
}

#[test]
fn times_fit_together() {
    let events = forty(&server(), json!({}));
    let (first, last) = (&events[0]["meta_info"], &events[3]["meta_info"]);
    let number = |meta: &Value, key: &str| meta[key].as_f64().unwrap();
    assert!(number(last, "e2e_latency") >= 0.003);
    assert!(number(last, "e2e_latency") >= number(last, "first_token_latency"));
    assert!(number(first, "queue_time") >= 0.0);
    assert!(number(last, "request_finished_ts") >= number(last, "request_received_ts"));
    let elapsed = number(last, "e2e_latency") - number(last, "first_token_latency");
    let rate = number(last, "decode_throughput");
    assert!((rate * elapsed - 3.0).abs() < 1e-6, "{rate} {elapsed}");
    assert_eq!(last["weight_versions"][0]["end"], 4);
}

#[test]
fn cached_tokens_are_counted() {
    let server = crate::client::server(|config| {
        (config.ttft_ms, config.step_us) = (None, 0.0);
    });
    assert!(forty(&server, json!({}))[0]["meta_info"]["cached_tokens_details"].is_null());
    let meta = &forty(&server, json!({}))[0]["meta_info"];
    assert_eq!(meta["cached_tokens"], 32);
    assert_eq!(
        meta["cached_tokens_details"],
        json!({"device": 32, "host": 0})
    );
}

#[test]
fn times_are_few_without_metrics() {
    let server = crate::client::server(|_| {});
    let events = forty(&server, json!({}));
    let keys = |i: usize| -> Vec<_> {
        let meta = events[i]["meta_info"].as_object().unwrap();
        let time =
            |key: &&String| key.ends_with("_ts") || key.contains("time") || key.contains("latency");
        meta.keys().filter(time).cloned().collect()
    };
    assert_eq!(keys(0), ["response_sent_to_client_ts"]);
    assert!(keys(1).is_empty());
    assert_eq!(keys(3), ["e2e_latency"]);
}

#[test]
fn reasoning_is_counted() {
    let events = forty(&server(), json!({"sim_fault": "reasoning:3"}));
    let counts: Vec<_> = events
        .iter()
        .map(|event| event["meta_info"]["reasoning_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 2, 3, 3]);
}

#[test]
fn several_outputs_make_a_list() {
    let body = "{\"text\":\"Hi\",\"sampling_params\":{\"max_new_tokens\":2,\"n\":3},\"rid\":\"r\"}";
    let answer = Client::new(&server()).post(GENERATE, body).json();
    let ids: Vec<_> = answer.as_array().unwrap().iter().collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[2]["meta_info"]["id"], "r_2");
}

#[test]
fn the_default_is_128_tokens() {
    let answer = Client::new(&server()).post(GENERATE, "{\"text\":\"Hi\"}");
    assert_eq!(answer.json()["meta_info"]["completion_tokens"], 128);
}
