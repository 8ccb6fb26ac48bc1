//! Tests of the program itself, on real results and on small ones made by hand.
#![allow(clippy::unwrap_used)]

mod charts;
mod make;
mod mistakes;
mod output;

use std::path::Path;
use std::process::Command;

/// What a call of the program came to.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program in a folder.
fn bench_plot(dir: &Path, arguments: &[&str]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-plot"))
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

/// The names of the files in a folder, sorted.
fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Width, height and the first pixel of a PNG.
fn png(path: &Path) -> (u32, u32, [u8; 3]) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, [pixels[0], pixels[1], pixels[2]])
}
