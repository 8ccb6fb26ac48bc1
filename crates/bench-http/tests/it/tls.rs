use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use bench_http::{ConnectError, Event, Pool, PoolOptions, Target, TargetOptions, TlsOptions};
use bench_types::{Failure, FailureClass};

use crate::frames::{Peer, last_data, ok};
use crate::secure::{Demands, Files, Identity, Secure, listen_secure};
use crate::server::{answer, listen, pool_with, post, read_request};

fn with_tls(tls: &TlsOptions) -> TargetOptions {
    TargetOptions {
        tls: tls.clone(),
        ..TargetOptions::default()
    }
}

async fn pool(url: &str, tls: &TlsOptions) -> Pool {
    pool_with(url, &with_tls(tls), PoolOptions::default()).await
}

fn serve(mut stream: Secure) {
    read_request(&mut stream);
    answer(&mut stream);
}

/// A server that anybody may use.
fn open_to_all(identity: &Identity) -> String {
    listen_secure(identity, &Demands::default(), serve)
}

async fn exchange(url: &str, tls: &TlsOptions) -> Result<String, Failure> {
    exchange_over(pool(url, tls).await).await
}

async fn exchange_over(pool: Pool) -> Result<String, Failure> {
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
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let url = open_to_all(&identity);
    let answered = exchange(&url, &files.trusting(&identity)).await;
    assert_eq!(answered, Ok("onetwo".to_owned()));
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    let url = open_to_all(&Identity::of("elsewhere.test"));
    let tls = TlsOptions {
        insecure: true,
        ..TlsOptions::default()
    };
    assert_eq!(exchange(&url, &tls).await, Ok("onetwo".to_owned()));
}

/// Why a client that trusts `trusted` does not accept `shown`.
async fn not_accepted(shown: &Identity, trusted: &Identity) -> String {
    let url = open_to_all(shown);
    let failure = exchange(&url, &Files::new().trusting(trusted)).await;
    let failure = failure.expect_err("a bad certificate");
    assert_eq!(failure.class(), FailureClass::Tls);
    let text = failure.to_string();
    let named = format!("the certificate of {url} is not accepted");
    assert!(text.contains(&named), "{text}");
    assert!(
        text.ends_with("or accept any certificate with --insecure"),
        "{text}"
    );
    text
}

#[tokio::test]
async fn an_unknown_issuer_is_a_tls_failure_that_names_the_cure() {
    let shown = Identity::of("localhost");
    let text = not_accepted(&shown, &Identity::of("issuer.test")).await;
    assert!(text.contains("its issuer is unknown"), "{text}");
    assert!(
        text.contains("trust its issuer with --ca-cert FILE"),
        "{text}"
    );
    // One with the same name, but not the one.
    let text = not_accepted(&shown, &Identity::of("localhost")).await;
    assert!(text.contains("its issuer is unknown"), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_tells_the_name() {
    let shown = Identity::of("elsewhere.test");
    let text = not_accepted(&shown, &shown).await;
    assert!(text.contains("it is for another name"), "{text}");
    assert!(text.contains("elsewhere.test"), "{text}");
}

#[tokio::test]
async fn certificates_have_their_time() {
    let expired = Identity::made("localhost", |params| {
        params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    });
    let text = not_accepted(&expired, &expired).await;
    assert!(text.contains("it has expired"), "{text}");
    let early = Identity::made("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(4001, 2, 3);
    });
    let text = not_accepted(&early, &early).await;
    assert!(text.contains("it is not valid yet"), "{text}");
}

#[tokio::test]
async fn a_plain_server_and_a_plain_client_are_told_apart_from_tls() {
    let plain = listen(|mut stream| {
        read_request(&mut stream);
        let text = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
        stream.write_all(text).unwrap();
    });
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let secure_url = plain.replace("http://127.0.0.1", "https://localhost");
    let failure = exchange(&secure_url, &files.trusting(&identity)).await;
    let failure = failure.expect_err("not TLS");
    assert_eq!(failure.class(), FailureClass::Tls);
    let text = failure.to_string();
    assert!(
        text.contains(&secure_url) && text.contains("write http://"),
        "{text}"
    );

    let plain_url = open_to_all(&identity).replace("https", "http");
    let failure = exchange(&plain_url, &TlsOptions::default()).await;
    let failure = failure.expect_err("not plain");
    assert_eq!(failure.class(), FailureClass::Protocol);
    assert!(failure.to_string().contains("write https://"), "{failure}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_it_is_asked_for() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let client = Identity::of("client.test");
    let demands = Demands {
        client: Some(&client),
        ..Demands::default()
    };
    let url = listen_secure(&identity, &demands, serve);
    let trusting = files.trusting(&identity);
    let showing = |certificate: PathBuf, key: Option<PathBuf>| TlsOptions {
        client_cert: Some(certificate),
        client_key: key,
        ..trusting.clone()
    };
    let (certificate, key) = (client.certificate_pem(), client.key_pem());
    let one_file = files.with("both.pem", &format!("{certificate}{key}"));
    let answered = exchange(&url, &showing(one_file, None)).await;
    assert_eq!(answered, Ok("onetwo".to_owned()));
    let certificate = files.with("client.pem", &certificate);
    let key = files.with("client.key", &key);
    let answered = exchange(&url, &showing(certificate, Some(key))).await;
    assert_eq!(answered, Ok("onetwo".to_owned()));

    let failure = exchange(&url, &trusting).await.expect_err("none shown");
    assert_eq!(failure.class(), FailureClass::Tls);
    assert!(failure.to_string().contains("--client-cert"), "{failure}");

    let other = Identity::of("stranger.test");
    let both = format!("{}{}", other.certificate_pem(), other.key_pem());
    let other = files.with("other.pem", &both);
    let failure = exchange(&url, &showing(other, None)).await;
    let failure = failure.expect_err("not the one that is trusted");
    assert_eq!(failure.class(), FailureClass::Tls);
    assert!(
        failure
            .to_string()
            .contains("does not accept the client certificate"),
        "{failure}"
    );
}

/// Why `tls` cannot be used.
async fn unusable(tls: TlsOptions) -> String {
    let target = Target::resolve("https://localhost:1", &with_tls(&tls)).await;
    target.expect_err("unusable").to_string()
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let files = Files::new();
    let client = Identity::of("client.test");
    let empty = files.with("empty.pem", "nothing here");
    let certificate = files.with("client.pem", &client.certificate_pem());
    let key = files.with("client.key", &client.key_pem());
    let other_key = files.with("other.key", &Identity::of("client.test").key_pem());
    let showing = |certificate: &PathBuf, key: Option<&PathBuf>| TlsOptions {
        insecure: true,
        client_cert: Some(certificate.clone()),
        client_key: key.cloned(),
        ..TlsOptions::default()
    };

    let text = unusable(TlsOptions {
        ca_cert: Some(empty.clone()),
        ..TlsOptions::default()
    });
    assert!(text.await.contains("empty.pem"));
    let text = unusable(showing(&empty, None)).await;
    assert!(
        text.contains("empty.pem") && text.contains("no PEM certificate"),
        "{text}"
    );
    let text = unusable(showing(&certificate, None)).await;
    assert!(
        text.contains("client.pem") && text.contains("--client-key"),
        "{text}"
    );
    let missing = PathBuf::from("/no/such/file.pem");
    let text = unusable(showing(&certificate, Some(&missing))).await;
    assert!(text.contains("/no/such/file.pem"), "{text}");
    let text = unusable(showing(&certificate, Some(&other_key))).await;
    assert!(
        text.contains("client.pem") && text.contains("belong together"),
        "{text}"
    );
    let text = unusable(TlsOptions {
        insecure: true,
        client_key: Some(key),
        ..TlsOptions::default()
    });
    let text = text.await;
    assert!(
        text.contains("client.key") && text.contains("--client-cert"),
        "{text}"
    );
}

#[tokio::test]
async fn tickets_do_not_make_an_unused_connection_stale() {
    let (shaken, wait) = mpsc::channel();
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let url = listen_secure(&identity, &Demands::default(), move |mut stream| {
        // The handshake is over, and with it the server has sent its tickets.
        shaken.send(()).unwrap();
        read_request(&mut stream);
        answer(&mut stream);
    });
    let pool = pool(&url, &files.trusting(&identity)).await;
    pool.add(pool.connect().await.unwrap());
    wait.recv().unwrap();
    let connection = pool.take();
    assert_eq!(pool.stale(), 0);
    let mut connection = connection.expect("it is as good as new");
    post(&mut connection, "");
    let pieces = crate::server::body(&mut connection).await.unwrap();
    assert_eq!(pieces, ["one", "two"]);
}

/// Answers each request with `text` and ends the TLS session, both in one write, while the
/// socket stays open.
fn bid_farewell(identity: &Identity, text: &'static [u8]) -> String {
    listen_secure(identity, &Demands::default(), move |mut stream| {
        read_request(&mut stream);
        let mut sealed = Vec::new();
        stream.conn.writer().write_all(text).unwrap();
        stream.conn.send_close_notify();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut sealed).unwrap();
        }
        stream.sock.write_all(&sealed).unwrap();
        std::mem::forget(stream);
    })
}

#[tokio::test]
async fn the_end_of_the_session_ends_a_body_that_came_with_it() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let text = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end";
    let url = bid_farewell(&identity, text);
    let tls = files.trusting(&identity);
    let answered = tokio::time::timeout(Duration::from_secs(30), exchange(&url, &tls)).await;
    assert_eq!(answered, Ok(Ok("until the end".to_owned())));
}

#[tokio::test]
async fn a_session_that_ended_with_an_answer_is_not_used_again() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall";
    let url = bid_farewell(&identity, text);
    let pool = pool(&url, &files.trusting(&identity)).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    let pieces = crate::server::body(&mut connection).await.unwrap();
    assert_eq!(pieces, ["all"]);
    assert!(!connection.is_quiet());
    pool.put(connection);
    assert_eq!(pool.idle(), 0);
}

async fn http2(url: &str, tls: TlsOptions) -> Pool {
    let options = TargetOptions {
        tls,
        http2: true,
        ..TargetOptions::default()
    };
    pool_with(url, &options, PoolOptions::default()).await
}

#[tokio::test]
async fn http2_is_agreed_upon_in_the_handshake() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let demands = Demands {
        protocols: &["http/1.1", "h2"],
        ..Demands::default()
    };
    let url = listen_secure(&identity, &demands, |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        peer.send(&[ok(id), last_data(id, "two")]);
        std::mem::forget(peer);
    });
    let pool = http2(&url, files.trusting(&identity)).await;
    assert_eq!(exchange_over(pool).await, Ok("two".to_owned()));
}

#[tokio::test]
async fn a_server_that_does_not_choose_http2_is_named() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    for protocols in [&["http/1.1"] as &[&str], &[]] {
        let demands = Demands {
            protocols,
            ..Demands::default()
        };
        let url = listen_secure(&identity, &demands, serve);
        let pool = http2(&url, files.trusting(&identity)).await;
        let error = pool.connect().await.err().expect("no HTTP/2 there");
        assert!(matches!(error, ConnectError::NoHttp2 { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("--http2"), "{text}");
    }
}

#[tokio::test]
async fn a_client_certificate_that_http2_lacks_is_found_out_while_connecting() {
    let (files, identity) = (Files::new(), Identity::of("localhost"));
    let client = Identity::of("client.test");
    let demands = Demands {
        client: Some(&client),
        protocols: &["h2"],
    };
    let url = listen_secure(&identity, &demands, drop);
    let pool = http2(&url, files.trusting(&identity)).await;
    let error = pool
        .connect()
        .await
        .err()
        .expect("a certificate is missing");
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("--client-cert"), "{error}");
}
