#![doc = include_str!("../README.md")]

mod agentic_trace;
mod azure_trace;
mod burstgpt;
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
mod mooncake;
mod mtbench;
mod openai_log;
mod prefix_repetition;
mod random;
mod record;
mod recording;
mod registry;
mod replay;
mod rows;
mod shared_prefix;
mod sharegpt;
mod sonnet;
mod spec_bench;
mod speed_bench;
mod synthetic;
mod template;
mod timed_trace;
mod tokenizer;
mod trace;
mod turns;
mod warnings;

pub use agentic_trace::{AgenticOptions, AgenticTrace};
pub use azure_trace::AzureTrace;
pub use burstgpt::BurstGpt;
pub use custom::Custom;
pub use custom_audio::{AsrOptions, CustomAudio};
pub use custom_image::{CustomImage, MediaOptions};
pub use dataset::{Dataset, MultiTurn, SampleContext};
pub use error::DatasetError;
pub use generated_shared_prefix::{GeneratedSharedPrefix, GroupDistribution};
pub use hash::{dataset_hash, fingerprint, workload_hash};
pub use hf::HuggingFace;
pub use images::{
    Bucket, Buckets, ImageContent, ImageFormat, ImageOptions, Images, ItemLimits, RandomMm,
    RandomMmOptions, Resolution,
};
pub use longbench_v2::LongBenchV2;
pub use mix::MixPart;
pub use mmmu::Mmmu;
pub use mooncake::{Mooncake, MooncakeWorkload};
pub use mtbench::MtBench;
pub use openai_log::OpenAiLog;
pub use prefix_repetition::PrefixRepetition;
pub use random::{Random, RandomIds, RandomRerank, RangeRatio, RerankOptions};
pub use registry::{DATASETS, DatasetInfo, DatasetOptions};
pub use replay::Replay;
pub use shared_prefix::{CACHE_BLOCK_TOKENS, SharedPrefix, shared_prefixes};
pub use sharegpt::ShareGpt;
pub use sonnet::Sonnet;
pub use spec_bench::SpecBench;
pub use speed_bench::{SpeedBench, SpeedBenchSubset};
pub use template::ChatTemplate;
pub use timed_trace::TimedTrace;
pub use tokenizer::Tokenizer;
pub use trace::{
    HashId, ImportOptions, ImportSummary, TraceFormat, TraceHistory, TraceLine, TraceOptions,
    import_trace,
};
pub use warnings::Warnings;
