//! What goes wrong in TLS, in plain words and with the cure.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The TLS error inside `error`, if that is what it is.
pub(crate) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Why the handshake with `host` failed.
pub(crate) fn handshake(host: &str, source: &io::Error) -> String {
    match tls_error(source) {
        Some(Error::InvalidCertificate(reason)) => certificate(host, reason),
        Some(Error::InvalidMessage(_)) => format!(
            "what {host} answers is not TLS; if it is a plain server, write http:// in place of \
             https://"
        ),
        Some(error) => format!("TLS handshake with {host} failed: {}", session(error)),
        None if source.kind() == io::ErrorKind::UnexpectedEof => format!(
            "TLS handshake with {host} failed: {source}; if it is a plain server, write http:// \
             in place of https://"
        ),
        None => format!("TLS handshake with {host} failed: {source}"),
    }
}

/// Why a session broke off.
pub(crate) fn session(error: &Error) -> String {
    use AlertDescription as Alert;
    match error {
        Error::AlertReceived(Alert::CertificateRequired) => {
            "the server asks for a client certificate; name one with --client-cert FILE".to_owned()
        }
        Error::AlertReceived(Alert::HandshakeFailure) => "the server refused the handshake; if it \
             asks for a client certificate, name one with --client-cert FILE"
            .to_owned(),
        Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::DecryptError
            | Alert::AccessDenied),
        ) => format!(
            "the server does not accept the client certificate ({alert:?}); name one that it \
             trusts with --client-cert FILE"
        ),
        error => error.to_string(),
    }
}

fn certificate(host: &str, reason: &CertificateError) -> String {
    use CertificateError as Bad;
    let (reason, cure) = match reason {
        Bad::Expired | Bad::ExpiredContext { .. } => {
            (format!("it has expired ({reason})"), "renew it")
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => (
            format!("it is not valid yet ({reason})"),
            "compare the clocks of both machines",
        ),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            format!("it is for another name ({reason})"),
            "address the server by a name in its certificate",
        ),
        // A bad signature: the issuer has the name of a trusted one, but not its key.
        Bad::UnknownIssuer | Bad::BadSignature => (
            "its issuer is unknown".to_owned(),
            "trust its issuer with --ca-cert FILE",
        ),
        other => (other.to_string(), "trust its issuer with --ca-cert FILE"),
    };
    format!(
        "the certificate of {host} is not accepted: {reason}; {cure}, or accept any certificate \
         with --insecure"
    )
}
