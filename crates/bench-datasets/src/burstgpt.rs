//! The BurstGPT trace: when requests came, and how long they and their answers were.
//!
//! A CSV with the columns `Timestamp` (seconds), `Model`, `Request tokens` and `Response tokens`;
//! others are not looked at. The earliest row of the file is the beginning of the trace, and each
//! row is a request that arrives as long after it as the file says, with a prompt of its own of as
//! many tokens as the row has. Rows without request or response tokens (requests that failed there)
//! are left out and told; so are those of another model than `--burstgpt-model`.
//!
//! With `--burstgpt-lengths-only` rows are drawn at random and their times are not used, as in
//! `vllm bench serve`: those with the model `GPT-4` unless `--burstgpt-model` says otherwise,
//! each at most once if there are enough of them, and with replacement otherwise
//! (`--no-oversample` sends each once). `--disable-shuffle` takes them in the order of the file.

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::draw::{Draws, Purpose};
use crate::trace::{self, BurstRows, Played, Rows, Slot};
use crate::{Dataset, DatasetError, SampleContext, rows};

const NAME: &str = "burstgpt";

/// The model whose rows `vllm bench serve` draws.
const VLLM_MODEL: &str = "GPT-4";

/// The BurstGPT trace
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: burstgpt"))]
pub struct BurstGpt {
    /// Draw rows at random for their lengths and leave their times aside, as `vllm bench serve`
    /// does
    #[cfg_attr(feature = "cli", arg(long))]
    pub burstgpt_lengths_only: bool,

    /// Take the rows of this model only (`ChatGPT`, `GPT-4`); all models if not given, with
    /// --burstgpt-lengths-only GPT-4
    #[cfg_attr(feature = "cli", arg(long, value_name = "MODEL"))]
    pub burstgpt_model: Option<String>,
}

impl Dataset for BurstGpt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_arrivals(&self) -> bool {
        !self.burstgpt_lengths_only
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let path = trace::path(cx, NAME, "a BurstGPT CSV")?;
        let model = match &self.burstgpt_model {
            Some(model) => Some(model.as_str()),
            None => self.burstgpt_lengths_only.then_some(VLLM_MODEL),
        };
        let entries = BurstRows::new(trace::open(path)?, path)?;
        let mut rows = Rows::read(entries, |entry| {
            let other = model.is_some_and(|model| entry.kind.as_deref() != Some(model));
            other.then_some("of another model than --burstgpt-model")
        })?;
        rows.check_usable(
            path,
            "no row has request and response tokens, or none is of the model wanted; give \
             another file or --burstgpt-model",
        )?;
        let slots = if self.burstgpt_lengths_only {
            rows.tell_left_out(cx, NAME);
            drawn(cx, rows.rows.len())
        } else {
            rows.schedule(cx, NAME)?
        };
        let how = Played::lengths(NAME);
        let mut conversations = trace::play(cx, how, &rows.rows, &slots)?;
        if self.burstgpt_lengths_only {
            for conversation in &mut conversations {
                conversation.arrival = None;
            }
        }
        Ok(conversations)
    }
}

/// Which of `found` rows are sent, by the rules of `vllm bench serve`.
fn drawn(cx: &SampleContext<'_>, found: usize) -> Vec<Slot> {
    let mut order: Vec<usize> = (0..found).collect();
    rows::order(cx, &mut order);
    let wanted = cx.num_prompts;
    let mut taken: Vec<usize> = order.iter().copied().take(wanted).collect();
    if found < wanted && cx.no_oversample {
        cx.warn(format!(
            "the {NAME} dataset has only {found} rows of the {wanted} prompts asked for"
        ));
    } else if found < wanted && cx.disable_shuffle {
        taken.extend(order.iter().copied().cycle().take(wanted - found));
    } else if found < wanted {
        let mut draws = Draws::new(cx.seed, Purpose::Oversample);
        taken = (0..wanted).map(|_| *draws.choose(&order)).collect();
    }
    // A row that is drawn again has a prompt of its own.
    let mut times = vec![0; found];
    let slot = |row: usize| {
        let copy = times[row];
        times[row] += 1;
        Slot::timeless(row, copy)
    };
    taken.into_iter().map(slot).collect()
}
