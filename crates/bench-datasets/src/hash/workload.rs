//! What runs have in common that send the same load with other words.

use std::collections::HashMap;
use std::hash::Hash;

use bench_types::{Conversation, Prompt};
use twox_hash::XxHash3_128;

use super::{Field, write_bytes, write_duration, write_field, write_number, write_relation};
use crate::CACHE_BLOCK_TOKENS;
use crate::shared_prefix::Content;

/// A fingerprint of the load apart from its words: the name of the dataset, and of each request
/// its kind and lengths and whose beginning it shares, in their order.
///
/// Runs that differ only in the nonce of their prompts have it in common; those of other
/// lengths, pauses, arrivals, adapters or groups of prompts do not. Where the tokens of a prompt
/// were not counted its bytes are. How much is shared is left out: of texts that depends on the
/// words.
///
/// Written as [`dataset_hash`](crate::dataset_hash) writes, with these in place of the prompts:
/// the kind, the tokens (or 2^62 and the bytes), the inputs, and the nanoseconds of a recording.
/// Before a turn whose prompt begins as an earlier one does, in 16 token ids, in 64 bytes of text
/// or in 128 of messages, stands the place of the first such turn (7). A routing key is the place
/// of the first conversation that has it, in decimal digits.
pub fn workload_hash(dataset: &str, conversations: &[Conversation]) -> String {
    let mut hash = XxHash3_128::new();
    write_bytes(&mut hash, dataset.as_bytes());
    let (mut keys, mut texts, mut ids) = (Firsts::new(), Firsts::new(), Firsts::new());
    let mut prompts = 0;
    for (number, conversation) in (0..).zip(conversations) {
        let key = conversation.routing_key.as_deref();
        let group = key.map(|key| first(&mut keys, key, number));
        super::write_conversation(&mut hash, &without_words(conversation, group));
        for (turn, place) in conversation.turns.iter().zip(0..) {
            let alike = match beginning(&turn.prompt) {
                Some(Beginning::Text(bytes)) => first(&mut texts, bytes, prompts),
                Some(Beginning::Ids(begin)) => first(&mut ids, begin, prompts),
                None => prompts,
            };
            if alike != prompts {
                write_field(&mut hash, Field::Shared);
                write_number(&mut hash, alike);
            }
            prompts += 1;
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

/// The place where each was first.
type Firsts<T> = HashMap<T, u64>;

/// Where `what` was first, which is at `place` if it was nowhere before.
fn first<T: Eq + Hash>(firsts: &mut Firsts<T>, what: T, place: u64) -> u64 {
    *firsts.entry(what).or_insert(place)
}

/// So much of a prompt that others have in common with it by intent alone.
enum Beginning<'a> {
    Text(&'a [u8]),
    Ids(&'a [u32]),
}

/// Of shorter prompts nothing is to be shared.
fn beginning(prompt: &Prompt) -> Option<Beginning<'_>> {
    match Content::of(prompt)? {
        Content::Text { bytes, chat } => {
            let length = if chat { 128 } else { 64 };
            bytes.get(..length).map(Beginning::Text)
        }
        Content::Ids(ids) => ids.get(..CACHE_BLOCK_TOKENS as usize).map(Beginning::Ids),
    }
}

/// The conversation with the number of a group in place of its routing key.
fn without_words(conversation: &Conversation, group: Option<u64>) -> Conversation {
    Conversation {
        routing_key: group.map(|group| group.to_string().into()),
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
    fn groups_are_part_of_a_workload() {
        let keyed = |keys: [&str; 3]| {
            let conversation = |key: &str| Conversation {
                routing_key: Some(key.into()),
                ..one("a", Some(1), 1)
            };
            workload_hash("random", &keys.map(conversation))
        };
        assert_eq!(keyed(["a", "b", "a"]), keyed(["x", "y", "x"]));
        assert_ne!(keyed(["a", "b", "a"]), keyed(["a", "a", "b"]));

        let texts = |first: [&str; 3]| {
            let conversation = |text: &str| one(&text.repeat(64), Some(70), 1);
            workload_hash("random", &first.map(conversation))
        };
        assert_eq!(texts(["a", "b", "a"]), texts(["x", "y", "x"]));
        assert_ne!(texts(["a", "b", "a"]), texts(["a", "a", "b"]));
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
