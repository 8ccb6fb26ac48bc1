//! What holds for every protocol that streams text: the faults, each in its own words.

use serde_json::Value;

use crate::client::{Answer, Client, End, server};
use crate::wire::{events, objects};

/// How to talk to one protocol.
struct Protocol {
    path: &'static str,
    /// A streaming request for eight tokens, without its last brace.
    request: &'static str,
    /// The text of an event that has some.
    text: fn(&Value) -> Option<&str>,
    /// Whether events repeat the text before.
    cumulative: bool,
    /// Whether an event ends the answer as it should.
    ends: fn(&Value) -> bool,
    /// Whether an event tells of an error.
    fails: fn(&Value) -> bool,
    /// Where an error body has its message.
    message: &'static str,
    /// Whether the end of the body is all that marks the end.
    mute_end: bool,
}

fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        path: "/generate",
        request: "{\"text\":\"Hi there\",\"sampling_params\":{\"max_new_tokens\":8},\"stream\":true",
        text: |event| at(event, "/text"),
        cumulative: true,
        ends: |event| at(event, "/meta_info/finish_reason/type") == Some("length"),
        fails: |event| {
            event["error"]["message"].is_string()
                || at(event, "/meta_info/finish_reason/type") == Some("abort")
        },
        message: "/error/message",
        mute_end: false,
    },
    Protocol {
        path: "/generate_stream",
        request: "{\"inputs\":\"Hi there\",\"parameters\":{\"max_new_tokens\":8,\"details\":true}",
        text: |event| at(event, "/token/text"),
        cumulative: false,
        ends: |event| at(event, "/details/finish_reason") == Some("length"),
        fails: |event| event["error_type"].is_string(),
        message: "/error",
        mute_end: false,
    },
    Protocol {
        path: "/v2/models/ensemble/generate_stream",
        request: "{\"text_input\":\"Hi there\",\"max_tokens\":8,\"stream\":true",
        text: |event| at(event, "/text_output"),
        cumulative: false,
        ends: |event| event["text_output"].is_string(),
        fails: |event| event["error"].is_string(),
        message: "/error",
        mute_end: true,
    },
    Protocol {
        path: "/v1/responses",
        request: "{\"input\":\"Hi there\",\"max_output_tokens\":8,\"stream\":true",
        text: |event| at(event, "/delta"),
        cumulative: false,
        ends: |event| {
            event["type"] == "response.completed"
                && at(event, "/response/incomplete_details/reason") == Some("max_output_tokens")
        },
        fails: |event| {
            event["type"] == "response.failed" || at(event, "/response/status") == Some("cancelled")
        },
        message: "/error/message",
        mute_end: false,
    },
    Protocol {
        path: "/v1/messages",
        request: "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi there\"}],\"max_tokens\":8,\
                  \"stream\":true",
        text: |event| at(event, "/delta/text").or(at(event, "/delta/thinking")),
        cumulative: false,
        ends: |event| at(event, "/delta/stop_reason") == Some("max_tokens"),
        fails: |event| {
            event["type"] == "error"
                || event["type"] == "message_delta" && event["delta"]["stop_reason"].is_null()
        },
        message: "/error/message",
        mute_end: false,
    },
];

impl Protocol {
    fn post(&self, fault: &str) -> Answer {
        let server = server(|_| {});
        let body = format!("{},\"sim_fault\":\"{fault}\"}}", self.request);
        Client::new(&server).post(self.path, &body)
    }

    fn text(&self, answer: &Answer) -> String {
        let objects = objects(answer);
        let mut texts = objects.iter().filter_map(self.text);
        match self.cumulative {
            true => texts.next_back().unwrap_or_default().to_owned(),
            false => texts.collect(),
        }
    }

    fn words(&self, answer: &Answer) -> usize {
        self.text(answer).split_whitespace().count()
    }

    fn ended(&self, answer: &Answer) -> bool {
        objects(answer).iter().any(self.ends)
    }

    fn failed(&self, answer: &Answer) -> bool {
        objects(answer).iter().any(self.fails)
    }
}

#[test]
fn a_healthy_answer_is_whole() {
    for protocol in PROTOCOLS {
        let answer = protocol.post("none");
        assert_eq!((answer.status, answer.end), (200, End::Clean));
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        assert!(protocol.text(&answer).starts_with(" simulated "));
        assert_eq!(protocol.words(&answer), 8, "{}", protocol.path);
        assert!(protocol.ended(&answer) && !protocol.failed(&answer));
    }
}

#[test]
fn an_error_is_told_in_the_stream() {
    for protocol in PROTOCOLS {
        let answer = protocol.post("error:3");
        assert_eq!((answer.status, answer.end), (200, End::Clean));
        assert_eq!(protocol.words(&answer), 3, "{}", protocol.path);
        assert!(protocol.failed(&answer), "{}", answer.text());
        assert!(protocol.mute_end || !protocol.ended(&answer));
        assert!(answer.text().contains("simulated error in the stream"));
        assert!(protocol.failed(&protocol.post("error:0")));
    }
}

#[test]
fn an_abort_is_not_a_normal_end() {
    for protocol in PROTOCOLS {
        let answer = protocol.post("abort:3");
        assert_eq!((answer.status, answer.end), (200, End::Clean));
        assert_eq!(protocol.words(&answer), 3, "{}", protocol.path);
        assert!(protocol.failed(&answer), "{}", answer.text());
        assert!(protocol.mute_end || !protocol.ended(&answer));
    }
}

#[test]
fn a_cut_leaves_out_the_end() {
    for protocol in PROTOCOLS {
        for (fault, end) in [
            ("cut:3", End::Cut),
            ("reset:3", End::Reset),
            ("cut-clean:3", End::Clean),
        ] {
            let answer = protocol.post(fault);
            assert_eq!((answer.status, answer.end), (200, end));
            assert_eq!(protocol.words(&answer), 3, "{} {fault}", protocol.path);
            assert!(protocol.mute_end || !protocol.ended(&answer));
            assert!(!protocol.failed(&answer) && !answer.text().contains("[DONE]"));
        }
    }
}

#[test]
fn framing_changes_nothing_else() {
    for protocol in PROTOCOLS {
        let healthy = protocol.post("none");
        let text = protocol.text(&healthy);
        let names = |answer: &Answer| -> Vec<_> {
            let events = events(&answer.text());
            events.into_iter().map(|(name, _)| name).collect()
        };
        for fault in ["crlf", "split", "merge:3", "comments:2", "stall:2:1"] {
            let answer = protocol.post(fault);
            assert_eq!(protocol.text(&answer), text, "{} {fault}", protocol.path);
            assert_eq!(names(&answer), names(&healthy), "{fault}");
            assert!(protocol.ended(&answer), "{fault}");
        }
        let bare = |answer: &Answer| answer.text().replace("\r\n", "").contains('\n');
        assert!(!bare(&protocol.post("crlf")) && bare(&healthy));
        let comments = protocol.post("comments:2").text();
        assert_eq!(comments.matches(": ping\n\n").count(), 4);
        assert_eq!(
            protocol.post("split").chunks.len(),
            2 * names(&healthy).len()
        );
    }
}

#[test]
fn garbage_stands_between_events() {
    for protocol in PROTOCOLS {
        let answer = protocol.post("garbage:3");
        let events = events(&answer.text());
        let garbage = events.iter().filter(|e| e.1 == "{\"simulated garbage");
        assert_eq!(garbage.count(), 1, "{}", protocol.path);
        assert_eq!(protocol.words(&answer), 8);
        assert!(protocol.ended(&answer));
    }
}

#[test]
fn empty_bodies_and_wide_characters() {
    for protocol in PROTOCOLS {
        let answer = protocol.post("empty");
        assert_eq!((answer.status, answer.text()), (200, String::new()));
        for fault in ["utf8", "utf8-partial", "reasoning:3"] {
            let answer = protocol.post(fault);
            let words = if fault == "utf8-partial" { 4 } else { 8 };
            assert_eq!(protocol.words(&answer), words, "{} {fault}", protocol.path);
            assert_eq!(
                protocol.text(&answer).is_ascii(),
                fault == "reasoning:3",
                "{fault}"
            );
            assert!(protocol.ended(&answer), "{fault}");
        }
    }
}

#[test]
fn an_error_before_the_stream_has_the_shape_of_the_protocol() {
    for protocol in PROTOCOLS {
        let message = |answer: &Answer| {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            at(&answer.json(), protocol.message).unwrap().to_owned()
        };
        let answer = protocol.post("status:429:7");
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (429, Some("7"))
        );
        assert_eq!(message(&answer), "simulated error", "{}", protocol.path);
        let answer = protocol.post("cutt:3");
        assert_eq!(answer.status, 400);
        assert!(message(&answer).contains("invalid fault \"cutt:3\""));
        let server = server(|_| {});
        assert_eq!(Client::new(&server).get(protocol.path).status, 405);
        assert!(Client::new(&server).post(protocol.path, "{\"a\": ").status >= 400);
    }
}

#[test]
fn usage_can_be_left_out() {
    for protocol in PROTOCOLS {
        let counts = |answer: &Answer| {
            let text = answer.text();
            let keys = [
                "\"completion_tokens\":",
                "\"generated_tokens\":",
                "\"usage\":{",
            ];
            keys.iter().any(|key| text.contains(key))
        };
        assert_eq!(counts(&protocol.post("none")), !protocol.mute_end);
        assert!(!counts(&protocol.post("no-usage")), "{}", protocol.path);
    }
}
