//! First questions of MT-Bench.
//!
//! `--dataset-path` names a file of its questions, such as the `question.jsonl` of FastChat or
//! the Parquet file of `philschmid/mt-bench`: the first of an entry's `turns` (or of its
//! `prompt`) is the prompt, in the order of the seed. The output length is `--output-len`, else
//! `--hf-output-len`, else 256, which is what `vllm bench serve` takes for that dataset.

use bench_types::Conversation;

use crate::rows::Source;
use crate::turns::{self, Questions};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "mtbench";

/// Tokens to generate, unless an option says otherwise.
const OUTPUT_LEN: u32 = 256;

/// First questions of MT-Bench (a file of its questions).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MtBench {
    /// Tokens to generate for a question, if not 256.
    pub output_len: Option<u32>,
}

impl Dataset for MtBench {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let questions = Questions {
            dataset: NAME,
            output_len: self.output_len.unwrap_or(OUTPUT_LEN),
            category: None,
        };
        questions.sample(cx, &Source::new(cx, NAME, turns::FORMAT, turns::CURE)?)
    }
}
