//! Exact prompts for tokenizers without reliable words.
//!
//! Such a prompt is found by trying: decode the tokens, encode the text, and see what came back.
//! If the tokens are too few, more are added; if too many, the end is cut off; then it is tried
//! again. A cut may go through a character, whose pieces then come back as something longer, for
//! ever; so after some tries the last tokens are replaced as well, more of them each time.

use std::sync::Arc;

use rayon::prelude::*;

use crate::draw::{Draws, Purpose};
use crate::{DatasetError, Tokenizer};

/// A prompt that is not exact after so many tries never will be.
const TRIES: usize = 64;

/// Tries before the end of the prompt is replaced and not only cut.
const PATIENCE: usize = 4;

/// Makes exact texts by trying.
pub(super) struct Mender<'a> {
    tokenizer: &'a Tokenizer,
    seed: u64,
    /// Tokens that come back by themselves: what is drawn from.
    allowed: Vec<u32>,
    prefix: Piece,
}

/// A text and its tokens.
#[derive(Default)]
struct Piece {
    text: String,
    ids: Vec<u32>,
}

impl<'a> Mender<'a> {
    /// A mender whose texts all begin with the same `prefix_len` tokens.
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        seed: u64,
        prefix_len: usize,
    ) -> Result<Mender<'a>, DatasetError> {
        let comes_back = |id: &u32| {
            let text = tokenizer.decode(&[*id]).unwrap_or_default();
            tokenizer.encode(&text).is_ok_and(|ids| ids == [*id])
        };
        let mut allowed = tokenizer.ordinary_ids();
        let stable: Vec<u32> = allowed.par_iter().copied().filter(comes_back).collect();
        if !stable.is_empty() {
            allowed = stable;
        }
        let mut mender = Mender {
            tokenizer,
            seed,
            allowed,
            prefix: Piece::default(),
        };
        let places = super::prefix_places(seed, mender.allowed.len(), prefix_len);
        let wanted = places
            .into_iter()
            .map(|place| mender.allowed[place])
            .collect();
        let draws = Draws::new(seed, Purpose::Repair(u32::MAX));
        mender.prefix = mender
            .mend(wanted, draws)
            .ok_or_else(|| mender.inexact(0, prefix_len))?;
        Ok(mender)
    }

    /// The text of prompt `index`: the prefix, and `count` tokens from about `start` on.
    pub(super) fn text(
        &self,
        index: usize,
        start: usize,
        count: usize,
    ) -> Result<Arc<str>, DatasetError> {
        let wanted = super::run(&self.allowed, start, count).collect();
        let draws = Draws::new(self.seed, Purpose::Repair(index as u32));
        match self.mend(wanted, draws) {
            Some(piece) => Ok(piece.text.into()),
            None => Err(self.inexact(index, self.prefix.ids.len() + count)),
        }
    }

    /// A text that is the prefix and then as many tokens as `inner` has, if one is found.
    fn mend(&self, mut inner: Vec<u32>, mut draws: Draws) -> Option<Piece> {
        let prefix = &self.prefix;
        let wanted = inner.len();
        for attempt in 0..TRIES {
            let ids: Vec<u32> = prefix.ids.iter().chain(&inner).copied().collect();
            let text = self.tokenizer.decode(&ids).ok()?;
            let ids = self.tokenizer.encode(&text).ok()?;
            let keeps_prefix = text.starts_with(&prefix.text) && ids.starts_with(&prefix.ids);
            if keeps_prefix && ids.len() == prefix.ids.len() + wanted {
                return Some(Piece { text, ids });
            }
            if keeps_prefix {
                inner.clear();
                inner.extend_from_slice(&ids[prefix.ids.len()..]);
            } else if let Some(first) = inner.first_mut() {
                // The prefix ran into what follows it: let something else follow.
                *first = *draws.choose(&self.allowed);
            }
            inner.truncate(wanted.saturating_sub(attempt / PATIENCE));
            while inner.len() < wanted {
                inner.push(*draws.choose(&self.allowed));
            }
        }
        None
    }

    fn inexact(&self, prompt: usize, tokens: usize) -> DatasetError {
        DatasetError::Inexact {
            tokenizer: self.tokenizer.id().to_owned(),
            tokens: tokens as u32,
            prompt,
        }
    }
}
