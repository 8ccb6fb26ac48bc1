#![doc = include_str!("../README.md")]

mod codec;
mod connection;
mod dial;
mod error;
mod explain;
mod fetch;
mod pool;
mod proxy;
mod stamp;
mod target;
mod tls;
mod wire;

pub use connection::{Connection, Event, ResponseHead};
pub use error::{ConnectError, HttpError, TransferError};
pub use fetch::{FetchError, Response, fetch, reach};
pub use pool::{Pool, PoolOptions};
pub use proxy::ProxyOptions;
pub use stamp::{Arrival, StampStats, WorkerClock};
pub use target::{Scheme, Target, TargetOptions};
pub use tls::TlsOptions;
