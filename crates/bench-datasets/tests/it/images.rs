use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bench_datasets::{
    Dataset, ImageContent, ImageFormat, ImageOptions, Images, Random, RandomMm, RandomMmOptions,
    SampleContext, dataset_hash,
};
use bench_types::{Conversation, Prompt};
use serde_json::Value;

use crate::statistics::chi_square;
use crate::{builtin, context, failure};

fn random() -> Random {
    Random {
        random_input_len: 30,
        random_output_len: 5,
        ..Random::default()
    }
}

fn of_buckets(base: u32, ratio: f64, buckets: &str) -> RandomMm {
    RandomMm {
        random: random(),
        options: RandomMmOptions {
            random_mm_base_items_per_request: base,
            random_mm_num_mm_items_range_ratio: ratio,
            random_mm_bucket_config: buckets.parse().unwrap(),
            ..RandomMmOptions::default()
        },
    }
}

fn of_size(count: u32, size: &str, format: ImageFormat, content: ImageContent) -> Images {
    Images {
        random: random(),
        options: ImageOptions {
            image_count: count,
            image_resolution: size.parse().unwrap(),
            image_format: format,
            image_content: content,
            ..ImageOptions::default()
        },
    }
}

/// The text of the one message, and its images' types and bytes.
fn message(conversation: &Conversation) -> (String, Vec<(String, Vec<u8>)>) {
    let Prompt::Chat(json) = &conversation.turns[0].prompt else {
        panic!("no chat: {:?}", conversation.turns[0].prompt)
    };
    let messages: Value = serde_json::from_str(json).unwrap();
    assert_eq!(messages.as_array().unwrap().len(), 1);
    assert_eq!(messages[0]["role"], "user");
    let parts = messages[0]["content"].as_array().unwrap();
    assert_eq!(parts[0]["type"], "text");
    let text = parts[0]["text"].as_str().unwrap().to_owned();
    let image = |part: &Value| {
        assert_eq!(part["type"], "image_url");
        let url = part["image_url"]["url"].as_str().unwrap();
        let (kind, data) = url
            .strip_prefix("data:")
            .unwrap()
            .split_once(";base64,")
            .unwrap();
        (kind.to_owned(), STANDARD.decode(data).unwrap())
    };
    (text, parts[1..].iter().map(image).collect())
}

/// Height and width in the header of a baseline JPEG.
fn jpeg_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(
        (&bytes[..2], &bytes[bytes.len() - 2..]),
        (&[0xff, 0xd8][..], &[0xff, 0xd9][..])
    );
    let mut at = 2;
    while bytes[at + 1] != 0xc0 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
    let side = |at: usize| u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    (side(at + 5), side(at + 7))
}

/// Height, width and pixels of a PNG.
fn png_pixels(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.height, info.width, pixels)
}

#[test]
fn texts_are_exact_and_counted_alone() {
    let tokenizer = builtin();
    let dataset = of_buckets(1, 0.0, "{(8, 8, 1): 1.0}");
    for conversation in dataset.sample(&context(&tokenizer, 10, 1)).unwrap() {
        let (text, images) = message(&conversation);
        assert_eq!(tokenizer.count(&text).unwrap(), 30);
        let turn = &conversation.turns[0];
        assert_eq!((turn.prompt_tokens, turn.max_output_tokens), (Some(30), 5));
        assert_eq!(images.len(), 1);
    }
}

#[test]
fn images_are_of_the_size_and_format_asked_for() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 2, 1);
    let images = |format, content| -> Vec<(String, Vec<u8>)> {
        let made = of_size(2, "24x40", format, content).sample(&cx).unwrap();
        made.iter().flat_map(|c| message(c).1).collect()
    };
    let noise = images(ImageFormat::Jpeg, ImageContent::Random);
    assert_eq!(noise.len(), 4);
    for (kind, bytes) in &noise {
        assert_eq!((kind.as_str(), jpeg_size(bytes)), ("image/jpeg", (24, 40)));
    }
    for (kind, bytes) in images(ImageFormat::Png, ImageContent::Blank) {
        let (height, width, pixels) = png_pixels(&bytes);
        assert_eq!((kind.as_str(), height, width), ("image/png", 24, 40));
        assert!(pixels.iter().all(|&value| value == 255));
    }
}

#[test]
fn no_two_images_of_noise_are_alike_and_noise_is_uniform() {
    let tokenizer = builtin();
    let run = |nonce| -> HashSet<Vec<u8>> {
        let mut cx = context(&tokenizer, 5, 1);
        cx.nonce = nonce;
        let dataset = of_size(2, "32x32", ImageFormat::Png, ImageContent::Random);
        let made = dataset.sample(&cx).unwrap();
        let bytes = made.iter().flat_map(|c| message(c).1);
        bytes.map(|(_, bytes)| bytes).collect()
    };
    let (fixed, one, two) = (run(None), run(Some(1)), run(Some(2)));
    let together: HashSet<_> = fixed.iter().chain(&one).chain(&two).collect();
    assert_eq!(together.len(), 30);

    let mut counts = [0.0; 256];
    for bytes in &fixed {
        for value in png_pixels(bytes).2 {
            counts[usize::from(value)] += 1.0;
        }
    }
    let expected = [10.0 * 32.0 * 32.0 * 3.0 / 256.0; 256];
    let p = chi_square(&counts, &expected);
    assert!(p > 0.01, "p = {p:.4}");
}

#[test]
fn sizes_are_drawn_by_the_probabilities_of_their_buckets() {
    let tokenizer = builtin();
    // Proportions of 1, 2 and 5; and a video that is never drawn.
    let buckets = r#"{(8, 8, 1): 0.1, (8, 16, 1): 0.2, "(16, 8, 1)": 0.5, (9, 9, 16): 0}"#;
    let made = of_buckets(4, 0.5, buckets)
        .sample(&context(&tokenizer, 1_000, 2))
        .unwrap();
    let (mut numbers, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for conversation in &made {
        let images = message(conversation).1;
        *numbers.entry(images.len()).or_insert(0.0) += 1.0;
        for (_, bytes) in images {
            *sizes.entry(jpeg_size(&bytes)).or_insert(0.0) += 1.0;
        }
    }
    assert_eq!(numbers.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    let numbers: Vec<f64> = numbers.into_values().collect();
    let p = chi_square(&numbers, &[200.0; 5]);
    assert!(p > 0.01, "numbers: p = {p:.4}");

    assert_eq!(
        sizes.keys().copied().collect::<Vec<_>>(),
        [(8, 8), (8, 16), (16, 8)]
    );
    let sizes: Vec<f64> = sizes.into_values().collect();
    let total: f64 = sizes.iter().sum();
    let expected = [0.125 * total, 0.25 * total, 0.625 * total];
    let p = chi_square(&sizes, &expected);
    assert!(p > 0.01, "sizes: p = {p:.4}");
}

#[test]
fn the_limit_of_images_is_kept() {
    let tokenizer = builtin();
    let mut dataset = of_buckets(2, 1.0, "{(8, 8, 1): 1}");
    dataset.options.random_mm_limit_mm_per_prompt = "{'image': 3, 'video': 1}".parse().unwrap();
    let made = dataset.sample(&context(&tokenizer, 100, 2)).unwrap();
    let numbers: HashSet<usize> = made.iter().map(|c| message(c).1.len()).collect();
    assert_eq!(numbers, HashSet::from([0, 1, 2, 3]));
}

#[test]
fn a_drawn_number_of_images_is_one_or_more() {
    let tokenizer = builtin();
    let mut dataset = of_size(3, "8x8", ImageFormat::Jpeg, ImageContent::Random);
    dataset.options.random_image_count = true;
    let made = dataset.sample(&context(&tokenizer, 60, 2)).unwrap();
    let numbers: HashSet<usize> = made.iter().map(|c| message(c).1.len()).collect();
    assert_eq!(numbers, HashSet::from([1, 2, 3]));
}

/// The bytes follow from the seed and from the encoders: a new release of these shows here.
#[test]
fn a_seed_means_the_same_images_whatever_the_threads() {
    let tokenizer = builtin();
    for threads in [1, 4] {
        let mut cx = context(&tokenizer, 8, 42);
        cx.threads = threads;
        let hash = |dataset: &dyn Dataset| dataset_hash(&dataset.sample(&cx).unwrap());
        let buckets = of_buckets(2, 0.5, "{(8, 24, 1): 0.5, (16, 16, 1): 0.5}");
        assert_eq!(hash(&buckets), "0bb80931e950957f7abf69103a88ff01");
        let png = of_size(1, "16x24", ImageFormat::Png, ImageContent::Random);
        assert_eq!(hash(&png), "520db2cf3ae4cf83fcd4fc8c98299012");
    }
}

#[test]
fn dicts_are_read_from_files_as_they_are_written() {
    let default = RandomMmOptions::default();
    assert_eq!(
        default.random_mm_bucket_config.to_string(),
        "{(256, 256, 1): 0.5, (720, 1280, 1): 0.5, (720, 1280, 16): 0.0}"
    );
    let json = serde_json::to_value(&default).unwrap();
    assert_eq!(json["random-mm-bucket-config"]["(256, 256, 1)"], 0.5);
    assert_eq!(
        serde_json::from_value::<RandomMmOptions>(json).unwrap(),
        default
    );

    let written = r#"{"random-mm-bucket-config": "{(8, 16, 1): 1}",
        "random-mm-limit-mm-per-prompt": {"image": 2}}"#;
    let options: RandomMmOptions = serde_json::from_str(written).unwrap();
    assert_eq!(
        options.random_mm_bucket_config.to_string(),
        "{(8, 16, 1): 1.0}"
    );
    let limits = options.random_mm_limit_mm_per_prompt;
    assert_eq!((limits.image, limits.video), (2, 0));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let tokenizer = builtin();
    let cx = context(&tokenizer, 2, 0);
    let refused = |dataset: &dyn Dataset, cx: &SampleContext<'_>, start: &str| {
        let message = failure(dataset, cx);
        assert!(message.starts_with(start), "{message}");
    };
    refused(
        &of_buckets(1, 0.0, "{(8, 8, 1): 0.5, (8, 8, 4): 0.5}"),
        &cx,
        "--random-mm-bucket-config: (8, 8, 4) is a video of 4 frames",
    );
    refused(
        &of_buckets(1, 0.0, "{(8, 8, 1): 0}"),
        &cx,
        "--random-mm-bucket-config: no bucket",
    );
    let fine = of_buckets(1, 0.0, "{(8, 8, 1): 1}");
    refused(
        &of_buckets(1, 1.5, "{(8, 8, 1): 1}"),
        &cx,
        "--random-mm-num-mm-items-range-ratio: 1.5",
    );
    refused(
        &of_buckets(300, 0.0, "{(8, 8, 1): 1}"),
        &cx,
        "--random-mm-limit-mm-per-prompt: 255 images",
    );
    refused(
        &of_size(0, "8x8", ImageFormat::Png, ImageContent::Blank),
        &cx,
        "--image-count: ",
    );
    let mut batch = fine.clone();
    batch.random.random_batch_size = 2;
    refused(&batch, &cx, "--random-batch-size: ");
    let mut ids = cx;
    ids.prompt_token_ids = true;
    refused(&fine, &ids, "--prompt-token-ids: ");

    for wrong in [
        "",
        "{",
        "{(8, 8): 1}",
        "{(8, 8, 0): 1}",
        "{(8, 8, 1): x}",
        "{(8, 8, 1)}",
    ] {
        let parsed = wrong.parse::<bench_datasets::Buckets>();
        assert!(parsed.is_err(), "{wrong}");
    }
    let parsed = "{'audio': 1}".parse::<bench_datasets::ItemLimits>();
    assert!(parsed.unwrap_err().contains("`audio` is neither"));
}
