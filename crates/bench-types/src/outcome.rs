use std::fmt;

use serde::{Deserialize, Serialize};

/// How a request ended. A failed request is data, never an error of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server's answer arrived whole.
    Completed(Finish),
    /// It did not.
    Failed(Failure),
    /// The client hung up on it, so that nobody knows how it would have ended: neither an answer
    /// nor a failure of the server.
    HungUp(HangUp),
}

impl Outcome {
    /// Whether the answer arrived whole.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Completed(_))
    }

    /// The failure, if it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Completed(_) | Outcome::HungUp(_) => None,
            Outcome::Failed(failure) => Some(failure),
        }
    }

    /// Whether the request has no whole answer and somebody other than the client may be to
    /// blame.
    pub fn is_failure(&self) -> bool {
        self.failure().is_some()
    }

    /// Why the client hung up, if it did.
    pub fn hang_up(&self) -> Option<HangUp> {
        match self {
            Outcome::HungUp(reason) => Some(*reason),
            Outcome::Completed(_) | Outcome::Failed(_) => None,
        }
    }

    /// Why there is no whole answer, in words; `None` if there is one.
    pub fn problem(&self) -> Option<String> {
        match self {
            Outcome::Completed(_) => None,
            Outcome::Failed(failure) => Some(failure.to_string()),
            Outcome::HungUp(reason) => Some(reason.to_string()),
        }
    }
}

/// Why a client hung up on a request that was not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangUp {
    /// As a user who does not want the rest: the workload asks for it.
    Cancelled,
    /// The time of the run was over, and the grace period after it: the observation is censored.
    Censored,
}

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HangUp::Cancelled => "cancelled by the client, as the workload asks",
            HangUp::Censored => "cut off when the time of the run was over",
        })
    }
}

/// Why the server stopped generating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// An end-of-sequence token or a stop string.
    Stop,
    /// `max_tokens` or the context length was reached.
    Length,
    /// The model called a tool.
    ToolCalls,
    /// A content filter stepped in.
    ContentFilter,
    /// A reason this version does not know.
    Other,
    /// The protocol gives no reason.
    Unstated,
}

/// The phase of a request that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutPhase {
    /// Opening the connection.
    Connect,
    /// From `sent` to the first chunk with content.
    FirstToken,
    /// Silence between two reads.
    Idle,
    /// From `sent` to the end.
    Total,
}

/// Why a request has no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The connection could not be opened, or broke before the response began.
    Connect(String),
    /// The TLS handshake or the TLS layer failed.
    Tls(String),
    /// An HTTP status other than 2xx.
    Status {
        /// The status code.
        code: u16,
        /// The error message in the body, or the beginning of the body.
        body: String,
    },
    /// The server reported an error inside a stream that had begun with 200.
    Server(String),
    /// The bytes do not follow the protocol: a malformed event, broken chunk framing.
    Protocol(String),
    /// A time limit of the user was exceeded.
    Timeout(TimeoutPhase),
    /// The stream ended before it said that it was complete.
    Truncated(String),
    /// The stream ended properly but held no token at all.
    NoTokens,
    /// The run was stopped while the request was under way.
    Cancelled,
}

impl Failure {
    /// The class that failures are counted by.
    pub fn class(&self) -> FailureClass {
        match self {
            Failure::Connect(_) => FailureClass::Connect,
            Failure::Tls(_) => FailureClass::Tls,
            Failure::Status { code, .. } => FailureClass::Status(*code),
            Failure::Server(_) => FailureClass::Server,
            Failure::Protocol(_) => FailureClass::Protocol,
            Failure::Timeout(phase) => FailureClass::Timeout(*phase),
            Failure::Truncated(_) => FailureClass::Truncated,
            Failure::NoTokens => FailureClass::NoTokens,
            Failure::Cancelled => FailureClass::Cancelled,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(text) => write!(f, "connection failed: {text}"),
            Failure::Tls(text) => write!(f, "TLS failed: {text}"),
            Failure::Status { code, body } if body.is_empty() => write!(f, "HTTP status {code}"),
            Failure::Status { code, body } => write!(f, "HTTP status {code}: {body}"),
            Failure::Server(text) => write!(f, "error inside the answer: {text}"),
            Failure::Protocol(text) => write!(f, "malformed response: {text}"),
            Failure::Timeout(phase) => match phase {
                TimeoutPhase::Connect => f.write_str("timed out opening the connection"),
                TimeoutPhase::FirstToken => f.write_str("timed out waiting for the first token"),
                TimeoutPhase::Idle => f.write_str("timed out: the stream went silent"),
                TimeoutPhase::Total => f.write_str("timed out: the request took too long"),
            },
            Failure::Truncated(text) => write!(f, "stream cut short: {text}"),
            Failure::NoTokens => f.write_str("the stream ended without a single token"),
            Failure::Cancelled => f.write_str("cancelled when the run was stopped"),
        }
    }
}

/// The classes of [`Failure`], without the particulars.
///
/// The [`fmt::Display`] form (`connect`, `status_503`, `timeout_idle`, ...) is the key used
/// in results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// See [`Failure::Connect`].
    Connect,
    /// See [`Failure::Tls`].
    Tls,
    /// See [`Failure::Status`]; one class per code.
    Status(u16),
    /// See [`Failure::Server`].
    Server,
    /// See [`Failure::Protocol`].
    Protocol,
    /// See [`Failure::Timeout`]; one class per phase.
    Timeout(TimeoutPhase),
    /// See [`Failure::Truncated`].
    Truncated,
    /// See [`Failure::NoTokens`].
    NoTokens,
    /// See [`Failure::Cancelled`].
    Cancelled,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureClass::Connect => f.write_str("connect"),
            FailureClass::Tls => f.write_str("tls"),
            FailureClass::Status(code) => write!(f, "status_{code}"),
            FailureClass::Server => f.write_str("server_error"),
            FailureClass::Protocol => f.write_str("protocol"),
            FailureClass::Timeout(TimeoutPhase::Connect) => f.write_str("timeout_connect"),
            FailureClass::Timeout(TimeoutPhase::FirstToken) => f.write_str("timeout_first_token"),
            FailureClass::Timeout(TimeoutPhase::Idle) => f.write_str("timeout_idle"),
            FailureClass::Timeout(TimeoutPhase::Total) => f.write_str("timeout_total"),
            FailureClass::Truncated => f.write_str("truncated"),
            FailureClass::NoTokens => f.write_str("no_tokens"),
            FailureClass::Cancelled => f.write_str("cancelled"),
        }
    }
}
