use std::io;

use bench_types::{Failure, TimeoutPhase};

use crate::explain;

/// Why a target cannot be used at all; the run cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The base URL is not one.
    #[error(
        "`{url}` is not a usable base URL: {reason}; write it like http://localhost:8000, \
         https://host/prefix or unix:///run/server.sock"
    )]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host name has no address.
    #[error("cannot resolve host `{host}`: {source}; check the name in --base-url or --host")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// The certificates to trust cannot be loaded.
    #[error("cannot load the certificates to trust from {path}: {reason}")]
    Certificates {
        /// File, or the system's store.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// The certificate the client is to show, or its key, cannot be used.
    #[error("cannot use the client certificate or key in {path}: {reason}")]
    ClientCertificate {
        /// The file.
        path: String,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// The proxy that leads to the target cannot be used.
    #[error(
        "cannot use the proxy {proxy}: {reason}; write it like http://proxy:3128 or \
         http://user:password@proxy:3128, or list the target as one to reach without it"
    )]
    Proxy {
        /// The proxy, without name and password.
        proxy: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A request that HTTP cannot express, such as a header with a line break.
    #[error("the request cannot be encoded: {0}")]
    Request(String),
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The socket could not be connected.
    #[error("cannot connect to {address}: {source}")]
    Socket {
        /// The address tried last.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("{}", explain::handshake(host, source))]
    Tls {
        /// The server.
        host: String,
        /// What rustls or the socket says.
        source: io::Error,
    },
    /// HTTP/2 was asked for, and the server does not speak it.
    #[error("{host} does not speak HTTP/2: {reason}; leave out --http2 to speak HTTP/1.1")]
    NoHttp2 {
        /// The server.
        host: String,
        /// How that was found out.
        reason: String,
    },
    /// The proxy does not let us through.
    #[error("the proxy {proxy} does not lead to {to}: {reason}")]
    Proxy {
        /// The proxy, without name and password.
        proxy: String,
        /// Where to.
        to: String,
        /// What it answered, and the cure.
        reason: String,
    },
    /// The limit of [`crate::PoolOptions::connect_timeout`] passed.
    #[error("connecting to {address} took longer than {seconds} s")]
    Timeout {
        /// Where to.
        address: String,
        /// The limit.
        seconds: f64,
    },
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        match &error {
            ConnectError::Socket { .. } => Failure::Connect(error.to_string()),
            ConnectError::Tls { .. } => Failure::Tls(error.to_string()),
            ConnectError::NoHttp2 { .. } => Failure::Protocol(error.to_string()),
            ConnectError::Proxy { .. } => Failure::Connect(error.to_string()),
            ConnectError::Timeout { .. } => Failure::Timeout(TimeoutPhase::Connect),
        }
    }
}

/// Why an exchange on an open connection broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The connection ended before the response began.
    #[error("the connection was closed before a response came{}", cause(.0))]
    NoResponse(Option<io::Error>),
    /// The server gave up the request, or the connection with it, before the response began.
    #[error("the server gave up the request before a response came: {0}")]
    Reset(String),
    /// The connection, or the response alone, ended inside the response.
    #[error("the connection was closed inside the response{}", cause(.0))]
    Cut(Option<io::Error>),
    /// What came is not HTTP.
    #[error("the response is not valid HTTP: {0}")]
    Malformed(String),
    /// TLS failed after the handshake.
    #[error("TLS failed: {0}")]
    Tls(String),
}

fn cause(error: &Option<io::Error>) -> String {
    error
        .as_ref()
        .map(|error| format!(" ({error})"))
        .unwrap_or_default()
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Failure {
        match &error {
            TransferError::NoResponse(_) | TransferError::Reset(_) => {
                Failure::Connect(error.to_string())
            }
            TransferError::Cut(_) => Failure::Truncated(error.to_string()),
            TransferError::Malformed(_) => Failure::Protocol(error.to_string()),
            // Failures say themselves that it was TLS.
            TransferError::Tls(text) => Failure::Tls(text.clone()),
        }
    }
}
