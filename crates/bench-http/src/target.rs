use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

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
    /// Speak HTTP/2: as agreed upon under TLS, without asking first on plain sockets.
    pub http2: bool,
    /// The proxies to go through.
    pub proxy: ProxyOptions,
}

/// Where requests go, resolved once per run: no request waits for DNS or for certificates.
#[derive(Clone, Debug)]
pub struct Target {
    url: String,
    scheme: Scheme,
    pub(crate) address: Address,
    pub(crate) host: HeaderValue,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
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
    /// If the URL cannot be parsed, its host has no address, or the certificates to trust
    /// cannot be loaded.
    pub async fn resolve(url: &str, options: &TargetOptions) -> Result<Target, HttpError> {
        let bad = |reason: &str| HttpError::Url {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(path) = url.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(bad("the path of the socket must be absolute"));
            }
            return Ok(Target {
                url: url.to_owned(),
                scheme: Scheme::Unix,
                address: Address::Unix(PathBuf::from(path)),
                host: HeaderValue::from_static("localhost"),
                tls: None,
                prefix: String::new(),
                _awake: None,
            });
        }
        let uri: http::Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| bad(&error.to_string()))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            Some(other) => return Err(bad(&format!("unknown scheme `{other}`"))),
            None => return Err(bad("the scheme is missing")),
        };
        let authority = uri.authority().ok_or_else(|| bad("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "credentials in the URL are not supported, use --header",
            ));
        }
        if uri.query().is_some() {
            return Err(bad("it has a query part"));
        }
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(default_port);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| HttpError::Resolve {
                host: host.to_owned(),
                source,
            })?
            .collect();
        let tls = match scheme {
            Scheme::Https => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|_| bad("the host is not a valid TLS server name"))?;
                Some((tls::config(&options.tls)?, name))
            }
            Scheme::Http | Scheme::Unix => None,
        };
        Ok(Target {
            url: url.trim_end_matches('/').to_owned(),
            scheme,
            address: Address::Tcp(addresses),
            host: HeaderValue::from_str(authority.as_str())
                .map_err(|error| bad(&error.to_string()))?,
            tls,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            _awake: Awake::new().map(Arc::new),
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

    pub(crate) fn describe(&self) -> String {
        match &self.address {
            Address::Tcp(addresses) => match addresses.first() {
                Some(first) => format!("{} ({first})", self.url),
                None => self.url.clone(),
            },
            Address::Unix(path) => path.display().to_string(),
        }
    }
}
