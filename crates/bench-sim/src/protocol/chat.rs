//! `POST /v1/chat/completions`.

use std::fmt::Write as _;

use http::StatusCode;

use super::openai::{self, Options, Request};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Token, Usage,
    Whole,
};

/// A real server would go on until the model stops; the simulated one has nothing to say
/// that could end, so it stops at the length of a typical answer.
const DEFAULT_MAX_TOKENS: u32 = 128;

pub(super) struct Chat;

impl Protocol for Chat {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/chat/completions"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let (ask, options) = Request::parse(body, cx, DEFAULT_MAX_TOKENS)?;
        let stream_head = options.head("chatcmpl-", "chat.completion.chunk");
        let body_head = options.head("chatcmpl-", "chat.completion");
        Ok((
            ask,
            Box::new(ChatFormat {
                options,
                stream_head,
                body_head,
            }),
        ))
    }
}

struct ChatFormat {
    options: Options,
    stream_head: String,
    body_head: String,
}

impl ChatFormat {
    /// The event before the first token of a choice.
    fn role(&self, piece: &Piece<'_>) -> String {
        let mut out = String::with_capacity(self.stream_head.len() + 192);
        out.push_str(&self.stream_head);
        let content = if self.options.style.bare_role {
            ""
        } else {
            ",\"content\":\"\""
        };
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{{\"index\":{},\"delta\":{{\"role\":\"assistant\"{content}}},\"logprobs\":null,\
             \"finish_reason\":null}}],",
            piece.choice
        );
        if self.options.include_usage && self.options.continuous_usage {
            let usage = Usage {
                completion: 0,
                ..piece.choice_usage
            };
            self.usage(&mut out, usage);
            out.push(',');
        }
        out.push_str("\"prompt_token_ids\":");
        let prompt = piece.prompt.filter(|_| self.options.token_ids);
        openai::json_ids(&mut out, prompt.map(|ids| ids.iter().copied()));
        out.push_str(",\"prompt_text\":null}");
        out
    }

    /// The usage inside an event, which has one key more than the one at the end.
    fn usage(&self, out: &mut String, usage: Usage) {
        self.options.stream_usage(out, usage);
        out.pop();
        out.push_str(",\"completion_tokens_details\":null}");
    }

    /// `"logprobs":...`.
    fn logprobs(&self, out: &mut String, tokens: &[Token<'_>]) {
        if !self.options.logprobs {
            return out.push_str("\"logprobs\":null");
        }
        let content: Vec<_> = tokens
            .iter()
            .map(|token| {
                serde_json::json!({
                    "token": token.text, "logprob": openai::logprob(token),
                    "bytes": token.text.as_bytes(), "top_logprobs": [],
                })
            })
            .collect();
        let _ = write!(
            out,
            "\"logprobs\":{}",
            serde_json::json!({ "content": content })
        );
    }

    fn ids<'a>(&self, tokens: &'a [Token<'a>]) -> Option<impl Iterator<Item = u32> + 'a> {
        self.options
            .token_ids
            .then(|| tokens.iter().map(|token| token.id))
    }
}

impl Format for ChatFormat {
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
        if piece.prompt.is_some() {
            events.push(self.role(piece).into());
        }
        let mut out = String::with_capacity(self.stream_head.len() + 192);
        out.push_str(&self.stream_head);
        let key = if piece.reasoning {
            "reasoning"
        } else {
            "content"
        };
        let _ = write!(out, "{{\"index\":{},\"delta\":{{\"{key}\":", piece.choice);
        openai::json_string(&mut out, &piece.text());
        out.push_str("},");
        self.logprobs(&mut out, piece.tokens);
        out.push_str(",\"finish_reason\":");
        openai::finish(&mut out, piece.finish);
        if piece.finish.is_some() {
            out.push_str(",\"stop_reason\":null");
        }
        out.push_str(",\"token_ids\":");
        openai::json_ids(&mut out, self.ids(piece.tokens));
        out.push_str("}]");
        if let Some(usage) = self.options.event_usage(piece) {
            out.push(',');
            self.usage(&mut out, usage);
        }
        if piece.last && !self.options.usage_at_end() {
            out.push(',');
            openai::system_fingerprint(&mut out);
        }
        out.push('}');
        events.push(out.into());
    }

    fn close(&mut self, usage: Usage, times: Option<ServerTimes>, events: &mut Vec<Event>) {
        self.options
            .usage_event(&self.stream_head, usage, times, events);
    }

    fn body(&self, choices: &[Whole<'_>], usage: Usage, times: Option<ServerTimes>) -> String {
        let mut out = self.body_head.clone();
        for (i, whole) in choices.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (reasoning, content) = whole.tokens.split_at(whole.reasoning);
            let _ = write!(
                out,
                "{comma}{{\"index\":{i},\"message\":{{\"role\":\"assistant\",\"content\":"
            );
            match content.is_empty() {
                true => out.push_str("null"),
                false => openai::json_string(&mut out, &super::text(content)),
            }
            out.push_str(
                ",\"refusal\":null,\"annotations\":null,\"audio\":null,\"function_call\":null,\
                 \"reasoning\":",
            );
            match reasoning.is_empty() {
                true => out.push_str("null"),
                false => openai::json_string(&mut out, &super::text(reasoning)),
            }
            out.push_str("},");
            self.logprobs(&mut out, &whole.tokens);
            out.push_str(",\"finish_reason\":");
            openai::finish(&mut out, whole.finish);
            out.push_str(",\"stop_reason\":null,\"token_ids\":");
            openai::json_ids(&mut out, self.ids(&whole.tokens));
            out.push_str(",\"routed_experts\":null}");
        }
        out.push_str("],");
        self.options.body_usage(&mut out, usage);
        out.push_str(",\"prompt_logprobs\":null,\"prompt_token_ids\":");
        let prompt = choices.first().filter(|_| self.options.token_ids);
        openai::json_ids(&mut out, prompt.map(|whole| whole.prompt.iter().copied()));
        out.push_str(
            ",\"prompt_text\":null,\"kv_transfer_params\":null,\"ec_transfer_params\":null,",
        );
        openai::metrics(&mut out, times);
        out.push('}');
        out
    }
}
