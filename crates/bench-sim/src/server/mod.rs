//! The server: HTTP around the engine, on a thread of its own.

mod body;
mod conn;
mod control;
mod core;
mod effects;
mod job;
mod routes;
mod stream;
mod timer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, fs, thread};

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use self::core::Core;
use crate::stats::Shared;
use crate::tokenizer::{SimTokenizer, WordTokenizer};
use crate::words::Words;
use crate::{SimConfig, SimError, SimStats};

/// Connections that may wait to be accepted: a load generator opens all of its own at
/// once, and one that does not fit is only tried again after a second.
const BACKLOG: u32 = 4_096;

/// Starts simulated servers.
#[derive(Debug)]
pub struct SimServer;

impl SimServer {
    /// Starts a server with the built-in [`WordTokenizer`].
    ///
    /// It listens when this returns.
    pub fn start(config: SimConfig) -> Result<SimHandle, SimError> {
        SimServer::start_with_tokenizer(config, Arc::new(WordTokenizer::default()))
    }

    /// Starts a server that counts tokens with the given tokenizer.
    pub fn start_with_tokenizer(
        config: SimConfig,
        tokenizer: Arc<dyn SimTokenizer>,
    ) -> Result<SimHandle, SimError> {
        config.validate()?;
        let words = Words::new(&*tokenizer)?;
        let shared = Arc::<Shared>::default();
        let unix = config.unix.clone();
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        let thread = thread::Builder::new().name("bench-sim".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || match Listeners::bind(&config) {
                Err(error) => {
                    // A receiver that is gone has no use for the error either.
                    let _ = started.send(Err(error));
                }
                Ok((runtime, listeners)) => {
                    let _ = started.send(Ok(listeners.address));
                    let core = Rc::new(Core::new(config, tokenizer, words, shared));
                    run(&runtime, core, listeners, stopped);
                }
            }
        });
        let thread = thread.map_err(SimError::Thread)?;
        let lost = || SimError::Thread(std::io::Error::other("the thread ended early"));
        let address = start.recv().map_err(|_| lost()).flatten()?;
        Ok(SimHandle {
            address,
            unix,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// The sockets a server listens on.
struct Listeners {
    address: SocketAddr,
    tcp: TcpListener,
    unix: Option<UnixListener>,
}

impl Listeners {
    /// Binds the sockets, and makes the runtime that they belong to.
    fn bind(config: &SimConfig) -> Result<(tokio::runtime::Runtime, Listeners), SimError> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().map_err(SimError::Thread)?;
        let _entered = runtime.enter();
        let address = SocketAddr::new(config.host, config.port);
        let tcp = bind_tcp(address).map_err(|source| SimError::Bind { address, source })?;
        let address = tcp
            .local_addr()
            .map_err(|source| SimError::Bind { address, source })?;
        let bind = |path: &PathBuf| {
            let failed = |source| SimError::BindUnix {
                path: path.clone(),
                source,
            };
            UnixListener::bind(path).map_err(failed)
        };
        let unix = config.unix.as_ref().map(bind).transpose()?;
        drop(_entered);
        Ok((runtime, Listeners { address, tcp, unix }))
    }
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Tells a server to end as in a crash.
#[derive(Clone, Copy, Debug)]
struct Killed;

/// Serves until the handle says stop, or is gone.
fn run(
    runtime: &tokio::runtime::Runtime,
    core: Rc<Core>,
    listeners: Listeners,
    stopped: oneshot::Receiver<Killed>,
) {
    let local = LocalSet::new();
    local.spawn_local(conn::accept_tcp(Rc::clone(&core), listeners.tcp));
    if let Some(unix) = listeners.unix {
        local.spawn_local(conn::accept_unix(Rc::clone(&core), unix));
    }
    local.block_on(runtime, async {
        tokio::select! {
            result = core.drive() => {
                if let Err(error) = result {
                    tracing::error!(%error, "the step clock failed");
                }
            }
            // An error means that the handle is gone, which is the orderly way to stop.
            result = stopped => core.killed.set(result.is_ok()),
        }
    });
}

/// A running server. Dropping it stops the server.
pub struct SimHandle {
    address: SocketAddr,
    unix: Option<PathBuf>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<Killed>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl SimHandle {
    /// Where the server listens, e.g. `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address the server listens on.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen and done so far.
    pub fn stats(&self) -> SimStats {
        self.shared.snapshot()
    }

    /// Waits until `condition` holds for the statistics; `false` if it did not within
    /// `timeout`.
    pub fn wait_until(&self, timeout: Duration, condition: impl FnMut(&SimStats) -> bool) -> bool {
        self.shared.wait_until(timeout, condition)
    }

    /// Stops the server: closes all connections and waits for its thread. The port is free
    /// at once for another server.
    pub fn shutdown(mut self) {
        self.stop();
    }

    /// Stops the server as a crash would: TCP connections are reset in the middle of
    /// whatever they do. The port is free at once for another server.
    pub fn kill(mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself, which is as good.
            let _ = stop.send(Killed);
        }
        self.stop();
    }

    fn stop(&mut self) {
        // The thread may have stopped by itself, which is as good.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the server's thread panicked");
        }
        if let Some(path) = self.unix.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove the unix socket");
        }
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
