//! Random text with images of one size.
//!
//! SGLang's `image`. The text is a prompt of `random`, with its options; with it go
//! `--image-count` images of `--image-resolution`, or with `--random-image-count` as many as are
//! drawn, uniform in 1..=count. There, images stand before the text of a message; here after it,
//! so that messages with blank images, which are all alike, do not begin alike.

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use super::{ImageContent, ImageFormat, Resolution, Style, conversations};
use crate::draw::{Draws, Purpose};
use crate::synthetic::needed_tokenizer;
use crate::{Dataset, DatasetError, Random, SampleContext};

const NAME: &str = "image";

/// Which images a request of `image` has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: image"))]
pub struct ImageOptions {
    /// Images of a request
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = ImageOptions::default().image_count))]
    pub image_count: u32,

    /// Draw the number of images, from 1 to --image-count
    #[cfg_attr(feature = "cli", arg(long))]
    pub random_image_count: bool,

    /// Size of the images: 4k, 1080p, 720p, 360p, or HEIGHTxWIDTH
    #[cfg_attr(feature = "cli", arg(long, value_name = "SIZE",
        default_value_t = ImageOptions::default().image_resolution))]
    pub image_resolution: Resolution,

    /// Format of the images
    #[cfg_attr(feature = "cli", arg(long, value_name = "FORMAT", value_enum,
        default_value_t = ImageOptions::default().image_format))]
    pub image_format: ImageFormat,

    /// What the images show
    #[cfg_attr(feature = "cli", arg(long, value_name = "CONTENT", value_enum,
        default_value_t = ImageOptions::default().image_content))]
    pub image_content: ImageContent,
}

impl Default for ImageOptions {
    fn default() -> ImageOptions {
        ImageOptions {
            image_count: 1,
            random_image_count: false,
            image_resolution: Resolution {
                height: 1080,
                width: 1920,
            },
            image_format: ImageFormat::Jpeg,
            image_content: ImageContent::Random,
        }
    }
}

/// Random text with images of one size, in chat messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// The text.
    pub random: Random,
    /// The images.
    pub options: ImageOptions,
}

impl Dataset for Images {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_input_len(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        let ImageOptions {
            image_count,
            random_image_count,
            image_resolution,
            image_format: format,
            image_content: content,
        } = self.options;
        if image_count == 0 {
            return Err(DatasetError::Option {
                option: "--image-count",
                problem: "a request has 1 image or more; use --dataset-name random for none"
                    .to_owned(),
            });
        }
        let mut draws = Draws::new(cx.seed, Purpose::Items);
        let mut count = || match random_image_count {
            true => draws.between(1, image_count),
            false => image_count,
        };
        let sizes: Vec<Vec<Resolution>> = (0..cx.num_prompts)
            .map(|_| vec![image_resolution; count() as usize])
            .collect();
        let style = Style { format, content };
        conversations(cx, tokenizer, &self.random, &sizes, style)
    }
}
