//! HTTP/2, one request at a time: every byte read belongs to the request under way, and its
//! stamp is exact.

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper::rt::Executor;

use super::frames::{ACK, DATA, END_STREAM, Frames, HEADERS, RST_STREAM, SETTINGS};
use super::pipe::{Pipe, PipeEnd};
use super::{Exchange, Piece};

/// What the server may send without waiting for us: more than any answer, so that flow
/// control never holds it up.
const WINDOW: u32 = 16 << 20;

/// What a client sends before its first frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

pub(crate) struct Codec {
    pipe: Rc<RefCell<Pipe>>,
    sender: http2::SendRequest<Full<Bytes>>,
    connection: Box<http2::Connection<PipeEnd, Full<Bytes>, Spawner>>,
    tasks: Tasks,
    finished: bool,
    exchange: Exchange,
    sent: Frames,
    /// Whether all of the last request went out, or it was given up.
    request_over: bool,
    greeting: Greeting,
}

/// How far the exchange of settings has come.
struct Greeting {
    received: Frames,
    theirs: bool,
    ours_confirmed: bool,
}

impl Codec {
    pub(crate) fn new() -> Result<Codec, hyper::Error> {
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        let tasks = Tasks::new();
        let mut builder = http2::Builder::new(tasks.spawner.clone());
        builder
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        // A pipe takes everything at once, so the future is ready at once, too.
        let mut handshake = Box::pin(builder.handshake(PipeEnd(Rc::clone(&pipe))));
        let mut cx = Context::from_waker(&tasks.waker);
        let (sender, connection) = match handshake.as_mut().poll(&mut cx) {
            Poll::Ready(done) => done?,
            Poll::Pending => unreachable!("the preface is written to memory"),
        };
        let mut codec = Codec {
            pipe,
            sender,
            connection: Box::new(connection),
            tasks,
            finished: false,
            exchange: Exchange::Idle,
            sent: Frames::after(PREFACE),
            request_over: true,
            greeting: Greeting {
                received: Frames::after(0),
                theirs: false,
                ours_confirmed: false,
            },
        };
        codec.drive();
        Ok(codec)
    }

    /// Takes note of bytes received while connecting. Returns whether both sides know each
    /// other's settings, so that nothing but the response is to come after a request.
    pub(crate) fn greet(&mut self, received: &[u8]) -> bool {
        let Greeting {
            received: frames,
            theirs,
            ours_confirmed,
        } = &mut self.greeting;
        frames.scan(received, |head| {
            if head.kind == SETTINGS {
                *ours_confirmed |= head.has(ACK);
                *theirs |= !head.has(ACK);
            }
        });
        let complete = *theirs && *ours_confirmed;
        self.feed().extend_from_slice(received);
        self.absorb() && complete
    }

    /// Whether the server still speaks HTTP/2 with us.
    pub(crate) fn is_open(&self) -> bool {
        !self.finished
    }

    pub(super) fn encode(&mut self, request: http::Request<Bytes>) -> Vec<u8> {
        self.request_over = false;
        let response = self.sender.send_request(request.map(Full::new));
        self.exchange = Exchange::Head(Box::pin(response));
        self.tasks.wake();
        self.drive();
        self.output().unwrap_or_default()
    }

    pub(super) fn feed(&mut self) -> RefMut<'_, Vec<u8>> {
        Pipe::feed(&self.pipe)
    }

    pub(super) fn feed_eof(&mut self) {
        self.pipe.borrow_mut().eof = true;
        self.tasks.wake();
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece>, hyper::Error> {
        self.read();
        loop {
            self.drive();
            let mut cx = Context::from_waker(&self.tasks.waker);
            match self.exchange.poll(&mut cx) {
                Poll::Ready(piece) => match piece? {
                    Some(Piece::End) => {
                        self.drive();
                        return Ok(Some(Piece::End));
                    }
                    Some(piece) => return Ok(Some(piece)),
                    None => {}
                },
                Poll::Pending if self.tasks.is_woken() => {}
                Poll::Pending => return Ok(None),
            }
        }
    }

    pub(crate) fn output(&mut self) -> Option<Vec<u8>> {
        let bytes = std::mem::take(&mut self.pipe.borrow_mut().outbound);
        if bytes.is_empty() {
            return None;
        }
        self.sent.scan(&bytes, |head| {
            self.request_over |= match head.kind {
                DATA | HEADERS => head.has(END_STREAM),
                kind => kind == RST_STREAM,
            };
        });
        Some(bytes)
    }

    /// Pings and changed settings are answered; goodbyes end the connection.
    pub(super) fn absorb(&mut self) -> bool {
        self.read();
        self.drive();
        !self.finished
    }

    pub(super) fn is_reusable(&mut self) -> bool {
        matches!(self.exchange, Exchange::Idle)
            && !self.finished
            && self.request_over
            && self.sender.is_ready()
    }

    pub(super) fn was_fed_tls(&self) -> bool {
        self.pipe.borrow().holds_tls()
    }

    /// Makes hyper look at what was fed.
    fn read(&self) {
        if self.pipe.borrow().unread() > 0 {
            self.tasks.wake();
        }
    }

    /// Lets everything go on until nothing does any more.
    fn drive(&mut self) {
        while self.tasks.take_woken() {
            // The frames first: nothing wakes the connection when a goodbye has come.
            self.tasks.poll();
            if !self.finished {
                let mut cx = Context::from_waker(&self.tasks.waker);
                // An error also ends the response future or the body, which report it.
                self.finished = Pin::new(&mut *self.connection).poll(&mut cx).is_ready();
            }
            self.tasks.adopt();
        }
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What hyper runs beside the connection itself: the frames in and out, and a waiter for each
/// request. They share one waker.
struct Tasks {
    spawner: Spawner,
    running: Vec<Task>,
    woken: Arc<Woken>,
    waker: Waker,
}

impl Tasks {
    fn new() -> Tasks {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Tasks {
            spawner: Spawner::default(),
            running: Vec::new(),
            waker: Waker::from(Arc::clone(&woken)),
            woken,
        }
    }

    fn wake(&self) {
        self.woken.0.store(true, Ordering::Relaxed);
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    fn take_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }

    fn poll(&mut self) {
        let mut cx = Context::from_waker(&self.waker);
        self.running
            .retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
    }

    /// Takes over what was started. Tasks hold the spawner, so none may stay in it.
    fn adopt(&mut self) {
        let mut started = self.spawner.0.borrow_mut();
        if !started.is_empty() {
            self.wake();
            self.running.append(&mut started);
        }
    }
}

#[derive(Clone, Default)]
struct Spawner(Rc<RefCell<Vec<Task>>>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        self.0.borrow_mut().push(Box::pin(task));
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
