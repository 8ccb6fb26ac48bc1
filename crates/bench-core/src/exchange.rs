//! One request, from its encoding to its record.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bench_backends::BodyEnd;
use bench_http::{Arrival, Connection, Event, TransferError};
use bench_metrics::tokens::{KeepText, settle_from_stream};
use bench_types::{
    Failure, Finish, HangUp, History, Nanos, Outcome, Prompt, RequestRecord, TokenSource,
};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::Answer;
use crate::cancellation::CancelAfter;
use crate::history::Repeated;
use crate::stream::ResponseStream;
use crate::tickets::Ticket;
use crate::unfinished::Unfinished;
use crate::watchdog::Watchdog;
use crate::worker::WorkerContext;

/// After the end marker of its protocol an answer is whole, and only its connection still waits
/// for the end of the body. If that does not come within this time, the connection is dropped.
const END_GRACE: Duration = Duration::from_secs(1);

/// The limits are looked at, at the latest, after so many pieces of a response.
const CHECK_EVERY: u32 = 1024;

/// A request that is encoded and waits for its time.
pub(crate) struct Exchange {
    cx: Rc<WorkerContext>,
    ticket: Ticket,
    turn: u32,
    /// What its prompt repeats of the conversation.
    repeated: Option<Repeated>,
    /// Where it goes; `None` until it leaves, if that depends on how busy the servers are.
    server: Option<usize>,
    /// What is sent; gone once it is on its way.
    http: Option<http::Request<Bytes>>,
    /// Why there is nothing to send.
    unsendable: Option<Failure>,
    connection: Option<Connection>,
    stream: ResponseStream,
    sent: Option<Nanos>,
    /// When it was over, if that was before its end is noticed.
    closed: Option<Nanos>,
    /// When the client hangs up on it, if it does.
    cancel: Option<CancelAfter>,
    /// Its place among those that wait for their first token, if they are limited.
    prefill: Option<OwnedSemaphorePermit>,
}

/// Whether a request may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// At once.
    AtOnce,
    /// Now, after a wait.
    Waited,
    /// Not at all: the run ends.
    Refused,
}

impl Exchange {
    /// The first turn of a conversation, which has a slot since `released`: encodes the request
    /// and sets a pooled connection aside for it, if there is one.
    pub(crate) fn prepare(cx: &Rc<WorkerContext>, ticket: Ticket, released: Nanos) -> Exchange {
        let mut exchange = Exchange::encode(cx, ticket, 0, released);
        if let Some(server) = cx.plan.servers.foreseen(exchange.place()) {
            exchange.go_to(server);
        }
        exchange
    }

    /// Settles on a server and sets a connection to it aside.
    pub(crate) fn go_to(&mut self, server: usize) {
        self.server = Some(server);
        if let Some(mut connection) = self.cx.take_connection(server) {
            match self.load(&mut connection) {
                Ok(()) => self.connection = Some(connection),
                Err(failure) => self.unsendable = Some(failure),
            }
        }
    }

    /// The request of a turn whose prompt is whole as it stands.
    pub(crate) fn encode(
        cx: &Rc<WorkerContext>,
        ticket: Ticket,
        turn: u32,
        released: Nanos,
    ) -> Exchange {
        let asked = &cx.conversation(ticket).turns[turn as usize];
        Exchange::new(cx, ticket, turn, released).encoded(&asked.prompt)
    }

    /// The request of a turn that repeats what was said before it: `prompt` is all of it.
    pub(crate) fn encode_after(
        cx: &Rc<WorkerContext>,
        ticket: Ticket,
        turn: u32,
        released: Nanos,
        prompt: &Prompt,
        repeated: Repeated,
    ) -> Exchange {
        let mut exchange = Exchange::new(cx, ticket, turn, released);
        exchange.repeated = Some(repeated);
        exchange.encoded(prompt)
    }

    /// A turn that is never sent, though it was due.
    pub(crate) fn unsent(
        cx: &Rc<WorkerContext>,
        ticket: Ticket,
        turn: u32,
        server: Option<usize>,
        due: Nanos,
    ) -> Exchange {
        let mut exchange = Exchange::new(cx, ticket, turn, cx.clock.now());
        exchange.server = server;
        exchange.stream.seen.timeline.scheduled(due);
        exchange
    }

    fn new(cx: &Rc<WorkerContext>, ticket: Ticket, turn: u32, released: Nanos) -> Exchange {
        let plan = cx.plan_of(ticket);
        let keep_reply = cx.conversation(ticket).history == History::Live;
        let keep_text = plan.keep_text != KeepText::Never;
        let mut exchange = Exchange {
            cx: Rc::clone(cx),
            ticket,
            turn,
            repeated: None,
            server: None,
            http: None,
            unsendable: None,
            connection: None,
            stream: ResponseStream::new(plan.backend.decoder(), keep_text, keep_reply),
            sent: None,
            closed: None,
            cancel: plan.cancel_of(ticket, turn),
            prefill: None,
        };
        exchange.stream.seen.timeline.released(released);
        exchange
    }

    /// With the bytes of its request.
    fn encoded(mut self, prompt: &Prompt) -> Exchange {
        let plan = self.cx.plan_of(self.ticket);
        let conversation = self.cx.conversation(self.ticket);
        let asked = &conversation.turns[self.turn as usize];
        let model = plan.model_index(self.ticket.conversation);
        let request_id = plan.request.request_ids.of(self.number());
        let mut request = plan
            .request
            .ask(asked, &plan.models.names[usize::from(model)]);
        request.prompt = prompt;
        request.lora = plan.models.adapter(model);
        request.stream = plan.streams();
        request.request_id = Some(&request_id);
        match plan.backend.encode(&request) {
            Ok(mut http) => {
                let headers = http.headers_mut();
                plan.sessions.mark(headers, self.place(), conversation);
                self.http = Some(http);
            }
            Err(error) => self.unsendable = Some(error.into()),
        }
        self
    }

    /// Its number in the order of sending.
    fn number(&self) -> u64 {
        self.cx.plan_of(self.ticket).number(self.ticket, self.turn)
    }

    /// What its conversation is sent on.
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The place of its conversation among all that are sent, those sent again included.
    fn place(&self) -> usize {
        self.cx.plan_of(self.ticket).place(self.ticket)
    }

    /// Which turn of its conversation it is.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    /// The server it goes to, once that is settled.
    pub(crate) fn chosen_server(&self) -> Option<usize> {
        self.server
    }

    /// What was answered, if later turns repeat it.
    pub(crate) fn take_reply(&mut self) -> String {
        self.stream.seen.reply.take().unwrap_or_default()
    }

    /// The length of its prompt by the server.
    pub(crate) fn reported_prompt_tokens(&self) -> Option<u32> {
        self.stream.seen.prompt_tokens
    }

    /// Sends the request at once if it has a connection that is still good.
    pub(crate) fn launch(&mut self, scheduled: Nanos) {
        self.stream.seen.timeline.scheduled(scheduled);
        if self.server.is_none() {
            self.go_to(self.cx.plan.servers.least_in_flight(self.place()));
        }
        if self.turn == 0 {
            self.cx.plan.servers.enter(self.server());
        }
        if let Some(connection) = self.connection.take_if(|connection| connection.is_quiet()) {
            self.start(connection);
        }
    }

    /// Sees the request through to its end.
    pub(crate) async fn finish(&mut self) -> RequestRecord {
        self.cx.counters.in_flight.fetch_add(1, Relaxed);
        let outcome = match self.run().await {
            Ok(finish) => Outcome::Completed(finish),
            Err(unfinished) => unfinished.outcome(&self.cx.secrets),
        };
        self.prefill = None;
        self.cx.counters.in_flight.fetch_sub(1, Relaxed);
        self.record(outcome)
    }

    /// Where it goes. A request that never left counts as one of the first server.
    pub(crate) fn server(&self) -> usize {
        self.server.unwrap_or(0)
    }

    fn load(&self, connection: &mut Connection) -> Result<(), Failure> {
        if let Some(failure) = &self.unsendable {
            return Err(failure.clone());
        }
        connection
            .encode(self.http.clone().unwrap_or_default())
            .map_err(|error| Failure::Protocol(error.to_string()))
    }

    fn start(&mut self, mut connection: Connection) {
        let sent = connection.start();
        self.http = None;
        self.stream.seen.timeline.sent(sent);
        self.sent = Some(sent);
        self.connection = Some(connection);
    }

    /// Waits for a place among those that wait for their first token.
    pub(crate) async fn enter_prefill(&mut self) -> Admission {
        let cx = Rc::clone(&self.cx);
        let Some(places) = &cx.prefills else {
            return Admission::AtOnce;
        };
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            self.prefill = Some(place);
            return Admission::AtOnce;
        }
        tokio::select! {
            biased;
            () = cx.stop.stopped() => return Admission::Refused,
            () = cx.cut.cancelled() => return Admission::Refused,
            place = Arc::clone(places).acquire_owned() => self.prefill = place.ok(),
        }
        self.stream.seen.timeline.released(cx.clock.now());
        Admission::Waited
    }

    async fn run(&mut self) -> Result<Finish, Unfinished> {
        let cx = Rc::clone(&self.cx);
        let mut cut = pin!(cx.cut.cancelled());
        if self.sent.is_none() {
            // Had it been of use, the request would have left on it.
            self.connection = None;
            tokio::select! {
                biased;
                connected = self.connect() => connected?,
                () = &mut cut => return Err(cx.cut_off()),
            }
        }
        let Some(mut connection) = self.connection.take() else {
            return Err(Failure::Connect("the connection is gone".into()).into());
        };
        let finish = self.receive(&mut connection, cut).await;
        // The pool keeps it only if the response was read to its end.
        cx.pool(self.server()).put(connection);
        finish
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        if let Some(failure) = self.unsendable.take() {
            return Err(failure);
        }
        let server = self.server();
        let mut connection = match self.cx.take_connection(server) {
            Some(pooled) => pooled,
            None => {
                let opened = self.cx.pool(server).connect().await?;
                self.stream.seen.timeline.connected(self.cx.clock.now());
                opened
            }
        };
        self.load(&mut connection)?;
        self.start(connection);
        Ok(())
    }

    async fn receive(
        &mut self,
        connection: &mut Connection,
        mut cut: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Finish, Unfinished> {
        let clock = self.cx.clock.clone();
        let patience = self.cancel.and_then(CancelAfter::time);
        let sent = self.sent.unwrap_or_default();
        let mut watchdog = Watchdog::new(&self.cx.plan.timeouts, patience, sent);
        let streams = self.cx.plan.streams();
        let mut answer = Answer::Stream;
        let mut events = 0_u32;
        loop {
            let event = tokio::select! {
                biased;
                event = connection.event() => event,
                () = &mut watchdog.sleep => {
                    if self.is_decided(&answer) {
                        return Ok(self.leave_unended(answer, watchdog.last)?);
                    }
                    // An answer in one piece has no first token.
                    watchdog.check(clock.now(), !streams || self.stream.seen.contents > 0)?;
                    continue;
                }
                () = &mut cut => {
                    if self.is_decided(&answer) {
                        return Ok(self.leave_unended(answer, watchdog.last)?);
                    }
                    return Err(self.cx.cut_off());
                }
            };
            // A server that never pauses leaves no room for the other two.
            events += 1;
            if events == CHECK_EVERY {
                events = 0;
                if self.cx.cut.is_cancelled() && !self.is_decided(&answer) {
                    return Err(self.cx.cut_off());
                }
                watchdog.check(clock.now(), !streams || self.stream.seen.contents > 0)?;
            }
            match event {
                Ok(Event::Head(head)) => {
                    self.stream.headers(&head.headers, head.at);
                    watchdog.last = head.at.at;
                    answer = Answer::expect(streams, head);
                    if answer.is_refusal() {
                        watchdog.ring_after(END_GRACE);
                    }
                }
                Ok(Event::Data { bytes, at }) => {
                    watchdog.last = at.at;
                    let done = self.stream.seen.done;
                    self.take_in(&mut answer, &bytes, at)?;
                    if self.stream.seen.done && !done {
                        watchdog.ring_after(END_GRACE);
                    }
                    self.check_patience()?;
                }
                Ok(Event::End { at }) => {
                    return Ok(match answer {
                        Answer::Stream => self.stream.end(BodyEnd::Complete, at.at)?,
                        Answer::Whole(body) => self.stream.whole(&body, at)?,
                        Answer::Refusal(refusal) => {
                            return Err(refusal.failure(&self.cx.secrets).into());
                        }
                    });
                }
                Err(error) => {
                    return Ok(self.broken_off(error, answer)?);
                }
            }
        }
    }

    /// The connection broke, or what came makes no sense.
    fn broken_off(&mut self, error: TransferError, answer: Answer) -> Result<Finish, Failure> {
        match (error, answer) {
            (TransferError::Cut(_), Answer::Refusal(refusal)) => {
                Err(refusal.failure(&self.cx.secrets))
            }
            (error @ TransferError::Cut(_), _) => {
                let how = error.to_string();
                self.stream.end(BodyEnd::Cut(&how), self.cx.clock.now())
            }
            (error, _) => Err(error.into()),
        }
    }

    /// Whether the outcome is known although the body has not ended.
    fn is_decided(&self, answer: &Answer) -> bool {
        self.stream.seen.done || answer.is_refusal()
    }

    /// The outcome is known, and the body does not end: the request was over with its last
    /// read.
    fn leave_unended(&mut self, answer: Answer, last: Nanos) -> Result<Finish, Failure> {
        self.closed = Some(last);
        self.cx.note_unended();
        match answer {
            Answer::Refusal(refusal) => Err(refusal.failure(&self.cx.secrets)),
            _ => self.stream.end(BodyEnd::Cut("the body did not end"), last),
        }
    }

    /// Hangs up on an answer that is long enough.
    fn check_patience(&self) -> Result<(), HangUp> {
        let seen = &self.stream.seen;
        match self.cancel {
            Some(CancelAfter::Tokens(enough)) if !seen.done && seen.tokens() >= enough.into() => {
                Err(HangUp::Cancelled)
            }
            _ => Ok(()),
        }
    }

    /// Takes in a piece of the body.
    fn take_in(&mut self, answer: &mut Answer, bytes: &[u8], at: Arrival) -> Result<(), Failure> {
        match answer {
            Answer::Stream => self.data(bytes, at)?,
            Answer::Whole(body) => {
                self.stream.seen.read(at);
                body.extend_from_slice(bytes);
            }
            Answer::Refusal(refusal) => refusal.extend(bytes),
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8], at: Arrival) -> Result<(), Failure> {
        let (contents, merged) = (self.stream.seen.contents, self.stream.seen.receive.merged);
        let result = self.stream.data(bytes, at);
        let seen = &self.stream.seen;
        if seen.contents > contents {
            self.prefill = None;
            self.cx
                .counters
                .chunks
                .fetch_add(seen.contents - contents, Relaxed);
        }
        let merged = u64::from(seen.receive.merged - merged);
        self.cx.merged.set(self.cx.merged.get() + merged);
        result
    }

    pub(crate) fn record(&mut self, outcome: Outcome) -> RequestRecord {
        let cx = &self.cx;
        let plan = cx.plan_of(self.ticket);
        let conversation = cx.conversation(self.ticket);
        let asked = &conversation.turns[self.turn as usize];
        let chunk_tokens = self.stream.chunk_token_source();
        let server_index = u16::try_from(self.server()).unwrap_or(u16::MAX);
        let id = self.number();
        let seen = &mut self.stream.seen;
        let (own, reported) = (asked.prompt_tokens, seen.prompt_tokens);
        let (prompt_tokens, prompt_tokens_source) = match (&self.repeated, own, reported) {
            (Some(repeated), ..) => repeated.prompt_tokens(own, reported),
            (None, Some(counted), _) => (counted, TokenSource::Dataset),
            (None, None, Some(reported)) => (reported, TokenSource::Usage),
            (None, None, None) => (0, TokenSource::Unknown),
        };
        let repeated = self.repeated.as_ref();
        let (output_tokens, output_tokens_source) = match seen.completion_tokens {
            Some(reported) => (reported, TokenSource::Usage),
            None => (0, TokenSource::Unknown),
        };
        // By the prompts of the run, and by what was said before, which is known only now. In a
        // later round more may have been said in the same words, and nobody knows how much.
        let shared = plan.expected_cached_tokens(self.ticket, self.turn, prompt_tokens);
        let said = repeated.and_then(|all| all.cached(prompt_tokens));
        let said = said.filter(|_| self.ticket.round == 0);
        let mut record = RequestRecord {
            id,
            conversation: conversation.id,
            turn: self.turn,
            server_index,
            model_index: plan.model_index(self.ticket.conversation),
            inputs: u32::try_from(asked.prompt.inputs()).unwrap_or(u32::MAX),
            audio: match &asked.prompt {
                Prompt::Audio(audio) => Some(audio.duration.into()),
                _ => None,
            },
            prompt_tokens,
            prompt_tokens_source,
            class_index: plan.classes.index(self.ticket.conversation),
            kind: self.ticket.kind,
            cached_tokens: seen.cached_tokens,
            expected_cached_tokens: shared.max(said),
            max_output_tokens: asked.max_output_tokens,
            output_tokens,
            output_tokens_source,
            chunk_tokens,
            timeline: seen
                .timeline
                .finish(self.closed.unwrap_or_else(|| cx.clock.now())),
            outcome,
            server: seen.server,
            receive: seen.receive,
            transcript: seen.transcript.take(),
        };
        settle_from_stream(&mut record, plan.keep_text);
        // What a chat template adds to every message of a history is no mismatch.
        let reported = reported.filter(|_| repeated.is_none());
        cx.note_answer(&record, reported, seen.model.take());
        record
    }
}
