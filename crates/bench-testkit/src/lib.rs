#![doc = include_str!("../README.md")]

use std::fs;
use std::path::{Path, PathBuf};

/// The folder `fixtures/wire` of the workspace.
pub fn wire_fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire")
}

/// A captured HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The status code.
    pub status: u16,
    /// The headers, in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, with the chunk framing undone.
    pub body: Vec<u8>,
    /// The server ended the body before its end.
    pub cut: bool,
}

impl Capture {
    /// Loads `fixtures/wire/<name>.response.txt`, for example
    /// `vllm-0.32.0/chat_stream`.
    ///
    /// # Panics
    /// If there is no such file or it is no response.
    pub fn load(name: &str) -> Capture {
        let path = wire_fixtures().join(format!("{name}.response.txt"));
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Capture::parse(&bytes).unwrap_or_else(|| panic!("{}: no HTTP response", path.display()))
    }

    fn parse(bytes: &[u8]) -> Option<Capture> {
        // Some were kept with line ends of their own.
        let ends = [b"\r\n\r\n".as_slice(), b"\n\n"];
        let found = ends.map(|blank| Some((find(bytes, blank)?, blank.len())));
        let (end, blank) = found.into_iter().flatten().min()?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()?;
        // A line of the capturing tool about a body that was cut is no part of it.
        let mut body = &bytes[end + blank..];
        let note = find(body, b"\ncurl rc ");
        body = &body[..note.map_or(body.len(), |place| place + 1)];
        Some(Capture {
            status,
            headers,
            body: body.to_vec(),
            cut: note.is_some(),
        })
    }
}

/// One `recv()` of a raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Microseconds since the request was sent.
    pub at_us: u64,
    /// What it brought, with HTTP's chunk framing.
    pub bytes: Vec<u8>,
}

/// Loads the reads of `fixtures/wire/<name>.recv.jsonl`.
///
/// # Panics
/// If there is no such file or it does not hold reads.
pub fn reads(name: &str) -> Vec<Read> {
    #[derive(serde::Deserialize)]
    struct Line {
        t_us: u64,
        data: String,
    }
    let path = wire_fixtures().join(format!("{name}.recv.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let read = |line| {
        let line: Line =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Read {
            at_us: line.t_us,
            bytes: line.data.into_bytes(),
        }
    };
    text.lines().map(read).collect()
}

/// The names of all captures of `server` that begin with one of `prefixes`, sorted.
///
/// # Panics
/// If the folder cannot be read.
pub fn captures(server: &str, prefixes: &[&str]) -> Vec<String> {
    let folder = wire_fixtures().join(server);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".response.txt")?.to_owned()))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .map(|name| format!("{server}/{name}"))
        .collect();
    names.sort();
    names
}

/// Ways of cutting bytes into frames.
pub mod splits {
    /// Cuts into frames of `size` bytes, the last one shorter if need be.
    pub fn every(bytes: &[u8], size: usize) -> Vec<&[u8]> {
        bytes.chunks(size.max(1)).collect()
    }

    /// All ways of cutting in two, the empty frame included.
    pub fn in_two(bytes: &[u8]) -> impl Iterator<Item = [&[u8]; 2]> {
        (0..=bytes.len()).map(|place| {
            let (head, tail) = bytes.split_at(place);
            [head, tail]
        })
    }

    /// Cuts at random places into frames of at most `longest` bytes; the same for the same
    /// `seed`.
    pub fn random(bytes: &[u8], longest: usize, seed: u64) -> Vec<&[u8]> {
        let mut state = seed;
        let mut rest = bytes;
        let mut frames = Vec::new();
        while !rest.is_empty() {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            let length = (mixed % longest.max(1) as u64) as usize + 1;
            let (frame, more) = rest.split_at(length.min(rest.len()));
            frames.push(frame);
            rest = more;
        }
        frames
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_load() {
        let capture = Capture::load("vllm-0.32.0/completions_stream");
        assert_eq!(capture.status, 200);
        assert!(capture.body.starts_with(b"data: {"));
        assert!(capture.body.ends_with(b"data: [DONE]\n\n"));
        assert!(!capture.cut);
        let server = ("server".to_owned(), "uvicorn".to_owned());
        assert!(capture.headers.contains(&server));
        let cut = Capture::load("sglang-router-0.3.2/worker_dies_midstream");
        assert!(cut.cut && cut.body.ends_with(b"}}\n\n"));
    }

    #[test]
    fn socket_reads_load() {
        let reads = reads("vllm-0.32.0/chat_stream");
        assert!(reads[0].bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(reads.is_sorted_by_key(|read| read.at_us));
    }

    #[test]
    fn frames_add_up() {
        let bytes = b"0123456789";
        assert_eq!(splits::every(bytes, 4), [&b"0123"[..], b"4567", b"89"]);
        assert_eq!(splits::in_two(bytes).count(), 11);
        let frames = splits::random(bytes, 3, 1);
        assert_eq!(frames.concat(), bytes);
        assert!(frames.iter().all(|frame| (1..=3).contains(&frame.len())));
    }
}
