//! Random text with images of random sizes.
//!
//! `vllm bench serve`'s `random-mm`. The text is a prompt of `random`, with its options. With
//! *n* base items and range ratio *r*, the number of items of a request is uniform in
//! `⌊n(1-r)⌋..=⌈n(1+r)⌉`, at most as many as the limit of images. The size of each is drawn from
//! the buckets by their probabilities. All numbers of items are drawn first, then all sizes.
//!
//! There, buckets of several frames are videos. Here only images are made, and a bucket of
//! several frames with a probability above 0 is an error.

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use super::{Buckets, ItemLimits, Resolution, Style, conversations};
use crate::draw::{Draws, Purpose, Weights};
use crate::synthetic::needed_tokenizer;
use crate::{Dataset, DatasetError, Random, SampleContext};

const NAME: &str = "random-mm";

/// Which images a request of `random-mm` has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: random-mm"))]
pub struct RandomMmOptions {
    /// Images of a request
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = RandomMmOptions::default().random_mm_base_items_per_request))]
    pub random_mm_base_items_per_request: u32,

    /// Spread of the number of images: uniform in n*(1-r)..=n*(1+r); from 0 to 1
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATIO",
        default_value_t = RandomMmOptions::default().random_mm_num_mm_items_range_ratio))]
    pub random_mm_num_mm_items_range_ratio: f64,

    /// Most items of a request, as a Python dict or as JSON
    #[cfg_attr(feature = "cli", arg(long, value_name = "DICT",
        default_value_t = RandomMmOptions::default().random_mm_limit_mm_per_prompt))]
    pub random_mm_limit_mm_per_prompt: ItemLimits,

    /// Sizes of images with how likely each is, as a Python dict: {(height, width, frames): p}
    ///
    /// Or as JSON with such keys as strings: '{"(256, 256, 1)": 1.0}'. Buckets of more than 1
    /// frame are videos, which are not made: their probability has to be 0.
    #[cfg_attr(feature = "cli", arg(long, value_name = "DICT",
        default_value_t = RandomMmOptions::default().random_mm_bucket_config))]
    pub random_mm_bucket_config: Buckets,
}

impl Default for RandomMmOptions {
    fn default() -> RandomMmOptions {
        RandomMmOptions {
            random_mm_base_items_per_request: 1,
            random_mm_num_mm_items_range_ratio: 0.0,
            random_mm_limit_mm_per_prompt: ItemLimits::default(),
            random_mm_bucket_config: Buckets::default(),
        }
    }
}

/// Random text with images of random sizes, in chat messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RandomMm {
    /// The text.
    pub random: Random,
    /// The images.
    pub options: RandomMmOptions,
}

impl Dataset for RandomMm {
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
        let tokenizer = needed_tokenizer(cx, NAME)?;
        let sizes = self.options.sizes(cx)?;
        conversations(cx, tokenizer, &self.random, &sizes, Style::default())
    }
}

impl RandomMmOptions {
    /// The sizes of the images of each request.
    fn sizes(&self, cx: &SampleContext<'_>) -> Result<Vec<Vec<Resolution>>, DatasetError> {
        let (low, high) = self.bounds()?;
        let images = self.random_mm_bucket_config.images()?;
        let weights = Weights::new(images.iter().map(|(_, weight)| *weight));
        let mut draws = Draws::new(cx.seed, Purpose::Items);
        let counts: Vec<u32> = (0..cx.num_prompts)
            .map(|_| draws.between(low, high))
            .collect();
        let mut sizes = |count| {
            let size = |_| images[draws.weighted(&weights)].0;
            (0..count).map(size).collect()
        };
        Ok(counts.into_iter().map(&mut sizes).collect())
    }

    /// The least and the greatest number of images.
    fn bounds(&self) -> Result<(u32, u32), DatasetError> {
        let ratio = self.random_mm_num_mm_items_range_ratio;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(DatasetError::Option {
                option: "--random-mm-num-mm-items-range-ratio",
                problem: format!("{ratio} is not between 0 and 1"),
            });
        }
        let base = f64::from(self.random_mm_base_items_per_request);
        let most = self.random_mm_limit_mm_per_prompt.image;
        let low = (base * (1.0 - ratio)).floor() as u32;
        let high = (base * (1.0 + ratio)).ceil() as u32;
        if low > most {
            return Err(DatasetError::Option {
                option: "--random-mm-limit-mm-per-prompt",
                problem: format!(
                    "{most} images are fewer than the {low} that \
                     --random-mm-base-items-per-request asks for; allow more or ask for fewer"
                ),
            });
        }
        Ok((low, high.min(most)))
    }
}
