//! What real servers sent, and how to compare with it.

use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use bench_sim::SimHandle;
use serde_json::Value;

use crate::client::{Answer, Client};

/// An event: its name and its data.
pub(crate) type Event = (Option<String>, String);

/// The events of a body, as the standard wants them read.
pub(crate) fn events(body: &str) -> Vec<Event> {
    let body = body.replace("\r\n", "\n");
    let mut events = Vec::new();
    for block in body.split("\n\n") {
        let field = |name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(trim);
            block.lines().find_map(value)
        };
        if let Some(data) = field("data") {
            events.push((field("event"), data));
        }
    }
    events
}

fn trim(value: &str) -> String {
    value.strip_prefix(' ').unwrap_or(value).to_owned()
}

/// The data of the events that are JSON.
pub(crate) fn objects(answer: &Answer) -> Vec<Value> {
    let events = events(&answer.text());
    let value = |(_, data): &Event| serde_json::from_str(data).ok();
    events.iter().filter_map(value).collect()
}

/// A captured exchange, by its path in `fixtures/wire` without the ending.
pub(crate) struct Capture {
    /// What was posted to.
    pub(crate) path: String,
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) response: String,
}

impl Capture {
    pub(crate) fn read(name: &str) -> Capture {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
        let file = |end| {
            let path = folder.join(format!("{name}.{end}.txt"));
            fs::read_to_string(path).unwrap().replace("\r\n", "\n")
        };
        let (request, response) = (file("request"), file("response"));
        let (head, body) = response.split_once("\n\n").unwrap();
        let (path, rest) = request.split_once('\n').unwrap();
        Capture {
            path: path.strip_prefix("POST ").unwrap().to_owned(),
            // Headers may come before the body.
            request: rest.lines().last().unwrap_or_default().to_owned(),
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            response: body.to_owned(),
        }
    }

    /// Posts the same to the simulated server.
    pub(crate) fn replay(&self, server: &SimHandle) -> Answer {
        let request = self.request.replace("tiny-llama-gpt2tok", "sim-model");
        Client::new(server).post(&self.path, &request)
    }

    /// Name and shape of each event.
    pub(crate) fn shapes(&self) -> Vec<Event> {
        shapes(&self.response)
    }
}

/// Name and shape of each event of a body.
pub(crate) fn shapes(body: &str) -> Vec<Event> {
    let shape = |(name, data): Event| (name, shape(&data));
    events(body).into_iter().map(shape).collect()
}

/// JSON without its values: keys in their order, and of what kind each value is. Equal
/// neighbours in a list are one. What is not JSON stays as it is.
pub(crate) fn shape(json: &str) -> String {
    if serde_json::from_str::<Value>(json).is_err() {
        return json.to_owned();
    }
    value_shape(&mut json.chars().peekable())
}

fn value_shape(chars: &mut Peekable<Chars<'_>>) -> String {
    skip_spaces(chars);
    match chars.peek() {
        Some('{') => members(chars, '}', |chars| {
            let key = string(chars);
            skip_spaces(chars);
            assert_eq!(chars.next(), Some(':'));
            format!("{key}:{}", value_shape(chars))
        }),
        Some('[') => members(chars, ']', value_shape),
        Some('"') => {
            string(chars);
            "\"\"".to_owned()
        }
        _ => {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| !",]} \n".contains(*c)) {
                word.push(c);
            }
            match word.parse::<f64>() {
                Ok(_) if word.contains(['.', 'e']) => "0.0".to_owned(),
                Ok(_) => "0".to_owned(),
                Err(_) => word,
            }
        }
    }
}

fn members(
    chars: &mut Peekable<Chars<'_>>,
    end: char,
    member: impl Fn(&mut Peekable<Chars<'_>>) -> String,
) -> String {
    let start = chars.next().unwrap();
    let mut all = Vec::new();
    loop {
        skip_spaces(chars);
        if chars.next_if_eq(&end).is_some() {
            all.dedup();
            return format!("{start}{}{end}", all.join(","));
        }
        all.push(member(chars));
        skip_spaces(chars);
        chars.next_if_eq(&',');
    }
}

fn string(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::from(chars.next().unwrap());
    while let Some(c) = chars.next() {
        text.push(c);
        match c {
            '\\' => text.extend(chars.next()),
            '"' => break,
            _ => {}
        }
    }
    text
}

fn skip_spaces(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

#[test]
fn shapes_keep_keys_and_kinds() {
    let json =
        "{\"b\":[1,2,3],\"a\\\"\":{\"x\":1.5,\"y\":null}, \"c\":[\"s\",\"t\",true],\"d\":[]}";
    assert_eq!(
        shape(json),
        "{\"b\":[0],\"a\\\"\":{\"x\":0.0,\"y\":null},\"c\":[\"\",true],\"d\":[]}"
    );
    assert_eq!(shape("[DONE]"), "[DONE]");
}
