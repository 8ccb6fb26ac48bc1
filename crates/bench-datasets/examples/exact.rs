//! How long random prompts take to make, and whether they are exact.
//!
//! ```text
//! cargo run --release -p bench-datasets --example exact -- TOKENIZER [PROMPTS [TOKENS [THREADS]]]
//! ```
//!
//! makes the prompts, then encodes every one of them again and counts those whose number of
//! tokens is not the one asked for.
#![allow(clippy::print_stdout, reason = "an example's result is what it prints")]

use std::env::args;
use std::time::Instant;

use bench_datasets::{Dataset, DatasetError, Random, SampleContext, Tokenizer, dataset_hash};
use bench_types::Prompt;

fn main() -> Result<(), DatasetError> {
    let number = |n, default| {
        args()
            .nth(n)
            .and_then(|arg| arg.parse().ok())
            .unwrap_or(default)
    };
    let spec = args().nth(1).unwrap_or_else(|| "builtin".to_owned());
    let options = Random {
        random_input_len: number(3, 1_024) as u32,
        ..Random::default()
    };

    let start = Instant::now();
    let tokenizer = Tokenizer::load(&spec)?;
    println!("load      {:8.3} s", start.elapsed().as_secs_f64());

    let mut cx = SampleContext::new(number(2, 20_000), 0);
    cx.tokenizer = Some(&tokenizer);
    cx.threads = number(4, 0);
    let start = Instant::now();
    let conversations = options.sample(&cx)?;
    println!("generate  {:8.3} s", start.elapsed().as_secs_f64());

    let start = Instant::now();
    let hash = dataset_hash(&conversations);
    println!("hash      {:8.3} s  {hash}", start.elapsed().as_secs_f64());

    let start = Instant::now();
    let texts: Vec<&str> = conversations
        .iter()
        .filter_map(|conversation| match &conversation.turns[0].prompt {
            Prompt::Text(text) => Some(&**text),
            _ => None,
        })
        .collect();
    let counts = tokenizer.count_all(&texts)?;
    let wanted = options.random_input_len - tokenizer.specials_per_prompt();
    let inexact = counts.iter().filter(|&&count| count != wanted).count();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "encode    {seconds:8.3} s  {inexact} of {} prompts are not exact",
        counts.len()
    );
    Ok(())
}
