use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::dial::dial;
use crate::{ConnectError, Connection, Target, WorkerClock};

/// How connections are opened and kept.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// The longest that opening a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// Use a connection for more than one request.
    pub keepalive: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            connect_timeout: Duration::from_secs(30),
            keepalive: true,
        }
    }
}

/// The idle connections of one worker.
pub struct Pool {
    target: Rc<Target>,
    clock: WorkerClock,
    options: PoolOptions,
    idle: RefCell<Vec<Connection>>,
    stale: Cell<u64>,
    open: Rc<Open>,
}

/// Counts the connections that are open.
#[derive(Debug, Default)]
struct Open {
    now: Cell<u32>,
    peak: Cell<u32>,
}

/// One open connection, counted while it lives.
pub(crate) struct OpenGuard(Rc<Open>);

impl OpenGuard {
    fn new(open: &Rc<Open>) -> OpenGuard {
        open.now.set(open.now.get() + 1);
        open.peak.set(open.peak.get().max(open.now.get()));
        OpenGuard(Rc::clone(open))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}

impl Pool {
    /// An empty pool of connections to `target`, stamped by `clock`.
    pub fn new(target: Rc<Target>, clock: WorkerClock, options: PoolOptions) -> Pool {
        Pool {
            target,
            clock,
            options,
            idle: RefCell::default(),
            stale: Cell::new(0),
            open: Rc::default(),
        }
    }

    /// An idle connection that is still good, if there is one. Stale ones found on the way are
    /// dropped and counted.
    pub fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            if connection.is_reusable() {
                return Some(connection);
            }
            self.stale.set(self.stale.get() + 1);
        }
        None
    }

    /// Gives a connection back after its response ended. It is dropped if it cannot be used
    /// again.
    pub fn put(&self, mut connection: Connection) {
        if self.options.keepalive && connection.is_reusable() {
            self.idle.borrow_mut().push(connection);
        }
    }

    /// Adds a connection that has not carried a request yet.
    pub fn add(&self, connection: Connection) {
        self.idle.borrow_mut().push(connection);
    }

    /// Number of idle connections.
    pub fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Pooled connections that turned out to be closed by the server when they were wanted.
    pub fn stale(&self) -> u64 {
        self.stale.get()
    }

    /// The clock its connections stamp with.
    pub fn clock(&self) -> &WorkerClock {
        &self.clock
    }

    /// The most connections that were open at once, idle or not.
    pub fn peak_open(&self) -> u32 {
        self.open.peak.get()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If no address answers, the proxy refuses, TLS fails, the server does not speak
    /// HTTP/2 as asked, or the time limit passes.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let limit = self.options.connect_timeout;
        // Boxed, so that a request that finds a connection does not carry the state of opening one.
        match Box::pin(tokio::time::timeout(limit, self.open())).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout {
                address: self.target.describe(),
                seconds: limit.as_secs_f64(),
            }),
        }
    }

    async fn open(&self) -> Result<Connection, ConnectError> {
        let (wire, codec) = dial(&self.target).await?;
        let guard = OpenGuard::new(&self.open);
        let target = Rc::clone(&self.target);
        Ok(Connection::new(
            wire,
            codec,
            target,
            self.clock.clone(),
            guard,
        ))
    }
}
