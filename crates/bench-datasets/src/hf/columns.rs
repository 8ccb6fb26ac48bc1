//! What a row asks, by the columns it has.
//!
//! The first line that fits:
//!
//! | columns | prompt |
//! |---|---|
//! | `code`, `change_request` | the change, then the code |
//! | `messages`, `conversations`, `conversation` or `chat` | what stands before the first answer |
//! | `turns` | the first of them, or what stands before the first answer |
//! | `events`, `input` | both |
//! | `system_prompt`, `question` | a message of the system and one of the user |
//! | `problem` | it |
//! | `instruction`, with or without `input` | both |
//! | `prompt` | it, a text or messages |
//! | `question`, with or without `context` | context and question |
//! | `query`, `input`, `text` or `content` | it |
//!
//! The answer is the recorded one of a conversation, or the text of the first of `completion`,
//! `response`, `output`, `answer`, `solution` and `summary`. Pictures (`image`, `images`,
//! `image_1` to `image_7`: bytes as the hub's viewer stores them, or a URL) go behind the text of
//! the last message, as parts of it.

use bench_types::Prompt;
use serde_json::{Value, json};

use crate::chat::{self, Exchange};
use crate::record::Record;
use crate::{DatasetError, SampleContext, media};

/// Columns that hold an answer.
const ANSWERS: [&str; 6] = [
    "completion",
    "response",
    "output",
    "answer",
    "solution",
    "summary",
];

/// Columns that are a prompt by themselves.
const TEXTS: [&str; 4] = ["query", "input", "text", "content"];

/// Columns that hold pictures.
const IMAGES: [&str; 9] = [
    "images", "image", "image_1", "image_2", "image_3", "image_4", "image_5", "image_6", "image_7",
];

/// Columns of what cannot be sent by this dataset, and what to do.
const UNSENDABLE: [(&str, &str); 2] = [
    (
        "audio",
        "save the recordings as WAVE files and use --dataset-name custom_audio",
    ),
    (
        "video",
        "videos cannot be sent; give a dataset of texts or pictures",
    ),
];

/// Lengths that recorded conversations must keep.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    prompt: u32,
    total: u32,
}

impl Limits {
    const CONVERSATION: Limits = Limits {
        prompt: 1_024,
        total: 2_048,
    };
    const PROBLEM: Limits = Limits {
        prompt: 2_048,
        total: 32_000,
    };
    const LEAST: u32 = 4;

    /// Whether these lengths are within them.
    pub(super) fn take(self, prompt: u32, answer: u32) -> bool {
        (Limits::LEAST..=self.prompt).contains(&prompt)
            && answer >= Limits::LEAST
            && prompt.saturating_add(answer) <= self.total
    }
}

/// What a row asks.
pub(super) struct Question {
    messages: Vec<Value>,
    /// The recorded answer.
    pub(super) answer: Option<String>,
    /// Tokens to generate, if nothing else says.
    pub(super) output_len: u32,
    /// Whether `vllm bench serve` sends it without the chat template.
    is_plain: bool,
    /// What its lengths must keep.
    pub(super) limits: Option<Limits>,
}

impl Question {
    /// Reads a row.
    pub(super) fn of(record: &Record<'_>) -> Result<Question, DatasetError> {
        let mut question = recognised(record)?;
        if question.answer.is_none() {
            let answer = record.first(&ANSWERS);
            question.answer = answer.and_then(|(_, text)| text.as_str().map(str::to_owned));
        }
        let images = images(record)?;
        if !images.is_empty() {
            question.show(images);
        }
        Ok(question)
    }

    /// What is sent.
    pub(super) fn prompt(
        &self,
        cx: &SampleContext<'_>,
        dataset: &'static str,
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        match Exchange::only_text(&self.messages) {
            Some(text) if self.is_plain => cx.plain_prompt(dataset, text),
            _ => cx.messages_prompt(dataset, &self.messages),
        }
    }

    fn text(text: String) -> Question {
        Question::messages(vec![json!({"role": "user", "content": text})])
    }

    fn messages(messages: Vec<Value>) -> Question {
        Question {
            messages,
            answer: None,
            output_len: 256,
            is_plain: false,
            limits: None,
        }
    }

    fn exchange(exchange: Exchange) -> Question {
        Question {
            answer: exchange.answer,
            ..Question::messages(exchange.asked)
        }
    }

    /// Puts pictures behind the text of the last message.
    fn show(&mut self, images: Vec<String>) {
        self.output_len = 128;
        if let Some(message) = self.messages.last_mut() {
            let mut parts = match message["content"].take() {
                Value::String(text) => vec![media::text_part(&text)],
                Value::Array(parts) => parts,
                _ => Vec::new(),
            };
            parts.extend(images.iter().map(|url| media::image_part(url)));
            message["content"] = parts.into();
        }
    }
}

/// A row's question by its columns, without pictures.
fn recognised(record: &Record<'_>) -> Result<Question, DatasetError> {
    let has = |name: &str| record.get(name).is_some();
    if has("code") && has("change_request") {
        let (code, change) = (
            record.needed_text("code")?,
            record.needed_text("change_request")?,
        );
        let text = format!(
            "Change this file as asked, and answer with the whole new file.\n\nChange: \
             {change}\n\nFile:\n```\n{code}\n```"
        );
        return Ok(Question {
            output_len: 4_000,
            ..Question::text(text)
        });
    }
    if let Some((name, _)) = record.first(&chat::MESSAGES) {
        let question = conversation(record, name)?;
        return Ok(Question {
            is_plain: true,
            limits: Some(Limits::CONVERSATION),
            ..question
        });
    }
    if has("turns") {
        return match record
            .list("turns")?
            .as_deref()
            .and_then(|list| list.first())
        {
            Some(Value::String(text)) => Ok(Question::text(text.clone())),
            _ => conversation(record, "turns"),
        };
    }
    if has("events") && has("input") {
        return Ok(Question {
            is_plain: true,
            ..two(record, "events", "input")?
        });
    }
    if has("system_prompt") && has("question") {
        let messages = vec![
            json!({"role": "system", "content": record.needed_text("system_prompt")?}),
            json!({"role": "user", "content": record.needed_text("question")?}),
        ];
        return Ok(Question {
            limits: Some(Limits::CONVERSATION),
            ..Question::messages(messages)
        });
    }
    if let Some(problem) = record.text("problem")? {
        return Ok(Question {
            is_plain: true,
            limits: Some(Limits::PROBLEM),
            ..Question::text(problem.to_owned())
        });
    }
    plain(record)
}

/// Questions that are one text, or two.
fn plain(record: &Record<'_>) -> Result<Question, DatasetError> {
    let has = |name: &str| record.get(name).is_some();
    if has("instruction") {
        return two(record, "instruction", "input");
    }
    match record.get("prompt") {
        None => {}
        Some(Value::Array(list)) if list.iter().all(Value::is_string) && !list.is_empty() => {
            return Ok(Question::text(
                list[0].as_str().unwrap_or_default().to_owned(),
            ));
        }
        Some(Value::Array(_)) => return conversation(record, "prompt"),
        Some(_) => return Ok(Question::text(record.needed_text("prompt")?.to_owned())),
    }
    if has("question") {
        return two(record, "context", "question");
    }
    match record.first(&TEXTS) {
        Some((name, _)) => Ok(Question::text(record.needed_text(name)?.to_owned())),
        None => Err(unrecognised(record)),
    }
}

/// Two columns one behind the other, of which one may be absent.
fn two(record: &Record<'_>, first: &str, second: &str) -> Result<Question, DatasetError> {
    let texts = [record.text(first)?, record.text(second)?];
    let said: Vec<&str> = texts
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    if said.is_empty() {
        return Err(record.error(format!("`{first}` and `{second}` are empty")));
    }
    Ok(Question::text(said.join("\n\n")))
}

/// What stands before the first answer.
fn conversation(record: &Record<'_>, name: &str) -> Result<Question, DatasetError> {
    let exchange = chat::messages(record, name)?.map(Exchange::first);
    match exchange.filter(|exchange| !exchange.asked.is_empty()) {
        Some(exchange) => Ok(Question::exchange(exchange)),
        None => Err(record.error(format!(
            "`{name}` has an answer, but nothing that was asked"
        ))),
    }
}

fn unrecognised(record: &Record<'_>) -> DatasetError {
    if let Some((column, cure)) = UNSENDABLE
        .iter()
        .find(|(name, _)| record.get(name).is_some())
    {
        return record.error(format!("`{column}` is no text: {cure}"));
    }
    let names: Vec<&str> = record.names().collect();
    record.error(format!(
        "no prompt is found in its columns ({}); it is looked for in messages, conversations, \
         conversation, chat, turns, problem, instruction and input, prompt, question, query, \
         input, text, content, system_prompt and question, code and change_request",
        names.join(", ")
    ))
}

/// The pictures of a row, as URLs.
fn images(record: &Record<'_>) -> Result<Vec<String>, DatasetError> {
    let mut urls = Vec::new();
    for column in IMAGES {
        match record.get(column) {
            None => {}
            Some(Value::Array(items)) => {
                for item in items {
                    urls.push(image(record, column, item)?);
                }
            }
            Some(one) => urls.push(image(record, column, one)?),
        }
    }
    Ok(urls)
}

/// One picture: a URL, bytes in base64, or an object that holds them under `bytes`.
fn image(record: &Record<'_>, column: &str, value: &Value) -> Result<String, DatasetError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let text = match value {
        Value::Object(fields) => fields.get("bytes").and_then(Value::as_str),
        value => value.as_str(),
    };
    let Some(text) = text else {
        return Err(record.wrong(column, value, "a picture with its bytes"));
    };
    if ["http://", "https://", "data:"]
        .iter()
        .any(|start| text.starts_with(start))
    {
        return Ok(text.to_owned());
    }
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| media::data_url(&bytes))
        .ok_or_else(|| record.wrong(column, value, "a picture (PNG, JPEG, WebP, GIF, BMP, TIFF)"))
}
