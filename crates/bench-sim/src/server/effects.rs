use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;

use crate::fault::Fault;
use crate::protocol::Style;
use crate::words::Script;

/// What the faults of one request mean for its answer, sorted by where they act.
#[derive(Debug)]
pub(super) struct Effects {
    // Instead of an answer.
    pub(super) silence: Option<Silence>,
    // Before the answer.
    pub(super) status: Option<(StatusCode, Option<u64>)>,
    pub(super) slow_headers: Option<Duration>,
    pub(super) empty: bool,
    // What is said, and in which shape.
    pub(super) script: Script,
    pub(super) style: Style,
    pub(super) reasoning: u32,
    pub(super) no_done: bool,
    pub(super) never_end: bool,
    pub(super) framing: Framing,
    /// What happens after so many tokens, in that order.
    pub(super) triggers: VecDeque<(u32, Trigger)>,
    // After the answer.
    pub(super) close: bool,
    pub(super) idle_close: Option<Duration>,
}

/// What happens to the connection when there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    HangUp,
    Mute,
}

/// How events are put into writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    pub(super) crlf: bool,
    pub(super) split: bool,
    /// Events per write, if more than one.
    pub(super) merge: Option<u32>,
    /// A comment after every so many tokens.
    pub(super) comments: Option<u32>,
}

/// What happens in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Error,
    Cut,
    Reset,
    CutClean,
    /// For this long; forever without a duration.
    Stall(Option<Duration>),
    Garbage,
    Abort,
}

impl Effects {
    pub(super) fn new(faults: &[Fault]) -> Effects {
        let mut effects = Effects {
            silence: None,
            status: None,
            slow_headers: None,
            empty: false,
            script: Script::Plain,
            style: Style::default(),
            reasoning: 0,
            no_done: false,
            never_end: false,
            framing: Framing::default(),
            triggers: VecDeque::new(),
            close: false,
            idle_close: None,
        };
        for fault in faults {
            effects.add(*fault);
        }
        effects
            .triggers
            .make_contiguous()
            .sort_by_key(|(after, _)| *after);
        effects
    }

    fn add(&mut self, fault: Fault) {
        let mut after = |k, trigger| self.triggers.push_back((k, trigger));
        match fault {
            Fault::Status { code, retry_after } => {
                let code = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                self.status = Some((code, retry_after));
            }
            Fault::SlowHeaders(ms) => self.slow_headers = Some(Duration::from_millis(ms)),
            Fault::NoAnswer => self.silence = Some(Silence::HangUp),
            Fault::Mute => self.silence = Some(Silence::Mute),
            Fault::Empty => self.empty = true,
            Fault::Error(k) => after(k, Trigger::Error),
            Fault::Cut(k) => after(k, Trigger::Cut),
            Fault::Reset(k) => after(k, Trigger::Reset),
            Fault::CutClean(k) => after(k, Trigger::CutClean),
            Fault::Stall { after: k, ms } => {
                after(k, Trigger::Stall(ms.map(Duration::from_millis)))
            }
            Fault::Garbage(k) => after(k, Trigger::Garbage),
            Fault::Abort(k) => after(k, Trigger::Abort),
            Fault::Comments(n) => self.framing.comments = Some(n),
            Fault::Crlf => self.framing.crlf = true,
            Fault::Split => self.framing.split = true,
            Fault::Merge(n) => self.framing.merge = Some(n),
            Fault::Utf8 => self.script = Script::Wide,
            Fault::Utf8Partial => self.script = Script::WidePartial,
            Fault::NoDone => self.no_done = true,
            Fault::NeverEnd => self.never_end = true,
            Fault::BareRole => self.style.bare_role = true,
            Fault::Reasoning(k) => self.reasoning = k,
            Fault::UsageOnFinish => self.style.usage_on_finish = true,
            Fault::NoUsage => self.style.no_usage = true,
            Fault::Close => self.close = true,
            Fault::IdleClose(ms) => self.idle_close = Some(Duration::from_millis(ms)),
        }
    }
}
