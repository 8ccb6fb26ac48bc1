use bench_backends::BackendError;
use bench_http::{ConnectError, FetchError, HttpError};
use bench_report::ReportError;
use bench_types::Failure;

use crate::ArrivalsError;

/// Why a run could not be carried out. A failed request is not among the reasons: it is a
/// record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is nothing to send.
    #[error("there is no request to send: the dataset is empty")]
    NothingToSend,
    /// The load shape does not fit what is to be sent.
    #[error(transparent)]
    Arrivals(#[from] ArrivalsError),
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] HttpError),
    /// No connection to the server could be opened.
    #[error("the server cannot be reached: {0}{cure}", cure = waiting_helps(.0))]
    Unreachable(#[source] ConnectError),
    /// The server did not get ready in time.
    #[error("the server at {url} was not ready after {seconds:.1} s: {last}")]
    NotReady {
        /// Where the server is.
        url: String,
        /// How long was waited.
        seconds: f64,
        /// What the last attempt ended with.
        last: Failure,
    },
    /// The run was stopped while it waited for the server.
    #[error("stopped while waiting for the server at {url} to be ready")]
    Stopped {
        /// Where the server is.
        url: String,
    },
    /// The server was asked for its models and has no answer.
    #[error("the server does not say which models it serves ({reason}); name one with --model")]
    NoModelList {
        /// What went wrong.
        reason: String,
    },
    /// The model is not there.
    #[error("the server does not serve `{model}` ({answer}); it serves: {}", served.join(", "))]
    UnknownModel {
        /// What was asked for.
        model: String,
        /// What the server says to a request for it.
        answer: Failure,
        /// What it lists.
        served: Vec<String>,
    },
    /// A request for a model that the server does not list failed, and not for the model.
    #[error("whether the server at {url} serves `{model}` could not be found out: {failure}")]
    Untried {
        /// Where the server is.
        url: String,
        /// What was asked for.
        model: String,
        /// What the request ended with.
        failure: Failure,
    },
    /// The server does not do what is asked of it beside the load.
    #[error("{url}: {answer}; {cure}")]
    Control {
        /// Where it was asked.
        url: String,
        /// What it says.
        answer: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// Several servers do not do what is asked of them, or not all of it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; also "))]
    Several(Vec<RunError>),
    /// The backend cannot express the requests.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The backend cannot express one of the requests.
    #[error("request {number}, counted from 0: {source}")]
    Unsendable {
        /// Which one.
        number: u64,
        /// Why not.
        source: BackendError,
    },
    /// The turns of a conversation cannot be sent as they are.
    #[error("conversation {conversation}, counted from 0: {problem}")]
    Conversation {
        /// Which one.
        conversation: u64,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A question to the server failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The record log cannot be written.
    #[error(transparent)]
    Log(#[from] ReportError),
    /// A worker thread could not do its work.
    #[error("a worker of the load engine failed: {0}")]
    Worker(#[source] std::io::Error),
    /// A worker thread ended without a word.
    #[error("a worker of the load engine ended unexpectedly; this is a bug, please report it")]
    WorkerLost,
}

/// What may help where a server that is there would have answered; the other errors name their
/// cures themselves.
fn waiting_helps(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Tls { .. } | ConnectError::NoHttp2 { .. } | ConnectError::Proxy { .. } => "",
        _ => {
            "; is it running, and is this its address? (--ready-check-timeout-sec N waits for it \
             to come up)"
        }
    }
}

impl RunError {
    /// `errors` as one.
    pub(crate) fn of_several(mut errors: Vec<RunError>) -> RunError {
        match errors.len() {
            1 => errors.remove(0),
            _ => RunError::Several(errors),
        }
    }

    /// Whether waiting for the server cannot help. A proxy may only be waiting for it too, and a
    /// server that is starting may break off a handshake.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            RunError::Unreachable(ConnectError::Tls { source, .. }) => {
                let broken_off = source.kind() == std::io::ErrorKind::UnexpectedEof;
                source.raw_os_error().is_none() && !broken_off
            }
            RunError::Unreachable(ConnectError::NoHttp2 { .. }) => true,
            // It wants another key.
            RunError::Control { .. } => true,
            _ => false,
        }
    }

    /// Why a question to the server has no answer.
    pub(crate) fn asking(error: FetchError) -> RunError {
        match error {
            FetchError::Connect(error) => RunError::Unreachable(error),
            error => RunError::Fetch(error),
        }
    }
}
