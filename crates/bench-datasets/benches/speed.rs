//! How long each dataset takes for 20,000 prompts of 1,024 tokens.
//!
//! ```text
//! cargo bench -p bench-datasets --bench speed -- [TOKENIZER [PROMPTS [THREADS]]]
//! ```
//!
//! prints a row for each dataset: the shortest of three times, tokens per second, and where there
//! are prompts of token ids the time for those. `sonnet` counts the tokens of every prompt,
//! `random-ids` mends every text, and `image` makes an image of 256 x 256 pixels for each of a
//! tenth of the prompts; the other synthetic ones copy words. Files are written first: traces with
//! as many rows as there are prompts, and recorded texts of `random`, whose tokens are counted.
#![allow(clippy::print_stdout, reason = "a bench's result is what it prints")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench_datasets::{
    AzureTrace, BurstGpt, Custom, Dataset, DatasetError, GeneratedSharedPrefix, ImageOptions,
    Images, PrefixRepetition, Random, RandomIds, RandomRerank, Replay, Resolution, SampleContext,
    ShareGpt, Sonnet, TimedTrace, Tokenizer,
};
use bench_types::{Conversation, Prompt};
use serde_json::json;

const TOKENS: u32 = 1_024;
const REPEATS: usize = 3;

/// What is measured.
struct Measured {
    dataset: Box<dyn Dataset>,
    /// The file it reads.
    file: Option<PathBuf>,
    /// Of how many of the prompts asked for.
    share: usize,
    /// Whether it makes prompts of token ids as well.
    has_ids: bool,
}

impl Measured {
    fn new(dataset: impl Dataset + 'static, has_ids: bool) -> Measured {
        Measured {
            dataset: Box::new(dataset),
            file: None,
            share: 1,
            has_ids,
        }
    }

    /// Of a file that is written first.
    fn of(dataset: impl Dataset + 'static, file: PathBuf, text: &str) -> std::io::Result<Measured> {
        fs::write(&file, text)?;
        Ok(Measured {
            file: Some(file),
            ..Measured::new(dataset, true)
        })
    }
}

fn datasets() -> Vec<Measured> {
    let random = Random {
        random_input_len: TOKENS,
        ..Random::default()
    };
    let ids = RandomIds {
        random: random.clone(),
    };
    let rerank = RandomRerank {
        random: random.clone(),
        ..RandomRerank::default()
    };
    let repetition = PrefixRepetition {
        prefix_repetition_prefix_len: TOKENS / 2,
        prefix_repetition_suffix_len: TOKENS / 2,
        ..PrefixRepetition::default()
    };
    let groups = GeneratedSharedPrefix {
        gsp_system_prompt_len: TOKENS / 2,
        gsp_question_len: TOKENS / 2,
        ..GeneratedSharedPrefix::default()
    };
    let sonnet = Sonnet {
        sonnet_input_len: TOKENS,
        ..Sonnet::default()
    };
    let images = Images {
        random: random.clone(),
        options: ImageOptions {
            image_resolution: Resolution::new(256, 256).expect("a size within bounds"),
            ..ImageOptions::default()
        },
    };
    vec![
        Measured::new(random, true),
        Measured::new(ids, true),
        Measured::new(rerank, false),
        Measured::new(repetition, true),
        Measured::new(groups, true),
        Measured::new(sonnet, false),
        Measured {
            share: 10,
            ..Measured::new(images, false)
        },
    ]
}

/// The datasets of files, whose files have a row for each of these prompts.
fn of_files(dir: &Path, prompts: &[Conversation]) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut burst = "Timestamp,Model,Request tokens,Response tokens\n".to_owned();
    let mut azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n".to_owned();
    let (mut hashes, mut replay) = (String::new(), String::new());
    let (mut custom, mut shares) = (String::new(), Vec::new());
    for (row, conversation) in prompts.iter().enumerate() {
        let Prompt::Text(text) = &conversation.turns[0].prompt else {
            return Err("random makes texts".into());
        };
        let (minute, second) = (row / 60 % 60, row % 60);
        writeln!(burst, "{row},GPT-4,{TOKENS},16")?;
        writeln!(azure, "2026-01-01 00:{minute:02}:{second:02},{TOKENS},16")?;
        let ids: Vec<usize> = (0..TOKENS as usize / 16).map(|id| row * 64 + id).collect();
        let line =
            json!({"timestamp": row, "input_length": TOKENS, "output_length": 16, "hash_ids": ids});
        writeln!(hashes, "{line}")?;
        let line = json!({"session": row.to_string(), "at": row, "input_tokens": TOKENS, "output_tokens": 16});
        writeln!(replay, "{line}")?;
        writeln!(custom, "{}", json!({"prompt": text, "output_tokens": 16}))?;
        let turns = [
            ("human", &**text),
            ("gpt", "an answer of a few words to the question"),
        ];
        let turns = turns.map(|(from, value)| json!({"from": from, "value": value}));
        shares.push(json!({"conversations": turns}));
    }
    let shares = serde_json::to_string(&shares)?;
    Ok(vec![
        Measured::of(BurstGpt::default(), dir.join("burst.csv"), &burst)?,
        Measured::of(AzureTrace, dir.join("azure.csv"), &azure)?,
        Measured::of(TimedTrace::default(), dir.join("hashes.jsonl"), &hashes)?,
        Measured::of(Replay, dir.join("replay.jsonl"), &replay)?,
        Measured::of(Custom::default(), dir.join("custom.jsonl"), &custom)?,
        Measured::of(ShareGpt::default(), dir.join("sharegpt.json"), &shares)?,
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds flags of its own.
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let number = |place: usize, default| {
        let given = given.get(place).and_then(|arg| arg.parse().ok());
        given.unwrap_or(default)
    };
    let tokenizer = Tokenizer::load(given.first().map_or("builtin", String::as_str))?;
    let mut cx = SampleContext::new(number(1, 20_000), 0);
    cx.tokenizer = Some(&tokenizer);
    cx.nonce = Some(0);
    cx.threads = number(2, 0);

    println!("| dataset | prompts | s | million tokens/s | s as token ids |");
    println!("|---|--:|--:|--:|--:|");
    let dir = tempfile::tempdir()?;
    let mut all = datasets();
    let recorded = Random {
        random_input_len: TOKENS,
        ..Random::default()
    };
    all.extend(of_files(dir.path(), &recorded.sample(&cx)?)?);
    for measured in &all {
        let mut cx = cx;
        cx.num_prompts /= measured.share;
        cx.dataset_path = measured.file.as_deref();
        let (time, tokens) = shortest(&*measured.dataset, &cx)?;
        let seconds = time.as_secs_f64();
        let ids = if measured.has_ids {
            cx.prompt_token_ids = true;
            format!("{:.3}", shortest(&*measured.dataset, &cx)?.0.as_secs_f64())
        } else {
            "-".to_owned()
        };
        println!(
            "| `{}` | {} | {seconds:.3} | {:.1} | {ids} |",
            measured.dataset.name(),
            cx.num_prompts,
            tokens as f64 / seconds / 1e6,
        );
    }
    Ok(())
}

/// The shortest time it takes, and the tokens it makes.
fn shortest(
    dataset: &dyn Dataset,
    cx: &SampleContext<'_>,
) -> Result<(Duration, u64), DatasetError> {
    let (mut best, mut tokens) = (Duration::MAX, 0);
    for _ in 0..REPEATS {
        let start = Instant::now();
        let made = black_box(dataset.sample(cx)?);
        best = best.min(start.elapsed());
        let turns = made.iter().flat_map(|conversation| &conversation.turns);
        let counted = turns.filter_map(|turn| turn.prompt_tokens);
        tokens = counted.map(u64::from).sum();
    }
    Ok((best, tokens))
}
