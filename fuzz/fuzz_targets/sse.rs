//! The first byte says how the rest is cut into frames.
#![no_main]

use bench_stream::{SseError, SseLimits, SseParser};
use libfuzzer_sys::fuzz_target;

type Event = (Option<Vec<u8>>, Vec<u8>, Option<Vec<u8>>, Option<u64>, bool);

fn parse<'f>(
    max_event: usize,
    frames: impl Iterator<Item = &'f [u8]>,
) -> (Vec<Event>, Result<(), SseError>) {
    let mut parser = SseParser::new(SseLimits { max_event });
    let mut seen = Vec::new();
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(event) = events.next() {
            match event {
                Ok(event) => seen.push(owned(event)),
                Err(error) => return (seen, Err(error)),
            }
        }
    }
    let end = parser.finish().map(|last| seen.extend(last.map(owned)));
    (seen, end)
}

fn owned(event: bench_stream::SseEvent<'_>) -> Event {
    let event_type = event.event.map(<[u8]>::to_vec);
    let id = event.id.map(<[u8]>::to_vec);
    (
        event_type,
        event.data.to_vec(),
        id,
        event.retry,
        event.terminated,
    )
}

fuzz_target!(|input: &[u8]| {
    let Some((cut, body)) = input.split_first() else {
        return;
    };
    let limits = [usize::MAX, usize::from(*cut)];
    for max_event in limits {
        let whole = parse(max_event, std::iter::once(body));
        assert_eq!(
            parse(max_event, body.chunks(usize::from(cut % 16) + 1)),
            whole
        );
        let (head, tail) = body.split_at(body.len() * usize::from(*cut) / 256);
        assert_eq!(parse(max_event, [head, tail].into_iter()), whole);
    }
});
