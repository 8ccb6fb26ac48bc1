use bench_datasets::{DatasetOptions, Warnings, dataset_hash};
use bench_types::Conversation;
use serde_json::json;

use crate::{builtin, file, fixture};

fn options(json: &serde_json::Value) -> DatasetOptions {
    serde_json::from_value(json.clone()).unwrap()
}

fn made(options: &DatasetOptions, count: usize, seed: u64) -> Vec<Conversation> {
    let tokenizer = builtin();
    let cx = options.context(Some(&tokenizer), count, seed);
    cx.sample(options.dataset().unwrap().as_ref()).unwrap()
}

fn of_class<'a>(made: &'a [Conversation], class: &str) -> Vec<&'a Conversation> {
    made.iter()
        .filter(|one| one.class.as_deref() == Some(class))
        .collect()
}

#[test]
fn datasets_are_mixed_by_weight_with_their_own_options() {
    let custom = format!("custom:{}=1", fixture("custom.jsonl").display());
    let options = options(&json!({
        "mix": ["random=3", custom],
        "random-input-len": 12,
        "random-output-len": 7,
        "custom-output-len": 9
    }));
    let mixed = made(&options, 400, 0);
    assert_eq!(mixed.len(), 400);
    assert_eq!(
        mixed.iter().map(|one| one.id).collect::<Vec<_>>(),
        (0..400).collect::<Vec<_>>()
    );
    let (random, custom) = (of_class(&mixed, "random"), of_class(&mixed, "custom"));
    assert_eq!(random.len() + custom.len(), 400);
    // Binomial with mean 300 and a deviation of 8.7.
    assert!((265..=335).contains(&random.len()), "{}", random.len());
    assert!(random.iter().all(|one| one.turns[0].max_output_tokens == 7));
    assert!(
        random
            .iter()
            .all(|one| one.turns[0].prompt_tokens == Some(12))
    );
    assert!(custom.iter().all(|one| one.turns[0].max_output_tokens == 9));
    // They alternate all the time.
    let changes = mixed
        .windows(2)
        .filter(|two| two[0].class != two[1].class)
        .count();
    assert!(changes > 100, "{changes}");

    assert!(options.dataset().unwrap().takes_nonce());
    assert_eq!(made(&options, 400, 0), mixed);
    assert_ne!(dataset_hash(&made(&options, 400, 1)), dataset_hash(&mixed));
    assert_eq!(dataset_hash(&mixed), "6ad66d5a015b0e66f69e234ab54265c6");
}

#[test]
fn parts_of_one_dataset_differ_by_label() {
    let options_of = |mix: &[&str]| options(&json!({"mix": mix, "random-input-len": 5}));
    let mixed = made(&options_of(&["a@random=1", "b@random=1"]), 40, 0);
    let (a, b) = (of_class(&mixed, "a"), of_class(&mixed, "b"));
    assert!(!a.is_empty() && !b.is_empty());
    assert_ne!(a[0].turns[0].prompt, b[0].turns[0].prompt);

    let message = options_of(&["random=1", "random=2"])
        .dataset()
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.starts_with("--mix: two parts are called `random`"),
        "{message}"
    );
}

#[test]
fn errors_name_the_part() {
    let message = options(&json!({"mix": ["x@randon=1"]}))
        .dataset()
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.starts_with("in the part `x` of --mix: no dataset is called `randon`"),
        "{message}"
    );
    let path = file("{\"promt\": 1}");
    let options = options(&json!({"mix": [format!("mine@custom:{}=1", path.display())]}));
    let tokenizer = builtin();
    let cx = options.context(Some(&tokenizer), 3, 0);
    let message = cx
        .sample(options.dataset().unwrap().as_ref())
        .unwrap_err()
        .to_string();
    let start = format!("in the part `mine` of --mix: {}:1: entry 1", path.display());
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn a_part_is_written_as_it_is_read() {
    for text in [
        "random=1",
        "a@custom:dir/x=y.jsonl=0.5",
        "sharegpt:f.json=2",
    ] {
        let part: bench_datasets::MixPart = text.parse().unwrap();
        assert_eq!(part.to_string(), text);
    }
    for (text, problem) in [
        ("random", "has no weight"),
        ("random=0", "no number above 0"),
        ("random=-1", "no number above 0"),
        ("random=inf", "no number above 0"),
        ("=1", "has an empty part"),
        ("a@=1", "has an empty part"),
        ("a:=1", "has an empty part"),
    ] {
        let error = text.parse::<bench_datasets::MixPart>().unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn limits_hold_in_every_part() {
    let options = options(&json!({
        "mix": ["short@random=1", format!("custom:{}=1", fixture("custom.jsonl").display())],
        "random-input-len": 20, "random-output-len": 20, "random-range-ratio": 0.5,
        "custom-output-len": 25, "max-model-len": 40, "no-oversample": true
    }));
    let tokenizer = builtin();
    let warnings = Warnings::default();
    let mut cx = options.context(Some(&tokenizer), 60, 0);
    cx.warnings = Some(&warnings);
    let made = cx.sample(options.dataset().unwrap().as_ref()).unwrap();
    assert!(made.len() < 60);
    for conversation in &made {
        let turn = &conversation.turns[0];
        assert!(turn.prompt_tokens.unwrap() + turn.max_output_tokens <= 40);
    }
    assert!(of_class(&made, "custom").len() <= 5);
    assert!(!of_class(&made, "short").is_empty());
    let said = warnings.take();
    assert!(
        said.iter().any(|text| text.contains("of `random`")),
        "{said:?}"
    );
}
