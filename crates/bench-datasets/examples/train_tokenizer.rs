//! Trains the tokenizer that is part of this crate.
//!
//! ```text
//! cargo run -p bench-datasets --example train_tokenizer
//! ```
//!
//! reads `fixtures/tokenizer/corpus.txt` and writes `fixtures/tokenizer/tokenizer.json`, a
//! byte-level BPE in the manner of GPT-2. The same corpus gives the same file.

use std::path::Path;

use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerBuilder};

const ENTRIES: usize = 4_096;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenizer");
    let corpus = std::fs::read_to_string(folder.join("corpus.txt"))?;

    let special = |text: &str| AddedToken::from(text, true);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(ENTRIES)
        .min_frequency(1)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![
            special("<|endoftext|>"),
            special("<|user|>"),
            special("<|assistant|>"),
        ])
        .build();
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<tokenizers::normalizers::NormalizerWrapper>)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(byte_level))
        .with_decoder(Some(ByteLevelDecoder::default()))
        .build()?;
    tokenizer
        .train(&mut trainer, corpus.lines().map(|line| format!("{line}\n")))?
        .save(folder.join("tokenizer.json"), false)?;
    Ok(())
}
