//! The first byte is of no account; the rest is the body of an answer that is not streamed.
#![no_main]

use bench_fuzz::{check, decode_whole};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check("openai-embeddings", input);
    let body = input.get(1..).unwrap_or_default();
    let vectors = decode_whole("openai-embeddings", body);
    let ranking = decode_whole("vllm-rerank", body);
    // What is whole with a vector for every input is so with fewer.
    if vectors.1.starts_with("Ok") {
        assert_eq!(vectors, ranking);
    }
});
