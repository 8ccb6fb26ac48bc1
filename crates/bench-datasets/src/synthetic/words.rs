//! The words of a tokenizer: tokens that stay whole in any company.
//!
//! A word is a space and letters, in one token. Nearly every tokenizer cuts a text before such
//! a space and merges only inside the pieces, so the text of some words side by side comes back
//! as just those tokens. "Nearly every" is not a proof, so the words are proved when they are
//! found: all of them are encoded in the order in which prompts take them, round the end to the
//! beginning, and in some shuffled orders as a prefix may take them; what does not come back at
//! its place is dropped, until all do.
//!
//! Tokenizers that put a space before the first word themselves (SentencePiece's "metaspace")
//! would make a token of the space that is already there. For those, a text begins without it.

use std::sync::Arc;

use rayon::prelude::*;

use super::Own;
use crate::Tokenizer;
use crate::draw::{Draws, Purpose};

/// With fewer words the prompts would be too much alike.
const FEWEST: usize = 128;

/// Shuffled orders in a proof.
const SHUFFLES: usize = 2;

/// A tokenizer that still drops words after so many proofs has none to rely on.
const PROOFS: usize = 8;

/// Words in one piece of a proof; small enough that an offender is found quickly.
const PIECE: usize = 256;

/// How a text begins.
#[derive(Clone, Copy)]
enum Lead {
    /// With the space of its first word.
    Space,
    /// With the letters of its first word; the tokenizer adds the space.
    Letters,
}

impl Lead {
    /// The part of some words' text that is sent.
    fn cut(self, text: &str) -> &str {
        match self {
            Lead::Space => text,
            Lead::Letters => text.strip_prefix(' ').unwrap_or(text),
        }
    }
}

/// The words, as a ring: the text of all of them, one after the other by ascending id.
pub(crate) struct Words {
    lead: Lead,
    ids: Vec<u32>,
    text: String,
    /// Where each word's text begins, and at last where the text ends.
    bounds: Vec<usize>,
}

impl Words {
    /// The proven words of `tokenizer`; `None` if it has too few.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Option<Words> {
        let ids = tokenizer.ordinary_ids();
        [Lead::Space, Lead::Letters].into_iter().find_map(|lead| {
            let candidates = ids
                .par_iter()
                .filter_map(|&id| candidate(tokenizer, lead, id));
            Words::proven(tokenizer, lead, candidates.collect())
        })
    }

    /// Drops candidates until all that are left pass the proof.
    fn proven(tokenizer: &Tokenizer, lead: Lead, mut words: Vec<(u32, String)>) -> Option<Words> {
        for _ in 0..PROOFS {
            if words.len() < FEWEST {
                return None;
            }
            let ring = Words::new(lead, &words);
            let offenders = ring.offenders(tokenizer);
            if offenders.is_empty() {
                return Some(ring);
            }
            let mut place = 0..;
            words.retain(|_| {
                place
                    .next()
                    .is_none_or(|place| offenders.binary_search(&place).is_err())
            });
        }
        None
    }

    fn new(lead: Lead, words: &[(u32, String)]) -> Words {
        let mut text = String::new();
        let mut bounds = vec![0];
        for (_, word) in words {
            text.push_str(word);
            bounds.push(text.len());
        }
        let ids = words.iter().map(|(id, _)| *id).collect();
        Words {
            lead,
            ids,
            text,
            bounds,
        }
    }

    /// How many words there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The text of the words at these places.
    pub(crate) fn text_of(&self, places: &[usize]) -> Arc<str> {
        let mut text = String::with_capacity(8 * places.len());
        self.push(&mut text, places);
        self.lead.cut(&text).into()
    }

    /// The tokens of the words at these places.
    pub(crate) fn ids_of(&self, places: &[usize]) -> Vec<u32> {
        places.iter().map(|&place| self.ids[place]).collect()
    }

    /// The text of the words at the places of `prefix`, `separator`, and the words of `own`.
    pub(super) fn text(&self, prefix: &[usize], separator: &str, own: &Own) -> Arc<str> {
        let words = prefix.len() + own.places.len() + own.count;
        let mut text = String::with_capacity(8 * words + separator.len());
        self.push(&mut text, prefix);
        text.push_str(separator);
        self.push(&mut text, &own.places);
        let (mut from, mut left) = (own.start % self.len(), own.count);
        while left > 0 {
            let to = self.len().min(from + left);
            text.push_str(self.slice(from, to));
            left -= to - from;
            from = 0;
        }
        self.lead.cut(&text).into()
    }

    /// The tokens of [`text`](Words::text).
    pub(super) fn ids(&self, prefix: &[usize], separator: &[u32], own: &Own) -> Vec<u32> {
        let prefix = prefix.iter().map(|&place| self.ids[place]);
        prefix
            .chain(separator.iter().copied())
            .chain(own.ids(&self.ids))
            .collect()
    }

    fn push(&self, text: &mut String, places: &[usize]) {
        for &place in places {
            text.push_str(self.slice(place, place + 1));
        }
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        &self.text[self.bounds[from]..self.bounds[to]]
    }

    /// The places of words that do not come back, ascending; none if the proof succeeds.
    fn offenders(&self, tokenizer: &Tokenizer) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        let mut all = self.offenders_in(tokenizer, &order);
        let mut draws = Draws::new(0, Purpose::Proof);
        for _ in 0..SHUFFLES {
            draws.shuffle(&mut order);
            all.append(&mut self.offenders_in(tokenizer, &order));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The words that do not come back in this order, read as a ring.
    fn offenders_in(&self, tokenizer: &Tokenizer, order: &[usize]) -> Vec<usize> {
        (0..order.len())
            .into_par_iter()
            .step_by(PIECE)
            .flat_map_iter(|from| {
                // One more than a piece, so that no seam between pieces goes unseen.
                let piece: Vec<usize> = order[from..]
                    .iter()
                    .chain(order)
                    .copied()
                    .take(PIECE + 1)
                    .collect();
                self.offenders_of(tokenizer, &piece)
            })
            .collect()
    }

    /// The offenders of one piece, by halving.
    fn offenders_of(&self, tokenizer: &Tokenizer, piece: &[usize]) -> Vec<usize> {
        let exact = tokenizer
            .encode(&self.text_of(piece))
            .is_ok_and(|ids| ids == self.ids_of(piece));
        if exact {
            return Vec::new();
        }
        if piece.len() <= 2 {
            return piece.to_vec();
        }
        let (left, right) = piece.split_at(piece.len() / 2);
        let mut offenders = self.offenders_of(tokenizer, left);
        offenders.append(&mut self.offenders_of(tokenizer, right));
        if offenders.is_empty() {
            // Each half is sound, so the words that meet between them are not.
            offenders.extend(left.last().into_iter().chain(right.first()));
        }
        offenders
    }
}

/// The word of token `id`: a space and letters that encode to this token.
fn candidate(tokenizer: &Tokenizer, lead: Lead, id: u32) -> Option<(u32, String)> {
    let text = tokenizer.decode(&[id]).ok()?;
    let letters = text.strip_prefix(' ').unwrap_or(&text);
    if letters.is_empty() || !letters.chars().all(char::is_alphabetic) {
        return None;
    }
    let word = format!(" {letters}");
    let ids = tokenizer.encode(lead.cut(&word)).ok()?;
    (ids == [id]).then_some((id, word))
}
