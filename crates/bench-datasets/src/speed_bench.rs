//! Questions of NVIDIA's SPEED-Bench, a benchmark of speculative decoding.
//!
//! `--dataset-path` names one of its files (JSONL, JSON, CSV or Parquet), or the directory that
//! its preparation script made, which holds a file for each subset; `--speed-bench-dataset-subset`
//! says which (`qualitative.jsonl`, `throughput_2k.jsonl`, ...). The first question of an entry
//! (`turns`, or `messages` up to the first answer) is the prompt, in the order of the seed; with
//! `--speed-bench-category` only entries of that `category` are taken. The output length is
//! `--output-len`, else `--speed-bench-output-len`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::rows::Source;
use crate::turns::{self, Questions};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "speed-bench";
const SUBSET_FLAG: &str = "--speed-bench-dataset-subset";

/// Ends of the files of a subset.
const ENDINGS: [&str; 4] = ["jsonl", "json", "parquet", "csv"];

/// A part of SPEED-Bench: questions of all kinds, or prompts of about one length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum SpeedBenchSubset {
    /// Questions of eleven categories.
    #[default]
    Qualitative,
    /// Prompts of about 1,000 tokens.
    Throughput1k,
    /// Prompts of about 2,000 tokens.
    Throughput2k,
    /// Prompts of about 8,000 tokens.
    Throughput8k,
    /// Prompts of about 16,000 tokens.
    Throughput16k,
    /// Prompts of about 32,000 tokens.
    Throughput32k,
}

impl SpeedBenchSubset {
    /// All of them.
    const ALL: [SpeedBenchSubset; 6] = [
        SpeedBenchSubset::Qualitative,
        SpeedBenchSubset::Throughput1k,
        SpeedBenchSubset::Throughput2k,
        SpeedBenchSubset::Throughput8k,
        SpeedBenchSubset::Throughput16k,
        SpeedBenchSubset::Throughput32k,
    ];

    /// Its name, which is that of its file.
    pub fn name(self) -> &'static str {
        match self {
            SpeedBenchSubset::Qualitative => "qualitative",
            SpeedBenchSubset::Throughput1k => "throughput_1k",
            SpeedBenchSubset::Throughput2k => "throughput_2k",
            SpeedBenchSubset::Throughput8k => "throughput_8k",
            SpeedBenchSubset::Throughput16k => "throughput_16k",
            SpeedBenchSubset::Throughput32k => "throughput_32k",
        }
    }
}

impl fmt::Display for SpeedBenchSubset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SpeedBenchSubset {
    type Err = String;

    fn from_str(name: &str) -> Result<SpeedBenchSubset, String> {
        let found = SpeedBenchSubset::ALL
            .into_iter()
            .find(|subset| subset.name() == name);
        found.ok_or_else(|| {
            let names = SpeedBenchSubset::ALL.map(SpeedBenchSubset::name);
            format!(
                "no subset is called `{name}`; they are {}",
                names.join(", ")
            )
        })
    }
}

impl TryFrom<String> for SpeedBenchSubset {
    type Error = String;

    fn try_from(name: String) -> Result<SpeedBenchSubset, String> {
        name.parse()
    }
}

impl From<SpeedBenchSubset> for String {
    fn from(subset: SpeedBenchSubset) -> String {
        subset.name().to_owned()
    }
}

/// Questions of SPEED-Bench (its file, or the directory of all of them)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: speed-bench"))]
pub struct SpeedBench {
    /// The part to take, if --dataset-path is the directory of all: qualitative, throughput_1k,
    /// throughput_2k, throughput_8k, throughput_16k or throughput_32k
    #[cfg_attr(feature = "cli", arg(long, value_name = "SUBSET",
        default_value_t = SpeedBench::default().speed_bench_dataset_subset))]
    pub speed_bench_dataset_subset: SpeedBenchSubset,

    /// Tokens to generate for a question
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = SpeedBench::default().speed_bench_output_len))]
    pub speed_bench_output_len: u32,

    /// Take questions of this category alone (such as `multilingual`, `low_entropy`)
    #[cfg_attr(feature = "cli", arg(long, value_name = "CATEGORY"))]
    pub speed_bench_category: Option<String>,
}

impl Default for SpeedBench {
    fn default() -> SpeedBench {
        SpeedBench {
            speed_bench_dataset_subset: SpeedBenchSubset::Qualitative,
            speed_bench_output_len: 4_096,
            speed_bench_category: None,
        }
    }
}

impl Dataset for SpeedBench {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let category = self.speed_bench_category.as_deref();
        let questions = Questions {
            dataset: NAME,
            output_len: self.speed_bench_output_len,
            category: category.map(|category| ("--speed-bench-category", category)),
        };
        let source = match cx.dataset_path.filter(|path| path.is_dir()) {
            Some(directory) => Source::at(&self.file_in(directory)?, turns::CURE),
            None => Source::new(
                cx,
                NAME,
                "a file of SPEED-Bench, or the directory that its preparation script made",
                turns::CURE,
            )?,
        };
        questions.sample(cx, &source)
    }
}

impl SpeedBench {
    /// The file of the subset.
    fn file_in(&self, directory: &Path) -> Result<PathBuf, DatasetError> {
        let subset = self.speed_bench_dataset_subset;
        let mut paths = ENDINGS
            .map(|end| directory.join(format!("{subset}.{end}")))
            .into_iter();
        paths
            .find(|path| path.is_file())
            .ok_or_else(|| DatasetError::Option {
                option: SUBSET_FLAG,
                problem: format!(
                    "{} has no {subset}.jsonl; make it with the preparation script of \
                     SPEED-Bench, or name a file with --dataset-path",
                    directory.display()
                ),
            })
    }
}
