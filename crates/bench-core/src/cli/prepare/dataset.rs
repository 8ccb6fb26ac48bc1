//! What is sent.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use bench_backends::{Backend, Request};
use bench_datasets::{ChatTemplate, Dataset, Tokenizer, Warnings};
use bench_types::{Conversation, Prompt, Task};
use serde_json::Map;

use crate::cli::options::BUILTIN;
use crate::cli::suitable::takes_token_ids;
use crate::cli::{OptionsError, RunOptions};

impl RunOptions {
    pub(super) fn tokenizer(
        &self,
        model: &str,
        simulated: bool,
    ) -> Result<Option<Tokenizer>, OptionsError> {
        if self.server.skip_tokenizer_init {
            return Ok(None);
        }
        let spec = match &self.server.tokenizer {
            Some(named) => named,
            None if simulated => BUILTIN,
            None => model,
        };
        Tokenizer::load(spec)
            .map(Some)
            .map_err(OptionsError::Tokenizer)
    }

    /// What tells the synthetic prompts of this run from those of others: as given, or drawn;
    /// `None` if they are to be the same, or if prompts are recorded ones.
    pub(super) fn nonce(&self) -> Result<Option<u64>, OptionsError> {
        // What a number in JSON can hold in every language.
        const BITS: u32 = 48;
        let dataset = self.dataset.dataset()?;
        match (dataset.takes_nonce(), self.dataset.prompt_nonce) {
            (true, None) if self.dataset.fixed_prompts => Ok(None),
            (true, Some(_)) if self.dataset.fixed_prompts => {
                let problem = "prompts cannot be fixed and differ; leave out --fixed-prompts";
                Err(OptionsError::flag("--prompt-nonce", problem))
            }
            // The standard library seeds its hashers from the system's source of randomness.
            (true, None) => Ok(Some(
                RandomState::new().build_hasher().finish() >> (u64::BITS - BITS),
            )),
            (true, given) => Ok(given),
            (false, None) => Ok(None),
            (false, Some(_)) => {
                let problem = format!(
                    "`{}` sends its prompts as they are; the flag is for datasets whose prompts \
                     are made",
                    dataset.name()
                );
                Err(OptionsError::flag("--prompt-nonce", problem))
            }
        }
    }

    /// The measured conversations and those of the warm-up.
    pub(super) fn conversations(
        &self,
        backend: &dyn Backend,
        count: usize,
        tokenizer: Option<&Tokenizer>,
        nonce: Option<u64>,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Conversation>, Vec<Conversation>), OptionsError> {
        let warm_ups = self.warm_ups(count);
        let dataset = self.dataset.dataset()?;
        if self.dataset.input_len.is_some() && !dataset.takes_input_len() {
            let problem = format!(
                "`{}` sends its prompts as they are or has lengths of its own; the flag is for \
                 --dataset-name random and those like it",
                dataset.name()
            );
            return Err(OptionsError::flag("--input-len", problem));
        }
        self.dataset.trace.check()?;
        if let Some(flag) = self.dataset.trace.flag()
            && !dataset.has_arrivals()
        {
            let problem = format!(
                "`{}` brings no times with it; the flag is for traces, such as --dataset-name \
                 replay",
                dataset.name()
            );
            return Err(OptionsError::flag(flag, problem));
        }
        let template = self.chat_template(dataset.as_ref(), tokenizer, backend, warnings)?;
        let said = Warnings::default();
        let sample = |count, seed, nonce| {
            let mut context = self.dataset.context(tokenizer, count, seed);
            context.nonce = nonce;
            context.trace = self.trace_within_duration();
            context.takes_token_ids = takes_token_ids(backend);
            context.chat_template = template.as_ref();
            context.warnings = Some(&said);
            context.multi_turn = self.wanted_turns();
            let mut conversations = context.sample(dataset.as_ref())?;
            self.lead(&mut conversations, seed)?;
            Ok::<_, OptionsError>(conversations)
        };
        let measured = sample(count, self.load.seed, nonce)?;
        self.check_led(&measured)?;
        warnings.append(&mut said.take());
        if dataset.has_arrivals() && !self.send.ignore_eos {
            warnings.push(
                "answers may be shorter than in the trace: --ignore-eos makes them as long"
                    .to_owned(),
            );
        }
        let warm_up = match warm_ups {
            0 => Vec::new(),
            // The prompts of a trace may not depend on the seed.
            warm_ups if dataset.has_arrivals() => {
                let other = !nonce.unwrap_or(self.load.seed);
                sample(warm_ups, self.warm_up_seed(), Some(other))?
            }
            warm_ups => sample(warm_ups, self.warm_up_seed(), nonce)?,
        };
        Ok((measured, warm_up))
    }

    /// The chat template by which prompts are sent; `None` if they are sent as they stand, or
    /// as messages.
    fn chat_template(
        &self,
        dataset: &dyn Dataset,
        tokenizer: Option<&Tokenizer>,
        backend: &dyn Backend,
        warnings: &mut Vec<String>,
    ) -> Result<Option<ChatTemplate>, OptionsError> {
        let options = &self.dataset;
        let applies = options.apply_chat_template;
        let takes = match applies {
            true => dataset.can_take_chat_template(),
            false => dataset.takes_chat_template(),
        };
        let wanted = takes && !options.skip_chat_template;
        let asked_for = match &options.chat_template_kwargs {
            _ if applies => Some("--apply-chat-template"),
            Some(_) => Some("--chat-template-kwargs"),
            None => None,
        };
        let refuse = |problem: &str| match asked_for {
            Some(flag) => Err(OptionsError::flag(flag, problem)),
            None => Ok(None),
        };
        let Some(tokenizer) = tokenizer.filter(|_| wanted) else {
            return refuse(
                "no prompt is sent by a chat template: it takes a tokenizer, and a dataset of \
                 what users ask; leave it out",
            );
        };
        if backend.task() != Task::Generate || takes_messages(backend) {
            return refuse(
                "the backend's server applies the chat template, if any; leave it out, and give \
                 variables as --extra-body '{\"chat_template_kwargs\": {...}}'",
            );
        }
        let variables = match &options.chat_template_kwargs {
            None => Map::new(),
            Some(json) => serde_json::from_str(json).map_err(|cause| {
                let problem = format!("not a JSON object: {cause}");
                OptionsError::flag("--chat-template-kwargs", problem)
            })?,
        };
        let template = ChatTemplate::load(tokenizer.id(), variables)?;
        if template.is_none() && asked_for.is_some() {
            return refuse("the tokenizer has no chat template; leave it out");
        }
        if template.is_none() && tokenizer.id() != BUILTIN {
            warnings.push(format!(
                "the tokenizer `{}` has no chat template: prompts are sent as they stand",
                tokenizer.id()
            ));
        }
        Ok(template)
    }

    /// Another seed, so that a warm-up changes nothing about what is measured.
    pub(super) fn warm_up_seed(&self) -> u64 {
        !self.load.seed
    }
}

/// Whether a backend's protocol has chat messages.
fn takes_messages(backend: &dyn Backend) -> bool {
    let messages = Prompt::Chat(r#"[{"role": "user", "content": ""}]"#.into());
    backend.encode(&Request::new(&messages, "model", 1)).is_ok()
}
