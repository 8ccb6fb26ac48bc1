//! From the rows of a trace to conversations.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bench_types::{Conversation, Turn};

use super::formats::{BlockRows, BlockTrace, Entry};
use super::line::HashId;
use super::lines::{Place, open};
use super::options::{Slot, Slots};
use super::prompts::{Asked, Cutter, Maker, Piece};
use super::time::{LONGEST, Moment, TOO_LATE};
use crate::{DatasetError, SampleContext};

/// Why a request of a trace cannot be sent.
const NO_PROMPT: &str = "without prompt tokens";
const NO_OUTPUT: &str = "without output tokens";

/// The longest prompt that is made; no model has room for as many.
pub(crate) const MOST_PROMPT_TOKENS: u32 = 100_000_000;

/// How long a request was, and when.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    pub(crate) at: Moment,
    pub(crate) input: u32,
    pub(crate) output: u32,
    pub(crate) hash_ids: Box<[HashId]>,
    /// The line it stands on, from 1.
    pub(crate) line: usize,
}

/// The requests of a trace.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Those that can be sent.
    pub(crate) rows: Vec<Lengths>,
    /// All of them, sent or not.
    pub(crate) entries: usize,
    /// When the trace begins, whether or not its first request can be sent.
    begin: Option<Moment>,
    /// How many were left out, and why.
    left_out: BTreeMap<&'static str, usize>,
}

/// Why a request of these lengths cannot be sent; `None` if it can.
pub(crate) fn unusable(input: u32, output: u32) -> Option<&'static str> {
    match (input, output) {
        (0, _) => Some(NO_PROMPT),
        (_, 0) => Some(NO_OUTPUT),
        _ => None,
    }
}

impl Rows {
    /// Reads all `entries` for which `leave_out` has no reason.
    pub(crate) fn read(
        entries: impl Iterator<Item = Result<Entry, DatasetError>>,
        leave_out: impl Fn(&Entry) -> Option<&'static str>,
    ) -> Result<Rows, DatasetError> {
        let mut rows = Rows::default();
        let mut last: Option<(Moment, Place)> = None;
        for entry in entries {
            let entry = entry?;
            if entry.input > MOST_PROMPT_TOKENS {
                let problem = format!(
                    "a prompt of {} tokens cannot be made: {MOST_PROMPT_TOKENS} are the most",
                    entry.input
                );
                return Err(entry.place.error(problem, "take the line out"));
            }
            if last.as_ref().is_none_or(|(at, _)| *at < entry.at) {
                last = Some((entry.at, entry.place.clone()));
            }
            rows.entries += 1;
            rows.begin = Some(rows.begin.map_or(entry.at, |begin| begin.min(entry.at)));
            match leave_out(&entry).or_else(|| unusable(entry.input, entry.output)) {
                Some(reason) => *rows.left_out.entry(reason).or_default() += 1,
                None => rows.rows.push(Lengths {
                    at: entry.at,
                    input: entry.input,
                    output: entry.output,
                    hash_ids: entry.hash_ids.into(),
                    line: entry.place.line,
                }),
            }
        }
        if let Some((begin, (at, place))) = rows.begin.zip(last)
            && at.since(begin) > LONGEST
        {
            return Err(place.error(TOO_LATE, "give the unit of the trace's times"));
        }
        Ok(rows)
    }

    /// Reads a file of requests with hash ids, of which at least one can be sent.
    pub(crate) fn of_blocks(path: &Path, format: BlockTrace<'_>) -> Result<Rows, DatasetError> {
        let entries = BlockRows::new(open(path)?, path, format);
        let rows = Rows::read(entries, |_| None)?;
        rows.check_usable(
            path,
            "no line has tokens for a prompt and for an answer; give another file",
        )?;
        Ok(rows)
    }

    /// Tells how many were left out, if any.
    pub(crate) fn tell_left_out(&self, cx: &SampleContext<'_>, dataset: &'static str) {
        for (reason, requests) in &self.left_out {
            cx.warn(format!(
                "{requests} requests of the {dataset} dataset {reason} are left out"
            ));
        }
    }

    /// Refuses a file of which nothing can be sent.
    pub(crate) fn check_usable(
        &self,
        path: &Path,
        problem: &'static str,
    ) -> Result<(), DatasetError> {
        if !self.rows.is_empty() {
            return Ok(());
        }
        Err(DatasetError::NothingUsable {
            path: path.to_owned(),
            entries: self.entries,
            problem,
        })
    }

    /// Puts them into the order of time, and says which of them are sent and when.
    pub(crate) fn schedule(
        &mut self,
        cx: &SampleContext<'_>,
        dataset: &'static str,
    ) -> Result<Vec<Slot>, DatasetError> {
        self.tell_left_out(cx, dataset);
        self.rows.sort_by_key(|row| row.at);
        let begin = self.begin.unwrap_or(Moment(0));
        let after = |row: &Lengths| row.at.since(begin);
        let arrivals: Vec<Duration> = self.rows.iter().map(after).collect();
        let slots = cx.trace.slots(&arrivals, cx.num_prompts)?;
        slots.tell(cx, dataset);
        Ok(slots.slots)
    }
}

impl Slots {
    /// Tells what of the trace is not sent, or how far it falls short.
    pub(crate) fn tell(&self, cx: &SampleContext<'_>, dataset: &'static str) {
        let (found, wanted) = (self.slots.len(), cx.num_prompts);
        if self.outside > 0 {
            cx.warn(format!(
                "{} requests of the {dataset} dataset lie outside --trace-start and \
                 --trace-duration and are not sent",
                self.outside
            ));
        }
        if self.beyond > 0 {
            cx.warn(format!(
                "{} later requests of the {dataset} dataset are not sent, as --num-prompts is \
                 {wanted}",
                self.beyond
            ));
        }
        if found < wanted && wanted != usize::MAX {
            cx.warn(format!(
                "the {dataset} dataset has only {found} requests of the {wanted} asked for: \
                 each is sent once (--trace-loop goes through the trace again)"
            ));
        }
    }
}

/// How the rows of a trace become turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Played {
    pub(crate) dataset: &'static str,
    /// Tokens of the block that a hash id stands for; `None` if the trace has lengths only.
    pub(crate) block_tokens: Option<u32>,
    /// Turns that each request becomes.
    pub(crate) turns: u32,
}

impl Played {
    /// Requests of which the lengths are known.
    pub(crate) fn lengths(dataset: &'static str) -> Played {
        Played {
            dataset,
            block_tokens: None,
            turns: 1,
        }
    }

    /// Refuses turns that repeat more than a prompt can have.
    fn check(self, rows: &[Lengths], slots: &[Slot]) -> Result<(), DatasetError> {
        let repeats = u64::from(self.turns.saturating_sub(1));
        let last_turn = |slot: &Slot| {
            let row = &rows[slot.row];
            let (input, output) = (u64::from(row.input), u64::from(row.output));
            (input + (input + output).saturating_mul(repeats), row.line)
        };
        let (tokens, line) = slots.iter().map(last_turn).max().unwrap_or_default();
        if tokens <= u64::from(MOST_PROMPT_TOKENS) {
            return Ok(());
        }
        Err(DatasetError::Option {
            option: "--mooncake-num-rounds",
            problem: format!(
                "{} turns of the request on line {line} come to a prompt of {tokens} tokens, and \
                 {MOST_PROMPT_TOKENS} are the most; ask for fewer",
                self.turns
            ),
        })
    }

    /// Requests with hash ids for blocks of so many tokens.
    pub(crate) fn blocks(dataset: &'static str, block_tokens: u32) -> Played {
        Played {
            block_tokens: Some(block_tokens),
            ..Played::lengths(dataset)
        }
    }
}

/// The conversations of a trace, in the order in which they arrive.
pub(crate) fn play(
    cx: &SampleContext<'_>,
    how: Played,
    rows: &[Lengths],
    slots: &[Slot],
) -> Result<Vec<Conversation>, DatasetError> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    how.check(rows, slots)?;
    if how.block_tokens.is_some() {
        tell_short_lists(cx, how, rows, slots);
    }
    cx.in_parallel(|| {
        let maker = Maker::new(cx, how.dataset, how.block_tokens.is_some())?;
        let cutter = Cutter::new(cx);
        let turns: Vec<Vec<Piece>> = slots
            .iter()
            .flat_map(|slot| turns(how, cutter, &maker, &rows[slot.row], slot))
            .collect();
        let mut prompts = maker.prompts(&turns)?.into_iter().zip(&turns);
        let conversation = |(id, slot): (usize, &Slot)| {
            let output = cx.output_len.unwrap_or(rows[slot.row].output);
            let turns = prompts.by_ref().take(how.turns as usize);
            let turns =
                turns.map(|(prompt, pieces)| Turn::new(prompt, Some(Piece::total(pieces)), output));
            let mut conversation = Conversation::of_turns(id as u64, turns.collect());
            conversation.arrival = Some(slot.at);
            conversation
        };
        Ok(slots.iter().enumerate().map(conversation).collect())
    })
}

/// The prompts of the turns of one request: its own, then again and again behind what was said
/// before, with as many tokens for each answer as the trace says it had.
fn turns(
    how: Played,
    cutter: Cutter,
    maker: &Maker<'_>,
    row: &Lengths,
    slot: &Slot,
) -> Vec<Vec<Piece>> {
    let asked = Asked {
        line: row.line,
        copy: slot.copy,
        round: slot.round,
    };
    let question = match how.block_tokens {
        Some(block) => cutter.blocks(asked, &row.hash_ids, block, row.input),
        None => {
            let tokens = row.input.saturating_sub(maker.specials()).max(1);
            vec![cutter.own(asked, 0, tokens)]
        }
    };
    let mut turns: Vec<Vec<Piece>> = Vec::with_capacity(how.turns as usize);
    for turn in 0..how.turns {
        let mut pieces = turns.last().cloned().unwrap_or_default();
        if turn > 0 {
            pieces.push(cutter.own(asked, turn, row.output));
        }
        pieces.extend_from_slice(&question);
        turns.push(pieces);
    }
    turns
}

/// Tells of prompts that are longer than their blocks, which is likely a wrong block size.
fn tell_short_lists(cx: &SampleContext<'_>, how: Played, rows: &[Lengths], slots: &[Slot]) {
    let block = u64::from(how.block_tokens.unwrap_or(0));
    let is_short = |slot: &&Slot| {
        let row = &rows[slot.row];
        (row.hash_ids.len() as u64) * block < u64::from(row.input)
    };
    let requests = slots.iter().filter(is_short).count();
    if requests > 0 {
        cx.warn(format!(
            "{requests} prompts of the {} dataset are longer than their hash ids by {block} \
             tokens: the rest of each is tokens that no other prompt has (is that the right \
             number of tokens for a hash id?)",
            how.dataset
        ));
    }
}
