mod workload;

use std::sync::Arc;
use std::time::Duration;

use bench_types::{Conversation, History, Prompt, Turn};
use twox_hash::XxHash3_128;

pub use workload::workload_hash;

/// Fields that most conversations do not have are written behind a number that is none of the
/// numbers that could stand in their place.
#[derive(Clone, Copy)]
enum Field {
    History = 1,
    Arrival = 2,
    Adapter = 3,
    RoutingKey = 4,
    Parent = 5,
    Reply = 6,
    /// Only of a workload.
    Shared = 7,
}

/// A fingerprint of what will be sent: prompts, output lengths and pauses, in their order.
///
/// Two runs with the same fingerprint sent the same load. It is the 128-bit XXH3 of the
/// conversations, in hexadecimal, the same on every platform and in every release: for each
/// conversation its number of turns; for each turn the output length, the pause in nanoseconds,
/// the kind of prompt (0 text, 1 token ids, 2 chat messages, 5 a recording) and its length in
/// bytes, then the bytes of the prompt. Of several texts (kind 3) and of a query with documents
/// (kind 4) the kind is followed by the number of texts or documents, then each, the query first,
/// with its length before it. Numbers are 64 bits wide and little-endian, token ids 32 bits. Ids,
/// token counts, classes and file names are left out: they change nothing about the load.
///
/// Before a conversation stand those of these that it has, each behind 2^63 and its number: the
/// history of several turns (1; then 1 recorded, 2 live), the arrival in nanoseconds (2), the
/// adapter (3) and the routing key (4) as lengths and bytes. Before a turn stand a parent that is
/// not the turn before it (5), and where the history is the recorded one, its reply (6).
pub fn dataset_hash(conversations: &[Conversation]) -> String {
    let mut hash = XxHash3_128::new();
    for conversation in conversations {
        write_conversation(&mut hash, conversation);
        for (turn, place) in conversation.turns.iter().zip(0..) {
            write_relation(&mut hash, turn, place, conversation.history);
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

/// What is said of a conversation before its turns.
fn write_conversation(hash: &mut XxHash3_128, conversation: &Conversation) {
    let history = match conversation.history {
        // There is nothing to repeat.
        _ if conversation.turns.len() < 2 => None,
        History::Whole => None,
        History::Recorded => Some(1),
        History::Live => Some(2),
    };
    if let Some(history) = history {
        write_field(hash, Field::History);
        write_number(hash, history);
    }
    if let Some(arrival) = conversation.arrival {
        write_field(hash, Field::Arrival);
        write_duration(hash, arrival);
    }
    if let Some(adapter) = &conversation.adapter {
        write_field(hash, Field::Adapter);
        write_bytes(hash, adapter.as_bytes());
    }
    if let Some(key) = &conversation.routing_key {
        write_field(hash, Field::RoutingKey);
        write_bytes(hash, key.as_bytes());
    }
    write_number(hash, conversation.turns.len() as u64);
}

/// How the turn at `place` stands to the others, before the turn itself.
fn write_relation(hash: &mut XxHash3_128, turn: &Turn, place: u32, history: History) {
    let parent = turn.parent.filter(|parent| parent + 1 != place);
    if let Some(parent) = parent {
        write_field(hash, Field::Parent);
        write_number(hash, u64::from(parent));
    }
    if let (History::Recorded, Some(reply)) = (history, &turn.reply) {
        write_field(hash, Field::Reply);
        write_bytes(hash, reply.as_bytes());
    }
}

fn write_turn(hash: &mut XxHash3_128, turn: &Turn) {
    write_number(hash, u64::from(turn.max_output_tokens));
    write_duration(hash, turn.pause);
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

/// A number that no count and no output length is.
fn write_field(hash: &mut XxHash3_128, field: Field) {
    write_number(hash, (1 << 63) | field as u64);
}

fn write_duration(hash: &mut XxHash3_128, duration: Duration) {
    write_number(hash, u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
}

fn write_number(hash: &mut XxHash3_128, number: u64) {
    hash.write(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
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

    fn three_turns() -> Conversation {
        let turn = || Turn::new(Prompt::Text("abc".into()), None, 1);
        Conversation::of_turns(0, vec![turn(), turn(), turn()])
    }

    fn changed(change: impl FnOnce(&mut Conversation)) -> String {
        let mut conversation = three_turns();
        change(&mut conversation);
        dataset_hash(&[conversation])
    }

    #[test]
    fn all_that_changes_the_load_tells_datasets_apart() {
        let mut hashes = vec![
            changed(|_| {}),
            changed(|one| one.history = History::Live),
            changed(|one| one.history = History::Recorded),
            changed(|one| {
                one.history = History::Recorded;
                one.turns[0].reply = Some("yes".into());
            }),
            changed(|one| one.arrival = Some(Duration::ZERO)),
            changed(|one| one.arrival = Some(Duration::from_nanos(1))),
            changed(|one| one.adapter = Some("a".into())),
            changed(|one| one.routing_key = Some("a".into())),
            changed(|one| one.turns[2].parent = Some(0)),
            changed(|one| one.turns[2].pause = Duration::from_nanos(1)),
        ];
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn what_changes_nothing_about_the_load_is_left_out() {
        let plain = changed(|_| {});
        assert_eq!(changed(|one| one.class = Some("chat".into())), plain);
        assert_eq!(changed(|one| one.turns[2].parent = Some(1)), plain);
        let reply = |one: &mut Conversation| one.turns[0].reply = Some("yes".into());
        assert_eq!(changed(reply), plain, "a reply that nothing goes on from");
        let mut single = one(Prompt::Text("abc".into()), 1);
        let before = dataset_hash(&single);
        single[0].history = History::Live;
        assert_eq!(dataset_hash(&single), before, "one turn repeats nothing");
    }

    #[test]
    fn the_fingerprint_of_a_tree_never_changes() {
        let hash = changed(|one| {
            one.history = History::Recorded;
            one.arrival = Some(Duration::from_millis(5));
            one.adapter = Some("a".into());
            one.routing_key = Some("k".into());
            one.turns[0].reply = Some("yes".into());
            one.turns[2].parent = Some(0);
        });
        assert_eq!(hash, "7e3885670ceef6b7dcc510823b1db6fb");
    }
}
