//! Connections: accepting them, and closing them in all the ways a server can.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Notify;

use super::core::Core;
use super::routes;

/// What a response can do to the connection it is sent on.
#[derive(Default)]
pub(super) struct Control {
    /// Counted from 1.
    pub(super) number: u64,
    /// Close the idle connection after this time.
    keep_alive: Option<Duration>,
    reset: Cell<bool>,
    close_at: Cell<Option<Instant>>,
    changed: Notify,
    hung_up: Notify,
}

impl Control {
    /// A request has arrived: the connection is not idle.
    pub(super) fn busy(&self) {
        self.close_at.set(None);
        self.changed.notify_one();
    }

    /// A response is over.
    pub(super) fn idle(&self, close_after: Option<Duration>) {
        if let Some(after) = close_after.or(self.keep_alive) {
            self.close_at.set(Some(Instant::now() + after));
            self.changed.notify_one();
        }
    }

    /// The connection is about to be dropped: with a reset, or in an orderly way.
    pub(super) fn break_off(&self, reset: bool) {
        self.reset.set(reset);
    }

    /// Closes the connection at once, whatever is going on.
    pub(super) fn hang_up(&self) {
        self.hung_up.notify_one();
    }

    /// Waits until it is time to close the idle connection.
    async fn time_to_close(&self) {
        loop {
            let changed = self.changed.notified();
            match self.close_at.get() {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at.into()) => {
                        self.close_at.set(None);
                        return;
                    }
                },
            }
        }
    }
}

/// A connection's socket, which dies as its [`Control`] or the end of the server says.
struct Socket {
    stream: Stream,
    control: Rc<Control>,
    core: Rc<Core>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Drop for Socket {
    fn drop(&mut self) {
        let reset = self.control.reset.get() || self.core.killed.get();
        if let (Stream::Tcp(stream), true) = (&self.stream, reset)
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::warn!(%error, "cannot reset a connection");
        }
    }
}

/// Calls a method of whichever stream this is.
macro_rules! delegate {
    ($self:ident, $method:ident($($arg:expr),*)) => {
        match &mut $self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).$method($($arg),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($arg),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown(cx))
    }
}

/// Accepts TCP connections for as long as the server lives.
pub(super) async fn accept_tcp(core: Rc<Core>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::warn!(%error, "cannot set TCP_NODELAY");
                }
                start(&core, Stream::Tcp(stream));
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Accepts connections on a unix socket for as long as the server lives.
pub(super) async fn accept_unix(core: Rc<Core>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => start(&core, Stream::Unix(stream)),
            Err(error) => pause(&error).await,
        }
    }
}

/// Accepting fails when files run out; trying again at once would only burn CPU.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn start(core: &Rc<Core>, stream: Stream) {
    let mut number = 0;
    core.shared.update(|stats| {
        stats.connections += 1;
        stats.open_connections += 1;
        number = stats.connections;
    });
    let keep_alive = core.config.keep_alive_ms.map(Duration::from_millis);
    let control = Rc::new(Control {
        number,
        keep_alive,
        ..Control::default()
    });
    tokio::task::spawn_local(serve(Rc::clone(core), stream, control));
}

async fn serve(core: Rc<Core>, stream: Stream, control: Rc<Control>) {
    let socket = Socket {
        stream,
        control: Rc::clone(&control),
        core: Rc::clone(&core),
    };
    let service = service_fn(|request| routes::answer(&core, &control, request));
    {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        let mut connection = pin!(connection);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection ended");
                    }
                    break;
                }
                () = control.hung_up.notified() => break,
                () = control.time_to_close() => connection.as_mut().graceful_shutdown(),
            }
        }
    }
    core.shared.update(|stats| stats.open_connections -= 1);
}
