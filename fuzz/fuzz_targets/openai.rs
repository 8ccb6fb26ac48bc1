//! The first byte says how the rest, the body of a stream, is cut into frames.
#![no_main]

use bench_backends::{BodyEnd, Decoder, backend};
use bench_stream::{SseEvent, SseLimits, SseParser};
use libfuzzer_sys::fuzz_target;

/// What the decoder said, in words, and its verdict.
fn decode<'f>(frames: impl Iterator<Item = &'f [u8]>, spaced: bool) -> (Vec<String>, String) {
    let mut decoder = backend("openai-chat").expect("registered").decoder();
    let mut parser = SseParser::new(SseLimits::default());
    let mut seen = Vec::new();
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(Ok(event)) = events.next() {
            if let Err(error) = one(&mut *decoder, event, spaced, &mut seen) {
                return (seen, error);
            }
        }
    }
    if let Ok(Some(last)) = parser.finish()
        && let Err(error) = one(&mut *decoder, last, spaced, &mut seen)
    {
        return (seen, error);
    }
    (seen, format!("{:?}", decoder.finish(BodyEnd::Complete)))
}

/// Decodes one event. A space after it makes no difference to a parser of JSON, but no
/// event is then taken for a repetition of one before.
fn one(
    decoder: &mut dyn Decoder,
    event: SseEvent<'_>,
    spaced: bool,
    seen: &mut Vec<String>,
) -> Result<(), String> {
    let mut data = event.data.to_vec();
    data.extend(spaced.then_some(b' '));
    let event = SseEvent {
        data: &data,
        ..event
    };
    decoder
        .decode(event, &mut |event| seen.push(format!("{event:?}")))
        .map_err(|_| "malformed".to_owned())
}

fuzz_target!(|input: &[u8]| {
    let Some((cut, body)) = input.split_first() else {
        return;
    };
    let whole = decode(std::iter::once(body), false);
    assert_eq!(decode(body.chunks(usize::from(*cut) + 1), false), whole);
    assert_eq!(decode(std::iter::once(body), true), whole);
});
