//! `POST /v1/embeddings`, also as `/embeddings`, where infinity has it.

use super::pooled::{Names, Vectors};
use super::{Ask, Context, ErrorReply, Format, Protocol};

const NAMES: Names = Names {
    id_prefix: "embd-",
    object: "embedding",
    vector: "embedding",
};

pub(super) struct Embeddings;

impl Protocol for Embeddings {
    fn serves(&self, path: &str) -> bool {
        matches!(path, "/v1/embeddings" | "/embeddings")
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        Vectors::parse(&NAMES, body, cx)
    }
}
