//! Prompts from datasets in the formats of the Hugging Face hub.
//!
//! `--dataset-path` is a file (`.parquet`, `.jsonl`, `.json`, `.csv`), a directory that holds such
//! files, or the name of a dataset on the hub, whose files are downloaded into the hub's cache.
//!
//! **Files.** Of a directory or a hub dataset the files of one split (`--hf-split`; `train`, if
//! there is such a split) and of one subset (`--hf-subset`, a folder, or several as in `a/b`) are read, sorted by
//! name. A file belongs to the split that its name (`test-00000-of-00002.parquet`, `dev.jsonl`) or one of
//! its folders (`test/...`) says. Of a split in several formats the first of Parquet, JSONL, CSV
//! and JSON is read. Shards that say `-of-00002` must all be there. Where a hub dataset has no
//! such files, those that the hub made of it (`refs/convert/parquet`) are taken.
//!
//! **Prompts.** What a row asks is found by its columns, see [`columns`]. **Output lengths** are,
//! first that applies: `--output-len`; `--hf-output-len`; the length that `vllm bench serve` has
//! for a dataset of that name (`--hf-name`, or else `--dataset-path`); the length of the recorded
//! answer; 4,000 for edits, 128 for rows with pictures, 256 for all others.
//!
//! Without an output length given, recorded conversations must keep the limits that
//! `vllm bench serve` has for them: prompt and answer have at least 4 tokens, the prompt at most
//! 1,024 and both together at most 2,048 (problems with solutions: 2,048 and 32,000).
//!
//! Rows are taken in the order of the seed. All of them are read into memory first.

mod columns;
mod files;

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use self::columns::Question;
use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "hf";
const FORMAT: &str = "a .parquet, .jsonl, .json or .csv file, a directory of them, or the name of a \
                      dataset on the Hugging Face hub";
const CURE: &str = "correct the row, or give a dataset of other columns";

/// Prompts from a Hugging Face dataset (a file, a directory, or its name on the hub)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: hf"))]
pub struct HuggingFace {
    /// The split to take; `train` if there is one and nothing is said
    #[cfg_attr(feature = "cli", arg(long, value_name = "SPLIT"))]
    pub hf_split: Option<String>,

    /// The subset to take, for datasets that have several
    #[cfg_attr(feature = "cli", arg(long, value_name = "SUBSET"))]
    pub hf_subset: Option<String>,

    /// Tokens to generate for a prompt, instead of as many as the recorded answer has
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
    pub hf_output_len: Option<u32>,

    /// Name on the hub of a dataset that --dataset-path has a copy of, for its output length
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub hf_name: Option<String>,

    /// Leave out edits that change less of the code than this (the column norm_distance)
    #[cfg_attr(feature = "cli", arg(long, value_name = "DISTANCE",
        default_value_t = HuggingFace::default().blazedit_min_distance))]
    pub blazedit_min_distance: f64,

    /// Leave out edits that change more of the code than this (the column norm_distance)
    #[cfg_attr(feature = "cli", arg(long, value_name = "DISTANCE",
        default_value_t = HuggingFace::default().blazedit_max_distance))]
    pub blazedit_max_distance: f64,
}

impl Default for HuggingFace {
    fn default() -> HuggingFace {
        HuggingFace {
            hf_split: None,
            hf_subset: None,
            hf_output_len: None,
            hf_name: None,
            blazedit_min_distance: 0.0,
            blazedit_max_distance: 1.0,
        }
    }
}

/// Output lengths that `vllm bench serve` has for datasets of the hub, whatever their answers.
const KNOWN: [(&str, u32); 7] = [
    ("likaixin/InstructCoder", 200),
    ("philschmid/mt-bench", 256),
    ("vdaita/edit_5k_char", 4_000),
    ("vdaita/edit_10k_char", 4_000),
    ("lmarena-ai/VisionArena-Chat", 128),
    ("lmarena-ai/vision-arena-bench-v0.1", 128),
    ("Lin-Chen/MMStar", 128),
];

impl Dataset for HuggingFace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let path = cx.dataset_path.ok_or(DatasetError::NeedsPath {
            dataset: NAME,
            format: FORMAT,
        })?;
        let files = files::find(path, self.hf_split.as_deref(), self.hf_subset.as_deref())?;
        let sources: Vec<Source> = files.iter().map(|file| Source::at(file, CURE)).collect();
        let mut entries: Vec<(&Source, Row<Fields>)> = Vec::new();
        for source in &sources {
            entries.extend(source.rows()?.into_iter().map(|row| (source, row)));
        }
        rows::order(cx, &mut entries);

        let named = self.hf_name.as_deref().or(path.to_str());
        let known = KNOWN.iter().find(|(name, _)| Some(*name) == named);
        let fixed = cx
            .output_len
            .or(self.hf_output_len)
            .or(known.map(|(_, tokens)| *tokens));
        let mut conversations = rows::take(cx, NAME, &entries, |(source, row)| {
            let record = Record::new(source, row);
            if !self.takes(&record)? {
                return Ok(None);
            }
            conversation(cx, fixed, &Question::of(&record)?)
        })?;
        if conversations.is_empty() && cx.num_prompts > 0 {
            return Err(DatasetError::NothingUsable {
                path: path.to_owned(),
                entries: entries.len(),
                problem: "there is no row, or none is within the limits; with --hf-output-len \
                          conversations of any length are taken",
            });
        }
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

impl HuggingFace {
    /// Whether the limits of an edit's distance let a row pass.
    fn takes(&self, record: &Record<'_>) -> Result<bool, DatasetError> {
        let limits = self.blazedit_min_distance..=self.blazedit_max_distance;
        if limits == (0.0..=1.0) {
            return Ok(true);
        }
        match record.number("norm_distance")? {
            Some(distance) => Ok(limits.contains(&distance)),
            None => {
                let problem = "it has no `norm_distance`, which --blazedit-min-distance and \
                               --blazedit-max-distance ask for";
                Err(record.error(problem.to_owned()))
            }
        }
    }
}

/// The request that a question makes, if its lengths are within the limits.
fn conversation(
    cx: &SampleContext<'_>,
    fixed: Option<u32>,
    question: &Question,
) -> Result<Option<Conversation>, DatasetError> {
    let (prompt, tokens) = question.prompt(cx, NAME)?;
    let answer = match (&question.answer, cx.tokenizer) {
        (Some(answer), Some(tokenizer)) => Some(tokenizer.count(answer)?),
        _ => None,
    };
    let output = fixed.or(answer).unwrap_or(question.output_len);
    let limits = question.limits.filter(|_| fixed.is_none());
    let fits = match (limits, tokens, answer) {
        (Some(limits), Some(prompt), Some(answer)) => limits.take(prompt, answer),
        _ => true,
    };
    Ok(fits.then(|| Conversation::single(0, prompt, tokens, output)))
}
