//! `POST /pooling`.

use super::pooled::{Names, Vectors};
use super::{Ask, Context, ErrorReply, Format, Protocol};

const NAMES: Names = Names {
    id_prefix: "pool-",
    object: "pooling",
    vector: "data",
};

pub(super) struct Pooling;

impl Protocol for Pooling {
    fn serves(&self, path: &str) -> bool {
        path == "/pooling"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        Vectors::parse(&NAMES, body, cx)
    }
}
