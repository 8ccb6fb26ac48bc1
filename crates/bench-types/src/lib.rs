#![doc = include_str!("../README.md")]

mod outcome;
mod record;
mod request;
mod run;
mod time;
mod timeline;

pub use outcome::{Failure, FailureClass, Finish, HangUp, Outcome, TimeoutPhase};
pub use record::{
    ReceiveCounts, RequestKind, RequestRecord, ServerTimings, TokenSource, Transcript,
};
pub use request::{Audio, Conversation, History, Prompt, Sampling, Task, Turn};
pub use run::{
    LagSummary, PrefixCacheCounts, ReceiveClock, RunEnd, RunFacts, WarmUpEnd, WarmUpFacts,
    WorkerFacts,
};
pub use time::Nanos;
pub use timeline::{Mark, MarkKind, Timeline};
