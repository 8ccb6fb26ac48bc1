//! Recorded conversations, whole.

use bench_types::{Conversation, Turn};

use super::{MAX_PROMPT_TOKENS, MAX_TOTAL_TOKENS, Message, NAME, Recorded, ShareGpt};
use crate::{DatasetError, MultiTurn, SampleContext};

/// What it takes for a conversation to be taken.
pub(super) const NEEDS: &str = "a conversation needs two turns of the user with their answers, the first within the limits of \
     a single request, the others with a prompt of 1 to 1024 tokens and at most 2048 with the \
     answer; --sharegpt-context-len takes the place of the limits";

impl ShareGpt {
    /// The conversation that was recorded, up to the first turn that is not within the limits;
    /// `None` if that leaves fewer than two turns.
    pub(super) fn whole(
        &self,
        cx: &SampleContext<'_>,
        output_len: Option<u32>,
        recorded: &Recorded,
        wanted: MultiTurn,
    ) -> Result<Option<Conversation>, DatasetError> {
        let most = wanted.max_turns.unwrap_or(u32::MAX);
        let mut turns = Vec::new();
        // Tokens of all that was said before.
        let mut before = 0_u32;
        for (place, (question, answer)) in (0..most).zip(pairs(&recorded.conversations)) {
            let (prompt, prompt_tokens) = cx.recorded_prompt(NAME, &self.suffixed(question))?;
            let reply_tokens = match cx.tokenizer {
                Some(tokenizer) => Some(tokenizer.count(answer)?),
                None => None,
            };
            // One of the two is there, or nothing could be sampled.
            let Some(output) = output_len.or(reply_tokens) else {
                break;
            };
            let fits = match place {
                0 => self.takes(prompt_tokens, output, output_len.is_some()),
                _ => self.takes_later(prompt_tokens, output, before),
            };
            let whole = prompt_tokens.map(|own| before.saturating_add(own));
            let has_room = |most: u32| whole.is_none_or(|all| all.saturating_add(output) <= most);
            if !fits || !cx.max_model_len.is_none_or(has_room) {
                break;
            }
            let mut turn = Turn::new(prompt, prompt_tokens, output);
            turn.reply = Some(answer.into());
            turn.reply_tokens = reply_tokens;
            turns.push(turn);
            before = whole.unwrap_or(0).saturating_add(output);
        }
        if turns.len() < 2.min(most as usize) {
            return Ok(None);
        }
        let mut conversation = Conversation::of_turns(0, turns);
        conversation.history = wanted.history;
        Ok(Some(conversation))
    }

    /// Whether a turn after the first is taken, with so many tokens `before` it.
    fn takes_later(&self, prompt: Option<u32>, output: u32, before: u32) -> bool {
        let Some(tokens) = prompt else { return true };
        if tokens == 0 || output == 0 {
            return false;
        }
        if self.sharegpt_context_len.is_some() {
            return self.has_room(Some(before.saturating_add(tokens)), output);
        }
        tokens <= MAX_PROMPT_TOKENS && tokens.saturating_add(output) <= MAX_TOTAL_TOKENS
    }
}

impl Message {
    /// Whether the user said it, as far as the file tells.
    fn is_users(&self) -> Option<bool> {
        Some(matches!(self.from.as_str()?, "human" | "user"))
    }
}

/// What the user said, with the answers: from the first message of the user, up to where they no
/// longer alternate. Where the file does not tell who speaks, the user begins.
fn pairs(messages: &[Message]) -> impl Iterator<Item = (&str, &str)> {
    let first = messages
        .iter()
        .position(|one| one.is_users() != Some(false));
    let (pairs, _) = messages[first.unwrap_or(messages.len())..].as_chunks::<2>();
    pairs
        .iter()
        .take_while(|[question, answer]| {
            question.is_users() != Some(false) && answer.is_users() != Some(true)
        })
        .map(|[question, answer]| (question.value.as_str(), answer.value.as_str()))
}
