//! Recordings of one's own, to be transcribed.
//!
//! Either a directory, whose files that end in `.wav` are taken by name (not those of its
//! subdirectories), or a manifest: JSONL with one `{"audio_filepath": ..., "output_tokens": ...}`
//! on each line, or a JSON array of them. The key may be `audio` or `path` as well, and a path is
//! relative to the manifest. What a manifest says of a `duration` is compared with the file; its
//! `text` and `prompt` are not sent.
//!
//! In the order of the seed, recordings as long as the limits allow are taken until there are
//! enough. How many tokens may come back:
//!
//! 1. `--output-len`, if given;
//! 2. with `--custom-output-len -1`: the entry's `output_tokens`; if it has none, 0, which leaves
//!    the length to the server;
//! 3. otherwise `--custom-output-len`.
//!
//! A recording has no length in tokens that a tokenizer could tell, so prompts are uncounted.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bench_types::{Audio, Conversation, Prompt};
use serde::{Deserialize, Serialize};

use crate::custom::OutputLen;
use crate::rows::{self, Source};
use crate::{Custom, Dataset, DatasetError, SampleContext, recording};

const NAME: &str = "custom_audio";
const FORMAT: &str = "a directory of .wav files, or JSONL of {\"audio_filepath\": ...}";
const MIN_FLAG: &str = "--asr-min-audio-len-sec";
const MAX_FLAG: &str = "--asr-max-audio-len-sec";

/// How far a manifest's duration may be from the file's: manifests round.
const ROUNDING: f64 = 0.05;

/// Which recordings are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: custom_audio"))]
pub struct AsrOptions {
    /// Leave out recordings shorter than this
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS",
        default_value_t = AsrOptions::default().asr_min_audio_len_sec))]
    pub asr_min_audio_len_sec: f64,

    /// Leave out recordings longer than this; any length if not given
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS"))]
    pub asr_max_audio_len_sec: Option<f64>,
}

/// Recordings of your own (a directory of WAVE files, or a manifest).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomAudio {
    /// How many tokens may come back.
    pub custom: Custom,
    /// Which recordings are taken.
    pub options: AsrOptions,
}

/// An entry of a manifest. Whatever else it says is not looked at.
#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "audio", alias = "path")]
    audio_filepath: PathBuf,
    duration: Option<f64>,
    offset: Option<f64>,
    output_tokens: Option<u32>,
}

/// A file that may be sent.
struct Candidate {
    path: PathBuf,
    /// The manifest and its line, if one lists it.
    listed: Option<(PathBuf, usize)>,
    /// What the manifest says of its length in seconds.
    duration: Option<f64>,
    output_tokens: Option<u32>,
}

impl Dataset for CustomAudio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        if cx.prompt_token_ids {
            return Err(DatasetError::Option {
                option: "--prompt-token-ids",
                problem: "recordings are no token ids; leave it out".to_owned(),
            });
        }
        let output_len = self.custom.output_len(cx)?;
        self.options.check()?;
        let path = cx.dataset_path.ok_or(DatasetError::NeedsPath {
            dataset: NAME,
            format: FORMAT,
        })?;
        let mut candidates = candidates(cx, path)?;
        rows::order(cx, &mut candidates);

        let mut files = Files::default();
        let (mut conversations, mut left_out) = (Vec::new(), 0_usize);
        for candidate in &candidates {
            if conversations.len() == cx.num_prompts {
                break;
            }
            let audio = files.read(candidate)?;
            if !self.options.takes(audio.duration) {
                left_out += 1;
                continue;
            }
            let output = match output_len {
                OutputLen::Fixed(len) | OutputLen::CompletionOr(len) => len,
                OutputLen::AsRecorded => candidate.output_tokens.unwrap_or(0),
            };
            let id = conversations.len() as u64;
            let prompt = Prompt::Audio(audio);
            conversations.push(Conversation::single(id, prompt, None, output));
        }
        if conversations.is_empty() && cx.num_prompts > 0 {
            return Err(DatasetError::NothingUsable {
                path: path.to_owned(),
                entries: candidates.len(),
                problem: "there is no recording, or none is as long as --asr-min-audio-len-sec \
                          and --asr-max-audio-len-sec allow; give other files or wider limits",
            });
        }
        if left_out > 0 {
            cx.warn(format!(
                "{left_out} recordings of `{NAME}` are left out: they are shorter than {MIN_FLAG} \
                 or longer than {MAX_FLAG}"
            ));
        }
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

impl AsrOptions {
    /// Whether the limits make sense.
    fn check(&self) -> Result<(), DatasetError> {
        let (least, most) = (self.asr_min_audio_len_sec, self.asr_max_audio_len_sec);
        let refuse = |option, problem| Err(DatasetError::Option { option, problem });
        if !(least.is_finite() && least >= 0.0) {
            return refuse(
                MIN_FLAG,
                format!("{least} is no length; give seconds, 0 or more"),
            );
        }
        match most {
            Some(most) if most.is_nan() || most < least => refuse(
                MAX_FLAG,
                format!("{most} is less than {MIN_FLAG} ({least}) or no number; give more seconds"),
            ),
            _ => Ok(()),
        }
    }

    /// Whether a recording of this length is sent.
    fn takes(&self, duration: Duration) -> bool {
        let seconds = duration.as_secs_f64();
        let most = self.asr_max_audio_len_sec.unwrap_or(f64::INFINITY);
        (self.asr_min_audio_len_sec..=most).contains(&seconds)
    }
}

/// The recordings at `path`, in the order of their names or of the manifest.
fn candidates(cx: &SampleContext<'_>, path: &Path) -> Result<Vec<Candidate>, DatasetError> {
    if path.is_dir() {
        in_directory(path)
    } else {
        in_manifest(cx, path)
    }
}

fn in_directory(path: &Path) -> Result<Vec<Candidate>, DatasetError> {
    let failed = |cause| DatasetError::Read {
        path: path.to_owned(),
        cause,
    };
    let is_wave = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(is_wave);
    paths.sort_unstable();
    let candidate = |path| Candidate {
        path,
        listed: None,
        duration: None,
        output_tokens: None,
    };
    Ok(paths.into_iter().map(candidate).collect())
}

fn in_manifest(cx: &SampleContext<'_>, path: &Path) -> Result<Vec<Candidate>, DatasetError> {
    let source = Source::new(
        cx,
        NAME,
        FORMAT,
        "each entry is {\"audio_filepath\": \"a.wav\"}, a whole file beside the manifest or at an \
         absolute path, with \"output_tokens\" if wanted",
    )?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut candidates = Vec::new();
    for row in source.rows::<Entry>()? {
        let entry = row.value;
        if let Some(offset) = entry.offset.filter(|offset| *offset != 0.0) {
            let problem = format!("it means the part of the file from {offset} s on");
            return Err(source.entry_error(row.entry, row.line, problem));
        }
        candidates.push(Candidate {
            path: folder.join(entry.audio_filepath),
            listed: Some((path.to_owned(), row.line)),
            duration: entry.duration,
            output_tokens: entry.output_tokens,
        });
    }
    Ok(candidates)
}

/// Files that were read, so that each is held once.
#[derive(Default)]
struct Files(HashMap<PathBuf, Arc<Audio>>);

impl Files {
    /// The recording of `candidate`, if the manifest agrees with the file.
    fn read(&mut self, candidate: &Candidate) -> Result<Arc<Audio>, DatasetError> {
        let failed = |problem, cure| DatasetError::Recording {
            path: candidate.path.clone(),
            listed: candidate.listed.clone(),
            problem,
            cure,
        };
        let audio = match self.0.get(&candidate.path) {
            Some(audio) => Arc::clone(audio),
            None => {
                let read = recording::read(&candidate.path);
                let audio = Arc::new(read.map_err(|flaw| failed(flaw.problem, flaw.cure))?);
                self.0.insert(candidate.path.clone(), Arc::clone(&audio));
                audio
            }
        };
        let (seconds, said) = (audio.duration.as_secs_f64(), candidate.duration);
        match said.filter(|said| (said - seconds).abs() > ROUNDING) {
            Some(said) => Err(failed(
                format!("it plays {seconds} s, and the manifest says {said} s"),
                "only whole files are sent: correct the duration, or leave it out",
            )),
            None => Ok(audio),
        }
    }
}
