//! What a prefix cache can be expected to know of each prompt of a run.

use std::collections::HashMap;
use std::hash::Hash;

use bench_types::{Conversation, History, Prompt, Turn};

/// Tokens in a block of a prefix cache: what servers look up is whole blocks.
pub const CACHE_BLOCK_TOKENS: u32 = 16;

/// How much of a prompt stood at the beginning of an earlier one.
///
/// Counted in token ids for prompts of token ids, and then exact; in bytes otherwise. Bytes are
/// converted to tokens as if every token of the prompt were as long as the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedPrefix {
    shared: u64,
    whole: u64,
}

impl SharedPrefix {
    /// The tokens that a cache would have of this prompt if it is `prompt_tokens` long: whole
    /// blocks, and not the last token, which has to be computed for there to be an answer.
    pub fn tokens(self, prompt_tokens: u32) -> u32 {
        let shared = u128::from(self.shared) * u128::from(prompt_tokens);
        let shared = shared.checked_div(u128::from(self.whole)).unwrap_or(0);
        // No more than the prompt has.
        let shared = u32::try_from(shared).unwrap_or(prompt_tokens);
        let most = prompt_tokens.saturating_sub(1);
        shared.min(most) / CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS
    }

    /// The same prompt when all of it was sent before.
    pub fn all(self) -> SharedPrefix {
        SharedPrefix {
            shared: self.whole,
            ..self
        }
    }
}

/// What an unlimited prefix cache that is empty before would have of each prompt, one entry for
/// each turn in the order of the conversations.
///
/// `cache_of` tells which cache the conversation at a place is served by; those of different
/// servers or adapters share nothing. Conversations are taken one after the other, as if each
/// were answered before the next begins. `None` stands for a prompt of which this cannot be
/// told: several texts, something to be ranked, a recording, messages with an image in them, and
/// what repeats answers that are not known yet ([`History::Live`]).
///
/// ```
/// use bench_datasets::shared_prefixes;
/// use bench_types::{Conversation, Prompt};
///
/// let prompt = |ids: std::ops::Range<u32>| Prompt::TokenIds(ids.collect());
/// let one = Conversation::single(0, prompt(0..64), Some(64), 1);
/// let longer = Conversation::single(1, prompt(0..80), Some(80), 1);
/// let prefixes = shared_prefixes(&[one, longer], |_| 0);
/// assert_eq!(prefixes[0].unwrap().tokens(64), 0);
/// assert_eq!(prefixes[1].unwrap().tokens(80), 64);
/// ```
pub fn shared_prefixes(
    conversations: &[Conversation],
    cache_of: impl Fn(usize) -> u64,
) -> Vec<Option<SharedPrefix>> {
    let mut seen = Seen::default();
    let conversations = conversations.iter().enumerate();
    conversations
        .flat_map(|(place, conversation)| seen.conversation(conversation, cache_of(place)))
        .collect()
}

/// What was sent so far.
#[derive(Default)]
struct Seen<'a> {
    texts: Tree<'a, u8>,
    ids: Tree<'a, u32>,
}

/// Where a prompt ends, in the tree of its kind.
#[derive(Clone, Copy)]
enum Place {
    Text(Cursor),
    Ids(Cursor),
}

/// The content of a prompt that is a sequence.
pub(crate) enum Content<'a> {
    Text { bytes: &'a [u8], chat: bool },
    Ids(&'a [u32]),
}

impl<'a> Content<'a> {
    pub(crate) fn of(prompt: &'a Prompt) -> Option<Content<'a>> {
        match prompt {
            Prompt::Text(text) => Some(Content::Text {
                bytes: text.as_bytes(),
                chat: false,
            }),
            // The bytes of an image say nothing about its tokens.
            Prompt::Chat(json) if json.contains(";base64,") => None,
            Prompt::Chat(json) => Some(Content::Text {
                bytes: json.as_bytes(),
                chat: true,
            }),
            Prompt::TokenIds(ids) => Some(Content::Ids(ids)),
            Prompt::Batch(_) | Prompt::Rerank { .. } | Prompt::Audio(_) => None,
        }
    }
}

impl<'a> Seen<'a> {
    fn conversation(
        &mut self,
        conversation: &'a Conversation,
        cache: u64,
    ) -> Vec<Option<SharedPrefix>> {
        let repeats = conversation.history != History::Whole;
        let live = conversation.history == History::Live;
        let mut ends: Vec<Option<Place>> = Vec::with_capacity(conversation.turns.len());
        let turns = conversation.turns.iter().enumerate();
        turns
            .map(|(place, turn)| {
                let (before, reply) = match place.checked_sub(1) {
                    Some(_) if live => {
                        ends.push(None);
                        return None;
                    }
                    Some(last) if repeats => {
                        let parent = turn.parent.map_or(last, |parent| parent as usize);
                        let before = ends.get(parent).copied().flatten();
                        (Some(before), conversation.turns[parent].reply.as_deref())
                    }
                    _ => (None, None),
                };
                let told = self.turn(turn, before, reply, cache);
                ends.push(told.map(|(end, _)| end));
                told.map(|(_, shared)| shared)
            })
            .collect()
    }

    /// Takes in a prompt. `before`: where that ends which it goes on from, if it goes on from
    /// anything; `reply` stands between the two.
    fn turn(
        &mut self,
        turn: &'a Turn,
        before: Option<Option<Place>>,
        reply: Option<&'a str>,
        cache: u64,
    ) -> Option<(Place, SharedPrefix)> {
        match (Content::of(&turn.prompt)?, before) {
            (Content::Text { bytes, chat }, None) => {
                let start = self.texts.root((cache, chat));
                let (end, shared) = self.texts.extend(start, &[bytes]);
                Some((Place::Text(end), shared))
            }
            (Content::Text { bytes, .. }, Some(Some(Place::Text(start)))) => {
                let reply = reply.unwrap_or_default().as_bytes();
                let (end, shared) = self.texts.extend(start, &[reply, bytes]);
                Some((Place::Text(end), shared))
            }
            (Content::Ids(ids), None) => {
                let start = self.ids.root((cache, false));
                let (end, shared) = self.ids.extend(start, &[ids]);
                Some((Place::Ids(end), shared))
            }
            // The tokens of a reply in between are not known.
            (Content::Ids(ids), Some(Some(Place::Ids(start)))) if reply.is_none() => {
                let (end, shared) = self.ids.extend(start, &[ids]);
                Some((Place::Ids(end), shared))
            }
            _ => None,
        }
    }
}

/// A radix tree of sequences: each edge is a part of one that was taken in, so that the tree has
/// at most two nodes for each sequence and copies nothing.
struct Tree<'a, T> {
    /// The edge that leads to each node.
    edges: Vec<&'a [T]>,
    /// The node behind the edge that begins with an element.
    children: HashMap<(usize, T), usize>,
    roots: HashMap<(u64, bool), usize>,
}

/// The end of a sequence that is in the tree.
#[derive(Clone, Copy)]
struct Cursor {
    node: usize,
    /// How long the sequence is.
    whole: u64,
}

impl<T> Default for Tree<'_, T> {
    fn default() -> Self {
        Tree {
            edges: Vec::new(),
            children: HashMap::new(),
            roots: HashMap::new(),
        }
    }
}

impl<'a, T: Copy + Eq + Hash> Tree<'a, T> {
    fn root(&mut self, key: (u64, bool)) -> Cursor {
        let edges = &mut self.edges;
        let node = *self.roots.entry(key).or_insert_with(|| {
            edges.push(&[]);
            edges.len() - 1
        });
        Cursor { node, whole: 0 }
    }

    /// Takes in what goes on from `start`, and tells how much of the whole was there.
    fn extend(&mut self, start: Cursor, parts: &[&'a [T]]) -> (Cursor, SharedPrefix) {
        let mut end = start;
        let mut shared = start.whole;
        for part in parts {
            let (node, matched) = self.insert(end.node, part);
            if shared == end.whole {
                shared += matched as u64;
            }
            end = Cursor {
                node,
                whole: end.whole + part.len() as u64,
            };
        }
        let whole = end.whole;
        (end, SharedPrefix { shared, whole })
    }

    /// Puts `rest` behind a node: where it ends, and how much of it was there.
    fn insert(&mut self, mut node: usize, mut rest: &'a [T]) -> (usize, usize) {
        let mut matched = 0;
        while let Some(first) = rest.first() {
            let Some(&child) = self.children.get(&(node, *first)) else {
                return (self.add(node, rest), matched);
            };
            let edge = self.edges[child];
            let common = common(edge, rest);
            node = match common == edge.len() {
                true => child,
                false => self.split(node, child, common),
            };
            matched += common;
            rest = &rest[common..];
        }
        (node, matched)
    }

    fn add(&mut self, parent: usize, edge: &'a [T]) -> usize {
        let node = self.edges.len();
        self.edges.push(edge);
        self.children.insert((parent, edge[0]), node);
        node
    }

    /// A new node after the first `at` elements of the edge from `parent` to `child`.
    fn split(&mut self, parent: usize, child: usize, at: usize) -> usize {
        let (upper, lower) = self.edges[child].split_at(at);
        let middle = self.add(parent, upper);
        self.edges[child] = lower;
        self.children.insert((middle, lower[0]), child);
        middle
    }
}

/// How many elements two sequences have in common at their beginning.
fn common<T: Eq>(a: &[T], b: &[T]) -> usize {
    // Slices are compared faster than their elements one by one.
    const STRIDE: usize = 64;
    let whole = a.chunks_exact(STRIDE).zip(b.chunks_exact(STRIDE));
    let same = whole.take_while(|(a, b)| a == b).count() * STRIDE;
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn text(text: &str) -> Conversation {
        Conversation::single(0, Prompt::Text(text.into()), None, 1)
    }

    fn shares(conversations: &[Conversation]) -> Vec<Option<(u64, u64)>> {
        let prefixes = shared_prefixes(conversations, |_| 0).into_iter();
        let pair = |prefix: SharedPrefix| (prefix.shared, prefix.whole);
        prefixes.map(|prefix| prefix.map(pair)).collect()
    }

    #[test]
    fn what_stood_at_the_beginning_of_any_earlier_prompt_counts() {
        let told = shares(&[
            text("abcdef"),
            text("abcxyz"),
            text("abcxyq"),
            text("abcdefgh"),
            text("xabc"),
            text("abc"),
            text(""),
        ]);
        let expected = [(0, 6), (3, 6), (5, 6), (6, 8), (0, 4), (3, 3), (0, 0)];
        assert_eq!(told, expected.map(Some));
    }

    #[test]
    fn tokens_are_whole_blocks_and_leave_one_to_compute() {
        let tokens = |shared, whole, prompt| SharedPrefix { shared, whole }.tokens(prompt);
        assert_eq!(tokens(400, 800, 100), 48, "50 of 100");
        assert_eq!(tokens(800, 800, 100), 96);
        assert_eq!(tokens(64, 64, 64), 48, "the last token is computed");
        let again = SharedPrefix {
            shared: 0,
            whole: 800,
        };
        assert_eq!(again.all().tokens(100), 96);
        assert_eq!(tokens(64, 65, 65), 64);
        assert_eq!(tokens(15, 64, 64), 0);
        assert_eq!((tokens(0, 0, 0), tokens(3, 3, 0)), (0, 0));
        assert_eq!(tokens(u64::MAX, u64::MAX, u32::MAX), u32::MAX - 15);
    }

    #[test]
    fn ids_and_texts_and_caches_share_nothing() {
        let ids = Conversation::single(0, Prompt::TokenIds([97, 98].into()), Some(2), 1);
        let chat = Conversation::single(0, Prompt::Chat("ab".into()), None, 1);
        let all = [text("ab"), ids, chat, text("ab")];
        let alone = [(0, 2), (0, 2), (0, 2), (2, 2)];
        assert_eq!(shares(&all), alone.map(Some));
        let apart = shared_prefixes(&all, |place| place as u64);
        assert!(apart.iter().flatten().all(|prefix| prefix.shared == 0));
    }

    #[test]
    fn of_prompts_that_are_no_sequence_nothing_is_known() {
        let prompts = [
            Prompt::Batch([Arc::from("a")].into()),
            Prompt::Rerank {
                query: "a".into(),
                documents: [Arc::from("a")].into(),
            },
            Prompt::Chat(r#"[{"image_url":{"url":"data:image/png;base64,AAAA"}}]"#.into()),
        ];
        let conversations = prompts.map(|prompt| Conversation::single(0, prompt, None, 1));
        assert_eq!(shares(&conversations), [None; 3]);
    }

    fn turns(texts: &[&str], history: History) -> Conversation {
        let turn = |text: &&str| Turn {
            reply: Some("yes".into()),
            ..Turn::new(Prompt::Text((*text).into()), None, 1)
        };
        Conversation {
            history,
            ..Conversation::of_turns(0, texts.iter().map(turn).collect())
        }
    }

    #[test]
    fn a_history_that_is_repeated_counts() {
        let talk = turns(&["abc", "de", "f"], History::Recorded);
        // What was sent before is there; the recorded answer to it is new each time.
        let first = [(0, 3), (3, 8), (8, 12)];
        // The same conversation again: every request stood there.
        let again = [(3, 3), (8, 8), (12, 12)];
        let told = shares(&[talk.clone(), talk]);
        assert_eq!(
            told,
            [first, again]
                .concat()
                .into_iter()
                .map(Some)
                .collect::<Vec<_>>()
        );

        let whole = turns(&["abc", "abcde"], History::Whole);
        assert_eq!(shares(&[whole]), [Some((0, 3)), Some((3, 5))]);
        let live = turns(&["abc", "de"], History::Live);
        assert_eq!(shares(&[live]), [Some((0, 3)), None]);
    }

    #[test]
    fn turns_that_follow_the_same_one_share_it() {
        let mut tree = turns(&["abc", "de", "df"], History::Recorded);
        tree.turns[2].parent = Some(0);
        assert_eq!(shares(&[tree]), [(0, 3), (3, 8), (7, 8)].map(Some));
    }

    /// By comparing each with each.
    fn slowly(texts: &[Vec<u8>]) -> Vec<u64> {
        let alike = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let most = |place: usize| {
            let earlier = texts[..place].iter();
            earlier.map(|text| alike(text, &texts[place])).max()
        };
        (0..texts.len())
            .map(|place| most(place).unwrap_or(0) as u64)
            .collect()
    }

    #[test]
    fn the_tree_finds_what_comparing_all_finds() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for round in 0..50 {
            let texts: Vec<Vec<u8>> = (0..40)
                .map(|_| {
                    let length = random.next_u32() as usize % 300;
                    // Mostly the same, so that they part late.
                    let byte = |_| b'a' + u8::from(random.next_u32() % 40 == 0);
                    (0..length).map(byte).collect()
                })
                .collect();
            let conversations: Vec<_> = texts
                .iter()
                .map(|bytes| text(&String::from_utf8_lossy(bytes)))
                .collect();
            let told = shares(&conversations).into_iter().flatten();
            let told: Vec<u64> = told.map(|(shared, _)| shared).collect();
            assert_eq!(told, slowly(&texts), "round {round}");
        }
    }
}
