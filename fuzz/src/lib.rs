//! What the targets of the decoders have in common.

use bench_backends::{BodyEnd, Decoder, StreamEvent, backend};
use bench_stream::{SseEvent, SseLimits, SseParser};

/// What a decoder said, in words, and its verdict.
pub type Said = (Vec<String>, String);

/// Checks the decoder of the backend called `name`: what it says about a stream does not
/// depend on how the body was cut, and it reads the body as a whole answer without a panic.
///
/// The first byte of `input` says how the rest, the body, is cut into frames.
pub fn check(name: &str, input: &[u8]) {
    let Some((cut, body)) = input.split_first() else {
        return;
    };
    let whole = decode(name, std::iter::once(body), BodyEnd::Complete, |_| {});
    let size = usize::from(*cut) + 1;
    let cut_up = decode(name, body.chunks(size), BodyEnd::Complete, |_| {});
    assert_eq!(cut_up, whole);
    let (head, tail) = body.split_at(body.len() * usize::from(*cut) / 256);
    let in_two = decode(name, [head, tail].into_iter(), BodyEnd::Complete, |_| {});
    assert_eq!(in_two, whole);
    decode(name, std::iter::once(head), BodyEnd::Cut("reset"), |_| {});
    decode_whole(name, body);
}

/// Decodes a stream, whose events `change` may change.
pub fn decode<'f>(
    name: &str,
    frames: impl Iterator<Item = &'f [u8]>,
    end: BodyEnd<'_>,
    change: impl Fn(&mut Vec<u8>),
) -> Said {
    let mut decoder = backend(name).expect("registered").decoder();
    let mut parser = SseParser::new(SseLimits::default());
    let mut seen = Vec::new();
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(Ok(event)) = events.next() {
            if let Err(error) = one(&mut *decoder, event, &change, &mut seen) {
                return (seen, error);
            }
        }
    }
    if let Ok(Some(last)) = parser.finish()
        && let Err(error) = one(&mut *decoder, last, &change, &mut seen)
    {
        return (seen, error);
    }
    (seen, format!("{:?}", decoder.finish(end)))
}

/// Decodes a body that is a whole answer.
pub fn decode_whole(name: &str, body: &[u8]) -> Said {
    let mut decoder = backend(name).expect("registered").decoder();
    let mut seen = Vec::new();
    let read = decoder.decode_whole(body, &mut |event| seen.push(said(event)));
    match read {
        Ok(()) => (seen, format!("{:?}", decoder.finish(BodyEnd::Complete))),
        Err(_) => (seen, "malformed".to_owned()),
    }
}

fn one(
    decoder: &mut dyn Decoder,
    event: SseEvent<'_>,
    change: &impl Fn(&mut Vec<u8>),
    seen: &mut Vec<String>,
) -> Result<(), String> {
    let mut data = event.data.to_vec();
    change(&mut data);
    let event = SseEvent {
        data: &data,
        ..event
    };
    decoder
        .decode(event, &mut |event| seen.push(said(event)))
        .map_err(|_| "malformed".to_owned())
}

fn said(event: StreamEvent<'_>) -> String {
    format!("{event:?}")
}
