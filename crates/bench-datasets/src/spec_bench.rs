//! Questions of Spec-Bench, a benchmark of speculative decoding.
//!
//! `--dataset-path` names its `question.jsonl`
//! (<https://github.com/hemingkx/Spec-Bench/tree/main/data/spec_bench>). The first of an entry's
//! `turns` is the prompt, in the order of the seed; with `--spec-bench-category` only entries of
//! that `category` are taken. The output length is `--output-len`, else
//! `--spec-bench-output-len`. The rule is that of `vllm bench serve`.

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::rows::Source;
use crate::turns::{self, Questions};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "spec_bench";

/// Questions of Spec-Bench (its question.jsonl)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: spec_bench"))]
pub struct SpecBench {
    /// Tokens to generate for a question
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = SpecBench::default().spec_bench_output_len))]
    pub spec_bench_output_len: u32,

    /// Take questions of this category alone (such as `writing`, `math`, `rag`)
    #[cfg_attr(feature = "cli", arg(long, value_name = "CATEGORY"))]
    pub spec_bench_category: Option<String>,
}

impl Default for SpecBench {
    fn default() -> SpecBench {
        SpecBench {
            spec_bench_output_len: 256,
            spec_bench_category: None,
        }
    }
}

impl Dataset for SpecBench {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let category = self.spec_bench_category.as_deref();
        let questions = Questions {
            dataset: NAME,
            output_len: self.spec_bench_output_len,
            category: category.map(|category| ("--spec-bench-category", category)),
        };
        questions.sample(cx, &Source::new(cx, NAME, turns::FORMAT, turns::CURE)?)
    }
}
