//! The datasets as a program that embeds them sees them.
#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod batch;
mod conversations;
mod custom;
mod custom_audio;
mod custom_image;
mod generated_shared_prefix;
mod hf;
mod images;
mod limit;
mod mix;
mod nonce;
mod openai_log;
mod options;
mod prefix_repetition;
mod questions;
mod random;
mod random_ids;
mod rerank;
mod sharegpt;
mod sonnet;
mod statistics;
mod tables;
mod template;
mod tokenizer;
mod traces;

use std::path::{Path, PathBuf};

use bench_datasets::{Dataset, DatasetError, SampleContext, Tokenizer};
use bench_types::{Conversation, Prompt};

fn builtin() -> Tokenizer {
    Tokenizer::load("builtin").unwrap()
}

fn context(tokenizer: &Tokenizer, num_prompts: usize, seed: u64) -> SampleContext<'_> {
    let mut cx = SampleContext::new(num_prompts, seed);
    cx.tokenizer = Some(tokenizer);
    cx
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/datasets")
        .join(name)
}

/// A file of its own with these contents.
fn file(contents: &str) -> tempfile::TempPath {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, contents).unwrap();
    file.into_temp_path()
}

fn text(conversation: &Conversation) -> &str {
    match &conversation.turns[0].prompt {
        Prompt::Text(text) => text,
        other => panic!("not a text: {other:?}"),
    }
}

fn token_ids(conversation: &Conversation) -> &[u32] {
    match &conversation.turns[0].prompt {
        Prompt::TokenIds(ids) => ids,
        other => panic!("no token ids: {other:?}"),
    }
}

/// The message of the error that sampling ends in.
fn failure(dataset: &dyn Dataset, cx: &SampleContext<'_>) -> String {
    let error: DatasetError = dataset.sample(cx).unwrap_err();
    error.to_string()
}
