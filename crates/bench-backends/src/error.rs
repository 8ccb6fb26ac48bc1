use bench_types::{Failure, Prompt};
use thiserror::Error;

/// Most bytes of server output quoted in an error.
const EXCERPT: usize = 200;

/// A request that cannot be expressed, an answer that cannot be understood, or a backend
/// that does not exist.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// There is no backend of that name.
    #[error("there is no backend `{name}`{hint}; the backends are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// A suggestion, or nothing.
        hint: String,
        /// The names there are.
        known: String,
    },
    /// The protocol does not take that kind of prompt.
    #[error("backend `{backend}` cannot send {prompt}: {cure}")]
    Prompt {
        /// The backend.
        backend: &'static str,
        /// The kind of prompt.
        prompt: &'static str,
        /// What to do about it.
        cure: &'static str,
    },
    /// The protocol has no such parameter.
    #[error(
        "backend `{backend}` cannot send `{parameter}`: leave out --{parameter}, or name the \
         server's own field in --extra-body"
    )]
    Parameter {
        /// The backend.
        backend: &'static str,
        /// The parameter.
        parameter: &'static str,
    },
    /// The protocol has the log probabilities of the answer's own tokens only.
    #[error(
        "backend `{backend}` cannot ask for the log probabilities of {candidates} candidates: use \
         --logprobs 1 for those of the tokens of the answer"
    )]
    Candidates {
        /// The backend.
        backend: &'static str,
        /// How many are asked for.
        candidates: u32,
    },
    /// A field of the user's asks for answers that cannot be read.
    #[error(
        "backend `{backend}` cannot read answers with `{field}` {value} of --extra-body: {cure}"
    )]
    Field {
        /// The backend.
        backend: &'static str,
        /// The field.
        field: &'static str,
        /// Its value, as JSON.
        value: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// The path is not the path of a URI.
    #[error("`{path}` is no path of a URL: {source}")]
    Path {
        /// The path.
        path: String,
        /// Why not.
        source: http::uri::InvalidUri,
    },
    /// The request id cannot be the value of a header.
    #[error("request id `{id}` cannot be sent as a header: {source}")]
    RequestId {
        /// The id.
        id: String,
        /// Why not.
        source: http::header::InvalidHeaderValue,
    },
    /// The content type of the body cannot be the value of a header.
    #[error("content type `{content_type}` cannot be sent as a header: {source}")]
    ContentType {
        /// The content type.
        content_type: String,
        /// Why not.
        source: http::header::InvalidHeaderValue,
    },
    /// The body could not be serialized.
    #[error("the request body cannot be written as JSON: {0}")]
    Body(serde_json::Error),
    /// The backend reads streams only.
    #[error("this backend cannot read answers that are not streamed: leave out --no-stream")]
    NotStreamed,
    /// The backend reads whole answers only.
    #[error(
        "the server streams an answer that was to come whole: leave `stream` out of --extra-body"
    )]
    Streamed,
    /// An event of the answer is not what the protocol says.
    #[error("malformed event: {source}: {excerpt}")]
    Malformed {
        /// The beginning of the event.
        excerpt: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl BackendError {
    /// The refusal of a kind of prompt that the protocol does not take.
    pub fn prompt(backend: &'static str, prompt: &Prompt) -> BackendError {
        let (prompt, cure) = match prompt {
            Prompt::Text(_) => ("a single text", "use a dataset of the kind it takes"),
            Prompt::TokenIds(_) => (
                "token ids",
                "use the backend `vllm` or `openai`, or a dataset of text",
            ),
            Prompt::Chat(_) => ("chat messages", "use the backend `openai-chat`"),
            Prompt::Batch(_) => ("several texts at once", "leave out --random-batch-size"),
            Prompt::Rerank { .. } => ("documents to be ranked", "use the backend `vllm-rerank`"),
            Prompt::Audio(_) => ("recordings", "use the backend `openai-audio`"),
        };
        BackendError::Prompt {
            backend,
            prompt,
            cure,
        }
    }

    /// What to say of an event, or of a whole answer, that is not what the protocol says.
    pub fn malformed(data: &[u8], source: serde_json::Error) -> BackendError {
        BackendError::Malformed {
            excerpt: excerpt(data),
            source,
        }
    }
}

impl From<BackendError> for Failure {
    /// An answer that cannot be understood has failed with [`Failure::Protocol`].
    fn from(error: BackendError) -> Failure {
        Failure::Protocol(error.to_string())
    }
}

/// The beginning of what a server sent, fit to be shown.
pub(crate) fn excerpt(data: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&data[..data.len().min(EXCERPT)]).into_owned();
    match data.len() > EXCERPT {
        true => format!("{shown}..."),
        false => shown,
    }
}
