//! What hyper takes for its socket.

use std::cell::{RefCell, RefMut};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The two directions between hyper and the socket.
#[derive(Default)]
pub(super) struct Pipe {
    inbound: Vec<u8>,
    consumed: usize,
    pub(super) eof: bool,
    pub(super) outbound: Vec<u8>,
}

impl Pipe {
    /// Where received bytes are to be appended.
    pub(super) fn feed(pipe: &RefCell<Pipe>) -> RefMut<'_, Vec<u8>> {
        let mut pipe = pipe.borrow_mut();
        pipe.compact();
        RefMut::map(pipe, |pipe| &mut pipe.inbound)
    }

    pub(super) fn unread(&self) -> usize {
        self.inbound.len() - self.consumed
    }

    /// Whether the last bytes fed are a TLS alert.
    pub(super) fn holds_tls(&self) -> bool {
        self.inbound.starts_with(&[21, 3])
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

pub(super) struct PipeEnd(pub(super) Rc<RefCell<Pipe>>);

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
