//! `POST /v1/rerank`, also as `/rerank` and `/v2/rerank`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::pooled::{self, digest, finished};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Usage, Whole,
    openai,
};
use crate::hash::unit_float;

pub(super) struct Rerank;

/// Fields of a request. All others are ignored.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    query: String,
    documents: Vec<String>,
    /// All of them if it is 0 or missing.
    #[serde(default)]
    top_n: usize,
    truncate_prompt_tokens: Option<i64>,
    sim_fault: Option<String>,
}

impl Protocol for Rerank {
    fn serves(&self, path: &str) -> bool {
        matches!(path, "/v1/rerank" | "/rerank" | "/v2/rerank")
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let request: Request = openai::read(body)?;
        let query = cx.tokenizer.encode(&request.query);
        let pair = |document: &String| [&query[..], &cx.tokenizer.encode(document)].concat();
        let pairs = request.documents.iter().map(pair).collect();
        let truncate = request.truncate_prompt_tokens;
        let model = request.model.as_deref();
        let ask = pooled::ask(model, pairs, truncate, request.sim_fault, cx)?;
        let ranking = Ranking {
            id: format!("rerank-{}", cx.id),
            model: ask.model.clone(),
            documents: request.documents,
            top_n: request.top_n,
            style: Style::default(),
        };
        Ok((ask, Box::new(ranking)))
    }
}

/// Writes the documents in the order of their scores, which depend on query and document.
struct Ranking {
    id: String,
    model: String,
    documents: Vec<String>,
    top_n: usize,
    style: Style,
}

impl Format for Ranking {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        openai::refuse(status, message)
    }

    /// It is never streamed.
    fn piece(&mut self, _piece: &Piece<'_>, _events: &mut Vec<Event>) {}

    fn body(&self, choices: &[Whole<'_>], usage: Usage, _times: Option<ServerTimes>) -> String {
        let score = |(i, whole): (usize, &Whole<'_>)| (i, unit_float(&[digest(whole.prompt)]));
        let mut scores: Vec<_> = finished(choices).map(score).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        if self.top_n > 0 {
            scores.truncate(self.top_n);
        }
        let result = |(i, score): &(usize, f64)| {
            let document = json!({ "text": self.documents.get(*i), "multi_modal": null });
            json!({ "index": i, "document": document, "relevance_score": score })
        };
        let results: Vec<_> = scores.iter().map(result).collect();
        let mut body = json!({ "id": self.id, "model": self.model, "results": results });
        if !self.style.no_usage {
            let tokens = usage.prompt;
            body["usage"] = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
        }
        body.to_string()
    }
}
