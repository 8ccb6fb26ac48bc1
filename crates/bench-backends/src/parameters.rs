//! Parameters that a protocol cannot express.

use crate::{BackendError, Request};

impl Request<'_> {
    /// Refuses parameters that are set and not among those in `known`, by the names of
    /// `vllm bench serve`: to leave them out in silence would measure something else than what
    /// was asked for.
    ///
    /// # Errors
    /// [`BackendError::Parameter`] with the first of them.
    pub(crate) fn refuse_unless(
        &self,
        backend: &'static str,
        known: &[&str],
    ) -> Result<(), BackendError> {
        let sampling = self.sampling;
        let given = [
            ("temperature", sampling.temperature.is_some()),
            ("top-p", sampling.top_p.is_some()),
            ("top-k", sampling.top_k.is_some()),
            ("min-p", sampling.min_p.is_some()),
            ("frequency-penalty", sampling.frequency_penalty.is_some()),
            ("presence-penalty", sampling.presence_penalty.is_some()),
            ("repetition-penalty", sampling.repetition_penalty.is_some()),
            ("ignore-eos", self.ignore_eos),
            ("logprobs", self.logprobs.is_some()),
            ("use-beam-search", self.beam_search),
            ("continuous-usage", self.continuous_usage),
        ];
        let unknown = given
            .iter()
            .find(|(name, given)| *given && !known.contains(name));
        match unknown {
            Some((parameter, _)) => Err(BackendError::Parameter { backend, parameter }),
            None => Ok(()),
        }
    }

    /// Refuses beam search, for protocols that have all else.
    ///
    /// # Errors
    /// [`BackendError::Parameter`] if it is asked for.
    pub(crate) fn refuse_beam_search(&self, backend: &'static str) -> Result<(), BackendError> {
        let parameter = "use-beam-search";
        match self.beam_search {
            true => Err(BackendError::Parameter { backend, parameter }),
            false => Ok(()),
        }
    }

    /// Refuses LoRA adapters, for protocols whose requests name no model.
    ///
    /// # Errors
    /// [`BackendError::Parameter`] if there is one.
    pub(crate) fn refuse_lora(&self, backend: &'static str) -> Result<(), BackendError> {
        let parameter = "lora-modules";
        match self.lora {
            Some(_) => Err(BackendError::Parameter { backend, parameter }),
            None => Ok(()),
        }
    }
}
