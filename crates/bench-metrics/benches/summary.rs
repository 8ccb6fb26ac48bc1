//! The cost of a summary: it is client CPU as much as reading the streams is.
#![allow(missing_docs)]
fn main() {}
