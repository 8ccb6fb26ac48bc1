//! `POST /v1/audio/transcriptions`.
//!
//! A second of sound is 50 prompt tokens, as for Whisper, and 3 output tokens, as somebody
//! speaks who says 180 words a minute.

use http::StatusCode;
use serde_json::json;

use super::openai::{self, Options};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Usage, Whole,
    multipart, wav,
};
use crate::hash::{fnv1a, mix};

const PROMPT_TOKENS_PER_SECOND: f64 = 50.0;
const OUTPUT_TOKENS_PER_SECOND: f64 = 3.0;

pub(super) struct Transcriptions;

impl Protocol for Transcriptions {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/audio/transcriptions"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let form = Form::read(body)?;
        let model = openai::check_model(form.model, cx.config)?;
        form.check()?;
        let (prompt, seconds) = form.prompt(cx)?;
        let whole = tokens(seconds, OUTPUT_TOKENS_PER_SECOND).min(u32::MAX.into()) as u32;
        let room = openai::check_length(prompt.len() as u64, None, whole, cx)?;
        let max_tokens = form.max_tokens.map_or(room, |most| most.min(room));
        let options = Options {
            id: cx.id.to_owned(),
            created: cx.created,
            model: model.clone(),
            include_usage: form.include_usage,
            continuous_usage: form.continuous_usage,
            details: false,
            logprobs: false,
            token_ids: false,
            style: Style::default(),
        };
        let head = options.head("transcribe-", "transcription.chunk");
        let format = Transcription {
            options,
            head,
            seconds,
            cut_short: max_tokens < whole,
        };
        let ask = Ask {
            model,
            prompts: vec![prompt],
            n: 1,
            max_tokens,
            ignore_eos: true,
            stream: form.stream,
            stream_interval: None,
            fault: form.fault.map(str::to_owned),
        };
        Ok((ask, Box::new(format)))
    }
}

/// Tokens that so much sound makes, at least one.
fn tokens(seconds: f64, per_second: f64) -> u64 {
    ((seconds * per_second).ceil() as u64).max(1)
}

/// Fields of a request. All others are ignored.
#[derive(Debug, Default)]
struct Form<'a> {
    file: Option<&'a [u8]>,
    model: Option<&'a str>,
    response_format: Option<&'a str>,
    fault: Option<&'a str>,
    max_tokens: Option<u32>,
    stream: bool,
    include_usage: bool,
    continuous_usage: bool,
}

impl<'a> Form<'a> {
    fn read(body: &'a [u8]) -> Result<Form<'a>, ErrorReply> {
        let parts = multipart::parts(body).map_err(|error| {
            let message = format!("The body is not a multipart form: {error}.");
            openai::bad_request("body", &message)
        })?;
        let mut form = Form::default();
        for part in parts {
            match part.name {
                "file" => form.file = Some(part.body),
                "model" => form.model = Some(text(&part)?),
                "response_format" => form.response_format = Some(text(&part)?),
                "sim_fault" => form.fault = Some(text(&part)?),
                "max_completion_tokens" => form.max_tokens = Some(count(&part)?),
                "stream" => form.stream = truth(&part)?,
                "stream_include_usage" => form.include_usage = truth(&part)?,
                "stream_continuous_usage_stats" => form.continuous_usage = truth(&part)?,
                _ => {}
            }
        }
        Ok(form)
    }

    /// Refuses what contradicts itself or is not simulated.
    fn check(&self) -> Result<(), ErrorReply> {
        if !self.stream && (self.include_usage || self.continuous_usage) {
            let message = "Stream options can only be defined when `stream=True`.";
            return Err(openai::bad_request("stream_include_usage", message));
        }
        match self.response_format {
            None | Some("json" | "text") => Ok(()),
            Some(other) => {
                let message =
                    format!("response_format must be json or text, {other:?} is not simulated.");
                Err(openai::bad_request("response_format", &message))
            }
        }
    }

    /// The tokens of the sound, which are the same for the same file, and its seconds.
    fn prompt(&self, cx: &Context<'_>) -> Result<(Vec<u32>, f64), ErrorReply> {
        let missing = || openai::bad_request("file", "Field required: file, a WAV file.");
        let file = self.file.ok_or_else(missing)?;
        let Some(seconds) = wav::seconds(file) else {
            let message = "Invalid or unsupported audio file. Send a WAV file: no other format is \
                           simulated.";
            return Err(openai::bad_request("file", message));
        };
        let count = tokens(seconds, PROMPT_TOKENS_PER_SECOND);
        openai::check_length(count, None, 1, cx)?;
        let file = fnv1a(file);
        let token = |i| (mix(&[file, i]) >> 33) as u32;
        Ok(((0..count).map(token).collect(), seconds))
    }
}

fn text<'a>(part: &multipart::Part<'a>) -> Result<&'a str, ErrorReply> {
    std::str::from_utf8(part.body).map_err(|_| invalid(part, "text"))
}

fn count(part: &multipart::Part<'_>) -> Result<u32, ErrorReply> {
    let count = text(part)?.trim().parse().ok();
    count
        .filter(|count| *count > 0)
        .ok_or_else(|| invalid(part, "a number of at least 1"))
}

/// Forms say yes and no in many ways.
fn truth(part: &multipart::Part<'_>) -> Result<bool, ErrorReply> {
    match text(part)?.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(invalid(part, "true or false")),
    }
}

fn invalid(part: &multipart::Part<'_>, wanted: &str) -> ErrorReply {
    let message = format!("Field {} must be {wanted}.", part.name);
    openai::bad_request(part.name, &message)
}

struct Transcription {
    options: Options,
    head: String,
    seconds: f64,
    /// Whether the output ends before the sound does.
    cut_short: bool,
}

impl Transcription {
    /// An output as long as the sound has come to its own end.
    fn finish<'a>(&self, reason: &'a str) -> &'a str {
        match reason {
            "length" if !self.cut_short => "stop",
            reason => reason,
        }
    }
}

impl Format for Transcription {
    fn style(&mut self, style: Style) {
        self.options.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        openai::refuse(status, message)
    }

    fn done(&self) -> Option<Event> {
        openai::done()
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        let mut out = self.head.clone();
        out.push_str("{\"delta\":{\"content\":");
        openai::json_string(&mut out, &piece.text());
        out.push('}');
        if let Some(reason) = piece.finish {
            out.push_str(",\"finish_reason\":");
            openai::json_string(&mut out, self.finish(reason));
            out.push_str(",\"stop_reason\":null");
        }
        out.push_str("}]");
        if let Some(usage) = self.options.event_usage(piece) {
            out.push(',');
            self.options.stream_usage(&mut out, usage);
        }
        out.push('}');
        events.push(out.into());
    }

    fn close(&mut self, usage: Usage, _times: Option<ServerTimes>, events: &mut Vec<Event>) {
        if self.options.usage_at_end() {
            let mut out = self.head.clone();
            out.push_str("],");
            self.options.stream_usage(&mut out, usage);
            out.push('}');
            events.push(out.into());
        }
    }

    fn body(&self, choices: &[Whole<'_>], _usage: Usage, _times: Option<ServerTimes>) -> String {
        let text: String = choices.iter().map(Whole::text).collect();
        let mut body = json!({ "text": text });
        if !self.options.style.no_usage {
            let seconds = self.seconds.ceil() as u64;
            body["usage"] = json!({ "type": "duration", "seconds": seconds });
        }
        body.to_string()
    }
}
