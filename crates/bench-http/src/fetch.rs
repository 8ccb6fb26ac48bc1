use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bench_stream::Clock;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use crate::{
    ConnectError, Connection, Event, HttpError, Pool, PoolOptions, Target, TransferError,
    WorkerClock,
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
    /// There is no thread to ask on.
    #[error("cannot ask the server: {0}")]
    Thread(#[source] io::Error),
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
    let target = target.clone();
    let exchange = move || async move { exchange(connect(target, limit).await?, request).await };
    match tokio::time::timeout(limit, on_own_thread(exchange)).await {
        Ok(result) => result?,
        Err(_) => Err(FetchError::Timeout {
            url,
            seconds: limit.as_secs_f64(),
        }),
    }
}

/// Opens a connection, to see whether anybody answers, and closes it again.
///
/// # Errors
/// If none can be opened within `limit`.
pub async fn reach(target: &Target, limit: Duration) -> Result<(), FetchError> {
    let target = target.clone();
    on_own_thread(move || async move {
        connect(target, limit).await?;
        Ok(())
    })
    .await?
}

async fn connect(target: Target, connect_timeout: Duration) -> Result<Connection, ConnectError> {
    let clock = WorkerClock::new(Clock::start());
    let options = PoolOptions {
        connect_timeout,
        ..PoolOptions::default()
    };
    Pool::new(Rc::new(target), clock, options).connect().await
}

async fn exchange(
    mut connection: Connection,
    request: http::Request<Bytes>,
) -> Result<Response, FetchError> {
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
}

/// Connections belong to a thread, callers may not: runs `work` on a thread that lives as
/// long as it takes, or until nobody waits any more.
async fn on_own_thread<T, W>(work: impl FnOnce() -> W + Send + 'static) -> Result<T, FetchError>
where
    T: Send + 'static,
    W: Future<Output = T>,
{
    let (mut answer, answered) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(FetchError::Thread)?;
    std::thread::Builder::new()
        .name("bench-fetch".into())
        .spawn(move || {
            runtime.block_on(async move {
                let done = tokio::select! {
                    done = work() => done,
                    () = answer.closed() => return,
                };
                // If nobody waits any more, nobody wants to know.
                let _ = answer.send(done);
            });
        })
        .map_err(FetchError::Thread)?;
    answered
        .await
        .map_err(|gone| FetchError::Thread(io::Error::other(gone)))
}
