//! Each fault, as it shows on the wire.

use bench_sim::FAULTS;

use crate::client::{Answer, CHAT, COMPLETIONS, Client, End, FOREVER, chat, completion, server};

/// A streamed completion of eight tokens with a fault.
fn stream(fault: &str) -> Answer {
    let server = server(|_| {});
    let body = completion(8, ",\"stream_options\":{\"include_usage\":true}");
    let mut client = Client::new(&server);
    client.send("POST", COMPLETIONS, &[("x-sim-fault", fault)], &body);
    client.read()
}

/// The same, not streamed.
fn whole(fault: &str) -> Answer {
    let server = server(|_| {});
    let body = completion(8, "").replace("\"stream\":true", "\"stream\":false");
    let mut client = Client::new(&server);
    client.send("POST", COMPLETIONS, &[("x-sim-fault", fault)], &body);
    client.read()
}

/// What every fault leaves as it was.
#[track_caller]
fn assert_whole(answer: &Answer) {
    assert_eq!((answer.status, answer.end), (200, End::Clean));
    assert_eq!(answer.finish().as_deref(), Some("length"));
    assert_eq!(answer.texts().len(), 8);
}

#[test]
fn none() {
    let answer = stream("none");
    assert_whole(&answer);
    assert!(answer.done());
    assert_eq!(answer.chunks.len(), 10);
}

#[test]
fn status() {
    for answer in [stream("status:503:7"), whole("status:503:7")] {
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("7"))
        );
        assert_eq!(answer.json()["error"]["code"], 503);
        assert_eq!(answer.json()["error"]["type"], "ServiceUnavailable");
    }
    assert_eq!(stream("status:429").header("retry-after"), None);
}

#[test]
fn slow_headers() {
    assert_whole(&stream("slow-headers:1"));
}

#[test]
fn no_answer() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "no-answer")],
        &completion(8, ""),
    );
    client.expect_close();
    assert_eq!((server.stats().requests, server.stats().tokens), (1, 0));
    assert!(server.wait_until(FOREVER, |stats| stats.open_connections == 0));
}

#[test]
fn mute() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "mute")],
        &completion(8, ""),
    );
    assert!(server.wait_until(FOREVER, |stats| stats.faulted == 1));
    client.expect_silence(&server);
    drop(client);
    assert!(server.wait_until(FOREVER, |stats| stats.open_connections == 0));
}

#[test]
fn never_end() {
    let server = server(|_| {});
    for body in [
        completion(8, ""),
        completion(8, "").replace("\"stream\":true", "\"stream\":false"),
    ] {
        let mut client = Client::new(&server);
        client.send("POST", COMPLETIONS, &[("x-sim-fault", "never-end")], &body);
        let (status, headers) = client.read_head();
        assert_eq!(status, 200);
        assert!(headers.contains(&("transfer-encoding".to_owned(), "chunked".to_owned())));
        let end = if body.contains("true") {
            "data: [DONE]\n\n\r\n"
        } else {
            "}\r\n"
        };
        let text = client.until(end).unwrap();
        assert!(text.contains("length"), "{text}");
        client.expect_silence(&server);
    }
    assert_eq!(server.stats().completed, 2);
    assert!(server.wait_until(FOREVER, |stats| stats.open_connections == 0));
}

#[test]
fn empty() {
    let answer = stream("empty");
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.end),
        (200, "", End::Clean)
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
}

#[test]
fn error() {
    let answer = stream("error:3");
    assert_eq!((answer.status, answer.end), (200, End::Clean));
    assert_eq!((answer.texts().len(), answer.finish()), (3, None));
    let events = answer.events();
    assert_eq!(
        events[3],
        "{\"error\":{\"code\":500,\"message\":\"simulated error in the stream\",\"param\":null,\
         \"type\":\"InternalServerError\"}}"
    );
    assert_eq!(events[4..], ["[DONE]"]);
    assert_eq!(stream("error:0").events().len(), 2);
    assert_eq!(whole("error:3").status, 500);
}

#[test]
fn cut() {
    let answer = stream("cut:3");
    assert_eq!(
        (answer.texts().len(), answer.finish(), answer.end),
        (3, None, End::Cut)
    );
    assert_eq!(stream("cut:0").chunks.len(), 0);
    let answer = whole("cut:3");
    assert_eq!((answer.status, answer.end), (200, End::Cut));
    assert!(!answer.text().is_empty());
}

#[test]
fn reset() {
    let answer = stream("reset:3");
    assert_eq!(
        (answer.texts().len(), answer.finish(), answer.end),
        (3, None, End::Reset)
    );
    assert_eq!(whole("reset:3").end, End::Reset);
}

#[test]
fn cut_clean() {
    let answer = stream("cut-clean:3");
    assert_eq!(
        (answer.events().len(), answer.finish(), answer.end),
        (3, None, End::Clean)
    );
    let answer = whole("cut-clean:3").json();
    assert!(answer["choices"][0]["finish_reason"].is_null());
    assert_eq!(answer["usage"]["completion_tokens"], 3);
}

#[test]
fn stall() {
    assert_whole(&stream("stall:3:1"));
    assert_eq!(whole("stall:3:1").json()["usage"]["completion_tokens"], 8);
}

#[test]
fn stall_forever() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "stall:2")],
        &completion(8, ""),
    );
    assert_eq!(client.read_head().0, 200);
    // The engine goes on; only the client going away ends it.
    assert!(server.wait_until(FOREVER, |stats| stats.tokens == 8));
    assert_eq!(server.stats().completed, 0);
    drop(client);
    assert!(server.wait_until(FOREVER, |stats| stats.aborted == 1));
}

#[test]
fn garbage() {
    let answer = stream("garbage:3");
    assert_whole(&answer);
    assert_eq!(answer.events()[3], "{\"simulated garbage");
    assert_eq!(whole("garbage:3").text(), "{\"simulated garbage");
}

#[test]
fn abort() {
    let answer = stream("abort:3");
    assert_eq!(
        (answer.finish().as_deref(), answer.done()),
        (Some("abort"), true)
    );
    assert_eq!(answer.texts().concat().split_whitespace().count(), 3);
    assert_eq!(answer.objects()[4]["usage"]["completion_tokens"], 3);
    assert_eq!(
        whole("abort:3").json()["choices"][0]["finish_reason"],
        "abort"
    );
}

#[test]
fn comments() {
    let answer = stream("comments:2");
    assert_whole(&answer);
    let comments = answer
        .chunks
        .iter()
        .filter(|chunk| *chunk == ": ping\n\n")
        .count();
    assert_eq!(comments, 4);
}

#[test]
fn crlf() {
    let answer = stream("crlf");
    assert_whole(&answer);
    assert!(
        answer
            .chunks
            .iter()
            .all(|chunk| chunk.ends_with("}\r\n\r\n") || chunk == "data: [DONE]\r\n\r\n")
    );
}

#[test]
fn split() {
    let answer = stream("split");
    assert_whole(&answer);
    assert_eq!(answer.chunks.len(), 20);
    assert!(
        answer
            .chunks
            .iter()
            .step_by(2)
            .all(|chunk| !chunk.ends_with('\n'))
    );
}

#[test]
fn merge() {
    let answer = stream("merge:3");
    assert_whole(&answer);
    let events: Vec<_> = answer
        .chunks
        .iter()
        .map(|c| c.matches("\n\n").count())
        .collect();
    assert_eq!(events, [3, 3, 3, 1]);
}

#[test]
fn utf8() {
    let answer = stream("utf8");
    assert_whole(&answer);
    assert!(
        answer.texts().iter().all(|text| !text.is_ascii()),
        "{:?}",
        answer.texts()
    );
}

#[test]
fn utf8_partial() {
    let answer = stream("utf8-partial");
    assert_whole(&answer);
    let empty: Vec<_> = answer.texts().iter().map(String::is_empty).collect();
    assert_eq!(empty, [true, false, true, false, true, false, true, false]);
}

#[test]
fn no_done() {
    let answer = stream("no-done");
    assert_whole(&answer);
    assert!(!answer.done());
}

#[test]
fn usage_on_finish() {
    let answer = stream("usage-on-finish");
    assert_whole(&answer);
    let objects = answer.objects();
    assert_eq!(objects.len(), 8);
    assert_eq!(objects[7]["usage"]["completion_tokens"], 8);
    assert!(objects[6].get("usage").is_none());
}

#[test]
fn no_usage() {
    let answer = stream("no-usage");
    assert_whole(&answer);
    assert!(
        answer
            .objects()
            .iter()
            .all(|object| object.get("usage").is_none())
    );
}

#[test]
fn bare_role() {
    let server = server(|_| {});
    let answer = Client::new(&server).post(CHAT, &chat(2, ",\"sim_fault\":\"bare-role\""));
    let delta = &answer.objects()[0]["choices"][0]["delta"];
    assert_eq!(delta.to_string(), "{\"role\":\"assistant\"}");
}

#[test]
fn reasoning() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let answer = client.post(CHAT, &chat(5, ",\"sim_fault\":\"reasoning:2\""));
    assert_eq!(answer.strings("/choices/0/delta/reasoning").len(), 2);
    // One of them belongs to the role chunk.
    assert_eq!(answer.strings("/choices/0/delta/content").len(), 4);
    let body = chat(5, ",\"sim_fault\":\"reasoning:5\"").replace("true", "false");
    let message = &client.post(CHAT, &body).json()["choices"][0]["message"];
    assert!(message["content"].is_null() && message["reasoning"].is_string());
}

#[test]
fn close() {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "close")],
        &completion(2, ""),
    );
    let answer = client.read();
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(answer.done());
    client.expect_close();
}

#[test]
fn idle_close() {
    let server = server(|_| {});
    for fault in ["idle-close", "idle-close:1"] {
        let mut client = Client::new(&server);
        client.send(
            "POST",
            COMPLETIONS,
            &[("x-sim-fault", fault)],
            &completion(2, ""),
        );
        let answer = client.read();
        assert_eq!(answer.header("connection"), None);
        assert!(answer.done());
        client.expect_close();
    }
}

#[test]
fn several_at_once() {
    let answer = stream("crlf+merge:2+error:3");
    assert!(answer.chunks[0].matches("\r\n\r\n").count() == 2);
    assert_eq!((answer.texts().len(), answer.done()), (3, true));
}

#[test]
fn configured_ones_hit_the_requests_they_name_unless_a_request_says_otherwise() {
    let server = server(|config| {
        config.faults = vec![
            "status:500@first:2".parse().unwrap(),
            "empty@nth:4".parse().unwrap(),
        ];
    });
    let mut client = Client::new(&server);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = client.post(COMPLETIONS, &completion(1, ""));
        statuses.push((answer.status, answer.text().is_empty()));
    }
    let expected = [
        (500, false),
        (500, false),
        (200, false),
        (200, true),
        (200, false),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(server.stats().faulted, 3);
    client.send(
        "POST",
        COMPLETIONS,
        &[("x-sim-fault", "none")],
        &completion(1, ""),
    );
    assert!(client.read().done());
    assert_eq!(
        client
            .post(COMPLETIONS, &completion(1, ",\"sim_fault\":\"cutt\""))
            .status,
        400
    );
}

#[test]
fn the_front_page_lists_all_of_them() {
    let readme = include_str!("../../README.md");
    for (name, args, meaning) in FAULTS {
        let row = format!("| `{name}{args}` | {meaning} |");
        assert!(readme.contains(&row), "{row}");
    }
}
