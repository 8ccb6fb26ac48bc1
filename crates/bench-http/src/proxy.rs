use std::fmt;

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

/// A proxy's URL without the name and password in it.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // Up to the last `@`, so that one inside a password shows nothing of it.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}{rest}")
}
