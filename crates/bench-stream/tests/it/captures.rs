use bench_testkit::{Capture, captures, reads, splits};

use crate::{oracle, parse};

const STREAMS: &[&str] = &["chat_stream", "completions_stream", "abort", "worker_dies"];

#[test]
fn every_captured_stream_gives_the_same_events_however_it_is_cut() {
    let servers = ["vllm-0.32.0", "sglang-0.5.23", "sglang-router-0.3.2"];
    let names: Vec<String> = servers.iter().flat_map(|s| captures(s, STREAMS)).collect();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let body = Capture::load(&name).body;
        let expected = oracle::parse(&body);
        assert!(expected.len() > 2, "{name}");
        assert_eq!(parse([&body[..]]), expected, "{name}");
        for size in [1, 2, 3, 7, 100, 1_000] {
            assert_eq!(parse(splits::every(&body, size)), expected, "{name}");
        }
        for seed in 0..20 {
            assert_eq!(parse(splits::random(&body, 400, seed)), expected, "{name}");
        }
        let beginning = &body[..body.len().min(1_500)];
        let expected = oracle::parse(beginning);
        for frames in splits::in_two(beginning) {
            assert_eq!(parse(frames), expected, "{name}");
        }
    }
}

/// The reads of a real socket, with HTTP's chunk framing undone read by read.
#[test]
fn the_reads_of_a_socket_bring_one_event_each() {
    for name in ["vllm-0.32.0/chat_stream", "vllm-0.32.0/completions_stream"] {
        let reads = reads(name);
        let text: Vec<String> = reads[1..]
            .iter()
            .map(|read| String::from_utf8_lossy(&read.bytes).into_owned())
            .collect();
        let frames = text.iter().flat_map(|read| {
            read.split("\r\n")
                .filter(|line| line.starts_with("data: "))
                .map(str::as_bytes)
        });
        let events = parse(frames);
        assert!(events.len() > 8, "{name}");
        assert!(events.iter().all(|event| event.terminated));
        assert_eq!(
            events.last().map(|event| &event.data[..]),
            Some(&b"[DONE]"[..])
        );
    }
}
