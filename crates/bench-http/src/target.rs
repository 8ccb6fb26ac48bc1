use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Uri};
use http::{HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::proxy::{Proxy, Tunnel, without_secrets};
use crate::stamp::Awake;
use crate::{HttpError, ProxyOptions, TlsOptions, tls};

/// How a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A unix socket, plain.
    Unix,
}

/// How a target is spoken to, and through whom.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// How servers are authenticated, and the client to them.
    pub tls: TlsOptions,
    /// Speak HTTP/2, one request at a time on each connection: as agreed upon in the handshake
    /// of TLS, and on plain sockets without asking first.
    pub http2: bool,
    /// The proxies to go through. Loopback addresses and unix sockets are always reached
    /// directly.
    pub proxy: ProxyOptions,
}

/// Where requests go, resolved once per run: no request waits for DNS or for certificates.
#[derive(Clone, Debug)]
pub struct Target {
    url: String,
    scheme: Scheme,
    pub(crate) address: Address,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) http2: bool,
    /// How to get through a proxy that is not to see the requests.
    pub(crate) tunnel: Option<Tunnel>,
    /// The proxy that is handed the requests.
    forwarder: Option<Proxy>,
    authority: Authority,
    host: HeaderValue,
    prefix: String,
    /// Holds the kernel's receive stamps on for as long as anyone uses the target.
    _awake: Option<Arc<Awake>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

impl Target {
    /// Resolves a base URL: `http://host:port`, `https://host/prefix` or
    /// `unix:///path/of.sock`.
    ///
    /// # Errors
    /// If the URL cannot be parsed, its host (or the proxy's) has no address, or certificates,
    /// keys or the proxy cannot be used.
    pub async fn resolve(url: &str, options: &TargetOptions) -> Result<Target, HttpError> {
        let bad = |reason: &str| HttpError::Url {
            url: without_secrets(url),
            reason: reason.to_owned(),
        };
        if let Some(path) = url.strip_prefix("unix://") {
            return Target::unix(url, path, options.http2);
        }
        let (uri, scheme) = parse(url).map_err(|reason| bad(&reason))?;
        let authority = uri
            .authority()
            .ok_or_else(|| bad("the host is missing"))?
            .clone();
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(match scheme {
            Scheme::Https => 443,
            Scheme::Http | Scheme::Unix => 80,
        });
        let proxy = options.proxy.choose(&uri)?;
        let addresses = match &proxy {
            None => lookup(host, port)
                .await
                .map_err(|source| HttpError::Resolve {
                    host: host.to_owned(),
                    source,
                })?,
            Some(proxy) => {
                lookup(&proxy.host, proxy.port)
                    .await
                    .map_err(|error| HttpError::Proxy {
                        proxy: proxy.url.clone(),
                        reason: format!("cannot resolve its host `{}`: {error}", proxy.host),
                    })?
            }
        };
        let tls = match scheme {
            Scheme::Https => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|_| bad("the host is not a valid TLS server name"))?;
                Some((tls::config(&options.tls, options.http2)?, name))
            }
            Scheme::Http | Scheme::Unix => None,
        };
        // A forwarding proxy does not speak HTTP/2 without TLS.
        let (tunnel, forwarder) = match proxy {
            Some(proxy) if tls.is_some() || options.http2 => {
                let to = format!("{}:{port}", authority.host());
                (Some(Tunnel { proxy, to }), None)
            }
            proxy => (None, proxy),
        };
        Ok(Target {
            url: url.trim_end_matches('/').to_owned(),
            scheme,
            address: Address::Tcp(addresses),
            tls,
            http2: options.http2,
            tunnel,
            forwarder,
            host: HeaderValue::from_str(authority.as_str())
                .map_err(|error| bad(&error.to_string()))?,
            authority,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            _awake: Awake::new().map(Arc::new),
        })
    }

    fn unix(url: &str, path: &str, http2: bool) -> Result<Target, HttpError> {
        if !path.starts_with('/') {
            return Err(HttpError::Url {
                url: url.to_owned(),
                reason: "the path of the socket must be absolute".to_owned(),
            });
        }
        Ok(Target {
            url: url.to_owned(),
            scheme: Scheme::Unix,
            address: Address::Unix(PathBuf::from(path)),
            tls: None,
            http2,
            tunnel: None,
            forwarder: None,
            authority: Authority::from_static("localhost"),
            host: HeaderValue::from_static("localhost"),
            prefix: String::new(),
            _awake: None,
        })
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How the target is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The path of `path` under the base URL's own path.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Gives `request` the URL and the headers that it has to have on the way to this target.
    pub(crate) fn address(&self, request: &mut http::Request<Bytes>) -> Result<(), HttpError> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let path = self.path(path);
        let headers = request.headers_mut();
        let uri = if self.http2 {
            for name in OF_HTTP_1 {
                headers.remove(name);
            }
            let authority = match headers.remove(HOST) {
                Some(host) => Authority::try_from(host.as_bytes()).map_err(|error| {
                    HttpError::Request(format!("header host {host:?}: {error}"))
                })?,
                None => self.authority.clone(),
            };
            self.absolute(authority, &path)
        } else {
            headers.entry(HOST).or_insert_with(|| self.host.clone());
            match &self.forwarder {
                Some(proxy) => {
                    if let Some(value) = &proxy.authorization {
                        headers.insert(PROXY_AUTHORIZATION, value.clone());
                    }
                    self.absolute(self.authority.clone(), &path)
                }
                None => path.parse().map_err(http::Error::from),
            }
        };
        *request.uri_mut() =
            uri.map_err(|error| HttpError::Request(format!("path {path}: {error}")))?;
        Ok(())
    }

    fn absolute(&self, authority: Authority, path: &str) -> Result<Uri, http::Error> {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http | Scheme::Unix => "http",
        };
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(path)
            .build()
    }

    /// The proxy on the way, if there is one.
    fn proxy(&self) -> Option<&Proxy> {
        let tunnelled = self.tunnel.as_ref().map(|tunnel| &tunnel.proxy);
        tunnelled.or(self.forwarder.as_ref())
    }

    /// What the proxy on the way is sent as `Proxy-Authorization`, marked as sensitive: a proxy
    /// may quote it, and it must not be shown.
    pub fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.proxy()?.authorization.as_ref()
    }

    pub(crate) fn describe(&self) -> String {
        let addresses = match &self.address {
            Address::Tcp(addresses) => addresses,
            Address::Unix(path) => return path.display().to_string(),
        };
        let via = match self.proxy() {
            Some(proxy) => format!(" through the proxy {}", proxy.url),
            None => String::new(),
        };
        match addresses.first() {
            Some(first) => format!("{}{via} ({first})", self.url),
            None => format!("{}{via}", self.url),
        }
    }
}

/// Headers that HTTP/2 has no use for and forbids.
const OF_HTTP_1: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

fn parse(url: &str) -> Result<(Uri, Scheme), String> {
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(other) => return Err(format!("unknown scheme `{other}`")),
        None => return Err("the scheme is missing".to_owned()),
    };
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err("credentials in the URL are not supported, use --header".to_owned());
    }
    if uri.query().is_some() {
        return Err("it has a query part".to_owned());
    }
    Ok((uri, scheme))
}

async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}
