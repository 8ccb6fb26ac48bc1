#![doc = include_str!("../README.md")]

mod custom;
mod custom_audio;
mod dataset;
mod draw;
mod error;
mod hash;
mod random;
mod recording;
mod registry;
mod rows;
mod sharegpt;
mod tokenizer;

pub use custom::Custom;
pub use custom_audio::{AsrOptions, CustomAudio};
pub use dataset::{Dataset, MultiTurn, SampleContext};
pub use error::DatasetError;
pub use hash::{dataset_hash, fingerprint};
pub use random::{Random, RandomRerank, RangeRatio, RerankOptions};
pub use registry::{DATASETS, DatasetInfo, DatasetOptions};
pub use sharegpt::ShareGpt;
pub use tokenizer::Tokenizer;
