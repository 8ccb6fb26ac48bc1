//! Which proxy leads to a target, and the tunnel through it.

use std::fmt;
use std::io;
use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::net::TcpStream;

use crate::{ConnectError, HttpError};

/// The proxies to go through, as the usual environment variables name them. An empty string
/// stands for none. The library itself does not look at the environment.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    /// For `http` targets (`HTTP_PROXY`).
    pub http: String,
    /// For `https` targets (`HTTPS_PROXY`).
    pub https: String,
    /// For targets the other two say nothing about (`ALL_PROXY`).
    pub all: String,
    /// Hosts, domains and networks that are reached directly (`NO_PROXY`).
    pub no_proxy: String,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOptions")
            .field("http", &without_secrets(&self.http))
            .field("https", &without_secrets(&self.https))
            .field("all", &without_secrets(&self.all))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// A proxy that leads to a target.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Without name and password.
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`; it is marked as sensitive, so Debug hides it.
    pub(crate) authorization: Option<HeaderValue>,
}

/// What is asked of a proxy that does not see what goes through it.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    pub(crate) proxy: Proxy,
    /// Host and port of the target.
    pub(crate) to: String,
}

impl ProxyOptions {
    /// The proxy that leads to `target`, if it is not to be reached directly.
    pub(crate) fn choose(&self, target: &Uri) -> Result<Option<Proxy>, HttpError> {
        let own = match target.scheme_str() {
            Some("https") => &self.https,
            _ => &self.http,
        };
        let url = if own.is_empty() { &self.all } else { own };
        let everywhere = self.no_proxy.split(',').any(|host| host.trim() == "*");
        if url.is_empty() || everywhere || is_local(target) {
            return Ok(None);
        }
        // Whether there is an exception for the target does not depend on the proxy.
        if intercept("http://proxy", &self.no_proxy, target).is_none() {
            return Ok(None);
        }
        let unusable = |reason: &str| HttpError::Proxy {
            proxy: without_secrets(url),
            reason: reason.to_owned(),
        };
        let found = intercept(url, "", target).ok_or_else(|| unusable("it is not a URL"))?;
        match found.uri().scheme_str() {
            Some("http") => {}
            other => {
                let scheme = other.unwrap_or_default();
                return Err(unusable(&format!("{scheme}:// proxies are not supported")));
            }
        }
        let marks = url.matches('@').count();
        if marks > usize::from(found.basic_auth().is_some()) {
            return Err(unusable(
                "its name and password hold special characters that must be percent-encoded",
            ));
        }
        let host = found.uri().host().unwrap_or_default();
        Ok(Some(Proxy {
            url: without_secrets(url),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: found.uri().port_u16().unwrap_or(80),
            authorization: found.basic_auth().cloned(),
        }))
    }
}

fn intercept(proxy: &str, no_proxy: &str, target: &Uri) -> Option<Intercept> {
    let matcher = Matcher::builder().all(proxy).no(no_proxy).build();
    matcher.intercept(target)
}

/// Whether `target` is on this machine.
fn is_local(target: &Uri) -> bool {
    let host = target.host().unwrap_or_default().to_ascii_lowercase();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The longest head of an answer to `CONNECT`.
const LONGEST_HEAD: usize = 16 * 1024;

/// Asks for a tunnel on a fresh connection to the proxy. Returns what the target has sent
/// through it already.
pub(crate) async fn open(stream: &TcpStream, tunnel: &Tunnel) -> Result<Vec<u8>, ConnectError> {
    let refused = |reason: String| ConnectError::Proxy {
        proxy: tunnel.proxy.url.clone(),
        to: tunnel.to.clone(),
        reason,
    };
    let broken = |error: io::Error| refused(error.to_string());
    write(stream, &tunnel.request()).await.map_err(broken)?;
    let mut answer = Vec::new();
    let body = loop {
        if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if answer.len() > LONGEST_HEAD {
            return Err(refused("its answer is not HTTP".to_owned()));
        }
        if read(stream, &mut answer).await.map_err(broken)? == 0 {
            return Err(refused("it closed the connection".to_owned()));
        }
    };
    let line = answer.split(|&byte| byte == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
    match status(&line) {
        None => Err(refused("its answer is not HTTP".to_owned())),
        Some(200..=299) => Ok(answer.split_off(body)),
        Some(407) => Err(refused(
            "it refused with status 407; put a valid name and password into its URL, like \
             http://user:password@proxy:3128"
                .to_owned(),
        )),
        Some(status) => Err(refused(format!("it refused with status {status}"))),
    }
}

impl Tunnel {
    fn request(&self) -> Vec<u8> {
        let to = &self.to;
        let mut request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n").into_bytes();
        if let Some(value) = &self.proxy.authorization {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}

/// The status in the first line of an answer.
fn status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read(stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 1024];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(read) => {
                into.extend_from_slice(&buffer[..read]);
                return Ok(read);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// A URL without the name, the password and the query in it.
pub(crate) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // Up to the last `@`, so that one inside a password shows nothing of it.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}{rest}")
}
