//! hyper's HTTP/1.1 connection as a codec without I/O: bytes in, pieces of a response out.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};

/// Size of hyper's own read buffer. Events are a few hundred bytes, and there are thousands
/// of connections.
const READ_BUFFER: usize = 4096;

type ResponseFuture = Pin<Box<dyn Future<Output = hyper::Result<http::Response<Incoming>>>>>;

/// What the codec made of the bytes fed to it.
pub(crate) enum Piece {
    Head(http::response::Parts),
    Data(Bytes),
    End,
}

enum State {
    Idle,
    Head(ResponseFuture),
    Body(Incoming),
}

pub(crate) struct Codec {
    pipe: Rc<RefCell<Pipe>>,
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Box<http1::Connection<PipeEnd, Full<Bytes>>>,
    finished: bool,
    state: State,
}

impl Codec {
    pub(crate) fn new() -> Result<Codec, hyper::Error> {
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        let end = PipeEnd(Rc::clone(&pipe));
        // The handshake of HTTP/1.1 sends nothing, so its future is ready at once.
        let mut builder = http1::Builder::new();
        builder.read_buf_exact_size(Some(READ_BUFFER));
        let mut handshake = Box::pin(builder.handshake(end));
        let mut cx = Context::from_waker(Waker::noop());
        let (sender, connection) = match handshake.as_mut().poll(&mut cx) {
            Poll::Ready(done) => done?,
            Poll::Pending => unreachable!("an HTTP/1.1 handshake does no I/O"),
        };
        let mut codec = Codec {
            pipe,
            sender,
            connection: Box::new(connection),
            finished: false,
            state: State::Idle,
        };
        // hyper takes a request only once it was asked for one.
        codec.drive();
        Ok(codec)
    }

    /// The bytes of `request`.
    pub(crate) fn encode(&mut self, request: http::Request<Bytes>) -> Vec<u8> {
        let mut out = Vec::new();
        self.state = State::Head(Box::pin(self.sender.send_request(request.map(Full::new))));
        // A long body takes several rounds: hyper hands over what fits its buffer each time.
        loop {
            self.drive();
            let mut pipe = self.pipe.borrow_mut();
            if pipe.outbound.is_empty() {
                return out;
            }
            if out.is_empty() {
                out = std::mem::take(&mut pipe.outbound);
            } else {
                out.append(&mut pipe.outbound);
            }
        }
    }

    /// Hands over received bytes.
    pub(crate) fn feed(&mut self) -> std::cell::RefMut<'_, Vec<u8>> {
        let mut pipe = self.pipe.borrow_mut();
        pipe.compact();
        std::cell::RefMut::map(pipe, |pipe| &mut pipe.inbound)
    }

    /// Tells that no more bytes will come.
    pub(crate) fn feed_eof(&mut self) {
        self.pipe.borrow_mut().eof = true;
    }

    /// The next piece of the response that the bytes fed so far hold, if any.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, hyper::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut left = usize::MAX;
        loop {
            self.drive();
            match &mut self.state {
                State::Idle => return Ok(None),
                State::Head(response) => {
                    if let Poll::Ready(response) = response.as_mut().poll(&mut cx) {
                        self.state = State::Idle;
                        let (parts, body) = response?.into_parts();
                        self.state = State::Body(body);
                        return Ok(Some(Piece::Head(parts)));
                    }
                }
                State::Body(body) => match Pin::new(body).poll_frame(&mut cx) {
                    Poll::Ready(Some(frame)) => match frame?.into_data() {
                        Ok(data) => return Ok(Some(Piece::Data(data))),
                        Err(_trailers) => continue,
                    },
                    Poll::Ready(None) => {
                        self.state = State::Idle;
                        self.drive();
                        return Ok(Some(Piece::End));
                    }
                    Poll::Pending => {}
                },
            }
            // Nothing came of it: go on only as long as hyper still takes bytes.
            let unread = self.pipe.borrow().unread();
            if unread == 0 || unread == left {
                return Ok(None);
            }
            left = unread;
        }
    }

    /// Whether another request may be sent.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.state, State::Idle)
            && !self.finished
            && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    fn drive(&mut self) {
        if !self.finished {
            let mut cx = Context::from_waker(Waker::noop());
            // An error also ends the response future or the body, which report it.
            self.finished = Pin::new(&mut *self.connection).poll(&mut cx).is_ready();
        }
    }
}

/// The two directions between hyper and the socket.
#[derive(Default)]
struct Pipe {
    inbound: Vec<u8>,
    consumed: usize,
    eof: bool,
    outbound: Vec<u8>,
}

impl Pipe {
    fn unread(&self) -> usize {
        self.inbound.len() - self.consumed
    }

    fn compact(&mut self) {
        if self.consumed == self.inbound.len() {
            self.inbound.clear();
        } else {
            self.inbound.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

struct PipeEnd(Rc<RefCell<Pipe>>);

impl Read for PipeEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        let ready = pipe.unread().min(buf.remaining());
        if ready == 0 {
            // An empty read means the end to hyper.
            return if pipe.eof && pipe.unread() == 0 {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        let from = pipe.consumed;
        buf.put_slice(&pipe.inbound[from..from + ready]);
        pipe.consumed += ready;
        Poll::Ready(Ok(()))
    }
}

impl Write for PipeEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().outbound.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
