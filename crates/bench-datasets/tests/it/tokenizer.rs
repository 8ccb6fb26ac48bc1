use bench_datasets::Tokenizer;

use crate::{builtin, file};

#[test]
fn the_builtin_tokenizer_has_a_vocabulary_and_special_tokens() {
    let tokenizer = builtin();
    assert_eq!(tokenizer.id(), "builtin");
    assert_eq!(tokenizer.vocab_size(), 4_096);
    assert_eq!(
        tokenizer.special_ids().iter().copied().collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(tokenizer.ordinary_ids(), (3..4_096).collect::<Vec<_>>());
    assert_eq!(tokenizer.specials_per_prompt(), 0);
}

#[test]
fn every_text_comes_back() {
    let tokenizer = builtin();
    for text in [
        "",
        " ",
        "Hello, world!\n",
        "naïve 🚀 日本",
        "fn main() {\n\t1 + 1\n}",
    ] {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        assert_eq!(tokenizer.count(text).unwrap() as usize, ids.len());
    }
}

#[test]
fn many_texts_are_counted_at_once() {
    let texts = ["one", "one two", "one two three", ""];
    assert_eq!(
        builtin().count_all(&texts).unwrap(),
        texts.map(|t| builtin().count(t).unwrap())
    );
}

#[test]
fn files_and_directories_are_read() {
    let json = include_bytes!("../../assets/tokenizer.json");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json).unwrap();
    for spec in [folder.path(), &path] {
        let tokenizer = Tokenizer::load(spec.to_str().unwrap()).unwrap();
        assert_eq!(tokenizer.vocab_size(), 4_096);
        assert_eq!(tokenizer.id(), spec.to_str().unwrap());
    }
}

#[test]
fn what_cannot_be_loaded_says_why_and_what_to_do() {
    let message = |spec: &str| Tokenizer::load(spec).unwrap_err().to_string();
    let missing = message("./no/such/file");
    assert!(
        missing.contains("./no/such/file") && missing.contains("`builtin`"),
        "{missing}"
    );

    let folder = tempfile::tempdir().unwrap();
    let empty = message(folder.path().to_str().unwrap());
    assert!(empty.contains("save_pretrained"), "{empty}");

    let broken = file("{\"version\": 1");
    let broken = message(broken.to_str().unwrap());
    assert!(broken.contains("give a tokenizer.json"), "{broken}");
}
