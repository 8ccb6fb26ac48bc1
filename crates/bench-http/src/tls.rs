use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::HttpError;

/// How servers are authenticated, and the client to them.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Accept any certificate. The connection is encrypted, but to whom is anyone's guess.
    pub insecure: bool,
    /// Trust the certificates in this PEM file instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// Show the server the certificates in this PEM file, the client's own first.
    pub client_cert: Option<PathBuf>,
    /// The PEM file with the private key of `client_cert`, if it is not in the same file.
    pub client_key: Option<PathBuf>,
}

/// The TLS configuration of a run. Certificates are checked against the system's store
/// unless `options` say otherwise.
pub(crate) fn config(options: &TlsOptions, http2: bool) -> Result<Arc<ClientConfig>, HttpError> {
    let provider = Arc::new(ring::default_provider());
    let broken = |reason: String| HttpError::Certificates {
        path: "the TLS library".into(),
        reason,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(error.to_string()))?;
    let builder = if options.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        builder.with_root_certificates(roots(options)?)
    };
    let mut config = match identity(options)? {
        None => builder.with_no_client_auth(),
        Some(Identity { path, chain, key }) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| unusable(&path, &format!("{error}; do the two belong together?")))?,
    };
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(Arc::new(config))
}

/// What the client shows to the server.
struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn identity(options: &TlsOptions) -> Result<Option<Identity>, HttpError> {
    let Some(path) = &options.client_cert else {
        return match &options.client_key {
            None => Ok(None),
            Some(key) => Err(unusable(
                key,
                "a key alone is of no use; name its certificate with --client-cert",
            )),
        };
    };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, &error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable(path, "it holds no PEM certificate"));
    }
    let from = options.client_key.as_ref().unwrap_or(path);
    let key = PrivateKeyDer::from_pem_file(from).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(
            from,
            "it holds no PEM private key; name the file that does with --client-key",
        ),
        error => unusable(from, &error.to_string()),
    })?;
    Ok(Some(Identity {
        path: path.clone(),
        chain,
        key,
    }))
}

fn unusable(path: &Path, reason: &str) -> HttpError {
    HttpError::ClientCertificate {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &options.ca_cert else {
        let found = rustls_native_certs::load_native_certs();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let reason = found
                .errors
                .first()
                .map_or("no certificate found".to_owned(), ToString::to_string);
            return Err(HttpError::Certificates {
                path: "the system's certificate store".into(),
                reason: format!("{reason}; name a PEM file with --ca-cert"),
            });
        }
        return Ok(roots);
    };
    let broken = |reason: String| HttpError::Certificates {
        path: path.display().to_string(),
        reason,
    };
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| broken(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| broken(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| broken(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(broken("it holds no PEM certificate".into()));
    }
    Ok(roots)
}

#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
