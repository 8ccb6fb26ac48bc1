//! A client that sees exactly what is on the wire.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bench_sim::{SimConfig, SimHandle, SimServer};
use serde_json::Value;

/// A server with what most tests want: recording, and no waiting.
pub(crate) fn server(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig {
        ttft_ms: Some(0.0),
        record: true,
        ..SimConfig::default()
    };
    change(&mut config);
    SimServer::start(config).unwrap()
}

/// Longer than anything takes; a test that waits for this long has failed.
pub(crate) const FOREVER: Duration = Duration::from_secs(30);

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As HTTP wants it.
    Clean,
    /// The connection was closed before.
    Cut,
    /// The connection was reset before.
    Reset,
}

/// A response: its chunks, or its body as a single one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) chunks: Vec<String>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        self.chunks.concat()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// Payloads of all events.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n");
        text.split("\n\n")
            .filter_map(|e| e.strip_prefix("data: "))
            .map(str::to_owned)
            .collect()
    }

    /// Events that are JSON.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.events()
            .iter()
            .filter_map(|event| serde_json::from_str(event).ok())
            .collect()
    }

    /// Non-null strings at `pointer` of each event.
    pub(crate) fn strings(&self, pointer: &str) -> Vec<String> {
        let string = |object: &Value| object.pointer(pointer)?.as_str().map(str::to_owned);
        self.objects().iter().filter_map(string).collect()
    }

    /// Texts of a completion.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.strings("/choices/0/text")
    }

    /// The one finish reason, if there is any.
    pub(crate) fn finish(&self) -> Option<String> {
        let mut all = self.strings("/choices/0/finish_reason");
        assert!(all.len() < 2, "{all:?}");
        all.pop()
    }

    pub(crate) fn done(&self) -> bool {
        self.events().last().is_some_and(|event| event == "[DONE]")
    }
}

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    stream: S,
    /// Read but not yet used.
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(server: &SimHandle) -> Client {
        let stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(FOREVER)).unwrap();
        Client::over(stream)
    }

    /// Nothing has come that was not used, although the server had time to answer another.
    pub(crate) fn expect_silence(&mut self, server: &SimHandle) {
        assert_eq!(Client::new(server).get("/health").status, 200);
        assert_eq!(self.buffer, b"");
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut [0; 1]);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Client<S> {
        Client {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "");
        self.read()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body);
        self.read()
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        self.send_bytes(method, path, headers, body.as_bytes());
    }

    pub(crate) fn send_bytes(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let headers: String = headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {length}\r\n\r\n"
        );
        let request = [head.as_bytes(), body].concat();
        self.stream.write_all(&request).unwrap();
    }

    /// Reads one response to its end.
    pub(crate) fn read(&mut self) -> Answer {
        let (status, headers) = self.read_head();
        let mut answer = Answer {
            status,
            headers,
            chunks: Vec::new(),
            end: End::Clean,
        };
        let length = answer
            .header("content-length")
            .map(|value| value.parse().unwrap());
        let read = match length {
            Some(length) => self
                .take(length)
                .map_err(|end| (answer.chunks.push(self.rest()), end).1)
                .map(|body| answer.chunks.push(body)),
            None => self.read_chunks(&mut answer.chunks),
        };
        if let Err(end) = read {
            answer.end = end;
        }
        answer
    }

    /// Reads status and headers.
    pub(crate) fn read_head(&mut self) -> (u16, Vec<(String, String)>) {
        let head = self.until("\r\n\r\n").expect("a response");
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        (
            status,
            lines.filter(|line| !line.is_empty()).map(header).collect(),
        )
    }

    fn read_chunks(&mut self, chunks: &mut Vec<String>) -> Result<(), End> {
        loop {
            let size = self.until("\r\n")?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = self.take(size + 2)?;
            chunk.truncate(size);
            if size == 0 {
                return Ok(());
            }
            chunks.push(chunk);
        }
    }

    /// Waits until the server closes the connection; what it sends until then is an error.
    pub(crate) fn expect_close(mut self) {
        assert_eq!(self.fill(), Err(End::Cut));
        assert!(self.buffer.is_empty());
    }

    /// Waits until the server resets the connection; what it sends until then is an error.
    pub(crate) fn expect_reset(mut self) {
        assert_eq!(self.fill(), Err(End::Reset));
        assert!(self.buffer.is_empty());
    }

    fn rest(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    /// Reads up to and including `end`.
    pub(crate) fn until(&mut self, end: &str) -> Result<String, End> {
        loop {
            let found = self
                .buffer
                .windows(end.len())
                .position(|w| w == end.as_bytes());
            match found {
                Some(at) => return self.take(at + end.len()),
                None => self.fill()?,
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<String, End> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        let rest = self.buffer.split_off(count);
        let taken = std::mem::replace(&mut self.buffer, rest);
        Ok(String::from_utf8(taken).unwrap())
    }

    /// Reads once.
    fn fill(&mut self) -> Result<(), End> {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(End::Cut),
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Err(End::Reset),
            Err(e) => panic!("{e}"),
        }
    }
}

/// The body of a streamed completion of so many tokens, with further fields.
pub(crate) fn completion(tokens: u32, more: &str) -> String {
    format!(
        "{{\"model\":\"sim-model\",\"prompt\":\"Hello world\",\"max_tokens\":{tokens},\
         \"stream\":true{more}}}"
    )
}

/// The body of a streamed chat of so many tokens, with further fields.
pub(crate) fn chat(tokens: u32, more: &str) -> String {
    format!(
        "{{\"model\":\"sim-model\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}],\
         \"max_tokens\":{tokens},\"stream\":true{more}}}"
    )
}

pub(crate) const COMPLETIONS: &str = "/v1/completions";
pub(crate) const CHAT: &str = "/v1/chat/completions";
