//! Connections against real sockets that behave and misbehave on command.
#![allow(clippy::unwrap_used)]

mod exchange;
mod frames;
mod http2;
mod proxy;
mod secure;
mod server;
mod tls;
