use std::sync::Arc;

use bench_types::{Conversation, Prompt, Turn};
use twox_hash::XxHash3_128;

/// A fingerprint of what will be sent: prompts, output lengths and pauses, in their order.
///
/// Two runs with the same fingerprint sent the same load. It is the 128-bit XXH3 of the
/// conversations, in hexadecimal, the same on every platform and in every release: for each
/// conversation its number of turns; for each turn the output length, the pause in nanoseconds,
/// the kind of prompt (0 text, 1 token ids, 2 chat messages, 5 a recording) and its length in
/// bytes, then the bytes of the prompt. Of several texts (kind 3) and of a query with documents
/// (kind 4) the kind is followed by the number of texts or documents, then each, the query first,
/// with its length before it. Numbers are 64 bits wide and little-endian, token ids 32 bits. Ids,
/// token counts and file names are left out: they change nothing about the load.
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

/// The 128-bit XXH3 of bytes one part after the other, in hexadecimal.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = XxHash3_128::new();
    for part in parts {
        hash.write(part);
    }
    format!("{:032x}", hash.finish_128())
}

fn write_turn(hash: &mut XxHash3_128, turn: &Turn) {
    write_number(hash, u64::from(turn.max_output_tokens));
    write_number(
        hash,
        u64::try_from(turn.pause.as_nanos()).unwrap_or(u64::MAX),
    );
    match &turn.prompt {
        Prompt::Text(text) => {
            write_number(hash, 0);
            write_bytes(hash, text.as_bytes());
        }
        Prompt::TokenIds(ids) => {
            write_number(hash, 1);
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            write_bytes(hash, &bytes);
        }
        Prompt::Chat(json) => {
            write_number(hash, 2);
            write_bytes(hash, json.as_bytes());
        }
        Prompt::Batch(texts) => {
            write_number(hash, 3);
            write_number(hash, texts.len() as u64);
            write_texts(hash, texts);
        }
        Prompt::Rerank { query, documents } => {
            write_number(hash, 4);
            write_number(hash, documents.len() as u64);
            write_bytes(hash, query.as_bytes());
            write_texts(hash, documents);
        }
        Prompt::Audio(audio) => {
            write_number(hash, 5);
            write_bytes(hash, &audio.bytes);
        }
    }
}

fn write_texts(hash: &mut XxHash3_128, texts: &[Arc<str>]) {
    for text in texts {
        write_bytes(hash, text.as_bytes());
    }
}

fn write_bytes(hash: &mut XxHash3_128, bytes: &[u8]) {
    write_number(hash, bytes.len() as u64);
    hash.write(bytes);
}

fn write_number(hash: &mut XxHash3_128, number: u64) {
    hash.write(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_types::Audio;

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

    fn batch(texts: &[&str]) -> Prompt {
        Prompt::Batch(texts.iter().map(|text| Arc::from(*text)).collect())
    }

    fn rerank(query: &str, documents: &[&str]) -> Prompt {
        Prompt::Rerank {
            query: query.into(),
            documents: documents.iter().map(|text| Arc::from(*text)).collect(),
        }
    }

    fn audio(file_name: &str, bytes: &[u8]) -> Prompt {
        Prompt::Audio(Arc::new(Audio {
            file_name: file_name.to_owned(),
            bytes: bytes.to_vec(),
            duration: Duration::from_secs(1),
        }))
    }

    #[test]
    fn bytes_moved_from_text_to_text_are_another_dataset() {
        let prompts = [
            Prompt::Text("abcd".into()),
            batch(&["abcd"]),
            batch(&["ab", "cd"]),
            batch(&["abc", "d"]),
            batch(&["cd", "ab"]),
            batch(&["ab", "cd", ""]),
            rerank("ab", &["cd"]),
            rerank("abc", &["d"]),
            rerank("a", &["b", "cd"]),
            rerank("a", &["bc", "d"]),
            rerank("a", &["cd", "b"]),
            audio("x.wav", b"abcd"),
            audio("x.wav", b"abce"),
        ];
        let count = prompts.len();
        let mut hashes: Vec<String> = prompts.map(|p| dataset_hash(&one(p, 1))).to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn a_recording_of_another_name_is_the_same_load() {
        let hash = |name| dataset_hash(&one(audio(name, b"abcd"), 1));
        assert_eq!(hash("x.wav"), hash("y.wav"));
    }

    #[test]
    fn the_fingerprint_never_changes() {
        let hash = dataset_hash(&one(Prompt::Text("abc".into()), 1));
        assert_eq!(hash, "c0ec03f72fbf2bfeecae4dc841ab6de4");
        let others = [
            batch(&["ab", "cd"]),
            rerank("a", &["bc", "d"]),
            audio("x.wav", b"abcd"),
        ];
        assert_eq!(
            others.map(|prompt| dataset_hash(&one(prompt, 1))),
            [
                "e93c619fe2e8b330d539809406a32b3d",
                "5b2e512d8748f124521ee3872d6cc639",
                "0c95b0cb2d552de2335ca1f0059facfd",
            ]
        );
    }
}
