//! Servers that do exactly what a test says, on real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use bench_http::{
    Connection, Event, Pool, PoolOptions, Target, TargetOptions, TransferError, WorkerClock,
};
use bench_stream::Clock;

/// Listens on a free port and hands the accepted connections, one after the other, to
/// `serve` on a thread.
pub(crate) fn listen(mut serve: impl FnMut(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("accepted");
            // What is written is to be on its way when the write returns.
            stream.set_nodelay(true).expect("a TCP socket");
            serve(stream);
        }
    });
    format!("http://{address}")
}

/// Reads a request with a `content-length` body and returns it whole.
pub(crate) fn read_request(stream: &mut impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let from = text.len();
        if reader.read_line(&mut text).expect("readable") == 0 {
            return text;
        }
        let line = text[from..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    text.push_str(&String::from_utf8_lossy(&body));
    text
}

pub(crate) const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// One chunk of a chunked body; an empty one ends it.
pub(crate) fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A whole answer in two chunks.
pub(crate) fn answer(stream: &mut impl Write) {
    let parts = [CHUNKED, &chunk("one"), &chunk("two"), &chunk("")].concat();
    stream.write_all(&parts).expect("writable");
}

pub(crate) async fn pool_with(url: &str, target: &TargetOptions, options: PoolOptions) -> Pool {
    let target = Target::resolve(url, target).await.expect("a usable target");
    let clock = WorkerClock::new(Clock::start());
    Pool::new(Rc::new(target), clock, options)
}

pub(crate) async fn pool(url: &str) -> Pool {
    pool_with(url, &TargetOptions::default(), PoolOptions::default()).await
}

/// Sends a POST of `body`.
pub(crate) fn post(connection: &mut Connection, body: &str) {
    let request = http::Request::post("/v1/echo")
        .body(bytes::Bytes::copy_from_slice(body.as_bytes()))
        .expect("a request");
    connection.encode(request).expect("encodable");
    connection.start();
}

/// The pieces of a body up to its end.
pub(crate) async fn body(connection: &mut Connection) -> Result<Vec<String>, TransferError> {
    let mut pieces = Vec::new();
    loop {
        match connection.event().await? {
            Event::Head(head) => assert!(head.status.is_success()),
            Event::Data { bytes, .. } => {
                pieces.push(String::from_utf8(bytes.to_vec()).expect("text"));
            }
            Event::End { .. } => return Ok(pieces),
        }
    }
}
