#![doc = include_str!("../README.md")]

mod backend;
mod error;
mod error_body;
mod openai_body;
mod openai_chat;
mod openai_completions;
mod openai_event;
mod openai_wire;
mod registry;
mod repeat;
mod request;
mod verdict;

pub use backend::{Backend, BodyEnd, Decoder, StreamEvent};
pub use error::BackendError;
pub use error_body::error_message;
pub use openai_chat::OpenAiChat;
pub use openai_completions::OpenAiCompletions;
pub use registry::{BACKENDS, backend};
pub use request::Request;
