use std::path::Path;

use bench_types::{Conversation, History, Prompt};
use serde_json::Value;

use crate::chat::{self, Exchange};
use crate::{ChatTemplate, DatasetError, Tokenizer, TraceOptions, Warnings, limit};

/// A source of conversations.
///
/// A dataset is also its options: the value says what to make, [`sample`](Dataset::sample)
/// makes it. Everything expensive happens there, before a run's clock starts. The same options,
/// context and tokenizer give the same conversations, whatever the machine, the number of
/// threads or the release.
///
/// ```
/// use bench_datasets::{Dataset, DatasetError, SampleContext};
/// use bench_types::{Conversation, History, Prompt};
///
/// struct Greetings;
///
/// impl Dataset for Greetings {
///     fn name(&self) -> &'static str {
///         "greetings"
///     }
///
///     fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
///         let hello = |id| Conversation::single(id, Prompt::Text("Hello!".into()), None, 16);
///         Ok((0..cx.num_prompts as u64).map(hello).collect())
///     }
/// }
///
/// assert_eq!(Greetings.sample(&SampleContext::new(3, 0)).unwrap().len(), 3);
/// ```
pub trait Dataset: Send + Sync {
    /// The name it is chosen by.
    fn name(&self) -> &'static str;

    /// Whether [`SampleContext::input_len`] says how long its prompts are.
    fn takes_input_len(&self) -> bool {
        false
    }

    /// Whether its prompts are what users ask, so that they are sent by the tokenizer's chat
    /// template to backends that take plain text.
    fn takes_chat_template(&self) -> bool {
        false
    }

    /// Whether its prompts go through it when [`SampleContext::apply_chat_template`] asks for
    /// that.
    fn can_take_chat_template(&self) -> bool {
        self.takes_chat_template()
    }

    /// Whether its prompts are made, so that [`SampleContext::nonce`] can tell those of one run
    /// from those of another.
    fn takes_nonce(&self) -> bool {
        false
    }

    /// How many conversations it has by its own options, for when nobody says how many are wanted.
    fn count(&self) -> Option<usize> {
        None
    }

    /// Whether its conversations have arrivals, so that [`SampleContext::trace`] says which of
    /// them are sent, and when.
    fn has_arrivals(&self) -> bool {
        false
    }

    /// The flag of its own, if it is not at its default, that says how fast its arrivals are
    /// replayed.
    fn speed_flag(&self) -> Option<&'static str> {
        None
    }

    /// Makes the conversations, in the order in which they are to be sent.
    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError>;
}

/// What a dataset is given besides its own options.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SampleContext<'a> {
    /// The model's tokenizer; `None` if the user wants none.
    pub tokenizer: Option<&'a Tokenizer>,
    /// How many conversations are wanted; where a request has several texts or documents,
    /// how many of those. `usize::MAX` of a trace is all there are.
    pub num_prompts: usize,
    /// What all random choices follow from.
    pub seed: u64,
    /// With a number, prompts that are made begin as those of no run with another number, so
    /// that a server's prefix cache does not know them. Lengths and order follow from the seed
    /// alone.
    pub nonce: Option<u64>,
    /// How many threads may work on it; 0 is one for each core. The result is the same.
    pub threads: usize,
    /// The file or directory to read, for datasets that read one.
    pub dataset_path: Option<&'a Path>,
    /// Prompt length in tokens that goes before the dataset's own option.
    pub input_len: Option<u32>,
    /// Output length in tokens that goes before the dataset's own option.
    pub output_len: Option<u32>,
    /// Take a file's entries in the order of the file.
    pub disable_shuffle: bool,
    /// Return fewer conversations rather than repeat some.
    pub no_oversample: bool,
    /// Make prompts of token ids instead of text.
    pub prompt_token_ids: bool,
    /// The backend takes prompts of token ids, so prompts that share blocks of tokens may be
    /// made so.
    pub takes_token_ids: bool,
    /// Which part of a trace is replayed, how fast and how often.
    pub trace: TraceOptions,
    /// Make conversations of several turns, for datasets that otherwise make single requests.
    pub multi_turn: Option<MultiTurn>,
    /// The most tokens that a request and its answer may have together; conversations that need
    /// more are left out.
    pub max_model_len: Option<u32>,
    /// Turns what a user asks into the text that the model reads, for datasets whose rule that
    /// is; only for backends that take plain text.
    pub chat_template: Option<&'a ChatTemplate>,
    /// Use the template for every recorded prompt, whatever the dataset's rule.
    pub apply_chat_template: bool,
    /// Where to report what a reader of the result should know; otherwise it is reported
    /// through `tracing`.
    pub warnings: Option<&'a Warnings>,
}

/// Conversations in place of single requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiTurn {
    /// What each turn repeats.
    pub history: History,
    /// How many turns a conversation has that is made up.
    pub turns: u32,
    /// The most turns of a conversation that was recorded; `None` for all.
    pub max_turns: Option<u32>,
}

impl<'a> SampleContext<'a> {
    /// `num_prompts` conversations by `seed`; no tokenizer, one thread for each core, and
    /// everything else as if no flag were given.
    pub fn new(num_prompts: usize, seed: u64) -> SampleContext<'a> {
        SampleContext {
            tokenizer: None,
            num_prompts,
            seed,
            nonce: None,
            threads: 0,
            dataset_path: None,
            input_len: None,
            output_len: None,
            disable_shuffle: false,
            no_oversample: false,
            prompt_token_ids: false,
            takes_token_ids: false,
            trace: TraceOptions::default(),
            multi_turn: None,
            max_model_len: None,
            chat_template: None,
            apply_chat_template: false,
            warnings: None,
        }
    }

    /// Reports what a reader of the result should know.
    pub(crate) fn warn(&self, text: String) {
        match self.warnings {
            Some(warnings) => warnings.push(text),
            None => tracing::warn!("{text}"),
        }
    }

    /// Makes the conversations of `dataset`, less those that exceed
    /// [`max_model_len`](SampleContext::max_model_len). Datasets that read files have others of
    /// the file in their place; with any other dataset there are fewer, with a warning.
    ///
    /// # Errors
    /// [`DatasetError`], if the dataset cannot be made or nothing is left of it.
    pub fn sample(&self, dataset: &dyn Dataset) -> Result<Vec<Conversation>, DatasetError> {
        let Some(most) = self.max_model_len else {
            return dataset.sample(self);
        };
        if self.tokenizer.is_none() {
            return Err(DatasetError::NeedsTokenizer {
                dataset: dataset.name(),
                purpose: "to measure prompts for --max-model-len",
                otherwise: ", or leave out --max-model-len",
            });
        }
        let conversations = dataset.sample(self)?;
        let made = conversations.len();
        let fit: Result<Vec<bool>, _> = conversations
            .iter()
            .map(|conversation| limit::fits(conversation, most, self.tokenizer))
            .collect();
        let fit = conversations.into_iter().zip(fit?);
        let mut conversations: Vec<_> = fit.filter_map(|(one, fits)| fits.then_some(one)).collect();
        let left_out = made - conversations.len();
        if made > 0 && left_out == made {
            return Err(limit::nothing_fits(dataset.name(), made, most));
        }
        if left_out > 0 {
            self.warn(limit::left_out(dataset.name(), left_out, made, most));
            for (id, conversation) in (0..).zip(&mut conversations) {
                conversation.id = id;
            }
        }
        let uncounted = conversations.iter().filter(|one| limit::is_uncounted(one));
        match uncounted.count() {
            0 => {}
            some => self.warn(limit::uncounted(dataset.name(), some, conversations.len())),
        }
        Ok(conversations)
    }

    /// Runs `work` where rayon uses the wanted number of threads.
    pub(crate) fn in_parallel<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, DatasetError> + Send,
    ) -> Result<T, DatasetError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|cause| DatasetError::Threads {
                threads: self.threads,
                cause: cause.to_string(),
            })?
            .install(work)
    }

    /// What a user asks, as a prompt: by the chat template if there is one, as it stands
    /// otherwise.
    pub(crate) fn asked_prompt(
        &self,
        dataset: &'static str,
        text: &str,
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        match self.chat_template {
            Some(template) => {
                let text = template.prompt_of(text, self.server_begins())?;
                self.recorded_prompt(dataset, &text)
            }
            None => self.recorded_prompt(dataset, text),
        }
    }

    /// A text that is sent as it stands, unless the chat template is wanted everywhere.
    pub(crate) fn plain_prompt(
        &self,
        dataset: &'static str,
        text: &str,
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        if self.apply_chat_template {
            self.asked_prompt(dataset, text)
        } else {
            self.recorded_prompt(dataset, text)
        }
    }

    /// The tokenizer, if the server puts special tokens before the prompt by itself.
    fn server_begins(&self) -> Option<&'a Tokenizer> {
        self.tokenizer.filter(|_| !self.prompt_token_ids)
    }

    /// Messages as a prompt: those of a user's only text are that text, all others are made into
    /// text by the chat template, if there is one, or else sent as messages, counted if they are
    /// nothing but texts.
    pub(crate) fn messages_prompt(
        &self,
        dataset: &'static str,
        messages: &[Value],
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        if let Some(text) = Exchange::only_text(messages) {
            return self.asked_prompt(dataset, text);
        }
        let texts = chat::texts(messages);
        if let Some(template) = self.chat_template.filter(|_| texts.is_some()) {
            let text = template.prompt(messages, self.server_begins())?;
            return self.recorded_prompt(dataset, &text);
        }
        if self.prompt_token_ids {
            return Err(DatasetError::Option {
                option: "--prompt-token-ids",
                problem: format!(
                    "`{dataset}` has chat messages, which are no token ids; leave it out"
                ),
            });
        }
        let tokens = match (self.tokenizer, texts) {
            (Some(tokenizer), Some(texts)) => {
                let counts = texts.iter().map(|text| tokenizer.count(text));
                Some(counts.sum::<Result<u32, _>>()?)
            }
            _ => None,
        };
        let json = Value::from(messages).to_string();
        Ok((Prompt::Chat(json.into()), tokens))
    }

    /// A recorded text as a prompt, with its length if there is a tokenizer to count it.
    pub(crate) fn recorded_prompt(
        &self,
        dataset: &'static str,
        text: &str,
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        match self.tokenizer {
            Some(tokenizer) if self.prompt_token_ids => {
                let ids = tokenizer.encode(text)?;
                let count = ids.len() as u32;
                Ok((Prompt::TokenIds(ids.into()), Some(count)))
            }
            Some(tokenizer) => Ok((Prompt::Text(text.into()), Some(tokenizer.count(text)?))),
            None if self.prompt_token_ids => Err(DatasetError::NeedsTokenizer {
                dataset,
                purpose: "to send token ids",
                otherwise: ", or leave out --prompt-token-ids",
            }),
            None => Ok((Prompt::Text(text.into()), None)),
        }
    }
}
