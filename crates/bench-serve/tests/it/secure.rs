//! TLS in front of a server, with certificates of a test's making.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::transport::{listen, read_head};

/// A certificate that nobody vouches for, and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn of(name: &str) -> Identity {
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
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

/// Takes TLS connections and passes on what is asked to the server at `address`, one request
/// per connection. With a `client`, that certificate has to be shown.
pub(crate) fn tls_in_front_of(
    address: SocketAddr,
    identity: &Identity,
    client: Option<&Identity>,
) -> String {
    let config = Arc::new(config(identity, client));
    let tls = listen(move |socket| {
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        if let Some((head, rest)) = read_head(&mut stream) {
            // A client that is gone needs no answer.
            let _ = pass_on(&head, &rest, &mut stream, address);
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    format!("https://localhost:{}", tls.port())
}

/// Asks the server what was asked, and that it close the connection afterwards.
fn pass_on(
    head: &str,
    rest: &[u8],
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    address: SocketAddr,
) -> std::io::Result<()> {
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |value| value.trim().parse().expect("a number"));
    let mut server = TcpStream::connect(address)?;
    let (first, others) = head.split_once("\r\n").expect("a request line");
    write!(server, "{first}\r\nconnection: close\r\n{others}")?;
    server.write_all(rest)?;
    let missing = (length - rest.len()) as u64;
    std::io::copy(&mut std::io::Read::take(&mut *stream, missing), &mut server)?;
    std::io::copy(&mut server, stream)?;
    Ok(())
}

fn config(identity: &Identity, client: Option<&Identity>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the usual versions");
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            let trusted = client.certificate.der().clone();
            roots.add(trusted).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
    builder
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .expect("they belong together")
}
