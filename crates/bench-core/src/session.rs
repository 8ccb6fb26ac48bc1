//! The headers by which servers and routers tell conversations apart.

use bench_types::Conversation;
use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{RequestIds, RunError};

/// The header that names the conversation, if the user wants no other.
pub(crate) const SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");

/// The header by which SGLang's router keeps requests with one key together.
const ROUTING_KEY: HeaderName = HeaderName::from_static("x-smg-routing-key");

/// What the conversations of a run are called.
pub(crate) struct Sessions {
    /// The header that names the conversation; `None` if none is sent.
    header: Option<HeaderName>,
    ids: RequestIds,
    /// Tells the routing keys of one run from those of another.
    run: String,
}

impl Sessions {
    /// Names that no other run has. The header is sent if any of the conversations has several
    /// turns.
    pub(crate) fn new(header: Option<HeaderName>, conversations: &[Conversation]) -> Sessions {
        let several = conversations.iter().any(|one| one.turns.len() > 1);
        Sessions {
            header: header.filter(|_| several),
            ids: RequestIds::random(),
            run: RequestIds::random().of(0),
        }
    }

    /// Adds the headers of a conversation by its place in the run, where the user has none of
    /// the same name.
    pub(crate) fn mark(&self, headers: &mut HeaderMap, place: usize, conversation: &Conversation) {
        let id = || HeaderValue::try_from(self.ids.of(place as u64));
        if let Some(name) = &self.header
            && let (Entry::Vacant(free), Ok(id)) = (headers.entry(name), id())
        {
            free.insert(id);
        }
        if let Some(key) = &conversation.routing_key
            && let (Entry::Vacant(free), Ok(key)) = (headers.entry(ROUTING_KEY), self.key(key))
        {
            free.insert(key);
        }
    }

    fn key(&self, key: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        HeaderValue::try_from(format!("{}_{key}", self.run))
    }
}

/// Whether the routing key of a conversation can be sent.
///
/// # Errors
/// [`RunError::Conversation`] if not.
pub(crate) fn check(conversation: &Conversation) -> Result<(), RunError> {
    let Some(key) = &conversation.routing_key else {
        return Ok(());
    };
    match HeaderValue::try_from(&**key) {
        Ok(_) => Ok(()),
        Err(_) => Err(RunError::Conversation {
            conversation: conversation.id,
            problem: format!("its routing key {key:?} cannot be sent as a header"),
        }),
    }
}
