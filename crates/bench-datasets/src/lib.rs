#![doc = include_str!("../README.md")]

mod chat;
mod custom;
mod custom_audio;
mod custom_image;
mod dataset;
mod draw;
mod error;
mod generated_shared_prefix;
mod hash;
mod hf;
mod images;
mod limit;
mod longbench_v2;
mod media;
mod mix;
mod mmmu;
mod mtbench;
mod openai_log;
mod prefix_repetition;
mod random;
mod record;
mod recording;
mod registry;
mod rows;
mod sharegpt;
mod sonnet;
mod spec_bench;
mod speed_bench;
mod synthetic;
mod tokenizer;
mod turns;
mod warnings;

pub use custom::Custom;
pub use custom_audio::{AsrOptions, CustomAudio};
pub use custom_image::{CustomImage, MediaOptions};
pub use dataset::{Dataset, MultiTurn, SampleContext};
pub use error::DatasetError;
pub use generated_shared_prefix::{GeneratedSharedPrefix, GroupDistribution};
pub use hash::{dataset_hash, fingerprint};
pub use hf::HuggingFace;
pub use images::{
    Bucket, Buckets, ImageContent, ImageFormat, ImageOptions, Images, ItemLimits, RandomMm,
    RandomMmOptions, Resolution,
};
pub use longbench_v2::LongBenchV2;
pub use mix::MixPart;
pub use mmmu::Mmmu;
pub use mtbench::MtBench;
pub use openai_log::OpenAiLog;
pub use prefix_repetition::PrefixRepetition;
pub use random::{Random, RandomIds, RandomRerank, RangeRatio, RerankOptions};
pub use registry::{DATASETS, DatasetInfo, DatasetOptions};
pub use sharegpt::ShareGpt;
pub use sonnet::Sonnet;
pub use spec_bench::SpecBench;
pub use speed_bench::{SpeedBench, SpeedBenchSubset};
pub use tokenizer::Tokenizer;
pub use warnings::Warnings;
