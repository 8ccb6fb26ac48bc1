//! The event-stream parser against the rules, against a slow oracle and on captures.

mod captures;
mod conformance;
mod oracle;
mod properties;

use bench_stream::{SseError, SseEvent, SseLimits, SseParser};

/// An event that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) event: Option<Vec<u8>>,
    pub(crate) data: Vec<u8>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) retry: Option<u64>,
    pub(crate) terminated: bool,
}

impl From<SseEvent<'_>> for Owned {
    fn from(event: SseEvent<'_>) -> Owned {
        Owned {
            event: event.event.map(<[u8]>::to_vec),
            data: event.data.to_vec(),
            id: event.id.map(<[u8]>::to_vec),
            retry: event.retry,
            terminated: event.terminated,
        }
    }
}

/// Events of a stream in these frames, or the events before the error.
pub(crate) fn parse_within<'f>(
    max_event: usize,
    frames: impl IntoIterator<Item = &'f [u8]>,
) -> (Vec<Owned>, Result<(), SseError>) {
    let mut parser = SseParser::new(SseLimits { max_event });
    let mut seen = Vec::new();
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(event) = events.next() {
            match event {
                Ok(event) => seen.push(event.into()),
                Err(error) => return (seen, Err(error)),
            }
        }
    }
    let end = parser
        .finish()
        .map(|last| seen.extend(last.map(Owned::from)));
    (seen, end)
}

/// Events of a stream in these frames.
pub(crate) fn parse<'f>(frames: impl IntoIterator<Item = &'f [u8]>) -> Vec<Owned> {
    let (seen, end) = parse_within(1 << 20, frames);
    end.expect("no event is too large");
    seen
}
