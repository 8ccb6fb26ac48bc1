use std::rc::Rc;
use std::time::Duration;

use bench_stream::Clock;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use crate::{
    ConnectError, Event, HttpError, Pool, PoolOptions, Target, TransferError, WorkerClock,
};

/// A whole response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why [`fetch`] has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request is not one.
    #[error(transparent)]
    Request(#[from] HttpError),
    /// The exchange broke off.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The limit passed.
    #[error("no complete answer from {url} within {seconds} s")]
    Timeout {
        /// What was asked for.
        url: String,
        /// The limit.
        seconds: f64,
    },
}

/// Sends one request over a connection of its own and collects the response. For the
/// questions asked beside the measured load: is the server ready, which models has it.
///
/// # Errors
/// If there is no complete response within `limit`. Any status is a response.
pub async fn fetch(
    target: &Target,
    request: http::Request<Bytes>,
    limit: Duration,
) -> Result<Response, FetchError> {
    let url = format!("{}{}", target.url(), request.uri().path());
    let exchange = async {
        let clock = WorkerClock::new(Clock::start());
        let pool = Pool::new(Rc::new(target.clone()), clock, PoolOptions::default());
        let mut connection = pool.connect().await?;
        connection.encode(request)?;
        connection.start();
        let mut response = Response {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let mut body = BytesMut::new();
        loop {
            match connection.event().await? {
                Event::Head(head) => {
                    response.status = head.status;
                    response.headers = head.headers;
                }
                Event::Data { bytes, .. } => body.extend_from_slice(&bytes),
                Event::End { .. } => break,
            }
        }
        response.body = body.freeze();
        Ok(response)
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::Timeout {
            url,
            seconds: limit.as_secs_f64(),
        }),
    }
}
