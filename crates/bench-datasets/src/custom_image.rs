//! Pictures of one's own, with questions about them.
//!
//! `--dataset-path` names JSONL, a JSON array, CSV or Parquet. An entry has
//!
//! - `prompt`, and pictures in `image_files`, `images`, `image` or `image_url`: one or a list,
//!   each a path (relative to the file that lists it), an `http(s)` or `data` URL, or
//!   `{"url": ...}`. They go behind the text in their order; or
//! - `content`: a list of parts, `{"type": "text", "text": ...}`,
//!   `{"type": "image", "image": ...}` or `{"type": "image_url", "image_url": ...}`, sent in their
//!   order.
//!
//! As with `vllm bench serve` a picture is sent as a reference: URLs as they stand, paths as
//! `file://` URLs, which the server has to be able (and allowed) to read. With
//! `--custom-ensure-client-side-data` the client reads the files and fetches the URLs, and sends
//! them as data URLs whose MIME type is that of their bytes.
//!
//! Output lengths are those of the dataset `custom`. Prompts are sent as chat messages and are
//! uncounted: only the server knows how many tokens a picture has.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench_types::{Conversation, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::custom::output_tokens;
use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{Custom, Dataset, DatasetError, SampleContext, media};

const NAME: &str = "custom_image";

/// Fields that hold pictures beside a prompt.
const IMAGES: [&str; 4] = ["image_files", "images", "image", "image_url"];

/// How long fetching a picture may take.
const FETCH_TIME: Duration = Duration::from_secs(60);

/// The most bytes of a picture.
const MOST_BYTES: u64 = 256 << 20;

/// How pictures are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: custom_image"))]
pub struct MediaOptions {
    /// Read pictures here, files and URLs alike, and send their bytes; otherwise the server is
    /// sent file:// and other URLs to read them itself
    #[cfg_attr(feature = "cli", arg(long))]
    pub custom_ensure_client_side_data: bool,
}

/// Pictures of your own, with questions about them (JSONL).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomImage {
    /// How many tokens may come back.
    pub custom: Custom,
    /// How pictures are sent.
    pub media: MediaOptions,
}

impl Dataset for CustomImage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        if cx.prompt_token_ids {
            return Err(DatasetError::Option {
                option: "--prompt-token-ids",
                problem: "pictures are no token ids; leave it out".to_owned(),
            });
        }
        let output_len = self.custom.output_len(cx)?;
        let source = Source::new(
            cx,
            NAME,
            "JSONL of {\"prompt\": ..., \"image_files\": [\"a.png\"]}",
            "each entry is {\"prompt\": \"...\", \"image_files\": [\"a.png\"]} or {\"content\": \
             [...]}, with paths beside the file or absolute",
        )?;
        let mut entries: Vec<Row<Fields>> = source.rows()?;
        if entries.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(0, "the file is empty"));
        }
        rows::order(cx, &mut entries);
        let album = Album {
            folder: source.path().parent().unwrap_or(Path::new("")),
            whole: self.media.custom_ensure_client_side_data,
        };
        let mut conversations = rows::take(cx, NAME, &entries, |row| {
            let record = Record::new(&source, row);
            let message = json!([{"role": "user", "content": album.parts(&record)?}]);
            let output = output_tokens(cx, output_len, &record, None)?
                .ok_or_else(|| record.error("it does not say how long its output is".to_owned()))?;
            let prompt = Prompt::Chat(message.to_string().into());
            Ok(Some(Conversation::single(0, prompt, None, output)))
        })?;
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

/// Where pictures are, and how they are sent.
struct Album<'a> {
    /// Where relative paths begin.
    folder: &'a Path,
    /// Send the bytes.
    whole: bool,
}

impl Album<'_> {
    /// The parts of an entry's message.
    fn parts(&self, record: &Record<'_>) -> Result<Vec<Value>, DatasetError> {
        if let Some(parts) = record.list("content")? {
            return parts.iter().map(|part| self.part(record, part)).collect();
        }
        let mut parts = vec![media::text_part(record.needed_text("prompt")?)];
        let Some((name, value)) = record.first(&IMAGES) else {
            return Err(record.error("missing field `image_files` or `content`".to_owned()));
        };
        let images = match value {
            Value::Array(_) => record.list(name)?,
            Value::String(text) if text.starts_with('[') => record.list(name)?,
            one => Some(vec![one.clone()].into()),
        };
        for image in images.iter().flat_map(|images| images.iter()) {
            parts.push(self.image(record, name, image)?);
        }
        Ok(parts)
    }

    fn part(&self, record: &Record<'_>, part: &Value) -> Result<Value, DatasetError> {
        match part["type"].as_str() {
            Some("text") if part["text"].is_string() => Ok(part.clone()),
            Some("image") => self.image(record, "content", &part["image"]),
            Some("image_url") => self.image(record, "content", &part["image_url"]),
            _ => Err(record.wrong(
                "content",
                part,
                "a part of the type text, image or image_url",
            )),
        }
    }

    /// A picture as a part of a message.
    fn image(&self, record: &Record<'_>, name: &str, image: &Value) -> Result<Value, DatasetError> {
        let place = image.as_str().or(image["url"].as_str());
        let place = place.ok_or_else(|| record.wrong(name, image, "a path or a URL"))?;
        let failed = |problem: String| record.error(format!("`{name}`: {place}: {problem}"));
        if place.starts_with("data:") {
            return Ok(media::image_part(place));
        }
        let remote = place.starts_with("http://") || place.starts_with("https://");
        if remote && !self.whole {
            return Ok(media::image_part(place));
        }
        let bytes = if remote {
            fetch(place).map_err(failed)?
        } else {
            let path = self.path(place);
            if !self.whole {
                let path = path.canonicalize().map_err(|e| failed(e.to_string()))?;
                return Ok(media::image_part(&file_url(&path)));
            }
            std::fs::read(path).map_err(|e| failed(e.to_string()))?
        };
        match media::data_url(&bytes) {
            Some(url) => Ok(media::image_part(&url)),
            None => Err(failed(
                "it is no picture (PNG, JPEG, WebP, GIF, BMP, TIFF)".to_owned(),
            )),
        }
    }

    fn path(&self, place: &str) -> PathBuf {
        self.folder
            .join(place.strip_prefix("file://").unwrap_or(place))
    }
}

/// A path as a URL: what a URL gives a meaning to is escaped.
fn file_url(path: &Path) -> String {
    let mut url = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// The bytes at a URL.
fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let agent = ureq::AgentBuilder::new()
        .timeout(FETCH_TIME)
        .try_proxy_from_env(true)
        .build();
    let answer = agent.get(url).call().map_err(|error| match error {
        ureq::Error::Status(status, _) => format!("the server says {status}"),
        ureq::Error::Transport(error) => error.kind().to_string(),
    })?;
    let mut bytes = Vec::new();
    let mut body = answer.into_reader().take(MOST_BYTES + 1);
    body.read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    Ok(bytes)
}
