//! A streamed answer: the events of a job, with faults, as actions of a body.

use std::collections::VecDeque;
use std::mem;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use super::body::Action;
use super::effects::{Effects, Framing, Trigger};
use super::job::Job;
use crate::protocol::Event;

/// Time between the writes of bytes that must not arrive together. No length can
/// guarantee that; this one leaves a reader that is not starved enough time.
const GAP: Duration = Duration::from_millis(2);

/// What an in-band error says.
pub(super) const ERROR: &str = "simulated error in the stream";

/// What stands in the place of JSON.
pub(super) const GARBAGE: &str = "{\"simulated garbage";

/// The events of one answer.
pub(super) struct EventStream {
    job: Job,
    /// Tokens per event.
    interval: u32,
    no_done: bool,
    never_end: bool,
    triggers: VecDeque<(u32, Trigger)>,
    writer: Writer,
    started: bool,
}

impl EventStream {
    pub(super) fn new(mut job: Job, interval: u32, effects: Effects) -> EventStream {
        let Effects {
            no_done,
            never_end,
            triggers,
            framing,
            ..
        } = effects;
        let writer = Writer::new(job.format().prefix(), framing);
        EventStream {
            job,
            interval,
            no_done,
            never_end,
            triggers,
            writer,
            started: false,
        }
    }

    /// Appends what is to be done next, at least one action.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        actions: &mut VecDeque<Action>,
    ) -> Poll<()> {
        if !mem::replace(&mut self.started, true) {
            let mut events = Vec::new();
            self.job.format().open(&mut events);
            self.write(events, actions);
            self.trigger(actions);
        }
        // What comes at once is sent at once; only an empty list must wait for more.
        while actions.is_empty() {
            let choice = ready!(self.job.poll(cx));
            self.advance(choice, actions);
        }
        Poll::Ready(())
    }

    /// Sends what a choice has.
    fn advance(&mut self, choice: usize, actions: &mut VecDeque<Action>) {
        let mut left = self.job.sendable(choice, self.interval);
        let mut events = Vec::new();
        while left > 0 {
            let until_trigger = self
                .triggers
                .front()
                .map(|(after, _)| after - self.job.sent());
            let sent = self
                .job
                .send(choice, left.min(until_trigger.unwrap_or(left)), &mut events);
            left -= sent;
            self.write(events.drain(..), actions);
            self.writer.count(sent, actions);
            if self.trigger(actions) {
                return;
            }
        }
        if self.job.ended() {
            self.close(actions);
        }
    }

    /// Does what is to happen after as many tokens as have been sent; `true` if that was
    /// the end.
    fn trigger(&mut self, actions: &mut VecDeque<Action>) -> bool {
        while let Some((_, trigger)) = self.triggers.pop_front_if(|t| t.0 == self.job.sent()) {
            self.writer.flush(actions);
            match trigger {
                Trigger::Stall(time) => actions.extend([Action::Flush, Action::Pause(time)]),
                Trigger::Garbage => self.write([GARBAGE.to_owned().into()], actions),
                Trigger::Cut | Trigger::Reset => {
                    let reset = trigger == Trigger::Reset;
                    actions.extend([
                        Action::Flush,
                        Action::Pause(Some(GAP)),
                        Action::Cut { reset },
                    ]);
                    self.job.close();
                    return true;
                }
                Trigger::CutClean => {
                    actions.push_back(Action::End);
                    self.job.close();
                    return true;
                }
                Trigger::Error => {
                    let mut events = Vec::new();
                    self.job.format().error(ERROR, &mut events);
                    self.write(events, actions);
                    self.done(actions);
                    self.job.close();
                    return true;
                }
                Trigger::Abort => {
                    let mut events = Vec::new();
                    self.job.finish_all("abort", &mut events);
                    self.write(events, actions);
                    self.close(actions);
                    return true;
                }
            }
        }
        false
    }

    /// Ends the stream as its protocol does.
    fn close(&mut self, actions: &mut VecDeque<Action>) {
        let (usage, times) = (self.job.usage(), self.job.times());
        let mut events = Vec::new();
        self.job.format().close(usage, times, &mut events);
        self.write(events, actions);
        self.done(actions);
        self.job.close();
    }

    fn write(&mut self, events: impl IntoIterator<Item = Event>, actions: &mut VecDeque<Action>) {
        for event in events {
            self.writer.event(&event, actions);
        }
    }

    fn done(&mut self, actions: &mut VecDeque<Action>) {
        let done = self.job.format().done().filter(|_| !self.no_done);
        self.write(done, actions);
        self.writer.flush(actions);
        if self.never_end {
            actions.extend([Action::Flush, Action::Pause(None)]);
        }
        actions.push_back(Action::End);
    }
}

/// Puts events into writes.
struct Writer {
    prefix: &'static str,
    line_end: &'static str,
    framing: Framing,
    /// Events that wait for others to be merged with.
    held: Vec<u8>,
    events_held: u32,
    tokens_since_comment: u32,
}

impl Writer {
    fn new(prefix: &'static str, framing: Framing) -> Writer {
        let line_end = if framing.crlf { "\r\n" } else { "\n" };
        let (held, events_held, tokens_since_comment) = (Vec::new(), 0, 0);
        Writer {
            prefix,
            line_end,
            framing,
            held,
            events_held,
            tokens_since_comment,
        }
    }

    fn event(&mut self, event: &Event, actions: &mut VecDeque<Action>) {
        let (data, end) = (event.data.as_str(), self.line_end);
        self.held
            .reserve_exact(self.prefix.len() + data.len() + 2 * end.len());
        if let Some(name) = event.name {
            self.put(["event: ", name, end]);
        }
        self.put([self.prefix, data, end, end]);
        self.events_held += 1;
        if self.events_held >= self.framing.merge.unwrap_or(1) {
            self.flush(actions);
        }
    }

    fn put<const N: usize>(&mut self, parts: [&str; N]) {
        for part in parts {
            self.held.extend_from_slice(part.as_bytes());
        }
    }

    /// Writes the events that are held back.
    fn flush(&mut self, actions: &mut VecDeque<Action>) {
        self.events_held = 0;
        let mut bytes = Bytes::from(mem::take(&mut self.held));
        if bytes.is_empty() {
            return;
        }
        if self.framing.split {
            let first = bytes.split_to(bytes.len() / 2);
            actions.extend([
                Action::Write(first),
                Action::Flush,
                Action::Pause(Some(GAP)),
            ]);
        }
        actions.push_back(Action::Write(bytes));
        if self.framing.split {
            actions.extend([Action::Flush, Action::Pause(Some(GAP))]);
        }
    }

    /// Notes that tokens were sent, after which a comment may be due.
    fn count(&mut self, tokens: u32, actions: &mut VecDeque<Action>) {
        let Some(every) = self.framing.comments else {
            return;
        };
        self.tokens_since_comment += tokens;
        if self.tokens_since_comment >= every {
            self.tokens_since_comment = 0;
            self.flush(actions);
            let comment = format!(": ping{0}{0}", self.line_end);
            let gap = || [Action::Flush, Action::Pause(Some(GAP))];
            actions.extend(gap());
            actions.push_back(Action::Write(comment.into()));
            actions.extend(gap());
        }
    }
}
