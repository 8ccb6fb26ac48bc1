use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Resolution;
use crate::DatasetError;

const FLAG: &str = "--random-mm-bucket-config";

/// A kind of item: an image, or a video if it has several frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// Height and width.
    pub resolution: Resolution,
    /// Frames; 1 is an image.
    pub frames: u32,
}

/// Kinds of items with how likely each is.
///
/// Written as a Python dict, `{(256, 256, 1): 0.5, (720, 1280, 1): 0.5}`, whose keys are height,
/// width and frames, or as JSON with such keys as strings. The values are in proportion to each
/// other; they need not add up to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written<f64>", into = "BTreeMap<String, f64>")]
pub struct Buckets(BTreeMap<Bucket, f64>);

/// How many items of a kind a request may have.
///
/// Written as a Python dict or as JSON, `{"image": 255, "video": 1}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written<u32>", into = "BTreeMap<String, u32>")]
pub struct ItemLimits {
    /// Most images.
    pub image: u32,
    /// Most videos.
    pub video: u32,
}

/// What may stand in a file of options: a map, or what stands on the command line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written<T> {
    Map(BTreeMap<String, T>),
    Text(String),
}

impl<T: FromStr> Written<T> {
    fn entries(self) -> Result<BTreeMap<String, T>, String> {
        match self {
            Written::Map(map) => Ok(map),
            Written::Text(text) => entries(&text),
        }
    }
}

/// The entries of `{key: value, ...}`. Keys may be in quotes of either kind, or in brackets.
fn entries<T: FromStr>(text: &str) -> Result<BTreeMap<String, T>, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .ok_or("it does not begin with { and end with }")?;
    let mut entries = BTreeMap::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once(':')
            .ok_or_else(|| format!("`{rest}` has no value behind a colon"))?;
        let (value, after) = after.split_once(',').unwrap_or((after, ""));
        let key = key.trim().trim_matches(['"', '\'']).trim();
        let value = value.trim();
        let number = value
            .parse()
            .map_err(|_| format!("`{value}`, the value of `{key}`, is not such a number"))?;
        if entries.insert(key.to_owned(), number).is_some() {
            return Err(format!("`{key}` stands there twice"));
        }
        rest = after.trim();
    }
    Ok(entries)
}

impl FromStr for Bucket {
    type Err = String;

    fn from_str(text: &str) -> Result<Bucket, String> {
        let numbers = text
            .trim()
            .strip_prefix('(')
            .and_then(|text| text.strip_suffix(')'))
            .map(|text| text.split(',').map(|n| n.trim().parse::<u32>().ok()));
        let numbers: Option<Vec<u32>> = numbers.and_then(Iterator::collect);
        let Some([height, width, frames]) = numbers.as_deref() else {
            return Err(format!("`{text}` is not (height, width, frames)"));
        };
        if *frames == 0 {
            return Err(format!("`{text}` has no frame; an image has 1"));
        }
        Ok(Bucket {
            resolution: Resolution::new(*height, *width)?,
            frames: *frames,
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bucket { resolution, frames } = self;
        let (height, width) = (resolution.height(), resolution.width());
        write!(f, "({height}, {width}, {frames})")
    }
}

impl Buckets {
    /// The images with how likely each is; an error if a video is likely at all.
    pub(super) fn images(&self) -> Result<Vec<(Resolution, f64)>, DatasetError> {
        let refuse = |problem: String| {
            Err(DatasetError::Option {
                option: FLAG,
                problem,
            })
        };
        let likely = self.0.iter().filter(|(_, weight)| **weight > 0.0);
        let mut images = Vec::new();
        for (bucket, weight) in likely {
            if bucket.frames > 1 {
                return refuse(format!(
                    "{bucket} is a video of {} frames, and only images are made; give it \
                     probability 0 or leave it out",
                    bucket.frames
                ));
            }
            images.push((bucket.resolution, *weight));
        }
        if images.is_empty() {
            return refuse("no bucket has a probability above 0".to_owned());
        }
        Ok(images)
    }
}

impl Default for Buckets {
    fn default() -> Buckets {
        let bucket = |height, width, frames| Bucket {
            resolution: Resolution { height, width },
            frames,
        };
        Buckets(BTreeMap::from([
            (bucket(256, 256, 1), 0.5),
            (bucket(720, 1280, 1), 0.5),
            (bucket(720, 1280, 16), 0.0),
        ]))
    }
}

impl TryFrom<Written<f64>> for Buckets {
    type Error = String;

    fn try_from(written: Written<f64>) -> Result<Buckets, String> {
        let mut buckets = BTreeMap::new();
        for (key, weight) in written.entries()? {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(format!("{weight} is not a probability"));
            }
            buckets.insert(key.parse()?, weight);
        }
        Ok(Buckets(buckets))
    }
}

impl FromStr for Buckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Buckets, String> {
        Buckets::try_from(Written::Map(entries(text)?))
    }
}

impl From<Buckets> for BTreeMap<String, f64> {
    fn from(buckets: Buckets) -> BTreeMap<String, f64> {
        let entry = |(bucket, weight): (Bucket, f64)| (bucket.to_string(), weight);
        buckets.0.into_iter().map(entry).collect()
    }
}

/// As a Python dict.
impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<String> = self
            .0
            .iter()
            .map(|(bucket, weight)| format!("{bucket}: {weight:?}"))
            .collect();
        write!(f, "{{{}}}", entries.join(", "))
    }
}

impl Default for ItemLimits {
    fn default() -> ItemLimits {
        ItemLimits {
            image: 255,
            video: 1,
        }
    }
}

impl TryFrom<Written<u32>> for ItemLimits {
    type Error = String;

    fn try_from(written: Written<u32>) -> Result<ItemLimits, String> {
        let mut limits = ItemLimits { image: 0, video: 0 };
        for (kind, most) in written.entries()? {
            match kind.as_str() {
                "image" => limits.image = most,
                "video" => limits.video = most,
                _ => return Err(format!("`{kind}` is neither image nor video")),
            }
        }
        Ok(limits)
    }
}

impl FromStr for ItemLimits {
    type Err = String;

    fn from_str(text: &str) -> Result<ItemLimits, String> {
        ItemLimits::try_from(Written::Map(entries(text)?))
    }
}

impl From<ItemLimits> for BTreeMap<String, u32> {
    fn from(ItemLimits { image, video }: ItemLimits) -> BTreeMap<String, u32> {
        BTreeMap::from([("image".to_owned(), image), ("video".to_owned(), video)])
    }
}

/// As JSON.
impl fmt::Display for ItemLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"image\": {}, \"video\": {}}}",
            self.image, self.video
        )
    }
}
