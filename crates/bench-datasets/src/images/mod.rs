//! Images that are made up, as parts of a chat message.
//!
//! The bytes follow from the seed (and the nonce, see [`SampleContext::nonce`]): pixels of ChaCha8
//! noise, each channel uniform in 0..=255, as JPEG of quality 85 or as PNG. Noise does not
//! compress, so that the bytes of an image are about the most that one of its size can have.
//!
//! How many tokens a model makes of an image is known to the model alone. The prompt lengths of
//! these datasets count the text.

mod buckets;
mod fixed;
mod random_mm;

use std::fmt;
use std::str::FromStr;

use bench_types::{Conversation, Prompt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Beginning, Draws, Purpose};
use crate::{DatasetError, Random, SampleContext, Tokenizer, media};
pub use buckets::{Bucket, Buckets, ItemLimits};
pub use fixed::{ImageOptions, Images};
pub use random_mm::{RandomMm, RandomMmOptions};

/// As cameras and web pages have it.
const JPEG_QUALITY: u8 = 85;

/// The greatest side of a JPEG.
const MOST_PIXELS: u32 = 65_535;

/// The format of made up images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ImageFormat {
    /// JPEG of quality 85
    #[default]
    Jpeg,
    /// PNG
    Png,
}

/// What made up images show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ImageContent {
    /// Noise, another one in each image
    #[default]
    Random,
    /// White; all images are alike
    Blank,
}

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resolution {
    height: u32,
    width: u32,
}

/// Names of resolutions.
const NAMED: &[(&str, Resolution)] = &[
    (
        "4k",
        Resolution {
            height: 2160,
            width: 3840,
        },
    ),
    (
        "1080p",
        Resolution {
            height: 1080,
            width: 1920,
        },
    ),
    (
        "720p",
        Resolution {
            height: 720,
            width: 1280,
        },
    ),
    (
        "360p",
        Resolution {
            height: 360,
            width: 640,
        },
    ),
];

impl Resolution {
    /// An error text if a side is 0 or more than 65,535 pixels.
    pub fn new(height: u32, width: u32) -> Result<Resolution, String> {
        for side in [height, width] {
            if side == 0 || side > MOST_PIXELS {
                return Err(format!("{side} pixels are not between 1 and {MOST_PIXELS}"));
            }
        }
        Ok(Resolution { height, width })
    }

    /// Height in pixels.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Width in pixels.
    pub fn width(self) -> u32 {
        self.width
    }
}

impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Resolution, String> {
        if let Some((_, named)) = NAMED
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
        {
            return Ok(*named);
        }
        let sides = text.split_once(['x', 'X']).and_then(|(height, width)| {
            Some((height.trim().parse().ok()?, width.trim().parse().ok()?))
        });
        match sides {
            Some((height, width)) => Resolution::new(height, width),
            None => Err("give 4k, 1080p, 720p, 360p, or HEIGHTxWIDTH such as 480x640".to_owned()),
        }
    }
}

impl TryFrom<String> for Resolution {
    type Error = String;

    fn try_from(text: String) -> Result<Resolution, String> {
        text.parse()
    }
}

impl From<Resolution> for String {
    fn from(resolution: Resolution) -> String {
        resolution.to_string()
    }
}

/// Its name if it has one.
impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, named)| named == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}x{}", self.height, self.width),
        }
    }
}

/// How images are made.
#[derive(Clone, Copy, Debug, Default)]
struct Style {
    format: ImageFormat,
    content: ImageContent,
}

/// Requests of a text that is one of `random`'s and the images of these sizes.
fn conversations(
    cx: &SampleContext<'_>,
    tokenizer: &Tokenizer,
    random: &Random,
    sizes: &[Vec<Resolution>],
    style: Style,
) -> Result<Vec<Conversation>, DatasetError> {
    check_text(cx, random)?;
    let plan = random.plan(cx, tokenizer)?;
    cx.in_parallel(|| {
        let texts = plan.texts()?;
        let conversation = |index: usize| {
            let shape = &plan.shapes[index];
            let prompt = message(cx, index, &texts[index], &sizes[index], style)?;
            let tokens = plan.tokens(shape, 0);
            Ok(Conversation::single(
                index as u64,
                prompt,
                Some(tokens),
                shape.output,
            ))
        };
        (0..texts.len()).into_par_iter().map(conversation).collect()
    })
}

/// Whether the text of a message can be what is asked for.
fn check_text(cx: &SampleContext<'_>, random: &Random) -> Result<(), DatasetError> {
    let refuse = |option, problem: &str| {
        Err(DatasetError::Option {
            option,
            problem: problem.to_owned(),
        })
    };
    if cx.prompt_token_ids {
        return refuse(
            "--prompt-token-ids",
            "images are sent in chat messages, whose text is no token ids; leave it out",
        );
    }
    if random.random_batch_size != 1 {
        return refuse(
            "--random-batch-size",
            "a chat message has one text with its images; leave it out or give 1",
        );
    }
    Ok(())
}

/// The text, then the images.
fn message(
    cx: &SampleContext<'_>,
    index: usize,
    text: &str,
    sizes: &[Resolution],
    style: Style,
) -> Result<Prompt, DatasetError> {
    let mut draws = match cx.nonce {
        Some(nonce) => Draws::of_nonce(cx.seed, nonce, Beginning::Images(index as u32)),
        None => Draws::new(cx.seed, Purpose::Images(index as u32)),
    };
    let mut parts = vec![media::text_part(text)];
    for size in sizes {
        parts.push(media::image_part(&style.data_url(*size, &mut draws)?));
    }
    let messages = json!([{"role": "user", "content": parts}]);
    Ok(Prompt::Chat(messages.to_string().into()))
}

impl Style {
    fn data_url(self, size: Resolution, draws: &mut Draws) -> Result<String, DatasetError> {
        let mut pixels = vec![0xff; 3 * size.width as usize * size.height as usize];
        if self.content == ImageContent::Random {
            draws.fill(&mut pixels);
        }
        let bytes = match self.format {
            ImageFormat::Jpeg => jpeg(size, &pixels)?,
            ImageFormat::Png => png(size, &pixels)?,
        };
        media::data_url(&bytes).ok_or_else(|| failed(&"the encoder's format is not known"))
    }
}

fn jpeg(size: Resolution, pixels: &[u8]) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY)
        .encode(
            pixels,
            size.width as u16,
            size.height as u16,
            jpeg_encoder::ColorType::Rgb,
        )
        .map_err(|cause| failed(&cause))?;
    Ok(bytes)
}

fn png(size: Resolution, pixels: &[u8]) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    written.map_err(|cause| failed(&cause))?;
    Ok(bytes)
}

fn failed(cause: &dyn fmt::Display) -> DatasetError {
    DatasetError::Image {
        cause: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_names_or_height_and_width() {
        let sides = |text: &str| {
            let size: Resolution = text.parse().unwrap();
            assert_eq!(size.to_string().parse::<Resolution>().unwrap(), size);
            (size.height(), size.width())
        };
        assert_eq!(sides("4K"), (2160, 3840));
        assert_eq!(sides("1080p"), (1080, 1920));
        assert_eq!(sides("480x640"), (480, 640));
        for wrong in ["", "8k", "480", "480x", "0x5", "5x65536", "-1x5"] {
            assert!(wrong.parse::<Resolution>().is_err(), "{wrong}");
        }
    }
}
