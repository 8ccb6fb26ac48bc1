//! See the library of this package for what it does.

fn main() {}
