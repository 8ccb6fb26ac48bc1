//! What runs have in common that send the same load with other words.

use bench_types::{Conversation, Prompt};
use twox_hash::XxHash3_128;

use super::{write_bytes, write_duration, write_number, write_relation};

/// A fingerprint of the load apart from its words: the name of the dataset, and of each request
/// its kind and lengths, in their order.
///
/// Runs that differ only in the nonce of their prompts have it in common; those of other
/// lengths, pauses, arrivals or adapters do not. Where the tokens of a prompt were not counted
/// its bytes are. Written as [`dataset_hash`](crate::dataset_hash) writes, with these in place
/// of the prompts: the kind, the tokens (or 2^62 and the bytes), the inputs, and the
/// nanoseconds of a recording.
pub fn workload_hash(dataset: &str, conversations: &[Conversation]) -> String {
    let mut hash = XxHash3_128::new();
    write_bytes(&mut hash, dataset.as_bytes());
    for conversation in conversations {
        super::write_conversation(&mut hash, &without_words(conversation));
        for (turn, place) in conversation.turns.iter().zip(0..) {
            let mut relation = turn.clone();
            relation.reply = None;
            write_relation(&mut hash, &relation, place, conversation.history);
            write_number(&mut hash, u64::from(turn.max_output_tokens));
            write_duration(&mut hash, turn.pause);
            write_shape(&mut hash, &turn.prompt, turn.prompt_tokens);
        }
    }
    format!("{:032x}", hash.finish_128())
}

/// The conversation without its turns' prompts; of a routing key only that there is one.
fn without_words(conversation: &Conversation) -> Conversation {
    let key = conversation.routing_key.as_ref();
    Conversation {
        routing_key: key.map(|_| "".into()),
        ..conversation.clone()
    }
}

/// Behind it stand bytes in place of tokens.
const BYTES: u64 = 1 << 62;

fn write_shape(hash: &mut XxHash3_128, prompt: &Prompt, tokens: Option<u32>) {
    let (kind, bytes) = match prompt {
        Prompt::Text(text) => (0, text.len()),
        Prompt::TokenIds(ids) => (1, ids.len()),
        Prompt::Chat(json) => (2, json.len()),
        Prompt::Batch(texts) => (3, texts.iter().map(|text| text.len()).sum()),
        Prompt::Rerank { query, documents } => {
            let documents = documents.iter().map(|text| text.len());
            (4, query.len() + documents.sum::<usize>())
        }
        Prompt::Audio(audio) => (5, audio.bytes.len()),
    };
    write_number(hash, kind);
    match tokens {
        Some(tokens) => write_number(hash, u64::from(tokens)),
        None => {
            write_number(hash, BYTES);
            write_number(hash, bytes as u64);
        }
    }
    write_number(hash, prompt.inputs() as u64);
    if let Prompt::Audio(audio) = prompt {
        write_duration(hash, audio.duration);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn one(text: &str, tokens: Option<u32>, output: u32) -> Conversation {
        Conversation::single(0, Prompt::Text(text.into()), tokens, output)
    }

    #[test]
    fn other_words_of_the_same_length_are_the_same_workload() {
        let hash = |text| workload_hash("random", &[one(text, Some(3), 1)]);
        assert_eq!(hash("one two three"), hash("four five six"));
        let keyed = |key: &str| {
            let mut keyed = one("a", Some(1), 1);
            keyed.routing_key = Some(key.into());
            workload_hash("random", &[keyed])
        };
        assert_eq!(keyed("run-1_0"), keyed("run-2_0"));
        assert_ne!(
            keyed("run-1_0"),
            workload_hash("random", &[one("a", Some(1), 1)])
        );
    }

    #[test]
    fn any_other_load_is_another_workload() {
        let base = || one("abc", Some(3), 1);
        let with = |change: fn(&mut Conversation)| {
            let mut other = base();
            change(&mut other);
            workload_hash("random", &[other])
        };
        let mut hashes = vec![
            workload_hash("random", &[base()]),
            workload_hash("sonnet", &[base()]),
            workload_hash("random", &[base(), base()]),
            workload_hash("random", &[one("abc", Some(4), 1), one("abc", Some(3), 1)]),
            workload_hash("random", &[one("abc", Some(3), 1), one("abc", Some(4), 1)]),
            with(|c| c.turns[0].max_output_tokens = 2),
            with(|c| c.turns[0].pause = Duration::from_secs(1)),
            with(|c| c.turns[0].prompt_tokens = None),
            with(|c| c.turns[0].prompt = Prompt::Chat("abc".into())),
            with(|c| c.arrival = Some(Duration::ZERO)),
            with(|c| c.adapter = Some("a".into())),
            workload_hash("random", &[one("abcd", None, 1)]),
        ];
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn the_fingerprint_never_changes() {
        let hash = workload_hash("random", &[one("abc", Some(3), 1)]);
        assert_eq!(hash, "5afa5e1e095b5f813b3ed01ccf0b2026");
    }
}
