use bench_datasets::{DATASETS, DatasetOptions, Random};

use crate::{builtin, text};

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
fn an_unknown_name_is_told_the_known_ones() {
    let options = DatasetOptions {
        dataset_name: "randon".to_owned(),
        ..DatasetOptions::default()
    };
    let message = options.dataset().err().unwrap().to_string();
    assert_eq!(
        message,
        "no dataset is called `randon`; the datasets are random, sharegpt, custom"
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
