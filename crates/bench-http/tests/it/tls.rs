use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use bench_http::{Event, PoolOptions, Target, TargetOptions, TlsOptions};
use bench_types::{Failure, FailureClass};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{answer, listen, pool_with, post, read_request};

struct Secured {
    url: String,
    certificate: PathBuf,
    _folder: tempfile::TempDir,
}

/// A TLS server for `localhost` with a certificate that nobody vouches for.
fn secured() -> Secured {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("cert.pem");
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let url = listen(move |stream: TcpStream| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        // A client that does not trust us hangs up during the handshake.
        if stream.flush().is_ok() && !stream.conn.is_handshaking() {
            read_request(&mut stream);
            answer(&mut stream);
        }
    });
    Secured {
        url: url.replace("http://127.0.0.1", "https://localhost"),
        certificate,
        _folder: folder,
    }
}

fn with_tls(tls: &TlsOptions) -> TargetOptions {
    TargetOptions {
        tls: tls.clone(),
        ..TargetOptions::default()
    }
}

async fn exchange(server: &Secured, tls: &TlsOptions) -> Result<String, Failure> {
    let options = with_tls(tls);
    let pool = pool_with(&server.url, &options, PoolOptions::default()).await;
    let mut connection = pool.connect().await?;
    post(&mut connection, "secret");
    let mut text = String::new();
    loop {
        match connection.event().await? {
            Event::Head(head) => assert!(head.status.is_success()),
            Event::Data { bytes, at } => {
                assert_eq!(at.kernel, cfg!(target_os = "linux"));
                text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
            Event::End { .. } => return Ok(text),
        }
    }
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_stamps_are_the_kernels() {
    let server = secured();
    let tls = TlsOptions {
        ca_cert: Some(server.certificate.clone()),
        ..TlsOptions::default()
    };
    assert_eq!(exchange(&server, &tls).await, Ok("onetwo".to_owned()));
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    let server = secured();
    let tls = TlsOptions {
        insecure: true,
        ..TlsOptions::default()
    };
    assert_eq!(exchange(&server, &tls).await, Ok("onetwo".to_owned()));
}

#[tokio::test]
async fn an_unknown_issuer_is_a_tls_failure_that_names_the_cure() {
    let server = secured();
    let other = secured();
    let tls = TlsOptions {
        ca_cert: Some(other.certificate.clone()),
        ..TlsOptions::default()
    };
    let failure = exchange(&server, &tls).await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Tls);
    let text = failure.to_string();
    assert!(text.contains("https://localhost:"), "{text}");
    assert!(
        text.contains("--ca-cert") && text.contains("--insecure"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "nothing here").unwrap();
    let tls = TlsOptions {
        ca_cert: Some(path),
        ..TlsOptions::default()
    };
    let error = Target::resolve("https://localhost:1", &with_tls(&tls))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("empty.pem"), "{error}");
}
