//! From an HTTP request to its response.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SERVER,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use bench_types::Nanos;

use super::body::{Action, SimBody};
use super::conn::Control;
use super::control::{self, Reply};
use super::core::Core;
use super::effects::{Effects, Silence, Trigger};
use super::job::Job;
use super::stream::{ERROR, EventStream, GARBAGE};
use crate::fault::{FaultError, faults_of, parse_faults};
use crate::hash::mix;
use crate::protocol::{Ask, Context, ErrorReply, Format, PROTOCOLS, Protocol};
use crate::stats::{RecordedRequest, SimStats};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// Asks for faults, as the body field `sim_fault` does.
const FAULT_HEADER: &str = "x-sim-fault";
const REQUEST_ID: &str = "x-request-id";

/// One request on its way to a response.
struct Exchange<'a> {
    core: &'a Rc<Core>,
    control: &'a Rc<Control>,
    arrived: Nanos,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers a request.
pub(super) async fn answer(
    core: &Rc<Core>,
    control: &Rc<Control>,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Infallible> {
    let arrived = core.now();
    control.busy();
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        // The client went away in the middle of its request: nobody reads the answer.
        Err(_) => Bytes::new(),
    };
    if core.config.record {
        let recorded = RecordedRequest {
            arrived: arrived.into(),
            connection: control.number,
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            headers: head.headers.clone(),
            body: body.clone(),
        };
        core.shared.update(|stats| stats.recorded.push(recorded));
    }
    let exchange = Exchange {
        core,
        control,
        arrived,
        headers: head.headers,
        body,
    };
    Ok(exchange.route(&head.method, head.uri.path()).await)
}

impl Exchange<'_> {
    async fn route(self, method: &Method, path: &str) -> Response<SimBody> {
        let core = self.core;
        if let Some(reply) = control::unauthorized(core, path, &self.headers) {
            return self.reply(reply);
        }
        if !core.config.engine.has(path) {
            return self.reply(control::not_found(core));
        }
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.serves(path));
        match protocol {
            Some(protocol) if method == Method::POST => self.generate(*protocol, path).await,
            Some(_) => self.reply(control::not_allowed(core)),
            None => {
                let reply = control::answer(core, method, path, &self.body);
                self.reply(reply.unwrap_or_else(|| control::not_found(core)))
            }
        }
    }

    fn reply(&self, reply: Reply) -> Response<SimBody> {
        self.full(reply.status, reply.kind, reply.body)
    }

    async fn generate(&self, protocol: &dyn Protocol, path: &str) -> Response<SimBody> {
        let number = self.core.next_generation();
        self.core.shared.update(|stats| stats.requests += 1);
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let id = match header(REQUEST_ID) {
            Some(id) => id.to_owned(),
            None => format!("{:016x}", mix(&[self.core.config.seed, number])),
        };
        let cx = Context {
            config: &self.core.config,
            tokenizer: &*self.core.tokenizer,
            path,
            id: &id,
            created: self.core.unix_time(),
        };
        let mut response = match protocol.parse(&self.body, &cx) {
            Err(error) => self.refused(error),
            Ok((ask, format)) => {
                let model = ask.model.clone();
                let count = |stats: &mut SimStats| *stats.models.entry(model).or_default() += 1;
                self.core.shared.update(count);
                let own = header(FAULT_HEADER).or(ask.fault.as_deref());
                match self.effects(number, own) {
                    Ok(effects) => self.respond(number, (ask, format), effects).await,
                    Err(error) => {
                        self.refused(format.refuse(StatusCode::BAD_REQUEST, &error.to_string()))
                    }
                }
            }
        };
        if self.core.config.request_id_headers
            && let Ok(id) = HeaderValue::from_str(&id)
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    /// The faults of a request: its own if it asks for any, otherwise the configured ones.
    fn effects(&self, number: u64, own: Option<&str>) -> Result<Effects, FaultError> {
        let config = &self.core.config;
        let faults = match own {
            Some(spec) => parse_faults(spec)?,
            None => faults_of(&config.faults, number, config.seed),
        };
        if !faults.is_empty() {
            self.core.shared.update(|stats| stats.faulted += 1);
        }
        Ok(Effects::new(&faults))
    }

    /// The response to a request that was understood.
    async fn respond(
        &self,
        number: u64,
        (ask, mut format): (Ask, Box<dyn Format>),
        effects: Effects,
    ) -> Response<SimBody> {
        if let Some(silence) = effects.silence {
            if silence == Silence::HangUp {
                self.control.hang_up();
            }
            // Ends with the connection, which the client closes if the server does not.
            return std::future::pending().await;
        }
        let (slow_headers, idle_close, close) =
            (effects.slow_headers, effects.idle_close, effects.close);
        let mut response = if let Some((status, retry_after)) = effects.status {
            let mut response = self.refused(format.refuse(status, "simulated error"));
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        } else if effects.empty {
            let kind = if ask.stream { EVENT_STREAM } else { JSON };
            self.full(StatusCode::OK, Some(kind), Bytes::new())
        } else {
            format.style(effects.style);
            let stream = ask.stream;
            let words = (effects.script, effects.reasoning);
            let interval = ask.stream_interval;
            let job = Job::start(self.core, number, self.arrived, (ask, format), words);
            match stream {
                true => {
                    let headers = job.stream_headers();
                    let interval = interval.unwrap_or(self.core.config.stream_interval);
                    let stream = EventStream::new(job, interval, effects);
                    let body = SimBody::stream(stream, Rc::clone(self.control));
                    let response = self.response(StatusCode::OK, Some(EVENT_STREAM), body);
                    with_headers(response, headers)
                }
                false => self.whole(job, effects).await,
            }
        };
        if let Some(time) = slow_headers {
            tokio::time::sleep(time).await;
        }
        if close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.body_mut().set_idle_close(idle_close);
        response
    }

    /// The response that is not streamed, once it is whole or a fault ends it.
    async fn whole(&self, mut job: Job, mut effects: Effects) -> Response<SimBody> {
        let mut events = Vec::new();
        let mut replaced = None;
        let mut broken = None;
        'answer: loop {
            while let Some((_, trigger)) = effects.triggers.pop_front_if(|t| t.0 == job.sent()) {
                match trigger {
                    Trigger::Stall(Some(time)) => tokio::time::sleep(time).await,
                    Trigger::Stall(None) => std::future::pending().await,
                    Trigger::Garbage => replaced = Some((StatusCode::OK, GARBAGE.to_owned())),
                    Trigger::Abort => job.finish_all("abort", &mut events),
                    Trigger::Error => {
                        let error = job
                            .format()
                            .refuse(StatusCode::INTERNAL_SERVER_ERROR, ERROR);
                        replaced = Some((error.status, error.body));
                        break 'answer;
                    }
                    Trigger::Cut | Trigger::Reset => {
                        broken = Some(Action::Cut {
                            reset: trigger == Trigger::Reset,
                        });
                        break 'answer;
                    }
                    Trigger::CutClean => break 'answer,
                }
            }
            if job.ended() {
                break;
            }
            let choice = poll_fn(|cx| job.poll(cx)).await;
            let mut left = job.sendable(choice, 1);
            while left > 0 {
                let limit = effects
                    .triggers
                    .front()
                    .map(|t| t.0.saturating_sub(job.sent()));
                let limit = limit.filter(|limit| *limit > 0).unwrap_or(left);
                left -= job.send(choice, left.min(limit), &mut events);
            }
            events.clear();
        }
        job.close();
        let (headers, body) = job.whole();
        let (status, body) = replaced.unwrap_or((StatusCode::OK, body));
        let response = match broken {
            None if effects.never_end => {
                let endless = [
                    Action::Write(body.into()),
                    Action::Flush,
                    Action::Pause(None),
                ];
                let body = SimBody::fixed(None, endless, Rc::clone(self.control));
                self.response(status, Some(JSON), body)
            }
            None => self.json(status, body),
            Some(cut) => {
                let (length, mut body) = (body.len(), Bytes::from(body));
                body.truncate(length / 2);
                let gap = Action::Pause(Some(Duration::from_millis(2)));
                let actions = [Action::Write(body), Action::Flush, gap, cut];
                let body = SimBody::fixed(Some(length), actions, Rc::clone(self.control));
                self.response(status, Some(JSON), body)
            }
        };
        with_headers(response, headers)
    }

    fn refused(&self, error: ErrorReply) -> Response<SimBody> {
        let kind = if error.stream { EVENT_STREAM } else { JSON };
        self.full(error.status, Some(kind), error.body)
    }

    fn json(&self, status: StatusCode, body: String) -> Response<SimBody> {
        self.full(status, Some(JSON), body)
    }

    fn full(
        &self,
        status: StatusCode,
        kind: Option<HeaderValue>,
        body: impl Into<Bytes>,
    ) -> Response<SimBody> {
        self.response(status, kind, SimBody::full(body, Rc::clone(self.control)))
    }

    fn response(
        &self,
        status: StatusCode,
        kind: Option<HeaderValue>,
        body: SimBody,
    ) -> Response<SimBody> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(SERVER, HeaderValue::from_static("bench-sim"));
        if let Some(kind) = kind {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    }
}

/// Adds headers, which replace those that are there.
fn with_headers(
    mut response: Response<SimBody>,
    headers: Vec<(&'static str, String)>,
) -> Response<SimBody> {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}
