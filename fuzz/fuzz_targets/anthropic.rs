//! The first byte says how the rest, the body of an answer, is cut into frames.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| bench_fuzz::check("anthropic", input));
