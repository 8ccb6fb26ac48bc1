use strsim::levenshtein;

use crate::{
    Anthropic, Backend, BackendError, DeepSpeedMii, Embeddings, OpenAiAudio, OpenAiChat,
    OpenAiCompletions, OpenAiResponses, SgLang, Tgi, TrtLlm, VllmRerank,
};

/// The backends there are. A new one is one line here.
pub const BACKENDS: &[&dyn Backend] = &[
    &OpenAiCompletions::VLLM,
    &OpenAiCompletions::OPENAI,
    &OpenAiCompletions::SGLANG,
    &OpenAiCompletions::TRTLLM,
    &OpenAiCompletions::TGI,
    &OpenAiChat::OPENAI,
    &OpenAiChat::SGLANG,
    &OpenAiChat::TRTLLM,
    &OpenAiChat::TGI,
    &OpenAiChat::LLAMA_CPP,
    &SgLang,
    &Tgi,
    &TrtLlm,
    &DeepSpeedMii,
    &OpenAiResponses,
    &Anthropic,
    &Embeddings::OPENAI,
    &Embeddings::SGLANG,
    &Embeddings::VLLM_POOLING,
    &Embeddings::INFINITY,
    &VllmRerank,
    &OpenAiAudio,
];

/// The backend called `name`, by its name or an alias.
///
/// # Errors
/// [`BackendError::Unknown`], with the names there are and the nearest one.
pub fn backend(name: &str) -> Result<&'static dyn Backend, BackendError> {
    let answers = |backend: &&&dyn Backend| names(**backend).any(|known| known == name);
    BACKENDS
        .iter()
        .find(answers)
        .copied()
        .ok_or_else(|| unknown(name))
}

fn names(backend: &dyn Backend) -> impl Iterator<Item = &'static str> {
    std::iter::once(backend.name()).chain(backend.aliases().iter().copied())
}

fn unknown(name: &str) -> BackendError {
    let lower = name.to_lowercase();
    let nearest = BACKENDS
        .iter()
        .flat_map(|backend| names(*backend))
        .map(|known| (levenshtein(&lower, known), known))
        .min();
    let hint = match nearest {
        Some((steps, known)) if steps <= known.len().div_ceil(3) => {
            format!(", did you mean `{known}`?")
        }
        _ => String::new(),
    };
    let known = BACKENDS
        .iter()
        .map(|backend| match backend.aliases() {
            [] => backend.name().to_owned(),
            aliases => format!("{} (also {})", backend.name(), aliases.join(", ")),
        })
        .collect::<Vec<_>>()
        .join(", ");
    BackendError::Unknown {
        name: name.to_owned(),
        hint,
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_is_unique_and_found() {
        let mut all: Vec<&str> = BACKENDS.iter().flat_map(|b| names(*b)).collect();
        for name in &all {
            let found = backend(name).expect("known");
            assert!(names(found).any(|known| known == *name));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let text = |name| match backend(name) {
            Ok(found) => panic!("{name} found {}", found.name()),
            Err(error) => error.to_string(),
        };
        let near = text("vlm");
        assert!(near.contains("did you mean `vllm`?"), "{near}");
        assert!(near.contains("openai-chat (also vllm-chat"), "{near}");
        assert!(!text("something-else").contains("did you mean"));
    }
}
