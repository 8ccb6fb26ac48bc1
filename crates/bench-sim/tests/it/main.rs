//! Tests over real sockets.

// Clippy allows it in tests, but not in their helpers.
#![allow(clippy::unwrap_used)]

mod access;
mod audio;
mod client;
mod control;
mod faults;
mod messages;
mod pooled;
mod protocols;
mod responses;
mod routes;
mod server;
mod sglang;
mod stream;
mod tgi;
mod triton;
mod wire;
