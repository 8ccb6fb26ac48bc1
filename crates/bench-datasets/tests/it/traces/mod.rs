//! The datasets that replay traces.

mod agentic_trace;
mod azure_trace;
mod burstgpt;
mod import;
mod mooncake;
mod replay;
mod timed_trace;

use std::path::Path;

use bench_datasets::{Dataset, SampleContext, Tokenizer};
use bench_types::{Conversation, Prompt};

use crate::context;

/// A context for a file.
fn at<'a>(tokenizer: &'a Tokenizer, path: &'a Path, num_prompts: usize) -> SampleContext<'a> {
    let mut cx = context(tokenizer, num_prompts, 0);
    cx.dataset_path = Some(path);
    cx
}

/// The arrivals, in seconds.
fn arrivals(conversations: &[Conversation]) -> Vec<f64> {
    let arrival = |one: &Conversation| one.arrival.unwrap().as_secs_f64();
    conversations.iter().map(arrival).collect()
}

/// Tokens of the prompt and of the answer of each first turn, as the dataset says.
fn lengths(conversations: &[Conversation]) -> Vec<(u32, u32)> {
    let lengths = |one: &Conversation| {
        let turn = &one.turns[0];
        (turn.prompt_tokens.unwrap(), turn.max_output_tokens)
    };
    conversations.iter().map(lengths).collect()
}

/// The tokens of a prompt, as the tokenizer reads it.
fn read_again(tokenizer: &Tokenizer, prompt: &Prompt) -> Vec<u32> {
    match prompt {
        Prompt::Text(text) => tokenizer.encode(text).unwrap(),
        Prompt::TokenIds(ids) => ids.to_vec(),
        other => panic!("neither text nor token ids: {other:?}"),
    }
}

/// Makes the dataset, and holds each prompt against the length it says it has.
fn exact(dataset: &dyn Dataset, cx: &SampleContext<'_>) -> Vec<Conversation> {
    let conversations = dataset.sample(cx).unwrap();
    for turn in conversations.iter().flat_map(|one| &one.turns) {
        let tokens = read_again(cx.tokenizer.unwrap(), &turn.prompt).len();
        assert_eq!(turn.prompt_tokens, Some(tokens as u32));
    }
    for (id, conversation) in (0..).zip(&conversations) {
        assert_eq!(conversation.id, id);
    }
    conversations
}
