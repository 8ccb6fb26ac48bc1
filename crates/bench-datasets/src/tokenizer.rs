use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::ApiError;
use rayon::prelude::*;
use tokenizers::PostProcessor;

use crate::{DatasetError, fingerprint};

/// The name of the tokenizer that is part of this crate.
const BUILTIN: &str = "builtin";

static BUILTIN_JSON: &[u8] = include_bytes!("../assets/tokenizer.json");

/// A model's tokenizer, as its `tokenizer.json` describes it.
///
/// Texts are encoded without the special tokens a server adds by itself, and never cut or
/// padded, whatever the file asks for: a benchmark counts what is there.
///
/// ```
/// let tokenizer = bench_datasets::Tokenizer::load("builtin")?;
/// let ids = tokenizer.encode("The quick brown fox")?;
/// assert_eq!(tokenizer.decode(&ids)?, "The quick brown fox");
/// assert_eq!(tokenizer.count("The quick brown fox")? as usize, ids.len());
/// # Ok::<(), bench_datasets::DatasetError>(())
/// ```
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    id: String,
    hash: String,
    special_ids: BTreeSet<u32>,
}

impl Tokenizer {
    /// Loads the tokenizer that `spec` stands for, the first of these that fits:
    ///
    /// 1. `builtin`: a small English tokenizer that is part of this crate;
    /// 2. a `tokenizer.json`;
    /// 3. a directory that holds one;
    /// 4. the name of a model on the Hugging Face hub, such as `Qwen/Qwen3-8B`: taken from the
    ///    local cache if it is there, downloaded otherwise. The cache's place, the hub's address
    ///    and the access token are those that the `hf-hub` crate finds (`HF_HOME`,
    ///    `HF_ENDPOINT`).
    pub fn load(spec: &str) -> Result<Tokenizer, DatasetError> {
        if spec == BUILTIN {
            return Tokenizer::from_json(spec, BUILTIN_JSON);
        }
        let path = Path::new(spec);
        if path.is_dir() {
            return Tokenizer::from_file(spec, &path.join("tokenizer.json"));
        }
        if path.is_file() {
            return Tokenizer::from_file(spec, path);
        }
        if !is_hub_name(spec) {
            return Err(DatasetError::Tokenizer {
                spec: spec.to_owned(),
                problem: "there is no such file or directory".to_owned(),
                cure: "give a tokenizer.json, a directory that holds one, a Hugging Face model \
                       name, or `builtin`",
            });
        }
        Tokenizer::from_file(spec, &fetch(spec)?)
    }

    /// A tokenizer from the bytes of a `tokenizer.json`; `id` is the name it goes by.
    pub fn from_json(id: &str, json: &[u8]) -> Result<Tokenizer, DatasetError> {
        let fail = |problem: tokenizers::Error| DatasetError::Tokenizer {
            spec: id.to_owned(),
            problem: problem.to_string(),
            cure: "give a tokenizer.json of a Hugging Face fast tokenizer",
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(fail)?;
        inner
            .with_truncation(None)
            .map_err(fail)?
            .with_padding(None);
        let special_ids = inner
            .get_added_tokens_decoder()
            .into_iter()
            .filter_map(|(id, token)| token.special.then_some(id))
            .collect();
        Ok(Tokenizer {
            inner,
            id: id.to_owned(),
            hash: fingerprint([json]),
            special_ids,
        })
    }

    fn from_file(spec: &str, path: &Path) -> Result<Tokenizer, DatasetError> {
        let json = std::fs::read(path).map_err(|cause| DatasetError::Tokenizer {
            spec: spec.to_owned(),
            problem: format!("cannot read {}: {cause}", path.display()),
            cure: "a model without a tokenizer.json gets one from \
                   `AutoTokenizer.from_pretrained(model).save_pretrained(directory)`",
        })?;
        Tokenizer::from_json(spec, &json)
    }

    /// The name it was loaded by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fingerprint of its `tokenizer.json`, byte by byte.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The number of tokens of `text`.
    pub fn count(&self, text: &str) -> Result<u32, DatasetError> {
        Ok(self.encoding(text)?.len() as u32)
    }

    /// The number of tokens of each text, counted in parallel on the current rayon pool.
    pub fn count_all<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<u32>, DatasetError> {
        texts
            .par_iter()
            .map(|text| self.count(text.as_ref()))
            .collect()
    }

    /// The tokens of `text`.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DatasetError> {
        Ok(self.encoding(text)?.get_ids().to_vec())
    }

    /// Where each token of `text` ends, in bytes from its beginning, ascending. A token that
    /// is part of a character ends where the character does.
    pub fn token_ends(&self, text: &str) -> Result<Vec<u32>, DatasetError> {
        let encoding = self.encoding(text)?;
        Ok(encoding
            .get_offsets()
            .iter()
            .map(|(_, end)| *end as u32)
            .collect())
    }

    /// The text of `ids`, special tokens included.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DatasetError> {
        self.inner.decode(ids, false).map_err(|e| self.failed(&e))
    }

    /// How many tokens the vocabulary has, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The ids of the special tokens (begin, end, padding, roles, ...).
    pub fn special_ids(&self) -> &BTreeSet<u32> {
        &self.special_ids
    }

    /// The ids of all other tokens, ascending.
    pub fn ordinary_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .inner
            .get_vocab(true)
            .into_values()
            .filter(|id| !self.special_ids.contains(id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// How many special tokens a server adds to a text prompt by itself, as far as the
    /// `tokenizer.json` says (1 for a model whose prompts begin with a begin-of-text token).
    pub fn specials_per_prompt(&self) -> u32 {
        let processor = self.inner.get_post_processor();
        processor.map_or(0, |p| p.added_tokens(false) as u32)
    }

    /// How many special tokens a server adds to two texts that a model reads together, such as
    /// a query and a document, as far as the `tokenizer.json` says.
    pub fn specials_per_pair(&self) -> u32 {
        let processor = self.inner.get_post_processor();
        processor.map_or(0, |p| p.added_tokens(true) as u32)
    }

    fn encoding(&self, text: &str) -> Result<tokenizers::Encoding, DatasetError> {
        self.inner
            .encode_fast(text, false)
            .map_err(|e| self.failed(&e))
    }

    fn failed(&self, problem: &tokenizers::Error) -> DatasetError {
        DatasetError::Tokenize {
            tokenizer: self.id.clone(),
            problem: problem.to_string(),
        }
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("id", &self.id)
            .field("vocab_size", &self.vocab_size())
            .finish_non_exhaustive()
    }
}

/// Whether `spec` may be a name on the hub: `model` or `owner/model`.
pub(crate) fn is_hub_name(spec: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let parts: Vec<&str> = spec.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(part) && !spec.ends_with(".json")
}

/// The local copy of a model's `tokenizer.json`.
fn fetch(model: &str) -> Result<PathBuf, DatasetError> {
    const FILE: &str = "tokenizer.json";
    if let Some(path) = hf_hub::Cache::from_env().model(model.to_owned()).get(FILE) {
        return Ok(path);
    }
    tracing::info!(model, "downloading the tokenizer");
    hf_hub::api::sync::ApiBuilder::from_env()
        .with_progress(false)
        .build()
        .and_then(|api| api.model(model.to_owned()).get(FILE))
        .map_err(|cause| DatasetError::Tokenizer {
            spec: model.to_owned(),
            problem: format!(
                "there is no such file or directory, it is not in the local Hugging Face cache, \
                 and it cannot be downloaded: {cause}"
            ),
            cure: "give a tokenizer.json or a directory that holds one; for a gated model log in \
                   with `hf auth login` first",
        })
}

/// Another file of the tokenizer that `spec` stands for; `None` if there is none.
pub(crate) fn companion(spec: &str, file: &str) -> Result<Option<PathBuf>, String> {
    if spec == BUILTIN {
        return Ok(None);
    }
    let path = Path::new(spec);
    if path.is_dir() || path.is_file() {
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(Path::new(""))
        };
        return Ok(Some(folder.join(file)).filter(|path| path.is_file()));
    }
    if let Some(path) = hf_hub::Cache::from_env().model(spec.to_owned()).get(file) {
        return Ok(Some(path));
    }
    let hub = hf_hub::api::sync::ApiBuilder::from_env().with_progress(false);
    match hub
        .build()
        .and_then(|hub| hub.model(spec.to_owned()).get(file))
    {
        Ok(path) => Ok(Some(path)),
        Err(ApiError::RequestError(error)) if matches!(*error, ureq::Error::Status(404, _)) => {
            Ok(None)
        }
        Err(cause) => Err(format!("{file} cannot be downloaded: {cause}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_are_told_from_paths() {
        for name in ["gpt2", "Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B", "_x/y"] {
            assert!(is_hub_name(name), "{name}");
        }
        for path in [
            "./gpt2",
            "/a/b",
            "../x",
            "a/b/c",
            "tokenizer.json",
            "",
            "a/",
            "a b",
            "~/x",
        ] {
            assert!(!is_hub_name(path), "{path}");
        }
    }

    #[test]
    fn cutting_and_padding_are_switched_off() {
        let mut json: serde_json::Value = serde_json::from_slice(BUILTIN_JSON).unwrap();
        json["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
        });
        json["padding"] = serde_json::json!({
            "strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"
        });
        let cutting = Tokenizer::from_json("cutting", json.to_string().as_bytes()).unwrap();
        let plain = Tokenizer::load(BUILTIN).unwrap();
        for text in ["one", "one two three four five six seven"] {
            assert_eq!(cutting.encode(text).unwrap(), plain.encode(text).unwrap());
        }
    }
}
