//! Groups of prompts that share a system prompt, exact in length.
//!
//! SGLang's `generated-shared-prefix`: a prompt is the system prompt of its group, an empty line
//! and a question of its own. System prompts, questions and outputs are as long as
//! `--gsp-system-prompt-len` and the others say, or uniform in `max(1, ⌊len·r⌋)..=len` with
//! `--gsp-range-ratio` r. All lengths of system prompts are drawn first, then those of all
//! questions, then those of all outputs.
//!
//! Each group has `--gsp-prompts-per-group` prompts; with `--gsp-group-distribution zipf` the
//! group of each prompt is drawn instead, the k-th with probability k^-α / Σ k^-α. The texts are
//! the same with both. Prompts are shuffled unless `--gsp-ordered`.
//!
//! With `--gsp-num-turns` a prompt is a conversation: its first turn has the system prompt, each
//! turn has a question, and what the server answered stands between them.
//!
//! What differs from SGLang:
//!
//! - **Lengths are exact**, also where the parts meet.
//! - **`--num-prompts` counts.** There, it has no effect. Here, too, groups × prompts per group
//!   are sent if it is not given; otherwise the first so many of them, and if more are asked for
//!   than there are, the groups get more.
//! - **Nothing is kept on disk**, where other options may find it.
//!
//! As there, special tokens that the server adds to a text come on top.

use bench_types::{Conversation, History, Prompt, Turn};
use serde::{Deserialize, Serialize};

use crate::draw::{Draws, Purpose, Weights};
use crate::synthetic::{Order, Plan, Shape, needed_tokenizer};
use crate::trace::MOST_PROMPT_TOKENS;
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "generated-shared-prefix";

/// The most questions that lengths are drawn for.
const MOST_PROMPTS: usize = 10_000_000;

/// Between system prompt and question.
const SEPARATOR: &str = "\n\n";

/// How prompts are spread over the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum GroupDistribution {
    /// Each group has as many
    #[default]
    Uniform,
    /// The group of each prompt is drawn: the k-th with probability proportional to k^-alpha
    Zipf,
}

/// Prompts in groups that share a system prompt: as long as asked, to the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(
    feature = "cli",
    command(next_help_heading = "Dataset: generated-shared-prefix")
)]
pub struct GeneratedSharedPrefix {
    /// Number of groups, each with a system prompt of its own
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = GeneratedSharedPrefix::default().gsp_num_groups))]
    pub gsp_num_groups: u32,

    /// Prompts in each group; all are sent, or as many as --num-prompts says
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = GeneratedSharedPrefix::default().gsp_prompts_per_group))]
    pub gsp_prompts_per_group: u32,

    /// Tokens of a system prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = GeneratedSharedPrefix::default().gsp_system_prompt_len))]
    pub gsp_system_prompt_len: u32,

    /// Tokens of a question
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = GeneratedSharedPrefix::default().gsp_question_len))]
    pub gsp_question_len: u32,

    /// Tokens to generate for a prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = GeneratedSharedPrefix::default().gsp_output_len))]
    pub gsp_output_len: u32,

    /// Spread of the lengths: uniform in len*r..=len
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATIO",
        default_value_t = GeneratedSharedPrefix::default().gsp_range_ratio))]
    pub gsp_range_ratio: f64,

    /// How prompts are spread over the groups
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", value_enum,
        default_value_t = GeneratedSharedPrefix::default().gsp_group_distribution))]
    pub gsp_group_distribution: GroupDistribution,

    /// Exponent of the Zipf distribution; greater is more uneven
    #[cfg_attr(feature = "cli", arg(long, value_name = "ALPHA"))]
    pub gsp_zipf_alpha: Option<f64>,

    /// Send the group's name in the header by which SGLang's router keeps a group together
    #[cfg_attr(feature = "cli", arg(long))]
    pub gsp_send_routing_key: bool,

    /// Questions of a conversation; the server's answers stand between them
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = GeneratedSharedPrefix::default().gsp_num_turns))]
    pub gsp_num_turns: u32,

    /// Send one group after the other
    #[cfg_attr(feature = "cli", arg(long))]
    pub gsp_ordered: bool,

    /// Spare statistics that take time to make; there are none, and lengths are exact without
    /// counting
    #[cfg_attr(feature = "cli", arg(long))]
    pub gsp_fast_prepare: bool,
}

impl Default for GeneratedSharedPrefix {
    fn default() -> GeneratedSharedPrefix {
        GeneratedSharedPrefix {
            gsp_num_groups: 64,
            gsp_prompts_per_group: 16,
            gsp_system_prompt_len: 2048,
            gsp_question_len: 128,
            gsp_output_len: 256,
            gsp_range_ratio: 1.0,
            gsp_group_distribution: GroupDistribution::Uniform,
            gsp_zipf_alpha: None,
            gsp_send_routing_key: false,
            gsp_num_turns: 1,
            gsp_ordered: false,
            gsp_fast_prepare: false,
        }
    }
}

/// A prompt that may be sent.
struct Slot {
    group: usize,
    /// Tokens of each question.
    questions: Vec<usize>,
    output: u32,
}

impl Dataset for GeneratedSharedPrefix {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn count(&self) -> Option<usize> {
        let groups = self.gsp_num_groups as usize;
        Some(groups.saturating_mul(self.gsp_prompts_per_group as usize))
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        self.check(cx)?;
        let (system_lens, slots) = self.slots(cx)?;
        let plan = Plan {
            order: Order::Scattered,
            prefixes: system_lens,
            separator: SEPARATOR,
            ..Plan::new(cx, tokenizer, slots.iter().flat_map(shapes).collect())
        };
        let prompts = cx.in_parallel(|| plan.prompts(cx.prompt_token_ids))?;
        let separator = plan.separator_tokens()?;
        let turn = |(shape, prompt): (&Shape, Prompt)| {
            Turn::new(prompt, Some(plan.tokens(shape, separator)), shape.output)
        };
        let history = cx.multi_turn.map_or(History::Live, |wanted| wanted.history);
        let mut turns = plan.shapes.iter().zip(prompts).map(turn);
        let conversation = |(id, slot): (u64, &Slot)| {
            let turns = turns.by_ref().take(slot.questions.len()).collect();
            let mut conversation = Conversation::of_turns(id, turns);
            if slot.questions.len() > 1 {
                conversation.history = history;
            }
            if self.gsp_send_routing_key {
                // The run's own name goes before it where it is sent.
                conversation.routing_key = Some(slot.group.to_string().into());
            }
            conversation
        };
        Ok((0..).zip(&slots).map(conversation).collect())
    }
}

/// The shapes of a conversation's turns.
fn shapes(slot: &Slot) -> impl Iterator<Item = Shape> + '_ {
    slot.questions
        .iter()
        .enumerate()
        .map(|(turn, &input)| Shape {
            prefix: (turn == 0).then_some(slot.group),
            input,
            output: slot.output,
            start: 0,
        })
}

impl GeneratedSharedPrefix {
    fn check(&self, cx: &SampleContext<'_>) -> Result<(), DatasetError> {
        let ratio = self.gsp_range_ratio;
        let zipf = self.gsp_group_distribution == GroupDistribution::Zipf;
        let problem = if self.gsp_num_groups == 0 {
            (
                "--gsp-num-groups",
                "there is no prompt without a group; give 1 or more".to_owned(),
            )
        } else if let Some(problem) = self.too_much(cx) {
            problem
        } else if self.gsp_question_len == 0 {
            (
                "--gsp-question-len",
                "a question without a token cannot be sent; give 1 or more".to_owned(),
            )
        } else if self.gsp_num_turns == 0 {
            (
                "--gsp-num-turns",
                "a conversation has 1 turn or more".to_owned(),
            )
        } else if self.gsp_num_turns > 1 && cx.prompt_token_ids {
            (
                "--prompt-token-ids",
                "the server's answers between the turns of --gsp-num-turns are text; leave it out"
                    .to_owned(),
            )
        } else if !(0.0..=1.0).contains(&ratio) {
            (
                "--gsp-range-ratio",
                format!("{ratio} is not between 0 and 1"),
            )
        } else if let Some(alpha) = self.gsp_zipf_alpha {
            if !zipf {
                (
                    "--gsp-zipf-alpha",
                    "it belongs to --gsp-group-distribution zipf; add that or leave it out"
                        .to_owned(),
                )
            } else if !(alpha.is_finite() && alpha > 0.0) {
                (
                    "--gsp-zipf-alpha",
                    format!("{alpha} is not a number greater than 0"),
                )
            } else {
                return Ok(());
            }
        } else if zipf {
            (
                "--gsp-group-distribution",
                "zipf needs an exponent: give --gsp-zipf-alpha a number greater than 0".to_owned(),
            )
        } else {
            return Ok(());
        };
        let (option, problem) = problem;
        Err(DatasetError::Option { option, problem })
    }

    /// The flag that asks for more than can be, and why.
    fn too_much(&self, cx: &SampleContext<'_>) -> Option<(&'static str, String)> {
        let groups = self.gsp_num_groups as usize;
        let conversations = self.count().unwrap_or(0).max(groups).max(cx.num_prompts);
        let questions = conversations.saturating_mul(self.turns(cx));
        if questions > MOST_PROMPTS {
            let problem = format!(
                "{groups} groups come to {questions} questions, and {MOST_PROMPTS} are the most; \
                 ask for fewer"
            );
            return Some(("--gsp-num-groups", problem));
        }
        let (system, question) = (self.gsp_system_prompt_len, self.gsp_question_len);
        (system.saturating_add(question) > MOST_PROMPT_TOKENS).then(|| {
            let problem = format!(
                "prompts of more than {MOST_PROMPT_TOKENS} tokens cannot be made; ask for fewer"
            );
            ("--gsp-system-prompt-len", problem)
        })
    }

    /// How many questions a conversation has.
    fn turns(&self, cx: &SampleContext<'_>) -> usize {
        let most = cx.multi_turn.and_then(|wanted| wanted.max_turns);
        self.gsp_num_turns.min(most.unwrap_or(u32::MAX)).max(1) as usize
    }

    /// The lengths of the system prompts, and the prompts in the order of sending.
    fn slots(&self, cx: &SampleContext<'_>) -> Result<(Vec<usize>, Vec<Slot>), DatasetError> {
        let groups = self.gsp_num_groups as usize;
        let total = self.count().unwrap_or(0).max(cx.num_prompts);
        let turns = self.turns(cx);
        let mut draws = Draws::new(cx.seed, Purpose::Shapes);
        let mut lengths = |len: u32, count: usize| -> Vec<u32> {
            let low = (f64::from(len) * self.gsp_range_ratio).floor() as u32;
            let low = low.max(1).min(len);
            (0..count).map(|_| draws.between(low, len)).collect()
        };
        let systems = lengths(self.gsp_system_prompt_len, groups);
        let questions = lengths(self.gsp_question_len, total * turns);
        let outputs = lengths(cx.output_len.unwrap_or(self.gsp_output_len), total);
        let mut slots: Vec<Slot> = questions
            .chunks(turns)
            .zip(outputs)
            .zip(self.groups(cx, total))
            .map(|((questions, output), group)| Slot {
                group,
                questions: questions.iter().map(|&tokens| tokens as usize).collect(),
                output,
            })
            .collect();
        if !self.gsp_ordered {
            crate::rows::order(cx, &mut slots);
        }
        slots.truncate(cx.num_prompts);
        Ok((systems.into_iter().map(|len| len as usize).collect(), slots))
    }

    /// The group of each of `total` prompts.
    fn groups(&self, cx: &SampleContext<'_>, total: usize) -> Vec<usize> {
        let groups = self.gsp_num_groups as usize;
        let Some(alpha) = self.gsp_zipf_alpha else {
            let per_group = self.gsp_prompts_per_group as usize;
            let regular = groups.saturating_mul(per_group);
            let group = |slot| {
                if slot < regular {
                    slot / per_group
                } else {
                    slot % groups
                }
            };
            return (0..total).map(group).collect();
        };
        let weights = Weights::new((1..=groups).map(|k| (k as f64).powf(-alpha)));
        let mut draws = Draws::new(cx.seed, Purpose::Groups);
        (0..total).map(|_| draws.weighted(&weights)).collect()
    }
}
