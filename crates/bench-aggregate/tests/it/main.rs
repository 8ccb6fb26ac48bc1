//! Tests of the program itself, against logs of small runs made by hand.

mod aggregate;
mod compare;
mod corpus;
mod make;
mod pareto;
mod read;
mod rebuild;
mod sglang;

use std::path::Path;
use std::process::Command;

/// What a call of the program came to.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program in a folder.
fn bench_aggregate(dir: &Path, arguments: &[&str]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-aggregate"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
