#![doc = include_str!("../README.md")]

mod backend;
mod embeddings;
mod error;
mod error_body;
mod openai_body;
mod openai_chat;
mod openai_completions;
mod openai_event;
mod openai_responses;
mod openai_wire;
mod parameters;
mod pool_wire;
mod registry;
mod repeat;
mod request;
mod responses_event;
mod verdict;
mod vllm_rerank;

pub use backend::{Backend, BodyEnd, Decoder, StreamEvent};
pub use embeddings::Embeddings;
pub use error::BackendError;
pub use error_body::error_message;
pub use openai_chat::OpenAiChat;
pub use openai_completions::OpenAiCompletions;
pub use openai_responses::OpenAiResponses;
pub use registry::{BACKENDS, backend};
pub use request::Request;
pub use vllm_rerank::VllmRerank;
