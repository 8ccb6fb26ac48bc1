//! HTTP/1.1.

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;

use super::pipe::{Pipe, PipeEnd};
use super::{Exchange, Piece};

/// Size of hyper's own read buffer. Events are a few hundred bytes, and there are thousands
/// of connections.
const READ_BUFFER: usize = 4096;

pub(crate) struct Codec {
    pipe: Rc<RefCell<Pipe>>,
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Box<http1::Connection<PipeEnd, Full<Bytes>>>,
    finished: bool,
    exchange: Exchange,
}

impl Codec {
    pub(super) fn new() -> Result<Codec, hyper::Error> {
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
            exchange: Exchange::Idle,
        };
        // hyper takes a request only once it was asked for one.
        codec.drive();
        Ok(codec)
    }

    pub(super) fn encode(&mut self, request: http::Request<Bytes>) -> Vec<u8> {
        let mut out = Vec::new();
        self.exchange = Exchange::Head(Box::pin(self.sender.send_request(request.map(Full::new))));
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

    pub(super) fn feed(&mut self) -> RefMut<'_, Vec<u8>> {
        Pipe::feed(&self.pipe)
    }

    pub(super) fn feed_eof(&mut self) {
        self.pipe.borrow_mut().eof = true;
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece>, hyper::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut left = usize::MAX;
        loop {
            self.drive();
            match self.exchange.poll(&mut cx) {
                Poll::Ready(piece) => match piece? {
                    Some(Piece::End) => {
                        self.drive();
                        return Ok(Some(Piece::End));
                    }
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Poll::Pending if matches!(self.exchange, Exchange::Idle) => return Ok(None),
                Poll::Pending => {}
            }
            // Nothing came of it: go on only as long as hyper still takes bytes.
            let unread = self.pipe.borrow().unread();
            if unread == 0 || unread == left {
                return Ok(None);
            }
            left = unread;
        }
    }

    pub(super) fn is_reusable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.exchange, Exchange::Idle)
            && !self.finished
            && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    pub(super) fn was_fed_tls(&self) -> bool {
        self.pipe.borrow().holds_tls()
    }

    fn drive(&mut self) {
        if !self.finished {
            let mut cx = Context::from_waker(Waker::noop());
            // An error also ends the response future or the body, which report it.
            self.finished = Pin::new(&mut *self.connection).poll(&mut cx).is_ready();
        }
    }
}
