//! Conversations of several turns: what the server is asked, in which order, by which names.

use std::time::Duration;

use bench_core::types::{
    Conversation, FailureClass, History, Prompt, RequestRecord, TokenSource, Turn,
};
use bench_core::{Run, RunBuilder, RunError, backends::backend};
use bench_sim::{RecordedRequest, SimConfig, SimHandle};
use serde_json::{Value, json};

use super::{class, execute, faulty, quick, refusal, start, succeeded};

/// A conversation of these prompts, three tokens each, with five to be generated.
fn talk(id: u64, prompts: &[&str], history: History) -> Conversation {
    let turn = |text: &&str| Turn::new(Prompt::Text((*text).into()), Some(3), 5);
    let mut talk = Conversation::of_turns(id, prompts.iter().map(turn).collect());
    talk.history = history;
    talk
}

fn run(server: &SimHandle, name: &str, conversations: Vec<Conversation>) -> RunBuilder {
    Run::builder(server.url(), backend(name).expect("there is one"))
        .model("sim-model")
        .conversations(conversations)
        .keep_text(true)
}

/// What the server was asked to generate, in order of arrival.
fn asked(server: &SimHandle) -> Vec<RecordedRequest> {
    let recorded = server.stats().recorded;
    let generations = recorded
        .into_iter()
        .filter(|request| !request.body.is_empty());
    generations.collect()
}

fn body(request: &RecordedRequest) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

fn text(record: &RequestRecord) -> &str {
    &record.transcript.as_ref().expect("a text").text
}

fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[tokio::test]
async fn a_chat_goes_on_from_what_the_server_answered() {
    let server = start(quick());
    let mut one = talk(0, &["first \"words\"", "", "third"], History::Live);
    let extra =
        r#" [ {"role": "system", "content": "be brief"}, {"role": "user", "content": "second"} ] "#;
    one.turns[1].prompt = Prompt::Chat(extra.into());
    let report = execute(run(&server, "openai-chat", vec![one])).await;
    let [first, second, third] = &report.records[..] else {
        panic!("three requests");
    };
    let asked = asked(&server);
    let messages: Vec<Value> = asked
        .iter()
        .map(|one| body(one)["messages"].clone())
        .collect();
    let mut expected = vec![message("user", "first \"words\"")];
    assert_eq!(messages[0], json!(expected));
    expected.push(message("assistant", text(first)));
    expected.push(message("system", "be brief"));
    expected.push(message("user", "second"));
    assert_eq!(messages[1], json!(expected));
    expected.push(message("assistant", text(second)));
    expected.push(message("user", "third"));
    assert_eq!(messages[2], json!(expected));
    assert!(!text(first).is_empty() && text(first) != text(second));
    assert_eq!(first.prompt_tokens_source, TokenSource::Dataset);
    // The server knows best how long they are with all it said.
    assert_eq!(second.prompt_tokens_source, TokenSource::Usage);
    assert!(third.prompt_tokens > second.prompt_tokens);
    // What a chat template adds to the later ones is no mismatch.
    let warnings = &report.warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("of 1 requests"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_text_goes_on_without_anything_in_between() {
    let server = start(quick());
    let one = talk(0, &["one two three", " four five six"], History::Live);
    // The answers are kept for it alone.
    let report = execute(run(&server, "vllm", vec![one]).keep_text(false)).await;
    assert!(
        report
            .records
            .iter()
            .all(|record| record.transcript.is_none())
    );
    let prompts: Vec<Value> = asked(&server)
        .iter()
        .map(|one| body(one)["prompt"].clone())
        .collect();
    let second = prompts[1].as_str().expect("text");
    let reply = second
        .strip_prefix("one two three")
        .expect("the first prompt");
    let reply = reply
        .strip_suffix(" four five six")
        .expect("the second prompt");
    assert_eq!(reply.split_whitespace().count(), 5, "{second}");
    let second = &report.records[1];
    let first = &report.records[0];
    assert_eq!(second.prompt_tokens, 11);
    assert_eq!(first.expected_cached_tokens, Some(0));
    assert_eq!(second.expected_cached_tokens, Some(8));
}

#[tokio::test]
async fn a_recorded_answer_takes_the_place_of_the_servers() {
    let server = start(quick());
    let mut one = talk(0, &["hello there you", "and now what"], History::Recorded);
    one.turns[0].reply = Some("as recorded".into());
    one.turns[0].reply_tokens = Some(2);
    let mut other = one.clone();
    other.id = 1;
    other.turns[0].reply_tokens = None;
    let report = execute(run(&server, "openai-chat", vec![one, other]).max_concurrency(1)).await;
    let expected = json!([
        message("user", "hello there you"),
        message("assistant", "as recorded"),
        message("user", "and now what"),
    ]);
    assert_eq!(body(&asked(&server)[1])["messages"], expected);
    let counted = &report.records[1];
    assert_eq!(
        (counted.prompt_tokens, counted.prompt_tokens_source),
        (8, TokenSource::Dataset)
    );
    let reported = &report.records[3];
    assert_eq!(reported.prompt_tokens_source, TokenSource::Usage);
    // The server has the first prompt in its cache, and another answer.
    assert_eq!(
        counted.expected_cached_tokens,
        Some(report.records[0].prompt_tokens)
    );
}

#[tokio::test]
async fn without_usage_a_prompt_is_as_long_as_its_parts() {
    let server = start(quick());
    let one = talk(0, &["one two three", " four five six"], History::Live);
    let mut builder = run(&server, "vllm", vec![one]);
    builder = builder.request(bench_core::RequestOptions {
        model: "sim-model".to_owned(),
        include_usage: false,
        ..bench_core::RequestOptions::default()
    });
    let report = execute(builder).await;
    let second = &report.records[1];
    assert_eq!(
        (second.prompt_tokens, second.prompt_tokens_source),
        (11, TokenSource::Chunks)
    );
}

/// A tree: turns 1 and 2 follow the first, 3 follows 1, 4 follows 2.
fn tree() -> Conversation {
    let mut tree = talk(
        0,
        &["root", "left", "right", "left leaf", "right leaf"],
        History::Live,
    );
    for (turn, parent) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
        tree.turns[turn].parent = Some(parent);
    }
    tree
}

/// What the user said in a chat request, one after the other.
fn user_said(request: &RecordedRequest) -> Vec<String> {
    let body = body(request);
    let messages = body["messages"].as_array().expect("messages");
    let users = messages.iter().filter(|message| message["role"] == "user");
    let texts = users.map(|message| message["content"].as_str().expect("text").to_owned());
    texts.collect()
}

#[tokio::test]
async fn turns_that_follow_the_same_one_go_side_by_side_and_repeat_only_their_own_branch() {
    let config = SimConfig {
        ttft_ms: Some(30.0),
        itl_ms: Some(2.0),
        ..quick()
    };
    let server = start(config);
    let report = execute(run(&server, "openai-chat", vec![tree()]).max_concurrency(1)).await;
    assert!(report.records.iter().all(succeeded));
    let mut said: Vec<Vec<String>> = asked(&server).iter().map(user_said).collect();
    said.sort();
    let expected: [&[&str]; 5] = [
        &["root"],
        &["root", "left"],
        &["root", "left", "left leaf"],
        &["root", "right"],
        &["root", "right", "right leaf"],
    ];
    assert_eq!(said, expected);
    let sent = |turn: usize| report.records[turn].timeline.sent.expect("sent");
    let closed = |turn: usize| report.records[turn].timeline.closed;
    for (turn, parent) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
        let due = report.records[turn].timeline.scheduled;
        assert_eq!(
            due,
            closed(parent),
            "turn {turn} is due when turn {parent} ends"
        );
        assert!(sent(turn) >= due);
    }
    assert!(
        sent(2) < closed(1),
        "one branch does not wait for the other"
    );
}

#[tokio::test]
async fn a_failed_turn_takes_only_what_follows_from_it_with_it() {
    // The second request to arrive is one of the two branches.
    let server = start(faulty("status:500@every:2"));
    let mut tree = tree();
    // The other branch is not to be the fourth.
    tree.turns.truncate(4);
    tree.turns[2].pause = Duration::from_millis(50);
    let report = execute(run(&server, "openai-chat", vec![tree])).await;
    let classes: Vec<_> = report.records.iter().map(class).collect();
    let (failed, cut) = (
        Some(FailureClass::Status(500)),
        Some(FailureClass::Cancelled),
    );
    assert_eq!(classes, [None, failed, None, cut]);
    assert_eq!(report.records[3].timeline.sent, None);
    assert_eq!(asked(&server).len(), 3);
}

#[tokio::test]
async fn a_slot_is_a_conversation_and_thinking_is_not_waiting() {
    let server = start(quick());
    let thinking = Duration::from_millis(40);
    let conversations = (0..4).map(|id| {
        let mut one = talk(id, &["a", "b"], History::Live);
        one.turns[1].pause = thinking;
        one
    });
    let report = execute(
        run(&server, "openai-chat", conversations.collect())
            .max_concurrency(2)
            .threads(1),
    )
    .await;
    let turns: Vec<_> = report.records.chunks(2).collect();
    for pair in &turns {
        let (first, second) = (&pair[0].timeline, &pair[1].timeline);
        assert_eq!(second.scheduled, first.closed + thinking.into());
        assert!(second.sent.expect("sent") >= second.scheduled);
        // What is thought beforehand is no part of it.
        let mark = second.marks.first().expect("an answer").at;
        assert!(mark.since(second.sent.expect("sent")) < mark.since(first.closed));
    }
    // The third begins when one of the first two is over.
    let earliest_end = turns[..2].iter().map(|pair| pair[1].timeline.closed).min();
    assert!(turns[2][0].timeline.sent >= earliest_end);
}

#[tokio::test]
async fn every_request_names_its_conversation_and_its_group() {
    let server = start(quick());
    let conversations = (0..3).map(|id| {
        let mut one = talk(id, &["a", "b"], History::Live);
        one.routing_key = (id > 0).then(|| "group 7".into());
        one
    });
    let conversations: Vec<Conversation> = conversations.collect();
    let report = execute(run(&server, "openai-chat", conversations.clone())).await;
    assert!(report.records.iter().all(succeeded));
    let header = |request: &RecordedRequest, name: &str| {
        let value = request.headers.get(name)?;
        Some(value.to_str().expect("text").to_owned())
    };
    let first = asked(&server);
    let mut ids: Vec<String> = first
        .iter()
        .filter_map(|one| header(one, "x-session-id"))
        .collect();
    assert_eq!(ids.len(), 6, "every request has one");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "both turns of a conversation have the same");
    let mut keys: Vec<String> = first
        .iter()
        .filter_map(|one| header(one, "x-smg-routing-key"))
        .collect();
    assert_eq!(keys.len(), 4);
    keys.dedup();
    let [key] = &keys[..] else {
        panic!("one group: {keys:?}");
    };
    assert!(key.ends_with("_group 7"), "{key}");

    // Another run, other names; the user's own header stays.
    let again = run(&server, "openai-chat", conversations)
        .session_header(http::HeaderName::from_static("x-user"))
        .header(
            http::HeaderName::from_static("x-smg-routing-key"),
            http::HeaderValue::from_static("mine"),
        );
    execute(again).await;
    let second = asked(&server).split_off(first.len());
    assert!(
        second
            .iter()
            .all(|one| header(one, "x-session-id").is_none())
    );
    let user = |one: &RecordedRequest| header(one, "x-user").expect("named");
    assert!(second.iter().all(|one| !ids.contains(&user(one))));
    let mine = Some("mine".to_owned());
    assert!(
        second
            .iter()
            .all(|one| header(one, "x-smg-routing-key") == mine)
    );
}

#[tokio::test]
async fn single_requests_have_no_session() {
    let server = start(quick());
    let one = talk(0, &["a"], History::Live);
    execute(run(&server, "openai-chat", vec![one])).await;
    let asked = asked(&server);
    assert!(
        asked
            .iter()
            .all(|one| !one.headers.contains_key("x-session-id"))
    );
}

#[tokio::test]
async fn a_conversation_asks_for_the_adapter_it_names() {
    let config = SimConfig {
        lora: vec!["summaries".to_owned()],
        ..quick()
    };
    let server = start(config);
    let mut one = talk(0, &["a", "b"], History::Live);
    one.adapter = Some("summaries".into());
    let conversations = vec![one, talk(1, &["c"], History::Live)];
    let report = execute(run(&server, "openai-chat", conversations)).await;
    assert_eq!(report.setup.models, ["sim-model", "summaries"]);
    let models: Vec<u16> = report
        .records
        .iter()
        .map(|record| record.model_index)
        .collect();
    assert_eq!(models, [1, 1, 0]);
    assert_eq!(server.stats().models["summaries"], 2);
}

#[tokio::test]
async fn conversations_that_cannot_go_on_are_refused_before_anything_is_sent() {
    let server = start(quick());
    let mut ids = talk(0, &["a", "b"], History::Live);
    ids.turns[1].prompt = Prompt::TokenIds([1, 2].into());
    let mut unanswered = talk(3, &["a", "b"], History::Recorded);
    let mut twisted = talk(4, &["a", "b"], History::Whole);
    twisted.turns[1].parent = Some(1);
    let mut unnamed = talk(5, &["a"], History::Whole);
    unnamed.routing_key = Some("a\nb".into());
    for (conversation, said) in [
        (ids, "token ids"),
        (unanswered.clone(), "no answer to turn 0 is recorded"),
        (twisted, "does not come before it"),
        (unnamed, "routing key"),
    ] {
        let told = refusal(run(&server, "vllm", vec![conversation])).await;
        assert!(matches!(told, RunError::Conversation { .. }), "{told}");
        assert!(told.to_string().contains(said), "{told}");
    }
    assert_eq!(asked(&server).len(), 0);
    unanswered.turns[0].reply = Some("yes".into());
    assert!(
        execute(run(&server, "vllm", vec![unanswered]))
            .await
            .records
            .iter()
            .all(succeeded)
    );
}
