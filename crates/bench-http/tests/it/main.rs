//! Connections against real sockets that behave and misbehave on command.

mod exchange;
mod server;
mod tls;
