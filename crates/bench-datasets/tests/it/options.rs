use bench_datasets::{DATASETS, DatasetOptions, Random};

use crate::{builtin, fixture, text};

#[test]
fn every_registered_name_selects_its_dataset() {
    for info in DATASETS {
        let options = DatasetOptions {
            dataset_name: info.name.to_owned(),
            ..DatasetOptions::default()
        };
        assert_eq!(options.dataset().unwrap().name(), info.name);
        assert!(!info.about.is_empty());
    }
}

#[test]
fn an_alias_selects_the_same_dataset() {
    let options: DatasetOptions = serde_json::from_str(r#"{"dataset-name": "audio"}"#).unwrap();
    assert_eq!(options.dataset().unwrap().name(), "custom_audio");
}

#[test]
fn datasets_share_the_flags_they_have_in_common() {
    let tokenizer = builtin();
    let json = r#"{"dataset-name": "random-rerank", "random-input-len": 20,
        "random-batch-size": 2, "no-reranker": true}"#;
    let options: DatasetOptions = serde_json::from_str(json).unwrap();
    let cx = options.context(Some(&tokenizer), 3, 0);
    let made = options.dataset().unwrap().sample(&cx).unwrap();
    // The query is one of the three texts and one of the two of each request.
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].turns[0].prompt_tokens, Some(20 + 20));

    let json = r#"{"dataset-name": "custom_audio", "custom-output-len": 9,
        "asr-min-audio-len-sec": 0.4}"#;
    let mut options: DatasetOptions = serde_json::from_str(json).unwrap();
    options.dataset_path = Some(fixture("audio"));
    let cx = options.context(None, 1, 0);
    let made = options.dataset().unwrap().sample(&cx).unwrap();
    assert_eq!(made[0].turns[0].max_output_tokens, 9);
    assert_eq!(made[0].turns[0].prompt_tokens, None);
}

#[test]
fn an_unknown_name_is_told_the_known_ones() {
    let options = DatasetOptions {
        dataset_name: "randon".to_owned(),
        ..DatasetOptions::default()
    };
    let message = options.dataset().err().unwrap().to_string();
    let names: Vec<&str> = DATASETS.iter().map(|info| info.name).collect();
    assert_eq!(
        message,
        format!(
            "no dataset is called `randon`; the datasets are {}",
            names.join(", ")
        )
    );
}

#[test]
fn a_file_of_options_makes_a_dataset() {
    let json = r#"{"random-input-len": 7, "random-range-ratio": 0.0, "output-len": 5}"#;
    let options: DatasetOptions = serde_json::from_str(json).unwrap();
    let expected = Random {
        random_input_len: 7,
        ..Random::default()
    };
    assert_eq!(options.random, expected);

    let tokenizer = builtin();
    let cx = options.context(Some(&tokenizer), 2, 0);
    let conversations = options.dataset().unwrap().sample(&cx).unwrap();
    assert_eq!(conversations.len(), 2);
    for conversation in &conversations {
        assert_eq!(tokenizer.count(text(conversation)).unwrap(), 7);
        assert_eq!(conversation.turns[0].max_output_tokens, 5);
    }
}
