use std::error::Error;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bench_types::Nanos;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::codec::{Codec, Piece};
use crate::explain::{self, tls_error};
use crate::pool::OpenGuard;
use crate::stamp::{Arrival, WorkerClock};
use crate::wire::{Received, Wire};
use crate::{HttpError, Target, TransferError};

/// Status line and headers of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The read that completed them.
    pub at: Arrival,
}

/// A piece of a response.
#[derive(Debug)]
pub enum Event {
    /// Status and headers; always first.
    Head(ResponseHead),
    /// Bytes of the body, chunk framing removed. Each chunk that lies within one read comes
    /// as one piece.
    Data {
        /// The bytes.
        bytes: Bytes,
        /// The read that brought them.
        at: Arrival,
    },
    /// The body is complete; the connection may be used again.
    End {
        /// The read that completed it.
        at: Arrival,
    },
}

/// An open connection. It carries one request at a time: [`Connection::encode`],
/// [`Connection::start`], then [`Connection::event`] until [`Event::End`].
pub struct Connection {
    codec: Codec,
    wire: Wire,
    target: Rc<Target>,
    clock: WorkerClock,
    out: Vec<u8>,
    written: usize,
    head_seen: bool,
    last: Arrival,
    broken: Option<io::Error>,
    eof: bool,
    _counted: OpenGuard,
}

impl Connection {
    pub(crate) fn new(
        wire: Wire,
        codec: Codec,
        target: Rc<Target>,
        clock: WorkerClock,
        counted: OpenGuard,
    ) -> Connection {
        Connection {
            codec,
            wire,
            target,
            clock,
            out: Vec::new(),
            written: 0,
            head_seen: false,
            last: Arrival::default(),
            broken: None,
            eof: false,
            _counted: counted,
        }
    }

    /// Encodes `request`, down to the last byte that will go over the socket, without sending
    /// anything. The path is taken relative to the target's base URL. With HTTP/2, what the
    /// server does not allow to be sent yet is encoded when it does.
    ///
    /// # Errors
    /// If the path or the host cannot be part of a request or TLS refuses to encrypt.
    pub fn encode(&mut self, mut request: http::Request<Bytes>) -> Result<(), HttpError> {
        self.target.address(&mut request)?;
        self.written = 0;
        self.head_seen = false;
        self.out = self.codec.encode(request);
        self.wire
            .seal(&mut self.out)
            .map_err(|error| HttpError::Request(error.to_string()))
    }

    /// Begins to send what [`Connection::encode`] prepared and returns the `sent` stamp, taken
    /// immediately before the first byte is handed to the kernel. What the socket does not
    /// take at once is written while the response is awaited.
    pub fn start(&mut self) -> Nanos {
        let sent = self.clock.now();
        self.write();
        sent
    }

    /// The next piece of the response.
    ///
    /// # Errors
    /// If the connection or the response breaks; the connection is of no use afterwards.
    pub async fn event(&mut self) -> Result<Event, TransferError> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// [`Connection::event`] as a poll function.
    ///
    /// # Errors
    /// As [`Connection::event`].
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, TransferError>> {
        loop {
            match self.codec.next() {
                Ok(Some(Piece::Head(parts))) => {
                    self.head_seen = true;
                    return Poll::Ready(Ok(Event::Head(ResponseHead {
                        status: parts.status,
                        headers: parts.headers,
                        at: self.last,
                    })));
                }
                Ok(Some(Piece::Data(bytes))) => {
                    let at = self.last;
                    return Poll::Ready(Ok(Event::Data { bytes, at }));
                }
                Ok(Some(Piece::End)) => {
                    let at = self.last;
                    self.answer();
                    return Poll::Ready(Ok(Event::End { at }));
                }
                Ok(None) if self.eof => return Poll::Ready(Err(self.cut())),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.broken_off(&error))),
            }
            self.queue();
            // As long as the socket takes more; its last answer leaves a waker behind.
            while self.written < self.out.len() && self.wire.poll_writable(cx).is_ready() {
                self.write();
            }
            let received = self.wire.poll_read(cx, &self.clock, &mut self.codec.feed());
            match ready!(received) {
                Ok(Received::Data(arrival)) => self.last = arrival,
                Ok(Received::Eof) => self.hang_up(None),
                Err(error) => match tls_error(&error) {
                    Some(error) => {
                        return Poll::Ready(Err(TransferError::Tls(explain::session(error))));
                    }
                    None => self.hang_up(Some(error)),
                },
            }
        }
    }

    /// Whether another request may go over this connection: the last response ended, neither
    /// side asked to close, and the server has not closed it since. Looks at the socket, so
    /// that a connection that went stale in the pool is found before anything is written.
    pub fn is_reusable(&mut self) -> bool {
        // Once more behind what was read meanwhile; it may have been a goodbye.
        self.out.is_empty()
            && self.codec.is_reusable()
            && self.is_quiet()
            && self.codec.is_reusable()
    }

    /// Whether the server has neither closed the connection nor said anything on it that was
    /// not asked for. For a request that was encoded a while ago and is to be started now.
    /// What TLS and HTTP/2 send of their own accord is read and answered.
    pub fn is_quiet(&mut self) -> bool {
        !self.eof && self.broken.is_none() && (self.wire.is_quiet() || self.absorb())
    }

    fn absorb(&mut self) -> bool {
        // Plain HTTP/1.1 says nothing of its own accord.
        if !self.wire.is_secure() && !self.codec.is_http2() {
            return false;
        }
        let connected = self.wire.absorb(&mut self.codec.feed());
        let in_order = matches!(connected, Ok(true)) && self.codec.absorb();
        // Behind a request that is still to be started, the answer waits for it.
        if self.out.is_empty() {
            self.answer();
        } else {
            self.queue();
        }
        in_order && self.broken.is_none()
    }

    /// Sends what the protocol has to say besides the request.
    fn answer(&mut self) {
        self.queue();
        self.write();
    }

    /// Appends to the outgoing bytes what the protocol has to say besides the request.
    fn queue(&mut self) {
        let Some(mut bytes) = self.codec.output() else {
            return;
        };
        match self.wire.seal(&mut bytes) {
            Ok(()) if self.out.is_empty() => self.out = bytes,
            Ok(()) => self.out.append(&mut bytes),
            Err(error) => self.broken = Some(error),
        }
    }

    fn write(&mut self) {
        while self.written < self.out.len() {
            match self.wire.try_write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // The server may have answered before it stopped reading, so the
                    // response is read all the same.
                    self.broken = Some(error);
                    break;
                }
            }
        }
        self.out = Vec::new();
        self.written = 0;
    }

    fn hang_up(&mut self, error: Option<io::Error>) {
        self.eof = true;
        if let Some(error) = error {
            self.broken.get_or_insert(error);
        } else {
            self.last.at = self.clock.now();
        }
        self.codec.feed_eof();
    }

    fn cut(&mut self) -> TransferError {
        let cause = self.broken.take();
        if self.head_seen {
            TransferError::Cut(cause)
        } else {
            TransferError::NoResponse(cause)
        }
    }

    fn broken_off(&mut self, error: &hyper::Error) -> TransferError {
        // Whatever it was, nothing more is to come over this connection.
        let eof = std::mem::replace(&mut self.eof, true);
        let causes = || std::iter::successors(Some(error as &dyn Error), |&error| error.source());
        let text = || {
            let texts: Vec<String> = causes().map(ToString::to_string).collect();
            texts.join(": ")
        };
        let h2 = causes().find_map(|cause| cause.downcast_ref::<h2::Error>());
        if let Some(reset) = h2.filter(|error| error.is_remote()) {
            let text = match reset.reason() {
                Some(reason) => format!("{reset} ({reason:?})"),
                None => reset.to_string(),
            };
            return if self.head_seen {
                TransferError::Cut(Some(io::Error::other(text)))
            } else {
                TransferError::Reset(text)
            };
        }
        if h2.is_some_and(h2::Error::is_io) || eof && !error.is_parse() {
            return self.cut();
        }
        if error.is_canceled() {
            self.broken.get_or_insert_with(|| io::Error::other(text()));
            return self.cut();
        }
        if !self.head_seen && self.codec.was_fed_tls() {
            return TransferError::Malformed(
                "the server speaks TLS there; write https:// in place of http://".to_owned(),
            );
        }
        TransferError::Malformed(text())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use bench_stream::Clock;

    use super::*;
    use crate::{Pool, PoolOptions, TargetOptions};

    /// Settings of HTTP/2 without any, and a confirmation of ours.
    const GREETING: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0a server";

    /// A connection and the other end of it, which has said `greeting`.
    async fn connect(http2: bool, greeting: &'static [u8]) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a client");
            // What is written is to be in the client's socket when the write returns.
            peer.set_nodelay(true).expect("a TCP socket");
            peer.write_all(greeting).expect("writable");
            peer
        });
        let options = TargetOptions {
            http2,
            ..TargetOptions::default()
        };
        let target = Target::resolve(&url, &options).await.expect("usable");
        let clock = WorkerClock::new(Clock::start());
        let pool = Pool::new(Rc::new(target), clock, PoolOptions::default());
        let connection = pool.connect().await.expect("connected");
        (connection, server.join().expect("greeted"))
    }

    #[tokio::test]
    async fn a_connection_that_is_of_no_use_is_not_read_from() {
        let (mut connection, mut peer) = connect(true, GREETING).await;
        assert!(connection.is_reusable());
        let request = http::Request::get("/").body(Bytes::new());
        connection
            .encode(request.expect("a request"))
            .expect("encodable");
        connection.start();
        peer.write_all(PING).expect("writable");
        // As after a time limit: the answer is still due.
        assert!(!connection.is_reusable());
        assert!(!connection.wire.is_quiet(), "the ping was read");
    }

    #[tokio::test]
    async fn a_plain_connection_is_not_read_from_between_requests() {
        let (mut connection, mut peer) = connect(false, b"").await;
        assert!(connection.is_reusable());
        peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            .expect("writable");
        assert!(!connection.is_reusable());
        assert!(
            !connection.wire.is_quiet(),
            "the answer to nothing was read"
        );
    }
}
