use bench_backends::BackendError;
use bench_http::{ConnectError, FetchError, HttpError};
use bench_report::ReportError;
use bench_types::Failure;

/// Why a run could not be carried out. A failed request is not among the reasons: it is a
/// record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is nothing to send.
    #[error("there is no request to send: the dataset is empty")]
    NothingToSend,
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] HttpError),
    /// No connection to the server could be opened.
    #[error("the server cannot be reached: {0}{cure}", cure = waiting_helps(.0))]
    Unreachable(#[source] ConnectError),
    /// The server did not get ready in time.
    #[error("the server at {url} was not ready after {seconds} s: {last}")]
    NotReady {
        /// Where the server is.
        url: String,
        /// How long was waited.
        seconds: f64,
        /// What the last attempt ended with.
        last: Failure,
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
    /// Why a question to the server has no answer.
    pub(crate) fn asking(error: FetchError) -> RunError {
        match error {
            FetchError::Connect(error) => RunError::Unreachable(error),
            error => RunError::Fetch(error),
        }
    }
}
