#![doc = include_str!("../README.md")]

mod clock;
mod sse;
mod timeline;

pub use clock::{Clock, ClockCheck};
pub use sse::{Events, SseError, SseEvent, SseLimits, SseParser};
pub use timeline::TimelineBuilder;
