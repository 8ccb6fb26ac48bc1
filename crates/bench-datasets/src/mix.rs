//! Several datasets in one run.
//!
//! `--mix NAME[:PATH]=WEIGHT,...` draws for each conversation which dataset it is from, each with
//! a probability that is its weight divided by the sum of all, and takes the dataset's next
//! conversation. The draws and the seed of each part follow from the seed of the run, so parts
//! are independent of each other. A conversation's class is the label of its part: the dataset's
//! name, or what stands before an `@` (`LABEL@NAME:PATH=WEIGHT`). Labels must differ. Every part
//! has the options of its dataset; those of one dataset are the same in all parts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::draw::{Draws, Purpose, Weights};
use crate::{Dataset, DatasetError, DatasetOptions, SampleContext};

const NAME: &str = "mix";
const FLAG: &str = "--mix";

/// One dataset of several, as `LABEL@NAME:PATH=WEIGHT`; label and path may be absent.
///
/// ```
/// use bench_datasets::MixPart;
///
/// let part: MixPart = "chat@custom:data/chat.jsonl=3".parse().unwrap();
/// assert_eq!(part.label, "chat");
/// assert_eq!(part.name, "custom");
/// assert_eq!(part.weight, 3.0);
/// assert_eq!("random=1".parse::<MixPart>().unwrap().label, "random");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MixPart {
    /// The class of its conversations.
    pub label: String,
    /// The dataset's name.
    pub name: String,
    /// The file or directory it reads, if not that of all.
    pub path: Option<PathBuf>,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
}

impl FromStr for MixPart {
    type Err = String;

    fn from_str(text: &str) -> Result<MixPart, String> {
        let wrong = |problem: &str| {
            Err(format!(
                "`{text}` {problem}; write NAME=WEIGHT, NAME:PATH=WEIGHT or \
                 LABEL@NAME:PATH=WEIGHT"
            ))
        };
        let Some((what, weight)) = text.rsplit_once('=') else {
            return wrong("has no weight");
        };
        let weight = match weight.trim().parse::<f64>() {
            Ok(weight) if weight.is_finite() && weight > 0.0 => weight,
            _ => return wrong("has a weight that is no number above 0"),
        };
        let (named, path) = match what.split_once(':') {
            Some((named, path)) => (named, Some(PathBuf::from(path.trim()))),
            None => (what, None),
        };
        let (label, name) = match named.split_once('@') {
            Some((label, name)) => (label.trim(), name.trim()),
            None => (named.trim(), named.trim()),
        };
        if label.is_empty() || name.is_empty() || path.as_ref().is_some_and(|p| p == "") {
            return wrong("has an empty part");
        }
        Ok(MixPart {
            label: label.to_owned(),
            name: name.to_owned(),
            path,
            weight,
        })
    }
}

impl fmt::Display for MixPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.label != self.name {
            write!(f, "{}@", self.label)?;
        }
        f.write_str(&self.name)?;
        if let Some(path) = &self.path {
            write!(f, ":{}", path.display())?;
        }
        write!(f, "={}", self.weight)
    }
}

impl TryFrom<String> for MixPart {
    type Error = String;

    fn try_from(text: String) -> Result<MixPart, String> {
        text.parse()
    }
}

impl From<MixPart> for String {
    fn from(part: MixPart) -> String {
        part.to_string()
    }
}

/// Several datasets, each with its weight.
pub(crate) struct Mix {
    parts: Vec<Part>,
}

struct Part {
    label: Arc<str>,
    weight: f64,
    path: Option<PathBuf>,
    dataset: Box<dyn Dataset>,
}

impl Mix {
    /// The datasets that `options` name.
    pub(crate) fn new(options: &DatasetOptions) -> Result<Mix, DatasetError> {
        let mut labels = BTreeSet::new();
        let mut parts = Vec::new();
        for part in &options.mix {
            if !labels.insert(part.label.as_str()) {
                return Err(DatasetError::Option {
                    option: FLAG,
                    problem: format!(
                        "two parts are called `{0}`; tell them apart, as in a@{1}=1,b@{1}=1",
                        part.label, part.name
                    ),
                });
            }
            let chosen = DatasetOptions {
                dataset_name: part.name.clone(),
                mix: Vec::new(),
                ..options.clone()
            };
            parts.push(Part {
                label: part.label.as_str().into(),
                weight: part.weight,
                path: part.path.clone(),
                dataset: chosen
                    .dataset()
                    .map_err(|cause| in_part(&part.label, cause))?,
            });
        }
        Ok(Mix { parts })
    }

    /// Which part each of `count` conversations is from.
    fn draw(&self, draws: &mut Draws, count: usize) -> Vec<usize> {
        let weights = Weights::new(self.parts.iter().map(|part| part.weight));
        (0..count).map(|_| draws.weighted(&weights)).collect()
    }
}

impl Dataset for Mix {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_input_len(&self) -> bool {
        self.parts.iter().any(|part| part.dataset.takes_input_len())
    }

    fn takes_chat_template(&self) -> bool {
        let mut datasets = self.parts.iter().map(|part| &part.dataset);
        datasets.any(|dataset| dataset.takes_chat_template())
    }

    fn can_take_chat_template(&self) -> bool {
        let mut datasets = self.parts.iter().map(|part| &part.dataset);
        datasets.any(|dataset| dataset.can_take_chat_template())
    }

    fn takes_nonce(&self) -> bool {
        self.parts.iter().any(|part| part.dataset.takes_nonce())
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let mut draws = Draws::new(cx.seed, Purpose::Mix);
        let seeds: Vec<u64> = self.parts.iter().map(|_| draws.below(u64::MAX)).collect();
        let drawn = self.draw(&mut draws, cx.num_prompts);
        let mut made = Vec::new();
        for (index, (part, seed)) in self.parts.iter().zip(seeds).enumerate() {
            let part_cx = SampleContext {
                num_prompts: drawn.iter().filter(|from| **from == index).count(),
                seed,
                dataset_path: part.path.as_deref().or(cx.dataset_path),
                ..*cx
            };
            let conversations = match part_cx.num_prompts {
                0 => Vec::new(),
                _ => part_cx
                    .sample(part.dataset.as_ref())
                    .map_err(|cause| in_part(&part.label, cause))?,
            };
            made.push(conversations.into_iter());
        }
        let mut mixed = Vec::with_capacity(drawn.len());
        for from in drawn {
            // A part has fewer where requests have several prompts, or where none is repeated.
            if let Some(mut conversation) = made[from].next() {
                conversation.id = mixed.len() as u64;
                conversation.class = Some(Arc::clone(&self.parts[from].label));
                mixed.push(conversation);
            }
        }
        Ok(mixed)
    }
}

fn in_part(label: &str, cause: DatasetError) -> DatasetError {
    DatasetError::Part {
        label: label.to_owned(),
        cause: Box::new(cause),
    }
}
