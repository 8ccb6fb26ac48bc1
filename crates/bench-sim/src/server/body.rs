//! Response bodies: a list of things to do, fed by a stream of tokens if there is one.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::conn::Control;
use super::stream::EventStream;

/// One thing that a body does.
#[derive(Debug)]
pub(super) enum Action {
    /// Send these bytes, as one HTTP chunk where there are chunks.
    Write(Bytes),
    /// Let what has been written leave before what follows.
    Flush,
    /// Do nothing for a while; forever without a duration.
    Pause(Option<Duration>),
    /// Break the connection off.
    Cut {
        /// With a reset instead of an orderly shutdown.
        reset: bool,
    },
    /// End the body as HTTP wants it.
    End,
}

/// A response body.
pub(super) struct SimBody {
    actions: VecDeque<Action>,
    length: Option<u64>,
    stream: Option<Box<EventStream>>,
    pause: Option<Pin<Box<Sleep>>>,
    control: Rc<Control>,
    /// Closes the connection if it is idle for this long afterwards.
    idle_close: Option<Duration>,
}

impl SimBody {
    /// A body, `actions` of which write it; in HTTP chunks if it has no length.
    pub(super) fn fixed(
        length: Option<usize>,
        actions: impl Into<VecDeque<Action>>,
        control: Rc<Control>,
    ) -> SimBody {
        let length = length.map(|length| length as u64);
        let (stream, pause, idle_close) = (None, None, None);
        SimBody {
            actions: actions.into(),
            length,
            stream,
            pause,
            control,
            idle_close,
        }
    }

    /// A body that is there already.
    pub(super) fn full(bytes: impl Into<Bytes>, control: Rc<Control>) -> SimBody {
        let bytes = bytes.into();
        match bytes.is_empty() {
            true => SimBody::fixed(Some(0), [], control),
            false => SimBody::fixed(Some(bytes.len()), [Action::Write(bytes)], control),
        }
    }

    /// A body that comes bit by bit.
    pub(super) fn stream(stream: EventStream, control: Rc<Control>) -> SimBody {
        let stream = Some(Box::new(stream));
        let (actions, length, pause, idle_close) = (VecDeque::new(), None, None, None);
        SimBody {
            actions,
            length,
            stream,
            pause,
            control,
            idle_close,
        }
    }

    pub(super) fn set_idle_close(&mut self, after: Option<Duration>) {
        self.idle_close = after;
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            match this.actions.pop_front() {
                Some(Action::Write(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Action::Flush) => {
                    // The connection flushes whenever its body is not ready.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Action::Pause(Some(time))) => {
                    this.pause = Some(Box::pin(tokio::time::sleep(time)));
                }
                Some(Action::Pause(None)) => {
                    this.actions.push_front(Action::Pause(None));
                    return Poll::Pending;
                }
                Some(Action::Cut { reset }) => {
                    this.control.break_off(reset);
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Some(Action::End) => return Poll::Ready(None),
                None => match &mut this.stream {
                    Some(stream) => ready!(stream.poll(cx, &mut this.actions)),
                    None => return Poll::Ready(None),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for SimBody {
    fn drop(&mut self) {
        self.control.idle(self.idle_close);
    }
}
