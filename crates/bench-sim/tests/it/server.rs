//! The server as a whole: its life, its connections, and what it remembers.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use bench_sim::{SimConfig, SimError, SimHandle, SimServer, SimTokenizer};

use crate::client::{COMPLETIONS, Client, FOREVER, completion, server};

#[test]
fn requests_are_recorded_in_order_of_arrival() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send("POST", COMPLETIONS, &[("x-mine", "1")], &completion(3, ""));
    client.read();
    client.get("/health");
    Client::new(&server).get("/version");
    let stats = server.stats();
    assert_eq!((stats.requests, stats.completed, stats.tokens), (1, 1, 3));
    let seen: Vec<_> = stats
        .recorded
        .iter()
        .map(|r| (r.connection, r.path.as_str()))
        .collect();
    assert_eq!(seen, [(1, COMPLETIONS), (1, "/health"), (2, "/version")]);
    let first = &stats.recorded[0];
    assert_eq!(
        (first.method.as_str(), &first.headers["x-mine"]),
        ("POST", &"1".parse().unwrap())
    );
    assert_eq!(first.body, completion(3, ""));
    assert!(stats.recorded.is_sorted_by_key(|r| r.arrived));
}

#[test]
fn a_client_that_goes_away_frees_its_slot() {
    for stream in [true, false] {
        // The only slot would be taken for hours.
        let server = server(|config| {
            (config.ttft_ms, config.step_us, config.max_num_seqs) = (None, 3.6e9, 1);
        });
        let mut client = Client::new(&server);
        let body = completion(9, "").replace("true", &stream.to_string());
        client.send("POST", COMPLETIONS, &[], &body);
        assert!(server.wait_until(FOREVER, |stats| stats.running == 1));
        drop(client);
        assert!(server.wait_until(FOREVER, |stats| stats.open_connections == 0));
        let stats = server.stats();
        assert_eq!((stats.aborted, stats.completed), (1, 0));
        assert_eq!((stats.running, stats.waiting), (0, 0));
    }
}

#[test]
fn the_queue_shows_when_slots_are_taken() {
    let server = server(|config| {
        (config.ttft_ms, config.step_us, config.max_num_seqs) = (None, 3.6e9, 1);
    });
    let mut clients: Vec<_> = (0..3).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        client.send("POST", COMPLETIONS, &[], &completion(9, ""));
    }
    assert!(server.wait_until(FOREVER, |stats| stats.requests == 3));
    let metrics = Client::new(&server).get("/metrics").text();
    assert!(
        metrics.contains("vllm:num_requests_waiting{engine=\"0\",model_name=\"sim-model\"} 2.0")
    );
}

#[test]
fn many_streams_at_once() {
    let server = server(|config| {
        (config.ttft_ms, config.step_us, config.max_num_seqs) = (None, 100.0, 16);
    });
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = Client::new(&server);
                for _ in 0..2 {
                    let answer = client.post(COMPLETIONS, &completion(20, ""));
                    assert_eq!((answer.texts().len(), answer.done()), (20, true));
                }
            });
        }
    });
    let stats = server.stats();
    assert_eq!(
        (stats.requests, stats.completed, stats.aborted),
        (128, 128, 0)
    );
    assert_eq!(
        (stats.tokens, stats.running, stats.waiting),
        (128 * 20, 0, 0)
    );
}

#[test]
fn outputs_are_the_same_in_every_run() {
    let texts = |seed| {
        let server = server(|config| config.seed = seed);
        let mut client = Client::new(&server);
        let mut text = || {
            client
                .post(COMPLETIONS, &completion(20, ""))
                .texts()
                .concat()
        };
        [text(), text()]
    };
    let [first, second] = texts(1);
    assert_ne!(first, second);
    assert_eq!(texts(1), [first.clone(), second]);
    assert_ne!(texts(2)[0], first);
}

#[test]
fn shutdown_closes_all_connections() {
    let server = server(|config| config.ttft_ms = Some(3.6e6));
    let idle = Client::new(&server);
    let mut busy = Client::new(&server);
    busy.send("POST", COMPLETIONS, &[], &completion(9, ""));
    busy.read_head();
    assert!(server.wait_until(FOREVER, |stats| stats.connections == 2));
    server.shutdown();
    idle.expect_close();
    busy.expect_close();
}

#[test]
fn a_killed_server_resets_all_connections() {
    let server = server(|config| config.ttft_ms = Some(3.6e6));
    let idle = Client::new(&server);
    let mut busy = Client::new(&server);
    busy.send("POST", COMPLETIONS, &[], &completion(9, ""));
    busy.read_head();
    assert!(server.wait_until(FOREVER, |stats| stats.connections == 2));
    server.kill();
    idle.expect_reset();
    busy.expect_reset();
}

#[test]
fn another_server_can_take_the_port_at_once() {
    let mut previous = server(|_| {});
    let port = previous.addr().port();
    // Clients that are still connected to the servers that are gone.
    let mut left_over = Vec::new();
    for end in [SimHandle::kill, SimHandle::shutdown, drop] {
        let mut client = Client::new(&previous);
        assert!(client.post(COMPLETIONS, &completion(3, "")).done());
        left_over.push(client);
        end(previous);
        previous = server(|config| config.port = port);
        assert_eq!(previous.stats().requests, 0);
    }
    assert!(
        Client::new(&previous)
            .post(COMPLETIONS, &completion(3, ""))
            .done()
    );
}

#[test]
fn idle_connections_are_closed_if_configured() {
    let server = server(|config| config.keep_alive_ms = Some(1));
    let mut client = Client::new(&server);
    assert!(client.post(COMPLETIONS, &completion(3, "")).done());
    client.expect_close();
}

#[test]
fn a_unix_socket_serves_as_well() {
    let path = std::env::temp_dir().join(format!("bench-sim-{}.sock", std::process::id()));
    let server = server(|config| config.unix = Some(path.clone()));
    let mut client = Client::over(UnixStream::connect(&path).unwrap());
    assert!(client.post(COMPLETIONS, &completion(3, "")).done());
    server.shutdown();
    assert!(!path.exists());
}

#[test]
fn what_prevents_a_start_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = SimServer::start(SimConfig {
        port,
        ..SimConfig::default()
    })
    .unwrap_err();
    assert!(matches!(error, SimError::Bind { address, .. } if address.port() == port));
    let config = SimConfig {
        noise: -1.0,
        ..SimConfig::default()
    };
    assert!(matches!(SimServer::start(config), Err(SimError::Config(_))));
}

#[test]
fn an_injected_tokenizer_does_the_counting() {
    /// One token per byte, except for the word "token".
    struct Odd;
    impl SimTokenizer for Odd {
        fn encode(&self, text: &str) -> Vec<u32> {
            match text {
                " token" => vec![1_000],
                _ => text.bytes().map(u32::from).collect(),
            }
        }
        fn decode(&self, tokens: &[u32]) -> String {
            format!("{} tokens", tokens.len())
        }
    }
    let config = SimConfig {
        ttft_ms: Some(0.0),
        ..SimConfig::default()
    };
    let server = SimServer::start_with_tokenizer(config, Arc::new(Odd)).unwrap();
    let mut client = Client::new(&server);
    let answer = client
        .post(COMPLETIONS, "{\"prompt\":\"Hello\",\"max_tokens\":3}")
        .json();
    assert_eq!(answer["choices"][0]["text"], " token token token");
    assert_eq!(answer["usage"]["prompt_tokens"], 5);
    let text = client.post("/detokenize", "{\"tokens\":[1,2]}").json();
    assert_eq!(text["prompt"], "2 tokens");
}
