//! Whether a backend can send what it is to send.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use bench_backends::{Backend, BackendError, Request};
use bench_types::{Audio, Conversation, Prompt, Turn};

use super::OptionsError;
use crate::RequestOptions;

/// Whether the backend's protocol has prompts of token ids.
pub(super) fn takes_token_ids(backend: &dyn Backend) -> bool {
    let prompt = Prompt::TokenIds([0].into());
    backend.encode(&Request::new(&prompt, "model", 1)).is_ok()
}

/// Refuses what the backend cannot send, of which the first request of each kind is an example:
/// prompts of another kind, or parameters that the protocol does not have.
///
/// # Errors
/// [`OptionsError`], which says what does not fit and what would.
pub(super) fn check_suitable(
    backend: &dyn Backend,
    options: &RequestOptions,
    conversations: &[Conversation],
) -> Result<(), OptionsError> {
    let mut kinds = Vec::new();
    for turn in conversations.iter().flat_map(|one| &one.turns) {
        let kind = discriminant(&turn.prompt);
        if !kinds.contains(&kind) {
            kinds.push(kind);
            check_turn(backend, options, turn)?;
        }
    }
    Ok(())
}

fn check_turn(
    backend: &dyn Backend,
    options: &RequestOptions,
    first: &Turn,
) -> Result<(), OptionsError> {
    let mut request = options.ask(first, &options.model);
    request.stream = options.stream && backend.can_stream();
    match backend.encode(&request) {
        Ok(_) => Ok(()),
        Err(BackendError::Prompt {
            backend: name,
            prompt,
            cure,
        }) => {
            let cure = match (&first.prompt, dataset_for(backend)) {
                (Prompt::Text(_), Some(dataset)) => format!("use --dataset-name {dataset}"),
                _ => cure.to_owned(),
            };
            let problem = format!("backend `{name}` cannot send {prompt}: {cure}");
            Err(OptionsError::flag("--dataset-name", problem))
        }
        Err(error) => Err(error.into()),
    }
}

/// The dataset for a backend that takes no plain text.
fn dataset_for(backend: &dyn Backend) -> Option<&'static str> {
    let takes = |prompt: &Prompt| backend.encode(&Request::new(prompt, "model", 1)).is_ok();
    let recording = Prompt::Audio(Arc::new(Audio {
        file_name: "silence.wav".to_owned(),
        bytes: Vec::new(),
        duration: Duration::ZERO,
    }));
    let ranking = Prompt::Rerank {
        query: "query".into(),
        documents: ["document".into()].into(),
    };
    if takes(&recording) {
        Some("custom_audio")
    } else if takes(&ranking) {
        Some("random-rerank")
    } else {
        None
    }
}
