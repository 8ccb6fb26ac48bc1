//! Logs of requests to an OpenAI-like API.
//!
//! JSONL; each line has a time (`timestamp`, `time`, `ts`, `created_at` or `created`) and the body of
//! a request: in `body` or `request`, or the line is the body itself. A time is seconds since 1970, or
//! milliseconds if it is above 100,000,000,000, or a date. The prompt is the body's `messages` or
//! `prompt`. How many tokens may come back is, first that there is: the completion tokens of the
//! `usage` of the answer (in `response`), `max_completion_tokens`, `max_tokens`, what the importer is
//! told. The text of the answer is carried over as `reply`. A field that is `null` is as if it were
//! not there; a request that may have no token back is left out.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::import::Imported;
use super::line::TraceLine;
use super::lines::{Lines, Place};
use super::messages;
use super::play::unusable;
use super::time::Moment;
use crate::DatasetError;

const CURE: &str = "each line has a `timestamp` and the body of a request, by itself or in `body`: \
                    {\"timestamp\": ..., \"body\": {\"messages\": [...], \"max_tokens\": ...}}";

const TIMES: [&str; 5] = ["timestamp", "time", "ts", "created_at", "created"];
const BODIES: [&str; 2] = ["body", "request"];

/// Times above it are milliseconds: as seconds they would be in the year 5138.
const MILLISECONDS: f64 = 1e11;

/// A JSON object whose values are not looked at yet.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The answer to a request, as far as it is known.
#[derive(Default, Deserialize)]
struct Answer {
    usage: Option<Usage>,
    choices: Option<Vec<Choice>>,
    /// In the output of the Batch API the answer is one level deeper.
    body: Option<Box<Answer>>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Choice {
    text: Option<String>,
    message: Option<Said>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

/// The requests of a log.
pub(super) struct RequestLog<R> {
    lines: Lines<R>,
    output_tokens: Option<u32>,
}

impl<R: BufRead> RequestLog<R> {
    pub(super) fn new(reader: R, path: &Path, output_tokens: Option<u32>) -> RequestLog<R> {
        RequestLog {
            lines: Lines::new(reader, path, CURE),
            output_tokens,
        }
    }

    /// The next request. Fields of its body that have no place in a trace are counted.
    pub(super) fn next(
        &mut self,
        not_carried: &mut BTreeMap<String, u64>,
    ) -> Result<Option<Imported>, DatasetError> {
        let Some((place, mut fields)) = self.lines.value::<Fields>()? else {
            return Ok(None);
        };
        leave_nulls(&mut fields);
        let at = time(&place, &mut fields)?;
        let answer = fields.remove("response");
        let answer: Option<Answer> = answer
            .map(|raw| read(&place, "response", &raw))
            .transpose()?;
        let answer = answer.unwrap_or_default();
        let answer = answer.body.map_or(
            Answer {
                body: None,
                ..answer
            },
            |body| *body,
        );
        let body = BODIES
            .iter()
            .find_map(|name| Some((*name, fields.remove(*name)?)));
        let mut body: Fields = match body {
            Some((name, raw)) => read(&place, name, &raw)?,
            None => fields,
        };
        leave_nulls(&mut body);
        let mut line = TraceLine {
            at: Some(at.seconds()),
            ..TraceLine::default()
        };
        line.messages = body.remove("messages");
        line.prompt = match body.remove("prompt") {
            Some(raw) => Some(read(&place, "prompt", &raw)?),
            None => None,
        };
        if line.messages.is_some() == line.prompt.is_some() {
            return Err(place.error("it has to have either `messages` or `prompt`", CURE));
        }
        if let Some(raw) = &line.messages {
            messages(raw).map_err(|problem| place.error(problem, CURE))?;
        }
        if line.prompt.as_deref() == Some("") {
            return Err(place.error("`prompt` is empty", CURE));
        }
        let mut limit = None;
        for name in ["max_completion_tokens", "max_tokens"] {
            let told = body.remove(name).map(|raw| read(&place, name, &raw));
            limit = limit.or(told.transpose()?);
        }
        let usage = answer.usage.and_then(|usage| usage.completion_tokens);
        let output = usage
            .filter(|tokens| *tokens > 0)
            .or(limit)
            .or(self.output_tokens);
        line.output_tokens = output.ok_or_else(|| {
            place.error(
                "nothing says how many tokens may come back",
                "give the importer --output-tokens",
            )
        })?;
        if let Some(reason) = unusable(1, line.output_tokens) {
            return Ok(Some(Imported::LeftOut(reason)));
        }
        line.reply = answer
            .choices
            .and_then(|choices| choices.into_iter().next())
            .and_then(|choice| choice.text.or(choice.message?.content));
        for field in body.into_keys() {
            *not_carried.entry(field).or_default() += 1;
        }
        Ok(Some(Imported::Line(Box::new(line))))
    }
}

/// Takes out the fields that say nothing.
fn leave_nulls(fields: &mut Fields) {
    fields.retain(|_, value| value.get() != "null");
}

/// When a request was sent.
fn time(place: &Place, fields: &mut Fields) -> Result<Moment, DatasetError> {
    let found = TIMES
        .iter()
        .find_map(|name| Some((*name, fields.remove(*name)?)));
    let Some((name, raw)) = found else {
        return Err(place.error("it has no `timestamp`", CURE));
    };
    let text = raw.get().trim_matches('"');
    let moment = match text.parse::<f64>() {
        Ok(number) if number.abs() > MILLISECONDS => Moment::of_seconds(number / 1e3),
        Ok(number) => Moment::of_seconds(number),
        Err(_) => Moment::of_date(text),
    };
    moment.ok_or_else(|| place.error(format!("`{name}` is {raw}, which is no time"), CURE))
}

fn read<'a, T: Deserialize<'a>>(
    place: &Place,
    name: &str,
    raw: &'a RawValue,
) -> Result<T, DatasetError> {
    serde_json::from_str(raw.get()).map_err(|e| {
        let problem = crate::rows::without_place(&e);
        place.error(format!("`{name}`: {problem}"), CURE)
    })
}
