//! Conversations that were recorded as chat messages.
//!
//! Messages are those of the OpenAI protocol (`role`, `content`) or of the ShareGPT collection
//! (`from`, `value`); the latter's roles become `system`, `user` and `assistant`. A list that
//! holds lists, one for each round, is read as one.

use serde_json::{Map, Value, json};

use crate::DatasetError;
use crate::record::{Record, shown};

const ASSISTANT: &str = "assistant";

/// Names that fields of messages go by.
pub(crate) const MESSAGES: [&str; 4] = ["messages", "conversations", "conversation", "chat"];

/// Messages that ask, and the answer to them, if it is recorded.
pub(crate) struct Exchange {
    /// What is sent.
    pub(crate) asked: Vec<Value>,
    /// What came back.
    pub(crate) answer: Option<String>,
}

impl Exchange {
    /// What stands before the first answer.
    pub(crate) fn first(mut messages: Vec<Value>) -> Exchange {
        let end = messages.iter().position(is_answer);
        let answer = end.and_then(|end| content(&messages[end]));
        messages.truncate(end.unwrap_or(messages.len()));
        Exchange {
            asked: messages,
            answer,
        }
    }

    /// Everything, if the last message is no answer, otherwise what stands before it.
    pub(crate) fn last(mut messages: Vec<Value>) -> Exchange {
        let answer = messages
            .pop_if(|last| is_answer(last))
            .and_then(|answer| content(&answer));
        Exchange {
            asked: messages,
            answer,
        }
    }

    /// The text of its only message, if that is the user's and nothing but text.
    pub(crate) fn only_text(messages: &[Value]) -> Option<&str> {
        let [message] = messages else { return None };
        let is_plain = message.as_object().is_some_and(|fields| fields.len() == 2);
        match (&message["role"], &message["content"]) {
            (Value::String(role), Value::String(text)) if role == "user" && is_plain => Some(text),
            _ => None,
        }
    }
}

/// The messages of the field `name` of an entry; `None` if it has none.
pub(crate) fn messages(
    record: &Record<'_>,
    name: &str,
) -> Result<Option<Vec<Value>>, DatasetError> {
    let Some(list) = record.list(name)? else {
        return Ok(None);
    };
    let mut messages = Vec::new();
    for item in list.iter() {
        match item {
            Value::Array(round) => {
                for item in round {
                    messages.push(message(record, name, item)?);
                }
            }
            item => messages.push(message(record, name, item)?),
        }
    }
    if messages.is_empty() {
        return Err(record.error(format!("`{name}` is empty")));
    }
    Ok(Some(messages))
}

fn message(record: &Record<'_>, name: &str, item: &Value) -> Result<Value, DatasetError> {
    let wrong = || {
        let wanted = "a message {\"role\": ..., \"content\": ...}";
        record.error(format!("`{name}` holds {}, not {wanted}", shown(item)))
    };
    let Value::Object(fields) = item else {
        return Err(wrong());
    };
    let said = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let role = said("role")
        .or_else(|| said("from"))
        .and_then(Value::as_str);
    let role = role.ok_or_else(wrong)?;
    if let Some(text) = said("value") {
        return Ok(json!({"role": role_of(role), "content": text}));
    }
    // A call of a tool has no content.
    if said("content").is_none() && said("tool_calls").is_none() {
        return Err(wrong());
    }
    let mut message: Map<String, Value> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    message.remove("from");
    message.insert("role".to_owned(), role_of(role).into());
    Ok(Value::Object(message))
}

/// The OpenAI protocol's name of a role.
fn role_of(role: &str) -> &str {
    match role {
        "human" => "user",
        "gpt" | "chatgpt" | "bing" | "bard" | "model" => ASSISTANT,
        other => other,
    }
}

fn is_answer(message: &Value) -> bool {
    message["role"] == ASSISTANT
}

/// The text of a message, that of its parts one after the other.
fn content(message: &Value) -> Option<String> {
    match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect(),
        ),
        _ => None,
    }
}

/// The texts of messages, whatever else they hold.
pub(crate) fn texts_among_others(messages: &[Value]) -> impl Iterator<Item = &str> {
    messages.iter().flat_map(|message| {
        let content = &message["content"];
        let parts = content.as_array().map_or(&[][..], Vec::as_slice);
        let texts = parts.iter().filter_map(|part| part["text"].as_str());
        content.as_str().into_iter().chain(texts)
    })
}

/// The texts of messages; `None` if they hold anything else, whose length no tokenizer knows.
pub(crate) fn texts(messages: &[Value]) -> Option<Vec<&str>> {
    let mut texts = Vec::new();
    for message in messages {
        match &message["content"] {
            Value::String(text) => texts.push(text.as_str()),
            Value::Array(parts) => {
                for part in parts {
                    texts.push(part["text"].as_str()?);
                }
            }
            _ => return None,
        }
    }
    Some(texts)
}
