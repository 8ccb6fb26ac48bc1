//! A backend whose requests ask the simulated server for faults, each for its own.

use bench_core::backends::{Backend, BackendError, Decoder, Request, backend};
use bench_core::types::FailureClass::{
    self, Connect, Protocol, Server, Status, Timeout, Truncated,
};
use bench_core::types::Prompt;
use bench_core::types::TimeoutPhase::{FirstToken, Idle, Total};
use bytes::Bytes;
use http::HeaderValue;

/// A fault, and the class of the failure it ends in, if in any.
pub(crate) type Case = (&'static str, Option<FailureClass>);

/// Faults that end by themselves.
pub(crate) const LOUD: &[Case] = &[
    ("status:503", Some(Status(503))),
    ("status:429:1", Some(Status(429))),
    ("no-answer", Some(Connect)),
    ("empty", Some(Truncated)),
    ("error:0", Some(Server)),
    ("error:1", Some(Server)),
    ("abort:1", Some(Server)),
    ("cut:1", Some(Truncated)),
    ("cut:0", Some(Truncated)),
    ("reset:1", Some(Truncated)),
    ("cut-clean:1", Some(Truncated)),
    ("garbage:1", Some(Protocol)),
    ("slow-headers:2", None),
    ("stall:1:2", None),
    ("comments:1", None),
    ("crlf+split", None),
    ("merge:2", None),
    ("utf8", None),
    ("utf8-partial", None),
    ("no-done", None),
    ("bare-role", None),
    ("usage-on-finish", None),
    ("no-usage", None),
    ("close", None),
    ("idle-close", None),
];

/// Silences, in a run that limits the wait for the first token and for the next read.
pub(crate) const SILENT: &[Case] = &[
    ("mute", Some(Timeout(FirstToken))),
    ("stall:0", Some(Timeout(FirstToken))),
    ("stall:1", Some(Timeout(Idle))),
];

/// Silences, in a run that limits the time a request may take.
pub(crate) const ENDLESS: &[Case] = &[
    ("mute", Some(Timeout(Total))),
    ("stall:1", Some(Timeout(Total))),
];

/// One request of so many is hit.
const EVERY: u64 = 4;

/// What hits the request with this number.
pub(crate) fn case(cases: &[Case], id: u64) -> Option<Case> {
    if cases.is_empty() || !id.is_multiple_of(EVERY) {
        return None;
    }
    let turn = (id / EVERY) % cases.len() as u64;
    Some(cases[turn as usize])
}

/// The prompt of the request with this number.
pub(crate) fn prompt(id: u64) -> Prompt {
    Prompt::Text(format!("prompt number {id}").into())
}

/// The number of the request with this prompt.
fn number(prompt: &Prompt) -> Option<u64> {
    match prompt {
        Prompt::Text(text) => text.rsplit(' ').next()?.parse().ok(),
        _ => None,
    }
}

/// One of the backends, whose requests ask for `cases`.
pub(crate) struct Faulty {
    inner: &'static dyn Backend,
    pub(crate) cases: &'static [Case],
}

impl Faulty {
    /// Backends live as long as the process.
    pub(crate) fn leak(name: &str, cases: &'static [Case]) -> &'static Faulty {
        let inner = backend(name).expect("there is one");
        Box::leak(Box::new(Faulty { inner, cases }))
    }
}

impl Backend for Faulty {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn default_path(&self, stream: bool) -> &'static str {
        self.inner.default_path(stream)
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let mut http = self.inner.encode(request)?;
        if let Some(id) = number(request.prompt)
            && let Some((fault, _)) = case(self.cases, id)
        {
            let fault = HeaderValue::from_static(fault);
            http.headers_mut().insert("x-sim-fault", fault);
        }
        Ok(http)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        self.inner.decoder()
    }
}
