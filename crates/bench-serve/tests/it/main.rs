//! The binary as a user meets it.
#![allow(clippy::unwrap_used)]

mod engines;
mod mistakes;
mod multi_turn;
mod options;
mod parity;
#[cfg(unix)]
mod reliability;
mod report;
mod results;
mod runs;
mod search;
mod secrets;
mod secure;
mod support;
mod sweep;
mod synthetic;
mod traces;
mod transport;
