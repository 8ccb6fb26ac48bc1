use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_datasets::{AsrOptions, Custom, CustomAudio, Dataset, SampleContext, dataset_hash};
use bench_types::{Audio, Conversation, Prompt};

use crate::{failure, file, fixture};

fn context(num_prompts: usize, path: &Path) -> SampleContext<'_> {
    let mut cx = SampleContext::new(num_prompts, 0);
    cx.dataset_path = Some(path);
    cx.disable_shuffle = true;
    cx
}

fn within(least: f64, most: Option<f64>) -> CustomAudio {
    CustomAudio {
        options: AsrOptions {
            asr_min_audio_len_sec: least,
            asr_max_audio_len_sec: most,
        },
        ..CustomAudio::default()
    }
}

fn output(custom_output_len: i64) -> CustomAudio {
    CustomAudio {
        custom: Custom { custom_output_len },
        ..CustomAudio::default()
    }
}

fn audio(conversation: &Conversation) -> &Arc<Audio> {
    match &conversation.turns[0].prompt {
        Prompt::Audio(audio) => audio,
        other => panic!("not a recording: {other:?}"),
    }
}

fn names(conversations: &[Conversation]) -> Vec<&str> {
    let name = |c| audio(c).file_name.as_str();
    conversations.iter().map(name).collect()
}

fn outputs(conversations: &[Conversation]) -> Vec<u32> {
    let output = |c: &Conversation| c.turns[0].max_output_tokens;
    conversations.iter().map(output).collect()
}

#[test]
fn the_wave_files_of_a_directory_are_taken_by_name() {
    let path = fixture("audio");
    let made = CustomAudio::default().sample(&context(3, &path)).unwrap();
    assert_eq!(names(&made), ["beep.wav", "chime.wav", "hum.wav"]);
    let milliseconds = [125, 250, 500];
    for (conversation, expected) in made.iter().zip(milliseconds) {
        let audio = audio(conversation);
        assert_eq!(audio.duration, Duration::from_millis(expected));
        assert_eq!(audio.bytes, fs::read(path.join(&audio.file_name)).unwrap());
        assert_eq!(conversation.turns[0].prompt_tokens, None);
    }
    assert_eq!(made.iter().map(|c| c.id).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(outputs(&made), [256; 3]);
}

#[test]
fn a_manifest_lists_files_beside_it_and_what_may_come_back() {
    let path = fixture("audio/manifest.jsonl");
    let cx = context(3, &path);
    let made = CustomAudio::default().sample(&cx).unwrap();
    assert_eq!(names(&made), ["hum.wav", "beep.wav", "chime.wav"]);
    assert_eq!(outputs(&made), [256; 3]);
    assert_eq!(outputs(&output(-1).sample(&cx).unwrap()), [12, 0, 5]);
    assert_eq!(outputs(&output(7).sample(&cx).unwrap()), [7; 3]);
    let mut cx = cx;
    cx.output_len = Some(3);
    assert_eq!(outputs(&output(-1).sample(&cx).unwrap()), [3; 3]);
}

#[test]
fn the_limits_belong_to_what_is_taken() {
    let path = fixture("audio");
    let taken = |least, most| {
        let mut cx = context(3, &path);
        cx.no_oversample = true;
        let made = within(least, most).sample(&cx).unwrap();
        names(&made).iter().map(|n| n.len()).collect::<Vec<_>>()
    };
    let (beep, chime, hum) = (8, 9, 7);
    assert_eq!(taken(0.125, Some(0.5)), [beep, chime, hum]);
    assert_eq!(taken(0.126, None), [chime, hum]);
    assert_eq!(taken(0.0, Some(0.499)), [beep, chime]);
    assert_eq!(taken(0.2, Some(0.3)), [chime]);
    assert_eq!(taken(0.0, Some(f64::INFINITY)), [beep, chime, hum]);

    let message = failure(&within(0.6, None), &context(3, &path));
    assert!(
        message.contains("none of the 3 entries can be used")
            && message.contains("--asr-min-audio-len-sec"),
        "{message}"
    );
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let path = fixture("audio");
    for (least, most, start) in [
        (-1.0, None, "--asr-min-audio-len-sec: -1 is no length"),
        (f64::NAN, None, "--asr-min-audio-len-sec: NaN is no length"),
        (f64::INFINITY, None, "--asr-min-audio-len-sec: inf is no"),
        (2.0, Some(1.0), "--asr-max-audio-len-sec: 1 is less than"),
        (0.0, Some(f64::NAN), "--asr-max-audio-len-sec: NaN is less"),
    ] {
        let message = failure(&within(least, most), &context(1, &path));
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn too_few_recordings_are_repeated_without_a_copy() {
    let path = fixture("audio");
    let mut cx = context(20, &path);
    let made = within(0.2, None).sample(&cx).unwrap();
    assert_eq!(made.len(), 20);
    assert!(made.iter().zip(0..).all(|(c, id)| c.id == id));
    for conversation in &made {
        let first = if names(std::slice::from_ref(conversation)) == ["chime.wav"] {
            &made[0]
        } else {
            &made[1]
        };
        assert!(Arc::ptr_eq(audio(conversation), audio(first)));
    }
    cx.no_oversample = true;
    assert_eq!(within(0.2, None).sample(&cx).unwrap(), made[..2]);
}

#[test]
fn a_file_listed_twice_is_held_once() {
    let hum = fixture("audio/hum.wav");
    let line = serde_json::json!({"audio_filepath": hum}).to_string();
    let path = file(&format!("{line}\n{line}\n"));
    let made = CustomAudio::default().sample(&context(2, &path)).unwrap();
    assert!(Arc::ptr_eq(audio(&made[0]), audio(&made[1])));
}

#[test]
fn the_seed_orders_the_recordings() {
    let path = fixture("audio");
    let hash = |seed| {
        let mut cx = SampleContext::new(30, seed);
        cx.dataset_path = Some(&path);
        dataset_hash(&CustomAudio::default().sample(&cx).unwrap())
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_bad_file_of_a_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("BAD.WAV");
    let refused = |contents: &[u8], problem: &str| {
        fs::write(&bad, contents).unwrap();
        let message = failure(&CustomAudio::default(), &context(1, folder.path()));
        let expected = format!("{}: {problem}", bad.display());
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.contains("; give a WAVE file of PCM"), "{message}");
    };
    refused(b"ID3\x04 this is an MP3", "Ill-formed WAVE file: no RIFF");
    let whole = fs::read(fixture("audio/hum.wav")).unwrap();
    refused(&whole[..whole.len() - 1], "it is cut: 3999 bytes of sound");

    fs::remove_file(&bad).unwrap();
    fs::write(folder.path().join("notes.txt"), "no recording").unwrap();
    let message = failure(&CustomAudio::default(), &context(1, folder.path()));
    assert!(message.contains("there is no recording"), "{message}");
}

#[test]
fn errors_of_a_manifest_name_its_line() {
    let hum = fixture("audio/hum.wav");
    let message_of = |second: serde_json::Value| {
        let first = serde_json::json!({"audio_filepath": hum});
        let path = file(&format!("{first}\n\n{second}\n"));
        let message = failure(&CustomAudio::default(), &context(2, &path));
        (message, path.display().to_string())
    };

    let (message, path) = message_of(serde_json::json!({"audio": "gone.wav"}));
    let listed = format!("gone.wav (listed in {path}:3): cannot read it: ");
    assert!(message.contains(&listed), "{message}");
    assert!(message.contains("check that the file is there"));

    let (message, path) = message_of(serde_json::json!({"audio": hum, "duration": 0.4}));
    let said = format!("(listed in {path}:3): it plays 0.5 s, and the manifest says 0.4 s");
    assert!(message.contains(&said), "{message}");

    let (message, path) = message_of(serde_json::json!({"audio": hum, "offset": 0.1}));
    let part = format!("{path}:3: entry 2: it means the part of the file from 0.1 s on");
    assert!(message.starts_with(&part), "{message}");

    let (message, path) = message_of(serde_json::json!({"text": "a hum"}));
    let missing = format!("{path}:3: entry 2: missing field `audio_filepath`");
    assert!(message.starts_with(&missing), "{message}");
}

#[test]
fn a_duration_may_be_rounded() {
    let hum = fixture("audio/hum.wav");
    let line = serde_json::json!({"audio": hum, "duration": 0.51, "offset": 0.0});
    let path = file(&line.to_string());
    let made = CustomAudio::default().sample(&context(1, &path)).unwrap();
    assert_eq!(audio(&made[0]).duration, Duration::from_millis(500));
}

#[test]
fn what_is_missing_or_does_not_apply_is_said() {
    let message = failure(&CustomAudio::default(), &SampleContext::new(1, 0));
    assert!(
        message.contains("--dataset-path (a directory of .wav files"),
        "{message}"
    );
    let message = failure(&CustomAudio::default(), &context(1, Path::new("no/such")));
    assert!(message.starts_with("cannot read no/such: "), "{message}");

    let path = fixture("audio");
    let mut cx = context(1, &path);
    cx.prompt_token_ids = true;
    let message = failure(&CustomAudio::default(), &cx);
    assert!(message.starts_with("--prompt-token-ids: "), "{message}");
}
