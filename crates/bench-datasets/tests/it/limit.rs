//! `--max-model-len`.

use bench_datasets::{Custom, CustomImage, Dataset, DatasetError, Random, SampleContext, Warnings};
use bench_types::{Conversation, Prompt};

use crate::{builtin, context, file, text};

/// Ten prompts, of 1 to 10 words, and the answers that are asked for have 10 tokens.
fn prompts() -> tempfile::TempPath {
    let lines = (1..=10).map(|words| {
        serde_json::json!({"prompt": vec![" the"; words].concat(), "output_tokens": 10}).to_string()
    });
    file(&lines.collect::<Vec<_>>().join("\n"))
}

fn custom() -> Custom {
    Custom {
        custom_output_len: -1,
    }
}

#[test]
fn entries_that_are_too_long_are_counted_and_others_take_their_place() {
    let tokenizer = builtin();
    let path = prompts();
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 4, 0);
    cx.dataset_path = Some(&path);
    cx.warnings = Some(&warnings);
    cx.max_model_len = Some(15);
    let made = cx.sample(&custom()).unwrap();
    assert_eq!(made.len(), 4);
    assert_eq!(made.iter().map(|c| c.id).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for conversation in &made {
        assert!(tokenizer.count(text(conversation)).unwrap() <= 5);
    }
    // Those behind the last that was needed were not looked at.
    let all = {
        let mut cx = cx;
        cx.max_model_len = None;
        cx.num_prompts = 10;
        cx.sample(&custom()).unwrap()
    };
    let last = all.iter().position(|c| c.turns == made[3].turns).unwrap();
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    let expected = format!("{} of the {} conversations", last + 1 - 4, last + 1);
    assert!(said[0].starts_with(&expected), "{said:?}");
}

#[test]
fn nothing_that_fits_is_an_error() {
    let tokenizer = builtin();
    let path = prompts();
    let mut cx = context(&tokenizer, 4, 0);
    cx.dataset_path = Some(&path);
    cx.max_model_len = Some(10);
    let message = cx.sample(&custom()).unwrap_err().to_string();
    assert!(
        message.starts_with("--max-model-len: all 10 conversations of `custom`"),
        "{message}"
    );
}

#[test]
fn synthetic_prompts_that_are_too_long_are_left_out_and_counted() {
    let tokenizer = builtin();
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 50, 0);
    cx.warnings = Some(&warnings);
    let random = Random {
        random_input_len: 20,
        random_output_len: 10,
        random_range_ratio: serde_json::from_str("0.5").unwrap(),
        ..Random::default()
    };
    let all = cx.sample(&random).unwrap();
    cx.max_model_len = Some(30);
    let made = cx.sample(&random).unwrap();
    let length =
        |c: &Conversation| c.turns[0].prompt_tokens.unwrap() + c.turns[0].max_output_tokens;
    let short: Vec<_> = all.iter().filter(|c| length(c) <= 30).collect();
    assert!(short.len() < 50);
    assert_eq!(made.len(), short.len());
    assert_eq!(made.iter().map(|c| c.id).max(), Some(made.len() as u64 - 1));
    let said = warnings.take();
    assert!(
        said[0].starts_with(&format!("{} of the 50 conversations", 50 - short.len())),
        "{said:?}"
    );
}

#[test]
fn without_a_tokenizer_nothing_can_be_measured() {
    let path = prompts();
    let mut cx = SampleContext::new(4, 0);
    cx.dataset_path = Some(&path);
    cx.max_model_len = Some(15);
    assert!(custom().sample(&cx).is_ok());
    let message = cx.sample(&custom()).unwrap_err().to_string();
    assert!(message.contains("leave out --max-model-len"), "{message}");
}

#[test]
fn texts_beside_pictures_count() {
    let tokenizer = builtin();
    let line = |words: usize| {
        let prompt = vec![" the"; words].concat();
        let picture = "https://example.com/a.png";
        serde_json::json!({"prompt": prompt, "image": picture, "output_tokens": 10}).to_string()
    };
    let path = file(&[line(30), line(5), line(31)].join("\n"));
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 3, 0);
    cx.dataset_path = Some(&path);
    cx.warnings = Some(&warnings);
    cx.no_oversample = true;
    cx.max_model_len = Some(40);
    let pictures = CustomImage {
        custom: custom(),
        ..CustomImage::default()
    };
    assert_eq!(cx.sample(&pictures).unwrap().len(), 2);
    let said = warnings.take();
    assert!(said[0].starts_with("1 of the 3 conversations"), "{said:?}");
    cx.max_model_len = Some(15);
    assert_eq!(cx.sample(&pictures).unwrap().len(), 1);
}

/// Prompts that nobody counts.
struct Uncounted;

impl Dataset for Uncounted {
    fn name(&self) -> &'static str {
        "uncounted"
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let texts = || Prompt::Batch(vec!["a".into()].into());
        let one = |id| Conversation::single(id, texts(), (id > 0).then_some(1), 10);
        Ok((0..cx.num_prompts as u64).map(one).collect())
    }
}

#[test]
fn what_cannot_be_counted_is_told() {
    let tokenizer = builtin();
    let warnings = Warnings::default();
    let mut cx = context(&tokenizer, 3, 0);
    cx.warnings = Some(&warnings);
    cx.max_model_len = Some(40);
    assert_eq!(cx.sample(&Uncounted).unwrap().len(), 3);
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    let expected = "the prompts of 1 of the 3 conversations of `uncounted` cannot be counted";
    assert!(said[0].starts_with(expected), "{said:?}");
}
