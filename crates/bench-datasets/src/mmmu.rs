//! Questions about pictures, from MMMU.
//!
//! The dataset `hf` with other defaults: `MMMU/MMMU` of the hub, of which the subset `Math`
//! (`--hf-subset`) and the split `test` (`--hf-split`) are taken; and 256 tokens to generate
//! (`--hf-output-len`). These are what SGLang's `bench_serving` takes. Of a copy that
//! `--dataset-path` names, subset and split are chosen as for `hf`.

use std::path::Path;

use bench_types::Conversation;

use crate::{Dataset, DatasetError, HuggingFace, SampleContext};

const NAME: &str = "mmmu";

/// Its name on the hub.
const HUB_NAME: &str = "MMMU/MMMU";

/// Questions about pictures (MMMU of the Hugging Face hub, or a copy of it).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mmmu {
    /// What is to be different.
    pub hf: HuggingFace,
}

impl Dataset for Mmmu {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let mut cx = *cx;
        let mut hf = self.hf.clone();
        if cx.dataset_path.is_none() {
            cx.dataset_path = Some(Path::new(HUB_NAME));
            hf.hf_subset.get_or_insert_with(|| "Math".to_owned());
            hf.hf_split.get_or_insert_with(|| "test".to_owned());
        }
        hf.hf_output_len.get_or_insert(256);
        hf.sample(&cx)
    }
}
