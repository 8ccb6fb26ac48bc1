//! bench-serve.
fn main() {}
