//! What a run is going to do, shared read-only by its workers.

use std::time::Duration;

use bench_backends::{Backend, Request};
use bench_datasets::SharedPrefix;
use bench_metrics::tokens::KeepText;
use bench_types::{Conversation, Nanos, RequestKind, Sampling, Turn};
use http::{HeaderName, HeaderValue};

use crate::cancellation::{CancelAfter, Cancellation};
use crate::classes::Classes;
use crate::history::Form;
use crate::lora::Models;
use crate::request_ids::RequestIds;
use crate::servers::Servers;
use crate::session::Sessions;
use crate::tickets::Ticket;

/// Time limits of one request. Each that is exceeded is a failure class of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening a connection.
    pub connect: Duration,
    /// From `sent` to the first chunk with content; `None` for no limit.
    pub first_token: Option<Duration>,
    /// Silence between two reads of a stream; `None` for no limit.
    pub idle: Option<Duration>,
    /// From `sent` to the end; `None` for no limit.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    /// 30 s to connect, 6 h in all (the limit of `vllm bench serve`), nothing else.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(30),
            first_token: None,
            idle: None,
            total: Some(Duration::from_secs(6 * 60 * 60)),
        }
    }
}

/// What every request of a run has in common.
#[derive(Clone, Debug)]
pub struct RequestOptions {
    /// The model name put into requests.
    pub model: String,
    /// Path of the endpoint below the base URL; `None` for the backend's own.
    pub path: Option<String>,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Ask the server to go on to the full output length.
    pub ignore_eos: bool,
    /// Ask for this many log probabilities per token.
    pub logprobs: Option<u32>,
    /// Ask for beam search instead of sampling.
    pub beam_search: bool,
    /// Ask for streams; otherwise answers come whole, and have no first token.
    pub stream: bool,
    /// Ask for the server's token counts at the end of the stream.
    pub include_usage: bool,
    /// Ask for them with every chunk.
    pub continuous_usage: bool,
    /// Further fields of the request's JSON body; they win over fields of the same name.
    pub extra_body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `Authorization`, marked sensitive.
    pub authorization: Option<HeaderValue>,
    /// What the requests' `x-request-id` is made of.
    pub request_ids: RequestIds,
}

impl RequestOptions {
    /// The request of a turn.
    pub(crate) fn ask<'a>(&'a self, turn: &'a Turn, model: &'a str) -> Request<'a> {
        let mut request = Request::new(&turn.prompt, model, turn.max_output_tokens);
        request.sampling = &self.sampling;
        request.ignore_eos = self.ignore_eos;
        request.logprobs = self.logprobs;
        request.beam_search = self.beam_search;
        request.stream = self.stream;
        request.include_usage = self.include_usage;
        request.continuous_usage = self.continuous_usage;
        request.extra_body = self.extra_body.as_ref();
        request.headers = &self.headers;
        request.path = self.path.as_deref();
        request.authorization = self.authorization.as_ref();
        request
    }

    /// How many answers to each prompt are asked for.
    pub(crate) fn outputs(&self) -> u32 {
        let asked = self.extra_body.as_ref().and_then(|body| body.get("n"));
        let asked = asked.and_then(serde_json::Value::as_u64).unwrap_or(1);
        u32::try_from(asked).unwrap_or(u32::MAX)
    }
}

impl Default for RequestOptions {
    fn default() -> Self {
        RequestOptions {
            model: String::new(),
            path: None,
            sampling: Sampling::default(),
            ignore_eos: false,
            logprobs: None,
            beam_search: false,
            stream: true,
            include_usage: true,
            continuous_usage: false,
            extra_body: None,
            headers: Vec::new(),
            authorization: None,
            request_ids: RequestIds::default(),
        }
    }
}

pub(crate) struct Plan {
    /// What its requests are sent for.
    pub(crate) kind: RequestKind,
    pub(crate) servers: Servers,
    pub(crate) backend: &'static dyn Backend,
    pub(crate) conversations: Vec<Conversation>,
    /// How turns repeat what was said.
    pub(crate) form: Form,
    pub(crate) sessions: Sessions,
    /// Number of the first request of each conversation.
    pub(crate) first_ids: Vec<u64>,
    /// When each conversation begins, from the start of the run.
    pub(crate) offsets: Vec<Nanos>,
    pub(crate) paced: bool,
    /// In place of `offsets`: conversations begin at this constant rate, without end.
    pub(crate) constant_rate: Option<f64>,
    /// The most conversations, those that are sent again included.
    pub(crate) most: u64,
    /// How long after the start conversations are released.
    pub(crate) limit: Option<Nanos>,
    /// Whether its schedule goes on to the end of that time.
    pub(crate) fills_limit: bool,
    /// Whether the load is to end once the server is steady.
    pub(crate) until_stable: bool,
    /// The most requests that wait for their first token at once.
    pub(crate) prefills: Option<usize>,
    /// Requests that the client hangs up on.
    pub(crate) cancellation: Option<Cancellation>,
    /// The most conversations under way at once.
    pub(crate) slots: Option<usize>,
    /// Connections each worker opens before the run, all workers together.
    pub(crate) warm_connections: usize,
    /// Idle connections kept in reserve while the run goes on, all workers together.
    pub(crate) reserve: usize,
    pub(crate) keepalive: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) request: RequestOptions,
    pub(crate) models: Models,
    /// Of a mixed workload.
    pub(crate) classes: Classes,
    /// By the number of the request: what a prefix cache can be expected to have of its prompt.
    pub(crate) shared_prefixes: Vec<Option<SharedPrefix>>,
    pub(crate) keep_text: KeepText,
    pub(crate) grace: Duration,
    pub(crate) threads: usize,
}

impl Plan {
    /// Which model a conversation asks for.
    pub(crate) fn model_index(&self, conversation: usize) -> u16 {
        self.models.of.get(conversation).copied().unwrap_or(0)
    }

    /// The tokens of a prompt of the dataset that a prefix cache can be expected to have.
    ///
    /// In its first round that is what earlier prompts have in common with it. After that all of
    /// it was sent before, to the same server or to one that is not known beforehand.
    pub(crate) fn expected_cached_tokens(
        &self,
        ticket: Ticket,
        turn: u32,
        prompt_tokens: u32,
    ) -> Option<u32> {
        let request = self.first_ids.get(ticket.conversation)? + u64::from(turn);
        let place = usize::try_from(request).ok()?;
        let shared = self.shared_prefixes.get(place).copied().flatten()?;
        let shared = match ticket.round {
            0 => shared,
            _ if self.went_there_before(ticket) => shared.all(),
            _ => return None,
        };
        (prompt_tokens > 0).then(|| shared.tokens(prompt_tokens))
    }

    /// Whether the server of a conversation had it in an earlier round; all are taken for one
    /// where that is not known beforehand.
    fn went_there_before(&self, ticket: Ticket) -> bool {
        let server = |round| {
            self.servers
                .foreseen(self.place(Ticket { round, ..ticket }))
        };
        // A conversation goes round the servers in as many rounds as there are, or in fewer.
        let earlier = ticket.round.saturating_sub(self.servers.len() as u64)..ticket.round;
        let now = server(ticket.round);
        earlier.map(server).any(|earlier| earlier == now)
    }

    /// Whether answers are streams.
    pub(crate) fn streams(&self) -> bool {
        self.request.stream && self.backend.can_stream()
    }

    /// Requests of all conversations, each sent once.
    pub(crate) fn round(&self) -> u64 {
        let last = self.first_ids.last().zip(self.conversations.last());
        last.map_or(0, |(first, last)| first + last.turns.len() as u64)
    }

    /// Requests that are to be sent; `None` if time will tell.
    pub(crate) fn requests(&self) -> Option<u64> {
        let tickets = match self.paced {
            true => self.most.min(self.offsets.len() as u64),
            false => self.most,
        };
        if self.constant_rate.is_some() || tickets == u64::MAX {
            return None;
        }
        // How many of the conversations go out again, less than a round.
        let count = (self.conversations.len() as u64).max(1);
        let rest = self.first_ids.get((tickets % count) as usize);
        let rounds = (tickets / count).saturating_mul(self.round());
        Some(rounds.saturating_add(*rest.unwrap_or(&0)))
    }

    /// The `serial`th ticket of a load that began at `begun`, if there are as many.
    pub(crate) fn ticket(&self, serial: u64, begun: Nanos) -> Option<Ticket> {
        if serial >= self.most {
            return None;
        }
        let offset = match self.constant_rate {
            Some(rate) => Some(Nanos::from_secs_f64((serial + 1) as f64 / rate)),
            None if self.paced => Some(*self.offsets.get(usize::try_from(serial).ok()?)?),
            None => None,
        };
        let count = self.conversations.len() as u64;
        Some(Ticket {
            kind: self.kind,
            conversation: serial.checked_rem(count)? as usize,
            round: serial / count,
            begun,
            due: offset.map(|offset| begun.saturating_add(offset)),
        })
    }

    /// The number of a turn in the order of sending.
    pub(crate) fn number(&self, ticket: Ticket, turn: u32) -> u64 {
        ticket.round * self.round() + self.first_ids[ticket.conversation] + u64::from(turn)
    }

    /// The place of a conversation among all that are sent, those sent again included.
    pub(crate) fn place(&self, ticket: Ticket) -> usize {
        ticket.round as usize * self.conversations.len() + ticket.conversation
    }

    /// When the client hangs up on a turn, if it does.
    pub(crate) fn cancel_of(&self, ticket: Ticket, turn: u32) -> Option<CancelAfter> {
        self.cancellation?.of(self.number(ticket, turn))
    }

    /// What `whole` slots or connections come to for worker `index`.
    pub(crate) fn share(&self, whole: usize, index: usize) -> usize {
        whole / self.threads + usize::from(index < whole % self.threads)
    }
}

/// Numbers the requests: turn `t` of conversation `c` is request `first[c] + t`.
pub(crate) fn first_ids(conversations: &[Conversation]) -> Vec<u64> {
    let mut next = 0;
    conversations
        .iter()
        .map(|conversation| {
            let first = next;
            next += conversation.turns.len() as u64;
            first
        })
        .collect()
}
