//! Conversations of several turns.

use std::time::Duration;

use bench_datasets::MultiTurn;
use bench_types::{Conversation, History, Task};
use http::HeaderName;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::seconds;
use crate::cli::options::{NO_HEADER, ThinkTime};
use crate::cli::{OptionsError, RunOptions};

/// Turns of a conversation that is made up, if the user does not say.
const TURNS: u32 = 4;

/// The stream of random numbers that think times are drawn from.
const THINK_TIME: u64 = 1;

impl RunOptions {
    /// Whether the options of conversations make sense by themselves.
    pub(super) fn check_multi_turn(&self, task: Task) -> Result<(), OptionsError> {
        let options = &self.multi_turn;
        for (flag, turns) in [
            ("--multi-turn-turns", options.multi_turn_turns),
            ("--max-turns", options.max_turns),
        ] {
            if turns == Some(0) {
                let problem = "a conversation has at least one turn";
                return Err(OptionsError::flag(flag, problem));
            }
        }
        self.session_header()?;
        if let Some(mean) = options.think_time {
            seconds("--think-time", mean)?;
        }
        if options.multi_turn.is_none() {
            return Ok(());
        }
        if task != Task::Generate {
            let problem = "turns go on from answers in text, which the backend does not give; \
                           leave it out, or use a backend that generates text";
            return Err(OptionsError::flag("--multi-turn", problem));
        }
        if self.dataset.prompt_token_ids {
            let problem = "turns go on from answers whose token ids are not known; leave out \
                           --prompt-token-ids";
            return Err(OptionsError::flag("--multi-turn", problem));
        }
        let made_up = ["random", "random-ids"].contains(&self.dataset.dataset_name.as_str());
        if options.multi_turn_turns.is_some() && !made_up {
            let problem = format!(
                "it is for --dataset-name random and random-ids; the conversations of `{}` have the turns that \
                 they have, of which --max-turns takes the first",
                self.dataset.dataset_name
            );
            return Err(OptionsError::flag("--multi-turn-turns", problem));
        }
        Ok(())
    }

    /// What datasets are to make of their entries.
    pub(super) fn wanted_turns(&self) -> Option<MultiTurn> {
        let options = &self.multi_turn;
        Some(MultiTurn {
            history: options.multi_turn?.into(),
            turns: options.multi_turn_turns.unwrap_or(TURNS),
            max_turns: options.max_turns,
        })
    }

    /// The header that names conversations.
    pub(super) fn session_header(&self) -> Result<Option<HeaderName>, OptionsError> {
        match self.multi_turn.session_header.as_str() {
            NO_HEADER => Ok(None),
            name => HeaderName::try_from(name).map(Some).map_err(|_| {
                let problem = format!("`{name}` is not the name of a header; `none` sends none");
                OptionsError::flag("--session-header", problem)
            }),
        }
    }

    /// Makes of conversations what the options want: so many turns, that history, those pauses.
    pub(super) fn lead(
        &self,
        conversations: &mut [Conversation],
        seed: u64,
    ) -> Result<(), OptionsError> {
        let options = &self.multi_turn;
        if let Some(most) = options.max_turns {
            for conversation in &mut *conversations {
                // A turn stands behind the one it follows, so none loses it.
                conversation.turns.truncate(most as usize);
            }
        }
        let several = |one: &&mut Conversation| one.turns.len() > 1;
        if let Some(replies) = options.multi_turn {
            for conversation in conversations.iter_mut().filter(several) {
                if conversation.history != History::Whole {
                    conversation.history = replies.into();
                }
            }
        }
        let Some(mean) = options.think_time else {
            return Ok(());
        };
        let mean = seconds("--think-time", mean)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(THINK_TIME);
        let later = conversations
            .iter_mut()
            .flat_map(|one| one.turns.iter_mut().skip(1));
        for turn in later {
            turn.pause = match options.think_time_distribution {
                ThinkTime::Constant => mean,
                ThinkTime::Exponential => exponential(mean, random.random()),
            };
        }
        Ok(())
    }

    /// Whether there are conversations at all for the options to lead.
    pub(super) fn check_led(&self, measured: &[Conversation]) -> Result<(), OptionsError> {
        let options = &self.multi_turn;
        let mut several = measured.iter().filter(|one| one.turns.len() > 1).peekable();
        let found = several.peek().is_some();
        if options.think_time.is_some() && !found {
            let problem = "no conversation of the dataset has a second turn to think before; add \
                           --multi-turn, or leave it out";
            return Err(OptionsError::flag("--think-time", problem));
        }
        let name = &self.dataset.dataset_name;
        let problem = match (options.multi_turn, found) {
            (None, _) => return Ok(()),
            (Some(_), false) => format!(
                "no conversation of `{name}` has more than one turn; leave it out, or use a \
                 dataset of conversations such as sharegpt, or random"
            ),
            (Some(_), true) if several.any(|one| one.history != History::Whole) => return Ok(()),
            (Some(_), true) => format!(
                "the prompts of `{name}` are whole as they stand, and nothing goes before them; \
                 leave it out"
            ),
        };
        Err(OptionsError::flag("--multi-turn", problem))
    }
}

/// A time from an exponential distribution, by a number from 0 to just below 1: the inverse of
/// its distribution function.
fn exponential(mean: Duration, uniform: f64) -> Duration {
    mean.mul_f64(-(1.0 - uniform).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_think_times_have_their_mean_and_are_exponential() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mean = Duration::from_secs(2);
        let mut times: Vec<f64> = (0..20_000)
            .map(|_| exponential(mean, random.random()).as_secs_f64())
            .collect();
        times.sort_by(f64::total_cmp);
        // The greatest distance to the distribution function 1 - exp(-t/2), by Kolmogorov and
        // Smirnov; 1.95/sqrt(n) is exceeded once in a thousand seeds.
        let n = times.len() as f64;
        let distances = (1..).zip(&times).map(|(rank, time)| {
            let expected = 1.0 - (-time / 2.0).exp();
            (f64::from(rank) / n - expected).abs()
        });
        let greatest = distances.fold(0.0, f64::max);
        assert!(greatest < 1.95 / n.sqrt(), "{greatest}");
        assert_eq!(exponential(mean, 0.0), Duration::ZERO);
    }
}
