//! Connections against real sockets that behave and misbehave on command.
#![allow(clippy::unwrap_used)]

mod exchange;
mod server;
mod tls;
