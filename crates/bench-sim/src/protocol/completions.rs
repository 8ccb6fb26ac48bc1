//! `POST /v1/completions`.

use std::fmt::Write as _;

use http::StatusCode;

use super::openai::{self, Options, Request};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Token, Usage,
    Whole,
};

/// What OpenAI's API says of a request without `max_tokens`.
const DEFAULT_MAX_TOKENS: u32 = 16;

pub(super) struct Completions;

impl Protocol for Completions {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/completions"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let (ask, options) = Request::parse(body, cx, DEFAULT_MAX_TOKENS)?;
        let head = options.head("cmpl-", "text_completion");
        Ok((ask, Box::new(CompletionsFormat { options, head })))
    }
}

struct CompletionsFormat {
    options: Options,
    head: String,
}

impl CompletionsFormat {
    /// `"logprobs":...`.
    fn logprobs(&self, out: &mut String, tokens: &[Token<'_>]) {
        if !self.options.logprobs {
            return out.push_str("\"logprobs\":null");
        }
        let mut offset = 0;
        let offsets: Vec<_> = tokens
            .iter()
            .map(|token| {
                let start = offset;
                offset += token.text.chars().count();
                start
            })
            .collect();
        let texts: Vec<_> = tokens.iter().map(|token| token.text).collect();
        let logprobs: Vec<_> = tokens.iter().map(openai::logprob).collect();
        let top = |token: &Token<'_>| serde_json::json!({ token.text: openai::logprob(token) });
        let top: Vec<_> = tokens.iter().map(top).collect();
        let value = serde_json::json!({
            "text_offset": offsets, "token_logprobs": logprobs, "tokens": texts,
            "top_logprobs": top,
        });
        // Writing to a string cannot fail.
        let _ = write!(out, "\"logprobs\":{value}");
    }

    fn ids<'a>(&self, tokens: &'a [Token<'a>]) -> Option<impl Iterator<Item = u32> + 'a> {
        self.options
            .token_ids
            .then(|| tokens.iter().map(|token| token.id))
    }
}

impl Format for CompletionsFormat {
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
        let mut out = String::with_capacity(self.head.len() + 192);
        out.push_str(&self.head);
        let _ = write!(out, "{{\"index\":{},\"text\":", piece.choice);
        openai::json_string(&mut out, &piece.text());
        out.push(',');
        self.logprobs(&mut out, piece.tokens);
        out.push_str(",\"finish_reason\":");
        openai::finish(&mut out, piece.finish);
        out.push_str(",\"stop_reason\":null,\"prompt_token_ids\":");
        let prompt = piece.prompt.filter(|_| self.options.token_ids);
        openai::json_ids(&mut out, prompt.map(|ids| ids.iter().copied()));
        out.push_str(",\"token_ids\":");
        openai::json_ids(&mut out, self.ids(piece.tokens));
        out.push_str("}]");
        if let Some(usage) = self.options.event_usage(piece) {
            out.push(',');
            self.options.stream_usage(&mut out, usage);
        }
        if piece.last && !self.options.usage_at_end() {
            out.push(',');
            openai::system_fingerprint(&mut out);
        }
        out.push('}');
        events.push(out.into());
    }

    fn close(&mut self, usage: Usage, times: Option<ServerTimes>, events: &mut Vec<Event>) {
        self.options.usage_event(&self.head, usage, times, events);
    }

    fn body(&self, choices: &[Whole<'_>], usage: Usage, times: Option<ServerTimes>) -> String {
        let mut out = self.head.clone();
        for (i, whole) in choices.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let _ = write!(out, "{comma}{{\"index\":{i},\"text\":");
            openai::json_string(&mut out, &whole.text());
            out.push(',');
            self.logprobs(&mut out, &whole.tokens);
            out.push_str(",\"finish_reason\":");
            openai::finish(&mut out, whole.finish);
            out.push_str(",\"stop_reason\":null,\"token_ids\":");
            openai::json_ids(&mut out, self.ids(&whole.tokens));
            out.push_str(",\"prompt_logprobs\":null,\"prompt_token_ids\":");
            let prompt = self.options.token_ids.then(|| whole.prompt.iter().copied());
            openai::json_ids(&mut out, prompt);
            out.push_str(",\"routed_experts\":null}");
        }
        out.push_str("],");
        self.options.body_usage(&mut out, usage);
        out.push_str(",\"kv_transfer_params\":null,\"ec_transfer_params\":null,");
        openai::metrics(&mut out, times);
        out.push('}');
        out
    }
}
