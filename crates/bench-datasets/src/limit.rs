//! Which conversations a model's context has room for.

use bench_types::{Conversation, History, Prompt, Turn};
use serde_json::Value;

use crate::{DatasetError, Tokenizer, chat};

/// Whether each request of `conversation` has at most `most` tokens with its answer. Of messages
/// with pictures the texts count, all other prompts of unknown length count as empty. A turn
/// repeats the recorded answers before it where history is recorded, and otherwise answers as
/// long as they may be.
pub(crate) fn fits(
    conversation: &Conversation,
    most: u32,
    tokenizer: Option<&Tokenizer>,
) -> Result<bool, DatasetError> {
    let repeats = conversation.history != History::Whole;
    // What those that follow a turn repeat.
    let mut repeated: Vec<u64> = Vec::with_capacity(conversation.turns.len());
    for (index, turn) in conversation.turns.iter().enumerate() {
        let follows = match turn.parent {
            Some(parent) => Some(parent as usize),
            None => index.checked_sub(1),
        };
        let before = follows
            .filter(|_| repeats)
            .and_then(|place| repeated.get(place));
        let own = u64::from(known_tokens(turn, tokenizer)?);
        let asked = before.copied().unwrap_or(0) + own;
        let most_output = turn.max_output_tokens;
        if asked + u64::from(most_output) > u64::from(most) {
            return Ok(false);
        }
        let reply = match conversation.history {
            History::Recorded => turn.reply_tokens.unwrap_or(most_output),
            _ => most_output,
        };
        repeated.push(asked + u64::from(reply));
    }
    Ok(true)
}

/// The tokens of a turn's prompt, as far as they can be counted.
fn known_tokens(turn: &Turn, tokenizer: Option<&Tokenizer>) -> Result<u32, DatasetError> {
    match (turn.prompt_tokens, &turn.prompt, tokenizer) {
        (Some(tokens), ..) => Ok(tokens),
        (None, Prompt::Chat(json), Some(tokenizer)) => {
            let messages: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
            chat::texts_among_others(&messages)
                .map(|text| tokenizer.count(text))
                .sum()
        }
        _ => Ok(0),
    }
}

/// Whether nothing is known of the length of one of its prompts.
pub(crate) fn is_uncounted(conversation: &Conversation) -> bool {
    let unknown =
        |turn: &Turn| turn.prompt_tokens.is_none() && !matches!(turn.prompt, Prompt::Chat(_));
    conversation.turns.iter().any(unknown)
}

/// What is said of conversations that were not counted.
pub(crate) fn uncounted(dataset: &str, uncounted: usize, of: usize) -> String {
    format!(
        "the prompts of {uncounted} of the {of} conversations of `{dataset}` cannot be counted: \
         only their answers were held against --max-model-len"
    )
}

/// What is said of conversations that are left out.
pub(crate) fn left_out(dataset: &str, left_out: usize, of: usize, most: u32) -> String {
    format!(
        "{left_out} of the {of} conversations of `{dataset}` that were looked at are left out: they \
         have more than {most} tokens (--max-model-len)"
    )
}

/// The error for conversations of which none fits.
pub(crate) fn nothing_fits(dataset: &str, conversations: usize, most: u32) -> DatasetError {
    DatasetError::Option {
        option: "--max-model-len",
        problem: format!(
            "all {conversations} conversations of `{dataset}` have more than {most} tokens with \
             their answers; ask for shorter ones, or give the limit of a model with more room"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(conversation: &Conversation, most: u32) -> bool {
        super::fits(conversation, most, None).unwrap()
    }

    fn turns(lengths: &[(u32, u32)]) -> Conversation {
        let turn = |&(prompt, output): &(u32, u32)| {
            Turn::new(Prompt::Text("".into()), Some(prompt), output)
        };
        Conversation::of_turns(0, lengths.iter().map(turn).collect())
    }

    #[test]
    fn a_turn_is_as_long_as_what_it_repeats() {
        let mut conversation = turns(&[(10, 5), (10, 5)]);
        assert!(fits(&conversation, 15) && !fits(&conversation, 14));
        conversation.history = History::Live;
        assert!(fits(&conversation, 30) && !fits(&conversation, 29));
        conversation.history = History::Recorded;
        assert!(fits(&conversation, 30) && !fits(&conversation, 29));
        conversation.turns[0].reply_tokens = Some(2);
        assert!(fits(&conversation, 27) && !fits(&conversation, 26));
    }

    #[test]
    fn branches_are_measured_by_themselves() {
        let mut conversation = turns(&[(10, 0), (1, 0), (2, 0)]);
        conversation.history = History::Live;
        conversation.turns[2].parent = Some(0);
        assert!(fits(&conversation, 12) && !fits(&conversation, 11));
    }
}
