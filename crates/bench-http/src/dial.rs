//! Opens connections: socket, tunnel through a proxy, TLS, first words of HTTP/2.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, ClientConnection};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use crate::codec::{Codec, Http2};
use crate::explain::tls_error;
use crate::target::Address;
use crate::wire::{Socket, Wire};
use crate::{ConnectError, Target, proxy};

/// A connection whose peer is gone without a word is given up after a minute, also where no time
/// limit is set: by keepalive while the peer has confirmed all that was sent, and on Linux by
/// `UNCONFIRMED` while it has not.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// How long the peer may leave sent bytes unconfirmed, or not take those that wait to be sent.
/// The kernel's own limit is a quarter of an hour. Keepalive gives up no earlier than this, so
/// the two are as long as each other.
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(60);

/// Connects to `target`, up to the point where a request can be sent.
pub(crate) async fn dial(target: &Target) -> Result<(Wire, Codec), ConnectError> {
    let socket_failed = |source: io::Error| ConnectError::Socket {
        address: target.describe(),
        source,
    };
    let mut early = Vec::new();
    let socket = match &target.address {
        Address::Tcp(addresses) => {
            let stream = TcpStream::connect(addresses.as_slice())
                .await
                .map_err(socket_failed)?;
            prepare(&stream).map_err(socket_failed)?;
            if let Some(tunnel) = &target.tunnel {
                early = proxy::open(&stream, tunnel).await?;
            }
            Socket::Tcp(stream)
        }
        Address::Unix(path) => {
            Socket::Unix(UnixStream::connect(path).await.map_err(socket_failed)?)
        }
    };
    let mut wire = Wire::new(socket, session(target)?);
    if target.tls.is_some() {
        early = wire
            .handshake(&early)
            .await
            .map_err(|source| tls_failed(target, source))?;
        if target.http2 && wire.protocol() != Some(b"h2") {
            return Err(no_http2(
                target,
                "it did not choose the protocol in the handshake",
            ));
        }
    }
    let codec = if target.http2 {
        greet(target, &mut wire, early).await?
    } else if early.is_empty() {
        Codec::h1().map_err(|error| socket_failed(io::Error::other(error)))?
    } else {
        let spoke = "the server sent data before it was asked anything";
        let error = io::Error::new(io::ErrorKind::InvalidData, spoke);
        return Err(socket_failed(error));
    };
    Ok((wire, codec))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED))?;
    socket.set_tcp_keepalive(&keepalive)
}

fn session(target: &Target) -> Result<Option<Box<ClientConnection>>, ConnectError> {
    let Some((config, name)) = &target.tls else {
        return Ok(None);
    };
    let session = ClientConnection::new(config.clone(), name.clone())
        .map_err(|error| tls_failed(target, io::Error::other(error)))?;
    Ok(Some(Box::new(session)))
}

fn tls_failed(target: &Target, source: io::Error) -> ConnectError {
    match tls_error(&source) {
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            no_http2(target, "it knows none of the protocols offered")
        }
        _ => ConnectError::Tls {
            host: target.url().to_owned(),
            source,
        },
    }
}

fn no_http2(target: &Target, reason: &str) -> ConnectError {
    ConnectError::NoHttp2 {
        host: target.url().to_owned(),
        reason: reason.to_owned(),
    }
}

/// Exchanges the settings of HTTP/2, so that no request has to wait for them.
async fn greet(target: &Target, wire: &mut Wire, early: Vec<u8>) -> Result<Codec, ConnectError> {
    let mut codec = Http2::new().map_err(|error| no_http2(target, &error.to_string()))?;
    let broken = |source: io::Error| match tls_error(&source) {
        Some(_) => tls_failed(target, source),
        None => no_http2(target, &source.to_string()),
    };
    let mut received = early;
    loop {
        let greeted = codec.greet(&received);
        if !codec.is_open() {
            return Err(no_http2(target, "its first words are not HTTP/2"));
        }
        if let Some(mut bytes) = codec.output() {
            wire.seal(&mut bytes).map_err(broken)?;
            wire.write_all(&bytes).await.map_err(broken)?;
        }
        if greeted {
            return Ok(Codec::H2(Box::new(codec)));
        }
        received.clear();
        if !wire.receive(&mut received).await.map_err(broken)? {
            return Err(no_http2(target, "it closed the connection"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_find_out_that_the_other_side_is_gone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(address).await.expect("connected");
        prepare(&stream).expect("prepared");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("readable"));
        assert!(stream.nodelay().expect("readable"));
        assert_eq!(
            socket.tcp_keepalive_time().expect("readable"),
            KEEPALIVE_IDLE
        );
        assert_eq!(
            socket.tcp_keepalive_interval().expect("readable"),
            KEEPALIVE_INTERVAL
        );
        assert_eq!(
            socket.tcp_keepalive_retries().expect("readable"),
            KEEPALIVE_PROBES
        );
        #[cfg(target_os = "linux")]
        {
            let silence = KEEPALIVE_IDLE + KEEPALIVE_PROBES * KEEPALIVE_INTERVAL;
            let limit = socket.tcp_user_timeout().expect("readable");
            assert_eq!(limit, Some(silence), "it overrides that of keepalive");
        }
    }
}
