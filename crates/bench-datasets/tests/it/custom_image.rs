use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use bench_datasets::{Custom, CustomImage, Dataset, MediaOptions, Mmmu, dataset_hash};
use bench_types::{Conversation, Prompt};
use serde_json::{Value, json};

use crate::{builtin, context, failure};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_URL: &str = "data:image/png;base64,iVBORw0KGgo=";

/// A directory with a picture, and a file of these rows.
fn album(rows: &[Value]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("my pictures")).unwrap();
    std::fs::write(root.path().join("my pictures/a.png"), PNG).unwrap();
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(root.path().join("rows.jsonl"), lines).unwrap();
    root
}

fn options(whole: bool) -> CustomImage {
    CustomImage {
        custom: Custom::default(),
        media: MediaOptions {
            custom_ensure_client_side_data: whole,
        },
    }
}

fn sample(root: &Path, count: usize, options: &dyn Dataset) -> Vec<Conversation> {
    let tokenizer = builtin();
    let path = root.join("rows.jsonl");
    let mut cx = context(&tokenizer, count, 0);
    cx.dataset_path = Some(&path);
    cx.disable_shuffle = true;
    options.sample(&cx).unwrap()
}

/// The parts of each message.
fn parts(conversations: &[Conversation]) -> Vec<Value> {
    conversations
        .iter()
        .map(|one| match &one.turns[0].prompt {
            Prompt::Chat(json) => serde_json::from_str::<Value>(json).unwrap()[0]["content"].take(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn picture(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

#[test]
fn pictures_are_sent_as_they_are_referred_to_or_whole() {
    let root = album(&[
        json!({"prompt": "What?", "image_files": ["my pictures/a.png", PNG_URL]}),
        json!({"prompt": "Where?", "image_url": {"url": "https://example.com/b.jpg"},
            "output_tokens": 9}),
        json!({"content": [{"type": "text", "text": "Compare"},
            {"type": "image", "image": "my pictures/a.png"}, {"type": "text", "text": "with"},
            {"type": "image_url", "image_url": PNG_URL}]}),
    ]);
    let text = |text: &str| json!({"type": "text", "text": text});
    let made = sample(root.path(), 3, &options(false));
    let place = root.path().canonicalize().unwrap();
    let by_reference = format!("file://{}/my%20pictures/a.png", place.display());
    assert_eq!(
        parts(&made),
        [
            json!([text("What?"), picture(&by_reference), picture(PNG_URL)]),
            json!([text("Where?"), picture("https://example.com/b.jpg")]),
            json!([
                text("Compare"),
                picture(&by_reference),
                text("with"),
                picture(PNG_URL)
            ]),
        ]
    );
    assert_eq!(made[1].turns[0].max_output_tokens, 256);
    assert_eq!(made[0].turns[0].prompt_tokens, None);

    let made = sample(root.path(), 1, &options(true));
    assert_eq!(
        parts(&made)[0],
        json!([text("What?"), picture(PNG_URL), picture(PNG_URL)])
    );
    assert_eq!(dataset_hash(&made), "3c5ec1b9eb7d46b7f01ec63a9ecf5d59");
}

#[test]
fn urls_are_fetched_if_bytes_are_to_be_sent() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a", server.local_addr().unwrap());
    let root = album(&[json!({"prompt": "What?", "image": url})]);
    let serving = std::thread::spawn(move || {
        for answer in ["200 OK", "404 Not Found"] {
            let (mut peer, _) = server.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let head = format!(
                "HTTP/1.1 {answer}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                PNG.len()
            );
            peer.write_all(head.as_bytes()).unwrap();
            peer.write_all(PNG).unwrap();
        }
    });
    let made = sample(root.path(), 1, &options(true));
    assert_eq!(parts(&made)[0][1], picture(PNG_URL));

    let tokenizer = builtin();
    let path = root.path().join("rows.jsonl");
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(&path);
    let message = failure(&options(true), &cx);
    assert!(
        message.contains(":1: entry 1: `image`: http://") && message.contains("says 404"),
        "{message}"
    );
    serving.join().unwrap();
}

#[test]
fn what_is_no_picture_is_named() {
    let tokenizer = builtin();
    for (row, problem) in [
        (
            json!({"prompt": "x"}),
            "missing field `image_files` or `content`",
        ),
        (json!({"image": "a.png"}), "missing field `prompt`"),
        (
            json!({"prompt": "x", "images": ["b.png"]}),
            "`images`: b.png: ",
        ),
        (
            json!({"prompt": "x", "images": ["rows.jsonl"]}),
            "`images`: rows.jsonl: it is no picture",
        ),
        (
            json!({"prompt": "x", "image": 7}),
            "`image` is 7, not a path or a URL",
        ),
        (
            json!({"content": [{"type": "video"}]}),
            "`content` is an object, not a part of the type",
        ),
    ] {
        let root = album(&[row]);
        let path = root.path().join("rows.jsonl");
        let mut cx = context(&tokenizer, 1, 0);
        cx.dataset_path = Some(&path);
        let message = failure(&options(true), &cx);
        let place = format!("{}:1: entry 1: {problem}", path.display());
        assert!(message.starts_with(&place), "{message}");
    }
}

#[test]
fn mmmu_is_a_hub_dataset_with_other_defaults() {
    let root = album(&[
        json!({"question": "Which curve?", "image_1": {"bytes": "iVBORw0KGgo="},
        "answer": "B"}),
    ]);
    let made = sample(root.path(), 1, &Mmmu::default());
    assert_eq!(parts(&made)[0][1], picture(PNG_URL));
    assert_eq!(made[0].turns[0].max_output_tokens, 256);
}
