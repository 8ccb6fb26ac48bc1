//! Routes beside generation, and whose server has which.

use bench_sim::Flavour;
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, Client, FOREVER, completion, server};

/// Status and body of a captured response.
macro_rules! captured {
    ($name:literal) => {{
        let text = include_str!(concat!(
            "../../../../fixtures/wire/",
            $name,
            ".response.txt"
        ));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }};
}

/// Every key of `ours` is one of `theirs`, with a value of the same kind or null.
fn assert_shape(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                let other = theirs.get(key).unwrap_or_else(|| panic!("{at}/{key}"));
                assert_shape(value, other, &format!("{at}/{key}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_shape(ours, theirs, at);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(
            (ours.is_string(), ours.is_number(), ours.is_boolean()),
            (theirs.is_string(), theirs.is_number(), theirs.is_boolean()),
            "{at}: {ours} for {theirs}"
        ),
    }
}

#[test]
fn information_has_the_shape_of_the_real_one() {
    let server = server(|config| {
        (config.api_key, config.seed) = (Some("secret".to_owned()), 7);
    });
    let mut client = Client::new(&server);
    let mut get = |path: &str| {
        client.send("GET", path, &[("authorization", "Bearer secret")], "");
        client.read()
    };
    let theirs = |(status, body): (u16, &str)| {
        assert_eq!(status, 200);
        serde_json::from_str::<Value>(body).unwrap()
    };
    let cases = [
        (
            "/version",
            "/version",
            theirs(captured!("vllm-0.32.0/version")),
        ),
        (
            "/v1/models",
            "/v1/models",
            theirs(captured!("vllm-0.32.0/models")),
        ),
        (
            "/model_info",
            "/get_model_info",
            theirs(captured!("sglang-0.5.23/model_info")),
        ),
        (
            "/server_info",
            "/get_server_info",
            theirs(captured!("sglang-0.5.23/server_info")),
        ),
    ];
    for (path, alias, theirs) in cases {
        let ours = get(path).json();
        assert!(!ours.as_object().unwrap().is_empty());
        assert_shape(&ours, &theirs, path);
        assert_eq!(ours, get(alias).json());
    }
    let info = get("/server_info").json();
    assert_eq!(
        (&info["api_key"], &info["random_seed"]),
        (&json!("secret"), &json!(7))
    );
    assert_eq!(info["internal_states"][0]["api_key"], "secret");

    let info = get("/info").json();
    assert_eq!(
        (&info["model_id"], &info["max_total_tokens"]),
        (&json!("sim-model"), &json!(32_768))
    );
    let healthy = get("/health_generate");
    let theirs = captured!("sglang-0.5.23/health_generate");
    assert_eq!((healthy.status, healthy.text().as_str()), theirs);
}

#[test]
fn profiles_are_counted_where_there_is_a_profiler() {
    let body = "{\"output_dir\":\"out\"}";
    let without = server(|_| {});
    let mut client = Client::new(&without);
    for path in ["/start_profile", "/stop_profile"] {
        let answer = client.post(path, body);
        let theirs = captured!("vllm-0.32.0/start_profile");
        assert_eq!((answer.status, answer.text().as_str()), theirs);
    }
    assert_eq!(without.stats().profiles_started, 0);

    let vllm = server(|config| (config.profiler, config.engine) = (true, Flavour::Vllm));
    let mut client = Client::new(&vllm);
    for path in ["/start_profile", "/stop_profile", "/start_profile"] {
        let answer = client.post(path, body);
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }
    assert_eq!(client.get("/start_profile").status, 405);
    let stats = vllm.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (2, 1));
    assert_eq!(stats.recorded[0].body, body);

    let sglang = server(|config| config.engine = Flavour::Sglang);
    let mut client = Client::new(&sglang);
    let answer = client.post("/start_profile", body);
    let theirs = captured!("sglang-0.5.23/start_profile");
    assert_eq!((answer.status, answer.text().as_str()), theirs);
    let answer = client.post("/stop_profile", body);
    let theirs = captured!("sglang-0.5.23/stop_profile");
    assert_eq!((answer.status, answer.text().as_str()), theirs);
    let stats = sglang.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (1, 1));
}

#[test]
fn the_prefix_cache_is_emptied_on_request() {
    let server = server(|config| {
        (config.ttft_ms, config.step_us) = (None, 0.0);
        config.prompt_tokens_details = true;
    });
    let mut client = Client::new(&server);
    let prompt = vec!["7"; 40].join(",");
    let body = format!("{{\"prompt\":[{prompt}],\"max_tokens\":1}}");
    let cached = |client: &mut Client| {
        let usage = client.post(COMPLETIONS, &body).json()["usage"].clone();
        usage["prompt_tokens_details"]["cached_tokens"].as_u64()
    };
    assert_eq!(cached(&mut client), Some(0));
    assert_eq!(cached(&mut client), Some(32));
    let answer = client.post("/reset_prefix_cache", "");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(cached(&mut client), Some(0));
    assert_eq!(cached(&mut client), Some(32));
    let theirs = captured!("sglang-0.5.23/flush_cache");
    let answer = client.post("/flush_cache", "{}");
    assert_eq!((answer.status, answer.text().as_str()), theirs);
    assert_eq!(cached(&mut client), Some(0));
    assert_eq!(client.get("/flush_cache").status, 200);
    assert_eq!(cached(&mut client), Some(0));
    assert_eq!(server.stats().cache_resets, 3);
}

#[test]
fn a_busy_server_keeps_its_prefix_cache() {
    // A step takes an hour.
    let server = server(|config| (config.ttft_ms, config.step_us) = (None, 3.6e9));
    let mut busy = Client::new(&server);
    busy.send("POST", COMPLETIONS, &[], &completion(9, ""));
    assert!(server.wait_until(FOREVER, |stats| stats.running == 1));
    let mut client = Client::new(&server);
    let (_, text) = captured!("sglang-0.5.23/flush_cache");
    let answer = client.post("/flush_cache", "{}");
    assert_eq!((answer.status, answer.text().as_str()), (400, text));
    assert_eq!(client.post("/reset_prefix_cache", "").status, 200);
    assert_eq!(server.stats().cache_resets, 0);
}

#[test]
fn each_server_has_routes_of_its_own() {
    let all = [
        ("POST", "/v1/completions", [true, true, true]),
        ("POST", "/v1/chat/completions", [true, true, true]),
        ("GET", "/v1/models", [true, true, true]),
        ("GET", "/health", [true, true, true]),
        ("GET", "/metrics", [true, true, true]),
        ("POST", "/v1/responses", [true, false, false]),
        ("POST", "/v1/messages", [true, false, false]),
        ("POST", "/generate", [false, true, true]),
        ("POST", "/generate_stream", [false, false, true]),
        ("POST", "/", [false, false, true]),
        (
            "POST",
            "/v2/models/ensemble/generate_stream",
            [false, false, false],
        ),
        ("POST", "/v1/embeddings", [true, true, false]),
        ("POST", "/pooling", [true, false, false]),
        ("POST", "/rerank", [true, false, false]),
        ("POST", "/v1/rerank", [true, false, false]),
        ("POST", "/v2/rerank", [true, false, false]),
        ("POST", "/v1/audio/transcriptions", [true, false, false]),
        ("POST", "/embeddings", [false, false, false]),
        ("GET", "/version", [true, false, false]),
        ("POST", "/reset_prefix_cache", [true, false, false]),
        ("POST", "/start_profile", [true, true, false]),
        ("POST", "/stop_profile", [true, true, false]),
        ("POST", "/tokenize", [true, true, false]),
        ("POST", "/detokenize", [true, true, false]),
        ("POST", "/flush_cache", [false, true, false]),
        ("GET", "/server_info", [false, true, false]),
        ("GET", "/get_server_info", [false, true, false]),
        ("GET", "/model_info", [false, true, false]),
        ("GET", "/get_model_info", [false, true, false]),
        ("GET", "/health_generate", [false, true, false]),
        ("GET", "/info", [false, false, true]),
    ];
    let start = |engine| server(|config| (config.engine, config.profiler) = (engine, true));
    let flavours = [Flavour::Vllm, Flavour::Sglang, Flavour::Tgi];
    for (i, flavour) in flavours.into_iter().enumerate() {
        let server = start(flavour);
        let mut client = Client::new(&server);
        for (method, path, has) in all {
            client.send(method, path, &[], "");
            let found = client.read().status != 404;
            assert_eq!(found, has[i], "{path} of {flavour:?}");
        }
        let missing = client.get("/nope").text();
        match flavour {
            Flavour::Tgi => assert_eq!(missing, ""),
            _ => assert_eq!(missing, "{\"detail\":\"Not Found\"}"),
        }
    }
    let every = start(Flavour::All);
    let mut client = Client::new(&every);
    for (method, path, _) in all {
        client.send(method, path, &[], "");
        assert_ne!(client.read().status, 404, "{path}");
    }
}
