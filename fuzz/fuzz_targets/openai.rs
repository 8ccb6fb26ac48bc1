//! The first byte says how the rest, the body of a stream, is cut into frames.
#![no_main]

use bench_backends::BodyEnd;
use bench_fuzz::{check, decode};
use libfuzzer_sys::fuzz_target;

const NAME: &str = "openai-chat";

fuzz_target!(|input: &[u8]| {
    check(NAME, input);
    let body = std::iter::once(input.get(1..).unwrap_or_default());
    // A space after an event makes no difference to a parser of JSON, but no event is then
    // taken for a repetition of one before.
    let spaced = |data: &mut Vec<u8>| data.push(b' ');
    let long = decode(NAME, body.clone(), BodyEnd::Complete, spaced);
    assert_eq!(decode(NAME, body, BodyEnd::Complete, |_| {}), long);
});
