use bench_types::{Conversation, Prompt, Turn};
use twox_hash::XxHash3_128;

/// A fingerprint of what will be sent: prompts, output lengths and pauses, in their order.
///
/// Two runs with the same fingerprint sent the same load. It is the 128-bit XXH3 of the
/// conversations, in hexadecimal, the same on every platform and in every release: for each
/// conversation its number of turns; for each turn the output length, the pause in nanoseconds,
/// the kind of prompt (0 text, 1 token ids, 2 chat messages) and its length in bytes, then the
/// bytes of the prompt. Numbers are 64 bits wide and little-endian, token ids 32 bits. Ids and
/// token counts are left out: they follow from the order and from the tokenizer.
pub fn dataset_hash(conversations: &[Conversation]) -> String {
    let mut hash = XxHash3_128::new();
    for conversation in conversations {
        write_number(&mut hash, conversation.turns.len() as u64);
        for turn in &conversation.turns {
            write_turn(&mut hash, turn);
        }
    }
    format!("{:032x}", hash.finish_128())
}

fn write_turn(hash: &mut XxHash3_128, turn: &Turn) {
    write_number(hash, u64::from(turn.max_output_tokens));
    write_number(
        hash,
        u64::try_from(turn.pause.as_nanos()).unwrap_or(u64::MAX),
    );
    let mut write_bytes = |kind, bytes: &[u8]| {
        write_number(hash, kind);
        write_number(hash, bytes.len() as u64);
        hash.write(bytes);
    };
    match &turn.prompt {
        Prompt::Text(text) => write_bytes(0, text.as_bytes()),
        Prompt::TokenIds(ids) => {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            write_bytes(1, &bytes);
        }
        Prompt::Chat(json) => write_bytes(2, json.as_bytes()),
        Prompt::Batch(texts) => {
            for text in &**texts {
                write_bytes(3, text.as_bytes());
            }
        }
        Prompt::Rerank { query, documents } => {
            write_bytes(4, query.as_bytes());
            for document in &**documents {
                write_bytes(5, document.as_bytes());
            }
        }
        Prompt::Audio(audio) => write_bytes(6, &audio.bytes),
    }
}

fn write_number(hash: &mut XxHash3_128, number: u64) {
    hash.write(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(prompt: Prompt, output: u32) -> Vec<Conversation> {
        vec![Conversation::single(0, prompt, None, output)]
    }

    #[test]
    fn what_is_sent_tells_datasets_apart() {
        let text = || Prompt::Text("abc".into());
        let mut hashes = vec![
            dataset_hash(&[]),
            dataset_hash(&one(text(), 1)),
            dataset_hash(&one(text(), 2)),
            dataset_hash(&one(Prompt::Chat("abc".into()), 1)),
            dataset_hash(&one(Prompt::TokenIds([97, 98].into()), 1)),
            dataset_hash(&[one(text(), 1), one(text(), 1)].concat()),
        ];
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 6);
    }

    #[test]
    fn the_fingerprint_never_changes() {
        let hash = dataset_hash(&one(Prompt::Text("abc".into()), 1));
        assert_eq!(hash, "c0ec03f72fbf2bfeecae4dc841ab6de4");
    }
}
