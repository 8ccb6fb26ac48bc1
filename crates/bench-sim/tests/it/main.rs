//! Tests over real sockets.

// Clippy allows it in tests, but not in their helpers.
#![allow(clippy::unwrap_used)]

mod access;
mod audio;
mod client;
mod control;
mod faults;
mod pooled;
mod routes;
mod server;
mod stream;
