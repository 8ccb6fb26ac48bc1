//! The socket under a connection, with or without TLS.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::task::{Context, Poll, ready};

use nix::sys::time::TimeSpec;
use rustls::ClientConnection;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::stamp::{self, Arrival, READ_BUFFER, WorkerClock};

pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What one read brought.
pub(crate) enum Received {
    Data(Arrival),
    Eof,
}

pub(crate) struct Wire {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// Whether the peer has closed the TLS session: nothing is to come after that, even though
    /// the socket may stay open.
    closed: bool,
}

/// What is read at most from a connection that has no request under way.
const MOST_UNASKED: usize = 64 * 1024;

/// Where reads land before their bytes go to the connection they belong to. One per thread,
/// so that thousands of connections share it.
struct Scratch {
    buffer: Vec<u8>,
    control: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new(READ_BUFFER));
}

impl Scratch {
    fn new(size: usize) -> Scratch {
        Scratch {
            buffer: vec![0; size],
            control: nix::cmsg_space!(TimeSpec),
        }
    }
}

impl Wire {
    pub(crate) fn new(socket: Socket, tls: Option<Box<ClientConnection>>) -> Wire {
        if let Socket::Tcp(stream) = &socket {
            // Where the kernel will not, reads are stamped in user space and counted as such.
            stamp::enable(stream);
        }
        Wire {
            socket,
            tls,
            closed: false,
        }
    }

    /// Whether there is TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the connection is still open and nothing unexpected has come in.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.closed
            && match &self.socket {
                Socket::Tcp(stream) => stamp::is_quiet(stream),
                Socket::Unix(stream) => stamp::is_quiet(stream),
            }
    }

    /// Turns `plain` into what goes over the socket, in place.
    pub(crate) fn seal(&mut self, plain: &mut Vec<u8>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        tls.set_buffer_limit(None);
        tls.writer().write_all(plain)?;
        plain.clear();
        while tls.wants_write() {
            tls.write_tls(plain)?;
        }
        Ok(())
    }

    /// Writes as much of `bytes` as the socket takes now.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.socket {
            Socket::Tcp(stream) => stream.try_write(bytes),
            Socket::Unix(stream) => stream.try_write(bytes),
        }
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.socket {
            Socket::Tcp(stream) => stream.poll_write_ready(cx),
            Socket::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Reads once and appends the (decrypted) bytes to `sink`.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        clock: &WorkerClock,
        sink: &mut Vec<u8>,
    ) -> Poll<io::Result<Received>> {
        if self.closed {
            return Poll::Ready(Ok(Received::Eof));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let (read, realtime) = ready!(self.poll_receive(cx, scratch))?;
                let arrival = clock.arrival(realtime);
                let bytes = &scratch.buffer[..read];
                if read == 0 {
                    return Poll::Ready(Ok(Received::Eof));
                }
                let Some(tls) = &mut self.tls else {
                    sink.extend_from_slice(bytes);
                    return Poll::Ready(Ok(Received::Data(arrival)));
                };
                let before = sink.len();
                self.closed = open(tls, bytes, sink)?;
                if sink.len() > before {
                    return Poll::Ready(Ok(Received::Data(arrival)));
                }
                if self.closed {
                    return Poll::Ready(Ok(Received::Eof));
                }
            }
        })
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<(usize, Option<std::time::Duration>)>> {
        loop {
            let mut received = None;
            // A read that does not fill the buffer has emptied the socket. Saying "would
            // block" then clears tokio's readiness without a second system call; bytes that
            // come in later raise a new edge.
            let attempt = match &self.socket {
                Socket::Tcp(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_io(Interest::READABLE, || {
                        drained(receive_into(stream, scratch)?, &mut received)
                    })
                }
                Socket::Unix(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_io(Interest::READABLE, || {
                        drained(receive_into(stream, scratch)?, &mut received)
                    })
                }
            };
            match (received, attempt) {
                (Some(received), _) => return Poll::Ready(Ok(received)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => continue,
                (None, Err(error)) => return Poll::Ready(Err(error)),
                (None, Ok(())) => continue,
            }
        }
    }

    /// Reads what has come in without waiting for more, appends the (decrypted) bytes to
    /// `sink`, and returns whether the connection is still of use: the other side is there and
    /// has not said more than it can have to say unasked. Stamps nothing: the bytes belong to
    /// no response.
    pub(crate) fn absorb(&mut self, sink: &mut Vec<u8>) -> io::Result<bool> {
        if self.closed {
            return Ok(false);
        }
        let mut room = MOST_UNASKED;
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let reading = match &self.socket {
                    Socket::Tcp(stream) => receive_into(stream, scratch),
                    Socket::Unix(stream) => receive_into(stream, scratch),
                };
                let read = match reading {
                    Ok((read, ..)) => read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                };
                if read == 0 || read > room || self.take_in(&scratch.buffer[..read], sink)? {
                    return Ok(false);
                }
                room -= read;
            }
        })
    }

    /// Performs the TLS handshake, if there is TLS; `early` has been received already. Returns
    /// what the server said behind it.
    pub(crate) async fn handshake(&mut self, early: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        self.take_in(early, &mut plain)?;
        while let Some(tls) = &mut self.tls {
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out)?;
            }
            if !out.is_empty() {
                self.write_all(&out).await?;
                continue;
            }
            if !tls.is_handshaking() {
                break;
            }
            if !self.receive(&mut plain).await? {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection during the handshake",
                ));
            }
        }
        Ok(plain)
    }

    /// The protocol agreed upon in the TLS handshake.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref().and_then(|tls| tls.alpn_protocol())
    }

    /// Reads once while connecting, without a stamp, and appends the (decrypted) bytes to
    /// `sink`. Returns whether the other side is still there.
    pub(crate) async fn receive(&mut self, sink: &mut Vec<u8>) -> io::Result<bool> {
        let scratch = &mut Scratch::new(16 * 1024);
        let (read, _) = std::future::poll_fn(|cx| self.poll_receive(cx, scratch)).await?;
        Ok(read > 0 && !self.take_in(&scratch.buffer[..read], sink)?)
    }

    /// Appends what `bytes` decrypt to. Returns whether the peer has closed the TLS session.
    fn take_in(&mut self, bytes: &[u8], sink: &mut Vec<u8>) -> io::Result<bool> {
        match &mut self.tls {
            Some(tls) => self.closed = open(tls, bytes, sink)?,
            None => sink.extend_from_slice(bytes),
        }
        Ok(self.closed)
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::future::poll_fn(|cx| self.poll_writable(cx)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

type Reading = (usize, Option<std::time::Duration>, bool);

fn receive_into(socket: &impl std::os::fd::AsRawFd, scratch: &mut Scratch) -> io::Result<Reading> {
    let (read, realtime) = stamp::receive(socket, &mut scratch.buffer, &mut scratch.control)?;
    Ok((read, realtime, read < scratch.buffer.len()))
}

fn drained(
    (read, realtime, emptied): Reading,
    received: &mut Option<(usize, Option<std::time::Duration>)>,
) -> io::Result<()> {
    *received = Some((read, realtime));
    // An end of stream stays readable, so that it can be seen again.
    if emptied && read > 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(())
}

/// Feeds `sealed` to TLS and appends what it decrypts to. Returns whether the peer has closed
/// the TLS session.
fn open(tls: &mut ClientConnection, mut sealed: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
    let mut closed = false;
    while !sealed.is_empty() {
        tls.read_tls(&mut sealed)?;
        let state = tls
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let from = plain.len();
        plain.resize(from + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut plain[from..])?;
        if state.peer_has_closed() {
            closed = true;
            break;
        }
    }
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a connection whose other side says `count` bytes unasked, and how many
    /// of them are read.
    fn absorbed(count: usize) -> (bool, usize) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let said = theirs.try_write(&vec![b'x'; count]).expect("there is room");
        assert_eq!(said, count);
        let mut sink = Vec::new();
        let mut wire = Wire::new(Socket::Unix(ours), None);
        let useful = wire.absorb(&mut sink).expect("readable");
        (useful, sink.len())
    }

    #[tokio::test]
    async fn what_is_said_unasked_is_read_up_to_a_limit() {
        assert_eq!(absorbed(0), (true, 0));
        assert_eq!(absorbed(MOST_UNASKED), (true, MOST_UNASKED));
        assert_eq!(absorbed(MOST_UNASKED + 1), (false, MOST_UNASKED));
    }
}
