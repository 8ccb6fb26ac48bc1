//! hyper's connections as codecs without I/O: bytes in, pieces of a response out.

mod frames;
mod h1;
mod h2;
mod pipe;

use std::cell::RefMut;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
pub(crate) use h2::Codec as Http2;
use hyper::body::{Body, Incoming};

/// What the codec made of the bytes fed to it.
pub(crate) enum Piece {
    Head(http::response::Parts),
    Data(Bytes),
    End,
}

/// The protocol of one connection.
pub(crate) enum Codec {
    H1(h1::Codec),
    H2(Box<Http2>),
}

impl Codec {
    pub(crate) fn h1() -> Result<Codec, hyper::Error> {
        h1::Codec::new().map(Codec::H1)
    }

    /// The bytes of `request`, as far as the server lets them be sent by now.
    pub(crate) fn encode(&mut self, request: http::Request<Bytes>) -> Vec<u8> {
        match self {
            Codec::H1(codec) => codec.encode(request),
            Codec::H2(codec) => codec.encode(request),
        }
    }

    /// Hands over received bytes: what is appended counts as received.
    pub(crate) fn feed(&mut self) -> RefMut<'_, Vec<u8>> {
        match self {
            Codec::H1(codec) => codec.feed(),
            Codec::H2(codec) => codec.feed(),
        }
    }

    /// Tells that no more bytes will come.
    pub(crate) fn feed_eof(&mut self) {
        match self {
            Codec::H1(codec) => codec.feed_eof(),
            Codec::H2(codec) => codec.feed_eof(),
        }
    }

    /// The next piece of the response that the bytes fed so far hold, if any.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, hyper::Error> {
        match self {
            Codec::H1(codec) => codec.next(),
            Codec::H2(codec) => codec.next(),
        }
    }

    /// What has to be sent besides what [`Codec::encode`] gave: the protocol's own answers,
    /// and more of a long request.
    pub(crate) fn output(&mut self) -> Option<Vec<u8>> {
        match self {
            Codec::H1(_) => None,
            Codec::H2(codec) => codec.output(),
        }
    }

    /// Takes note of bytes that came while no response was awaited. Returns whether the
    /// protocol allows for them.
    pub(crate) fn absorb(&mut self) -> bool {
        match self {
            Codec::H1(codec) => codec.feed().is_empty(),
            Codec::H2(codec) => codec.absorb(),
        }
    }

    /// Whether another request may be sent.
    pub(crate) fn is_reusable(&mut self) -> bool {
        match self {
            Codec::H1(codec) => codec.is_reusable(),
            Codec::H2(codec) => codec.is_reusable(),
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Codec::H2(_))
    }

    /// Whether what came last is TLS where HTTP was expected.
    pub(crate) fn was_fed_tls(&self) -> bool {
        match self {
            Codec::H1(codec) => codec.was_fed_tls(),
            Codec::H2(codec) => codec.was_fed_tls(),
        }
    }
}

type ResponseFuture = Pin<Box<dyn Future<Output = hyper::Result<http::Response<Incoming>>>>>;

/// How far the response of the request under way has come.
enum Exchange {
    Idle,
    Head(ResponseFuture),
    Body(Incoming),
}

impl Exchange {
    /// The next piece hyper has ready; ready with `None` after something that is no piece.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<Option<Piece>>> {
        let piece = match self {
            Exchange::Idle => return Poll::Pending,
            Exchange::Head(response) => {
                let response = std::task::ready!(response.as_mut().poll(cx));
                *self = Exchange::Idle;
                let (parts, body) = response?.into_parts();
                *self = Exchange::Body(body);
                Some(Piece::Head(parts))
            }
            Exchange::Body(body) => match std::task::ready!(Pin::new(body).poll_frame(cx)) {
                // What is not data is a trailer.
                Some(frame) => frame?.into_data().ok().map(Piece::Data),
                None => {
                    *self = Exchange::Idle;
                    Some(Piece::End)
                }
            },
        };
        Poll::Ready(Ok(piece))
    }
}
