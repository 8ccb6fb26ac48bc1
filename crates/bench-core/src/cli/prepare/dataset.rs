//! What is sent.

use bench_datasets::{Tokenizer, Warnings};
use bench_types::Conversation;

use crate::cli::options::BUILTIN;
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

    /// The measured conversations and those of the warm-up.
    pub(super) fn conversations(
        &self,
        count: usize,
        tokenizer: Option<&Tokenizer>,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Conversation>, Vec<Conversation>), OptionsError> {
        let warm_ups = self.load.num_warmups;
        let dataset = self.dataset.dataset()?;
        if self.dataset.input_len.is_some() && !dataset.name().starts_with("random") {
            let problem = format!(
                "`{}` sends its prompts as they are; the flag is for --dataset-name random and \
                 random-rerank",
                dataset.name()
            );
            return Err(OptionsError::flag("--input-len", problem));
        }
        let said = Warnings::default();
        let sample = |count, seed| {
            let mut context = self.dataset.context(tokenizer, count, seed);
            context.warnings = Some(&said);
            context.sample(dataset.as_ref())
        };
        let measured = sample(count, self.load.seed)?;
        warnings.append(&mut said.take());
        // All others make as many as they are asked for, though several may share a request.
        if self.dataset.no_oversample && measured.len() < count {
            warnings.push(format!(
                "the dataset has only {} prompts of the {count} asked for",
                measured.len()
            ));
        }
        let warm_up = match warm_ups {
            0 => Vec::new(),
            warm_ups => sample(warm_ups, self.warm_up_seed())?,
        };
        Ok((measured, warm_up))
    }

    /// Another seed, so that a warm-up changes nothing about what is measured.
    pub(super) fn warm_up_seed(&self) -> u64 {
        !self.load.seed
    }
}
