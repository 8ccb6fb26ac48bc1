//! Lines of poems in random order behind lines that all prompts share.
//!
//! The dataset of the classic `benchmark_serving.py`: prompts of natural English whose length is
//! *at most* what is asked for. With the mean length of a line *a*, in tokens, and the length of
//! the instruction at the beginning *o*, a prompt of input length *L* and prefix length *P* is
//!
//! 1. the instruction,
//! 2. the first `round((P - o) / a)` lines of the text, which all prompts share,
//! 3. lines drawn from the whole text with replacement, until it has `round((L - o) / a)` lines.
//!
//! If it is longer than *L*, other lines are drawn. What is said of its length is what the
//! tokenizer counts.
//!
//! With a nonce (see [`SampleContext::nonce`]) there is one more line before the instruction, and
//! another one before the lines drawn: a few words of the text, drawn by seed and nonce. *o* counts
//! them (for *P* the first alone). They are words of the same number of tokens, so that the lines
//! drawn are the same with every nonce.
//!
//! The text that is built in is 25 sonnets of William Shakespeare (1 to 3, 5 to 8, 12, 14, 15, 17
//! to 19, 22, 23, 29, 30, 55, 60, 65, 71, 73, 106, 116 and 130; London, 1609, in modern spelling),
//! which are in the public domain. `--dataset-path` takes another one: a file of text, of which
//! each line that is not empty is a line.

use std::collections::BTreeMap;
use std::fs;

use bench_types::{Conversation, Prompt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::draw::{Beginning, Draws, Purpose};
use crate::{Dataset, DatasetError, SampleContext, Tokenizer};

const NAME: &str = "sonnet";

static SONNETS: &str = include_str!("../assets/sonnets.txt");

const INSTRUCTION: &str = "Write a poem in the manner of these lines:\n";

/// Words of the line that depends on the nonce.
const HEAD_WORDS: usize = 8;

/// Lines that are still too long after so many draws always will be.
const TRIES: usize = 1_000;

/// Lines of poems, some of which all prompts share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: sonnet"))]
pub struct Sonnet {
    /// Most tokens of a prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Sonnet::default().sonnet_input_len))]
    pub sonnet_input_len: u32,

    /// Tokens to generate for a prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Sonnet::default().sonnet_output_len))]
    pub sonnet_output_len: u32,

    /// About how many of a prompt's tokens all prompts share
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Sonnet::default().sonnet_prefix_len))]
    pub sonnet_prefix_len: u32,
}

impl Default for Sonnet {
    fn default() -> Sonnet {
        Sonnet {
            sonnet_input_len: 550,
            sonnet_output_len: 150,
            sonnet_prefix_len: 200,
        }
    }
}

/// The text that lines are taken from, as a tokenizer sees it.
struct Poem<'a> {
    tokenizer: &'a Tokenizer,
    lines: Vec<&'a str>,
    /// Words that depend on the nonce are chosen from these, which are of one length.
    words: Vec<&'a str>,
    /// Tokens of a line of them; 0 without a nonce.
    nonce_line: u32,
    /// Mean length of a line.
    mean: f64,
}

/// How many lines a prompt has.
struct Counts {
    shared: usize,
    drawn: usize,
}

impl Dataset for Sonnet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_input_len(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = cx.tokenizer.ok_or(DatasetError::NeedsTokenizer {
            dataset: NAME,
            purpose: "to count the tokens of its lines",
            otherwise: "",
        })?;
        let text = match cx.dataset_path {
            Some(path) => fs::read_to_string(path).map_err(|cause| DatasetError::Read {
                path: path.to_owned(),
                cause,
            })?,
            None => SONNETS.to_owned(),
        };
        let output = cx.output_len.unwrap_or(self.sonnet_output_len);
        cx.in_parallel(|| {
            let poem = Poem::new(cx, tokenizer, &text)?;
            let counts = self.counts(cx, &poem)?;
            let beginning = poem.beginning(cx, &counts);
            let conversation = |index: usize| {
                let text = self.prompt(cx, &poem, &counts, &beginning, index)?;
                let (prompt, tokens): (Prompt, Option<u32>) = cx.recorded_prompt(NAME, &text)?;
                Ok(Conversation::single(index as u64, prompt, tokens, output))
            };
            (0..cx.num_prompts)
                .into_par_iter()
                .map(conversation)
                .collect()
        })
    }
}

impl Sonnet {
    fn input_len(&self, cx: &SampleContext<'_>) -> u32 {
        cx.input_len.unwrap_or(self.sonnet_input_len)
    }

    /// How many lines the lengths allow.
    fn counts(&self, cx: &SampleContext<'_>, poem: &Poem<'_>) -> Result<Counts, DatasetError> {
        let nonce_line = poem.nonce_line;
        let instruction = poem.tokenizer.count(INSTRUCTION)?;
        let lines = |len: u32, before: u32| {
            let left = f64::from(len) - f64::from(before);
            (left / poem.mean).round().max(0.0) as usize
        };
        let input_len = self.input_len(cx);
        let all = lines(input_len, instruction + 2 * nonce_line);
        let shared = lines(self.sonnet_prefix_len, instruction + nonce_line);
        let with_nonce = match nonce_line {
            0 => String::new(),
            tokens => format!(
                " and two lines of {tokens} that differ from run to run (--fixed-prompts leaves \
                 them out)"
            ),
        };
        if all == 0 {
            return Err(DatasetError::Option {
                option: "--sonnet-input-len",
                problem: format!(
                    "{input_len} tokens leave no room for a line of about {:.0} behind an \
                     instruction of {instruction}{with_nonce}; ask for more tokens",
                    poem.mean
                ),
            });
        }
        if shared > all {
            let prefix_len = self.sonnet_prefix_len;
            let problem = match prefix_len > input_len {
                true => format!(
                    "{prefix_len} is more than --sonnet-input-len {input_len}, which is for the \
                     whole prompt; ask for less"
                ),
                false => format!(
                    "{prefix_len} tokens do not fit into --sonnet-input-len {input_len} beside \
                     an instruction of {instruction}{with_nonce}; ask for less"
                ),
            };
            return Err(DatasetError::Option {
                option: "--sonnet-prefix-len",
                problem,
            });
        }
        Ok(Counts {
            shared,
            drawn: all - shared,
        })
    }

    /// One prompt, not longer than asked for.
    fn prompt(
        &self,
        cx: &SampleContext<'_>,
        poem: &Poem<'_>,
        counts: &Counts,
        beginning: &str,
        index: usize,
    ) -> Result<String, DatasetError> {
        let most = self.input_len(cx);
        let mut draws = Draws::new(cx.seed, Purpose::Lines(index as u32));
        for _ in 0..TRIES {
            let mut text = beginning.to_owned();
            text.push_str(&poem.nonce_line(cx, Beginning::Prompt(index as u32)));
            for _ in 0..counts.drawn {
                text.push_str(draws.choose::<&str>(&poem.lines));
                text.push('\n');
            }
            if poem.tokenizer.count(&text)? <= most {
                return Ok(text);
            }
        }
        Err(DatasetError::Option {
            option: "--sonnet-input-len",
            problem: format!(
                "no {} lines of at most {most} tokens were found behind the {} that all prompts \
                 share; ask for more tokens, or for a shorter --sonnet-prefix-len",
                counts.drawn, counts.shared
            ),
        })
    }
}

impl<'a> Poem<'a> {
    fn new(
        cx: &SampleContext<'_>,
        tokenizer: &'a Tokenizer,
        text: &'a str,
    ) -> Result<Poem<'a>, DatasetError> {
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() {
            return Err(DatasetError::NothingUsable {
                path: cx.dataset_path.unwrap_or(NAME.as_ref()).to_owned(),
                entries: text.lines().count(),
                problem: "prompts are made of its lines, and all of them are empty",
            });
        }
        let ended: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let counted = tokenizer.count_all(&ended)?;
        let mean = counted.iter().map(|&n| f64::from(n)).sum::<f64>() / lines.len() as f64;

        let mut words: Vec<&str> = text
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| !word.is_empty())
            .collect();
        words.sort_unstable();
        words.dedup();
        let (words, nonce_line) = match cx.nonce {
            Some(_) => of_one_length(tokenizer, &words)?,
            None => (Vec::new(), 0),
        };
        Ok(Poem {
            tokenizer,
            lines,
            words,
            nonce_line,
            mean,
        })
    }

    /// What all prompts begin with.
    fn beginning(&self, cx: &SampleContext<'_>, counts: &Counts) -> String {
        let mut text = self.nonce_line(cx, Beginning::Prefix(0));
        text.push_str(INSTRUCTION);
        for line in self.lines.iter().cycle().take(counts.shared) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// A line of words that depend on the nonce; nothing without one.
    fn nonce_line(&self, cx: &SampleContext<'_>, beginning: Beginning) -> String {
        let Some(nonce) = cx.nonce else {
            return String::new();
        };
        if self.words.is_empty() {
            return String::new();
        }
        let mut draws = Draws::of_nonce(cx.seed, nonce, beginning);
        let words: Vec<&str> = (0..HEAD_WORDS)
            .map(|_| *draws.choose(&self.words))
            .collect();
        words.join(" ") + "\n"
    }
}

/// The most of `words` that have the same number of tokens as each other, at the beginning of a line
/// and within one, and the tokens of a line of [`HEAD_WORDS`] of them.
fn of_one_length<'a>(
    tokenizer: &Tokenizer,
    words: &[&'a str],
) -> Result<(Vec<&'a str>, u32), DatasetError> {
    let first: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let spaced: Vec<String> = words.iter().map(|word| format!(" {word}")).collect();
    let first = tokenizer.count_all(&first)?;
    let lengths = first.into_iter().zip(tokenizer.count_all(&spaced)?);
    let mut groups: BTreeMap<(u32, u32), Vec<&str>> = BTreeMap::new();
    for (word, lengths) in words.iter().zip(lengths) {
        groups.entry(lengths).or_default().push(word);
    }
    let largest = groups.into_values().max_by_key(Vec::len);
    let words = largest.unwrap_or_default();
    let line = match words.first() {
        Some(word) => tokenizer.count(&([*word; HEAD_WORDS].join(" ") + "\n"))?,
        None => 0,
    };
    Ok((words, line))
}
