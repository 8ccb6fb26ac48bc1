//! Answers that were damaged on their way: judged the same however they are cut, and never
//! taken for whole if their end is missing.

use bench_backends::BodyEnd;
use bench_testkit::{Capture, splits};
use bench_types::Failure;
use proptest::prelude::*;

use crate::wire::{answer, answer_of, frames};

const STREAMS: [(&str, &str); 8] = [
    ("openai-responses", "vllm-0.32.0/responses_stream"),
    ("openai-responses", "openai/responses_stream_tool"),
    ("openai-responses", "openai/responses_stream_failed"),
    ("anthropic", "anthropic/messages_stream_thinking"),
    ("anthropic", "anthropic/messages_stream_tool"),
    ("anthropic", "anthropic/messages_stream_overloaded"),
    ("openai-audio", "vllm/transcription_stream"),
    ("openai-audio", "openai/transcription_stream"),
];

const WHOLE: [(&str, &str); 8] = [
    ("openai-responses", "openai/responses"),
    ("anthropic", "anthropic/messages"),
    ("openai-audio", "vllm/transcription"),
    ("openai-audio", "openai/transcription"),
    ("openai-embeddings", "openai/embeddings"),
    ("openai-embeddings", "openai/embeddings_base64"),
    ("vllm-pooling", "vllm/pooling"),
    ("vllm-rerank", "vllm/rerank"),
];

#[test]
fn the_beginning_of_a_whole_answer_is_no_answer() {
    for (name, fixture) in WHOLE {
        let body = Capture::load(fixture).body;
        let text = std::str::from_utf8(&body).expect("UTF-8");
        assert!(answer_of(name, fixture).outcome.is_ok(), "{fixture}");
        let places = (0..text.len()).filter(|place| text.is_char_boundary(*place));
        for place in places {
            let outcome = answer(name, &text[..place]).outcome;
            let malformed = matches!(outcome, Err(Failure::Protocol(_)));
            assert!(malformed, "{fixture} cut at {place}: {outcome:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_stream_is_judged_the_same_however_it_is_cut(
        which in 0..STREAMS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        seed in any::<u64>(),
    ) {
        let (name, fixture) = STREAMS[which];
        let mut body = Capture::load(fixture).body;
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let whole = frames(name, [&body[..]], BodyEnd::Complete);
        let pieces = splits::random(&body, 40, seed);
        prop_assert_eq!(frames(name, pieces, BodyEnd::Complete), whole);
    }

    #[test]
    fn a_damaged_whole_answer_makes_no_decoder_panic(
        which in 0..WHOLE.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..128_u8), 1..6),
    ) {
        let (name, fixture) = WHOLE[which];
        let mut body = Capture::load(fixture).body;
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let decoded = answer(name, &String::from_utf8_lossy(&body));
        // Whatever it says, it says it once.
        prop_assert!(decoded.seen.usages.len() <= 1 && decoded.seen.chunks.len() <= 1);
    }
}
