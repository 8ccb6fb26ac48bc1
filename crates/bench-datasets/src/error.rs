use std::io;
use std::path::PathBuf;

/// Why a tokenizer could not be loaded or a dataset could not be made.
///
/// Every message names the file or the option, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No dataset of that name is registered.
    #[error("no dataset is called `{name}`; the datasets are {known}")]
    UnknownDataset {
        /// The name that was asked for.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
    /// An option's value makes no sense, alone or beside the others.
    #[error("{option}: {problem}")]
    Option {
        /// The flag.
        option: &'static str,
        /// What is wrong and which values would do.
        problem: String,
    },
    /// The dataset reads a file and was given none.
    #[error("the {dataset} dataset reads a file: give it with --dataset-path ({format})")]
    NeedsPath {
        /// The dataset.
        dataset: &'static str,
        /// What the file has to look like.
        format: &'static str,
    },
    /// The dataset cannot do what was asked without a tokenizer.
    #[error(
        "the {dataset} dataset needs a tokenizer {purpose}: give --tokenizer a tokenizer.json, \
         a directory that holds one, a Hugging Face model name, or `builtin`{otherwise}"
    )]
    NeedsTokenizer {
        /// The dataset.
        dataset: &'static str,
        /// What for.
        purpose: &'static str,
        /// How to do without, if there is a way.
        otherwise: &'static str,
    },
    /// A dataset's file cannot be read.
    #[error("cannot read {}: {cause}; check --dataset-path", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// An entry of a dataset's file is not what the dataset expects.
    #[error("{}:{line}: entry {entry}: {problem}; {cure}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The entry (the row of a JSONL file, the element of a JSON array), from 1.
        entry: usize,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// A row of a dataset's Parquet file is not what the dataset expects.
    #[error("{}: row {row}: {problem}; {cure}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// What is wrong, with the column.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// A file is not of the format that its name says.
    #[error("{}: {problem}; {cure}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// A dataset of the Hugging Face hub cannot be had.
    #[error(
        "cannot get the dataset `{dataset}`: {problem}; on a machine without the hub, copy it there \
         with `hf download --repo-type dataset {dataset} --local-dir DIRECTORY` and give \
         --dataset-path DIRECTORY --hf-name {dataset}"
    )]
    Hub {
        /// Its name on the hub.
        dataset: String,
        /// What is wrong.
        problem: String,
    },
    /// A recording cannot be sent.
    #[error("{}{}: {problem}; {cure}", path.display(), listed_in(listed))]
    Recording {
        /// Its file.
        path: PathBuf,
        /// The manifest that lists it, and the line there, from 1; `None` if it was found in a
        /// directory.
        listed: Option<(PathBuf, usize)>,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// A dataset's file holds nothing that can be sent.
    #[error("{}: none of the {entries} entries can be used: {problem}", path.display())]
    NothingUsable {
        /// The file.
        path: PathBuf,
        /// How many entries it has.
        entries: usize,
        /// What was asked of them, and how to ask for less.
        problem: &'static str,
    },
    /// A tokenizer cannot be loaded.
    #[error("cannot load the tokenizer `{spec}`: {problem}; {cure}")]
    Tokenizer {
        /// What was asked for.
        spec: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// A tokenizer failed on a text or on token ids.
    #[error(
        "the tokenizer `{tokenizer}` failed: {problem}; check that its tokenizer.json is whole \
         and belongs to the model"
    )]
    Tokenize {
        /// The tokenizer's name.
        tokenizer: String,
        /// What it said.
        problem: String,
    },
    /// A tokenizer's chat template cannot be had or used.
    #[error(
        "the chat template of the tokenizer `{tokenizer}` failed: {problem}; send prompts as they \
         stand with --skip-chat-template, or use a backend that takes chat messages, such as \
         openai-chat"
    )]
    Template {
        /// The tokenizer's name.
        tokenizer: String,
        /// What is wrong.
        problem: String,
    },
    /// No text of the wanted number of tokens was found.
    #[error(
        "the tokenizer `{tokenizer}` gives no text of exactly {tokens} tokens (prompt {prompt}): \
         its texts do not come back as the tokens they were made of; send token ids with \
         --prompt-token-ids, or use another tokenizer"
    )]
    Inexact {
        /// The tokenizer's name.
        tokenizer: String,
        /// How long the prompt should have been.
        tokens: u32,
        /// The prompt's index.
        prompt: usize,
    },
    /// A dataset of a mix cannot be made.
    #[error("in the part `{label}` of --mix: {cause}")]
    Part {
        /// The part's label.
        label: String,
        /// Why.
        cause: Box<DatasetError>,
    },
    /// An image could not be encoded.
    #[error("an image could not be made: {cause}; ask for another format or size")]
    Image {
        /// What the encoder said.
        cause: String,
    },
    /// Blocks of tokens cannot be made into text that keeps them.
    #[error(
        "the tokenizer `{tokenizer}` has too few words that stay whole beside each other, so no \
         text keeps the tokens of a trace's blocks; send token ids (--prompt-token-ids, with a \
         backend that takes them), or use another tokenizer"
    )]
    NoWords {
        /// The tokenizer's name.
        tokenizer: String,
    },
    /// A trace that is to be imported cannot be read.
    #[error("cannot read {}: {cause}; check the path", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A trace cannot be written.
    #[error(
        "cannot write {}: {cause}; give another path, or --overwrite if the file exists",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The threads for the work could not be started.
    #[error("cannot start {threads} threads to make the dataset: {cause}; ask for fewer")]
    Threads {
        /// How many were wanted; 0 is one for each core.
        threads: usize,
        /// What the system said.
        cause: String,
    },
}

/// Where a recording is listed, for behind its path.
fn listed_in(listed: &Option<(PathBuf, usize)>) -> String {
    listed
        .as_ref()
        .map_or_else(String::new, |(manifest, line)| {
            format!(" (listed in {}:{line})", manifest.display())
        })
}
