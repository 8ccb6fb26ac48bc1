//! Exact prompts for tokenizers without reliable words.
//!
//! Such a prompt is found by trying: decode the tokens, encode the text, and see what came back.
//! If the tokens are too few, more are added; if too many, the end is cut off; then it is tried
//! again. A cut may go through a character, whose pieces then come back as something longer, for
//! ever; so after some tries the last tokens are replaced as well, more of them each time.

use std::sync::Arc;

use rayon::prelude::*;

use super::Plan;
use crate::DatasetError;
use crate::draw::{Draws, Purpose};

/// A prompt that is not exact after so many tries never will be.
const TRIES: usize = 64;

/// Tries before the end of the prompt is replaced and not only cut.
const PATIENCE: usize = 4;

/// Makes exact texts by trying.
pub(super) struct Mender<'a> {
    plan: &'a Plan<'a>,
    /// Tokens that come back by themselves: what is drawn from.
    allowed: Vec<u32>,
    prefixes: Vec<Piece>,
}

/// A text and its tokens.
#[derive(Default)]
struct Piece {
    text: String,
    ids: Vec<u32>,
}

impl<'a> Mender<'a> {
    /// A mender for the prompts of `plan`; its prefixes are made at once.
    pub(super) fn new(plan: &'a Plan<'a>) -> Result<Mender<'a>, DatasetError> {
        let tokenizer = plan.tokenizer;
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
            plan,
            allowed,
            prefixes: Vec::new(),
        };
        let prefixes: Result<Vec<Piece>, DatasetError> = (0..plan.prefixes.len())
            .into_par_iter()
            .map(|index| mender.prefix(index))
            .collect();
        mender.prefixes = prefixes?;
        Ok(mender)
    }

    /// A prefix with the separator behind it.
    fn prefix(&self, index: usize) -> Result<Piece, DatasetError> {
        let plan = self.plan;
        let wanted = plan
            .prefix_places(index, self.allowed.len())
            .into_iter()
            .map(|place| self.allowed[place])
            .collect();
        let draws = Draws::new(plan.seed, Purpose::Repair(u32::MAX - index as u32));
        let inexact = || self.inexact(0, plan.prefixes[index]);
        let mut piece = self
            .mend(&Piece::default(), wanted, draws)
            .ok_or_else(inexact)?;
        if plan.separator.is_empty() || piece.ids.is_empty() {
            return Ok(piece);
        }
        piece.text.push_str(plan.separator);
        let ids = plan.tokenizer.encode(&piece.text)?;
        if ids.len() != piece.ids.len() + plan.separator_tokens()? || !ids.starts_with(&piece.ids) {
            return Err(inexact());
        }
        piece.ids = ids;
        Ok(piece)
    }

    /// The text of prompt `index`.
    pub(super) fn text(&self, index: usize) -> Result<Arc<str>, DatasetError> {
        let plan = self.plan;
        let none = Piece::default();
        let prefix = plan.shapes[index].prefix;
        let prefix = prefix.map_or(&none, |prefix| &self.prefixes[prefix]);
        let own = plan.own(index, self.allowed.len());
        let wanted: Vec<u32> = own.ids(&self.allowed).collect();
        let tokens = prefix.ids.len() + wanted.len();
        let draws = Draws::new(plan.seed, Purpose::Repair(index as u32));
        match self.mend(prefix, wanted, draws) {
            Some(piece) => Ok(piece.text.into()),
            None => Err(self.inexact(index, tokens)),
        }
    }

    /// A text that is the prefix and then as many tokens as `inner` has, if one is found.
    fn mend(&self, prefix: &Piece, mut inner: Vec<u32>, mut draws: Draws) -> Option<Piece> {
        let tokenizer = self.plan.tokenizer;
        let wanted = inner.len();
        for attempt in 0..TRIES {
            let ids: Vec<u32> = prefix.ids.iter().chain(&inner).copied().collect();
            let text = tokenizer.decode(&ids).ok()?;
            let ids = tokenizer.encode(&text).ok()?;
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
            tokenizer: self.plan.tokenizer.id().to_owned(),
            tokens: tokens as u32,
            prompt,
        }
    }
}
