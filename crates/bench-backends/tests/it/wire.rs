//! What the tests of the backends have in common that are judged by one answer.

use bench_backends::{BodyEnd, backend};
use bench_testkit::{Capture, splits};
use bench_types::Failure;

use crate::{Decoded, decode, whole};

/// Decodes a stream in frames with the backend `name`.
pub(crate) fn frames<'f>(
    name: &str,
    frames: impl IntoIterator<Item = &'f [u8]>,
    end: BodyEnd<'_>,
) -> Decoded {
    let decoder = backend(name).expect("registered").decoder();
    decode(decoder, frames, end)
}

/// Decodes a stream that ended as it should.
pub(crate) fn stream(name: &str, body: &str) -> Decoded {
    frames(name, [body.as_bytes()], BodyEnd::Complete)
}

/// Decodes the stream in a fixture.
pub(crate) fn stream_of(name: &str, fixture: &str) -> Decoded {
    let body = Capture::load(fixture).body;
    frames(name, [&body[..]], BodyEnd::Complete)
}

/// Decodes an answer that was not streamed.
pub(crate) fn answer(name: &str, body: &str) -> Decoded {
    let decoder = backend(name).expect("registered").decoder();
    whole(decoder, &[], body.as_bytes())
}

/// Decodes the answer in a fixture.
pub(crate) fn answer_of(name: &str, fixture: &str) -> Decoded {
    let decoder = backend(name).expect("registered").decoder();
    whole(decoder, &[], &Capture::load(fixture).body)
}

/// Asserts that a stream is decoded the same however it is cut into frames, and that it is
/// truncated if the connection breaks before the byte `terminal`.
pub(crate) fn assert_cuts(name: &str, fixture: &str, terminal: &str) {
    let body = Capture::load(fixture).body;
    let expected = stream_of(name, fixture);
    for size in [1, 3, 64, 500] {
        let pieces = splits::every(&body, size);
        let decoded = frames(name, pieces, BodyEnd::Complete);
        assert_eq!(decoded, expected, "{fixture} in pieces of {size}");
    }
    for seed in 0..20 {
        let pieces = splits::random(&body, 300, seed);
        let decoded = frames(name, pieces, BodyEnd::Complete);
        assert_eq!(decoded, expected, "{fixture} cut by {seed}");
    }
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let last = text.find(terminal).expect("the terminal event");
    for place in (0..last).step_by(11) {
        let outcome = frames(name, [&body[..place]], BodyEnd::Cut("reset")).outcome;
        let cut = Err(Failure::Truncated("reset".into()));
        assert_eq!(outcome, cut, "{fixture} cut at {place}");
    }
}

/// Every shape of an error in an answer, with its message.
pub(crate) const ERRORS: [(&str, &str); 4] = [
    (
        r#"{"error":{"message":"overloaded","code":503}}"#,
        "overloaded",
    ),
    (r#"{"error":"overloaded"}"#, "overloaded"),
    (
        r#"{"object":"error","message":"too long","code":400}"#,
        "too long",
    ),
    (r#"{"detail":"gone"}"#, "gone"),
];
