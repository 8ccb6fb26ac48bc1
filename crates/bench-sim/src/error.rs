use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why a simulated server could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimError {
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}; use port 0 (--sim-port 0) to get any free port")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The unix socket could not be bound.
    #[error("cannot listen on unix socket {}: {source}", path.display())]
    BindUnix {
        /// The path asked for.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The server's thread or its runtime could not be started.
    #[error("cannot start the server's thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A setting is out of range or contradicts another one.
    #[error("invalid setting: {0}")]
    Config(String),
    /// No word of the built-in list is a single token for the given tokenizer, so the
    /// server could not say how many tokens it sends.
    #[error("the tokenizer encodes none of the server's words as a single token")]
    Tokenizer,
}
