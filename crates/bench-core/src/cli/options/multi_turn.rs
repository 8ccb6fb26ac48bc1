use bench_types::History;
use clap::Args;
use serde::{Deserialize, Serialize};

/// Stands for no header in `--session-header`.
pub(in crate::cli) const NO_HEADER: &str = "none";

/// How conversations of several turns are led.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Multi-turn")]
pub struct MultiTurnOptions {
    /// Send conversations of several turns, each of which repeats all that was said before
    ///
    /// For `random`, `sharegpt` and every dataset that has conversations. --num-prompts,
    /// --request-rate and --max-concurrency then count conversations: each is a user, who has one
    /// slot from the first request to the last answer, think time included.
    #[arg(long, value_name = "HISTORY", num_args = 0..=1, default_missing_value = "live")]
    pub multi_turn: Option<Replies>,

    /// Turns of each conversation of --dataset-name random and random-ids; 4 if not given
    ///
    /// Each turn has --random-input-len new tokens; --random-prefix-len is what all conversations
    /// begin with, as with a system prompt.
    #[arg(
        long,
        visible_alias = "turns",
        value_name = "N",
        requires = "multi_turn"
    )]
    pub multi_turn_turns: Option<u32>,

    /// Most turns of a conversation; those after them are not sent
    #[arg(long, value_name = "N")]
    pub max_turns: Option<u32>,

    /// Seconds between an answer and the next turn, instead of what the dataset says
    #[arg(long, value_name = "SECONDS")]
    pub think_time: Option<f64>,

    /// Whether think time is always the same or drawn, with --think-time as its mean
    #[arg(
        long,
        value_name = "SHAPE",
        default_value = "constant",
        requires = "think_time"
    )]
    pub think_time_distribution: ThinkTime,

    /// Header that names the conversation in every request, where there are several turns; `none`
    /// sends none
    ///
    /// Routers keep a conversation with the server that has it in its cache by such a header.
    #[arg(long, value_name = "NAME",
        default_value_t = MultiTurnOptions::default().session_header)]
    pub session_header: String,
}

impl Default for MultiTurnOptions {
    fn default() -> Self {
        MultiTurnOptions {
            multi_turn: None,
            multi_turn_turns: None,
            max_turns: None,
            think_time: None,
            think_time_distribution: ThinkTime::default(),
            session_header: "X-Session-ID".to_owned(),
        }
    }
}

/// Which answers a conversation goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Replies {
    /// Those of the server.
    Live,
    /// Those of the dataset, so that every run sends the same.
    Recorded,
}

impl From<Replies> for History {
    fn from(replies: Replies) -> History {
        match replies {
            Replies::Live => History::Live,
            Replies::Recorded => History::Recorded,
        }
    }
}

/// How long users think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ThinkTime {
    /// The same time before every turn.
    #[default]
    Constant,
    /// Drawn by the seed from an exponential distribution.
    Exponential,
}
