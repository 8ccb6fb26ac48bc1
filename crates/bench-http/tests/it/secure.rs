//! TLS servers with certificates of a test's making.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use bench_http::TlsOptions;
use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::server::listen;

pub(crate) type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A certificate that nobody vouches for, and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn of(name: &str) -> Identity {
        Identity::made(name, |_| ())
    }

    /// A certificate for `name` with something special about it.
    pub(crate) fn made(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Identity { certificate, key }
    }

    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// What a server asks of its clients.
#[derive(Default)]
pub(crate) struct Demands<'a> {
    /// A certificate: this one.
    pub(crate) client: Option<&'a Identity>,
    /// One of these protocols.
    pub(crate) protocols: &'a [&'a str],
}

/// Files for the time of a test.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Files {
        Files(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn with(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    }

    /// Trusts `identity` and nobody else.
    pub(crate) fn trusting(&self, identity: &Identity) -> TlsOptions {
        TlsOptions {
            ca_cert: Some(self.with("trusted.pem", &identity.certificate_pem())),
            ..TlsOptions::default()
        }
    }
}

/// Hands connections whose handshake succeeded to `serve`. The address is that of `localhost`.
pub(crate) fn listen_secure(
    identity: &Identity,
    demands: &Demands<'_>,
    mut serve: impl FnMut(Secure) + Send + 'static,
) -> String {
    let config = Arc::new(config(identity, demands));
    let url = listen(move |socket: TcpStream| {
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        if stream.flush().is_ok() && !stream.conn.is_handshaking() {
            serve(stream);
        } else {
            // Whatever else the client says is read, so that closing resets nothing.
            let _ = stream.sock.shutdown(std::net::Shutdown::Write);
            let _ = stream.sock.read_to_end(&mut Vec::new());
        }
    });
    url.replace("http://127.0.0.1", "https://localhost")
}

fn config(identity: &Identity, demands: &Demands<'_>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the usual versions");
    let builder = match demands.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(client.certificate.der().clone())
                .expect("a certificate");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
    let mut config = builder
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .expect("they belong together");
    config.alpn_protocols = demands
        .protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}
