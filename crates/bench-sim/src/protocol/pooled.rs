//! What the routes that generate nothing have in common, in the shape vLLM gives it.
//!
//! To the engine each of their inputs is a sequence with a single output token, which costs
//! what prefilling the input costs and is not sent.

use std::fmt::Write as _;

use http::StatusCode;
use serde::Deserialize;

use super::openai::{self, Message, Prompt};
use super::{Ask, Context, ErrorReply, Format, Piece, ServerTimes, Style, Usage, Whole};
use crate::hash::{mix, unit_float};

/// What a request asks for that generates nothing, with its inputs as prompts.
pub(super) fn ask(
    model: Option<&str>,
    mut inputs: Vec<Vec<u32>>,
    truncate: Option<i64>,
    fault: Option<String>,
    cx: &Context<'_>,
) -> Result<Ask, ErrorReply> {
    let model = openai::check_model(model, cx.config)?;
    let most = cx.config.max_model_len as usize;
    if let Some(limit) = truncate {
        let limit = match usize::try_from(limit) {
            Ok(limit) if (1..=most).contains(&limit) => limit,
            Err(_) if limit == -1 => most,
            _ => {
                let message = format!(
                    "truncate_prompt_tokens must be -1 or in 1..={most}, got {limit}. \
                     (parameter=truncate_prompt_tokens, value={limit})"
                );
                return Err(openai::bad_request("truncate_prompt_tokens", &message));
            }
        };
        inputs.iter_mut().for_each(|input| input.truncate(limit));
    }
    if inputs.is_empty() || inputs.iter().any(Vec::is_empty) {
        let message = "The input must not be empty. (parameter=input)";
        return Err(openai::bad_request("input", message));
    }
    if inputs.iter().any(|input| input.len() > most) {
        return Err(openai::too_long(most as u64));
    }
    Ok(Ask {
        model,
        prompts: inputs,
        n: 1,
        max_tokens: 1,
        ignore_eos: true,
        stream: false,
        stream_interval: None,
        fault,
    })
}

/// A number that depends on all of `tokens` and their order, and on nothing else.
pub(super) fn digest(tokens: &[u32]) -> u64 {
    tokens
        .iter()
        .fold(0, |state, token| mix(&[state, u64::from(*token)]))
}

/// Fields of a request for vectors. All others are ignored.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Option<Prompt>,
    messages: Option<Vec<Message>>,
    encoding_format: Option<String>,
    dimensions: Option<i64>,
    truncate_prompt_tokens: Option<i64>,
    sim_fault: Option<String>,
}

/// How a route names what it returns.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) id_prefix: &'static str,
    pub(super) object: &'static str,
    /// The key of a vector.
    pub(super) vector: &'static str,
}

/// Writes one vector of unit length per input.
#[derive(Debug)]
pub(super) struct Vectors {
    names: &'static Names,
    id: String,
    created: u64,
    model: String,
    dimensions: u32,
    base64: bool,
    details: bool,
    style: Style,
}

impl Vectors {
    /// Reads a request for vectors.
    pub(super) fn parse(
        names: &'static Names,
        body: &[u8],
        cx: &Context<'_>,
    ) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let request: Request = openai::read(body)?;
        let base64 = match request.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                let message = format!("encoding_format must be float or base64, got {other:?}.");
                return Err(openai::bad_request("encoding_format", &message));
            }
        };
        let most = cx.config.embedding_dim;
        let dimensions = request.dimensions.unwrap_or(most.into());
        let dimensions = match u32::try_from(dimensions) {
            Ok(dimensions) if (1..=most).contains(&dimensions) => dimensions,
            _ => {
                let message = format!("dimensions must be in 1..={most}, got {dimensions}.");
                return Err(openai::bad_request("dimensions", &message));
            }
        };
        let inputs = match (request.input, request.messages) {
            (Some(input), _) => input.encode(cx.tokenizer),
            (None, Some(messages)) => vec![openai::chat_prompt(&messages, cx.tokenizer)],
            (None, None) => Vec::new(),
        };
        let truncate = request.truncate_prompt_tokens;
        let ask = ask(
            request.model.as_deref(),
            inputs,
            truncate,
            request.sim_fault,
            cx,
        )?;
        let vectors = Vectors {
            names,
            id: cx.id.to_owned(),
            created: cx.created,
            model: ask.model.clone(),
            dimensions,
            base64,
            details: cx.config.prompt_tokens_details,
            style: Style::default(),
        };
        Ok((ask, Box::new(vectors)))
    }

    fn vector(&self, out: &mut String, input: &[u32]) {
        let vector = unit_vector(input, self.dimensions);
        if self.base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            return openai::json_string(out, &base64(&bytes));
        }
        out.push('[');
        for (i, x) in vector.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(out, "{comma}{x:?}");
        }
        out.push(']');
    }

    fn usage(&self, out: &mut String, usage: Usage) {
        let Usage { prompt, cached, .. } = usage;
        let _ = write!(
            out,
            ",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{prompt},\
             \"completion_tokens\":0,\"prompt_tokens_details\":"
        );
        let _ = match self.details {
            true => write!(out, "{{\"cached_tokens\":{cached}}}}}"),
            false => write!(out, "null}}"),
        };
    }
}

impl Format for Vectors {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        openai::refuse(status, message)
    }

    /// It is never streamed.
    fn piece(&mut self, _piece: &Piece<'_>, _events: &mut Vec<super::Event>) {}

    fn body(&self, choices: &[Whole<'_>], usage: Usage, _times: Option<ServerTimes>) -> String {
        let Names {
            id_prefix,
            object,
            vector,
        } = self.names;
        let mut out = String::from("{\"id\":");
        openai::json_string(&mut out, &format!("{id_prefix}{}", self.id));
        let _ = write!(
            out,
            ",\"object\":\"list\",\"created\":{},\"model\":",
            self.created
        );
        openai::json_string(&mut out, &self.model);
        out.push_str(",\"data\":[");
        let mut comma = "";
        for (i, whole) in finished(choices) {
            let _ = write!(
                out,
                "{comma}{{\"index\":{i},\"object\":\"{object}\",\"{vector}\":"
            );
            self.vector(&mut out, whole.prompt);
            out.push('}');
            comma = ",";
        }
        out.push(']');
        if !self.style.no_usage {
            self.usage(&mut out, usage);
        }
        out.push('}');
        out
    }
}

/// The inputs that are through, with their indices: all of them, unless a fault ended the
/// answer early.
pub(super) fn finished<'a, 'b>(
    choices: &'a [Whole<'b>],
) -> impl Iterator<Item = (usize, &'a Whole<'b>)> {
    let all = choices.iter().enumerate();
    all.filter(|(_, whole)| whole.finish.is_some())
}

/// A vector of length 1 that depends on the input only.
fn unit_vector(input: &[u32], dimensions: u32) -> Vec<f32> {
    let seed = digest(input);
    let component = |i| 2.0 * unit_float(&[seed, i]) - 1.0;
    let vector: Vec<f64> = (0..u64::from(dimensions)).map(component).collect();
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let length = length.max(f64::MIN_POSITIVE);
    vector.iter().map(|x| (x / length) as f32).collect()
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for i in 0..4 {
            let six = (bits >> (18 - 6 * i)) & 63;
            out.push(match i <= chunk.len() {
                true => char::from(ALPHABET[six as usize]),
                false => '=',
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn vectors_have_length_one_and_differ_by_input_and_order() {
        let vector = unit_vector(&[1, 2], 16);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        assert_eq!(vector, unit_vector(&[1, 2], 16));
        assert_ne!(vector, unit_vector(&[2, 1], 16));
        assert_eq!(unit_vector(&[1], 1).len(), 1);
    }
}
