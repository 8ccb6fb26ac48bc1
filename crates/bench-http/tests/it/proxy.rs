use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver};

use bench_http::{ConnectError, HttpError, Pool, PoolOptions, ProxyOptions, Target, TargetOptions};

use crate::frames::{Peer, last_data, ok};
use crate::secure::{Demands, Files, Identity, listen_secure};
use crate::server::{answer, body, listen, pool_with, post, read_request};

/// A proxy that takes every name for that of this machine, and tells what it is asked.
fn proxy() -> (String, Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let url = listen(move |mut client| {
        let request = read_request(&mut client);
        tell.send(request.clone()).unwrap();
        let asked = request.split(' ').nth(1).unwrap();
        let authority = asked.trim_start_matches("http://");
        let authority = authority.split('/').next().unwrap();
        let (_, port) = authority.split_once(':').unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        server.set_nodelay(true).unwrap();
        if request.starts_with("CONNECT ") {
            let text = b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n";
            client.write_all(text).unwrap();
        } else {
            server.write_all(request.as_bytes()).unwrap();
        }
        pass(client.try_clone().unwrap(), server.try_clone().unwrap());
        pass(server, client);
    });
    (url, told)
}

/// Passes on what comes `from` one side.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // However it ends, that is the end for the other side, too.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// The URL of a proxy with a name and a password that need care.
fn with_password(url: &str) -> String {
    url.replace("http://", "http://al%40in:open%3Asesame@")
}

/// `al@in:open:sesame` in Base64.
const AUTHORIZATION: &str = "proxy-authorization: Basic YWxAaW46b3BlbjpzZXNhbWU=\r\n";

fn through(proxy: &str) -> TargetOptions {
    TargetOptions {
        proxy: ProxyOptions {
            all: proxy.to_owned(),
            ..ProxyOptions::default()
        },
        ..TargetOptions::default()
    }
}

async fn pool(url: &str, options: &TargetOptions) -> Pool {
    pool_with(url, options, PoolOptions::default()).await
}

/// `url` under a name that only the proxy knows.
fn renamed(url: &str) -> String {
    url.replace("127.0.0.1", "server.test")
        .replace("localhost", "server.test")
}

#[tokio::test]
async fn plain_requests_are_handed_to_the_proxy() {
    let (sender, received) = mpsc::channel();
    let url = renamed(&listen(move |mut stream| {
        for _ in 0..2 {
            sender.send(read_request(&mut stream)).unwrap();
            answer(&mut stream);
        }
    }));
    let (proxy, told) = proxy();
    let pool = pool(&format!("{url}/base"), &through(&with_password(&proxy))).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "hello");
    assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    let request = told.recv().unwrap();
    let first = format!("POST {url}/base/v1/echo HTTP/1.1\r\n");
    assert!(request.starts_with(&first), "{request}");
    let host = format!("host: {}\r\n", url.trim_start_matches("http://"));
    assert!(request.contains(&host), "{request}");
    assert!(request.contains(AUTHORIZATION), "{request}");
    assert_eq!(received.recv().unwrap(), request);
    // The connection to the proxy serves again.
    post(&mut connection, "again");
    assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    assert!(received.recv().unwrap().ends_with("again"));
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_that_sees_nothing() {
    let (files, identity) = (Files::new(), Identity::of("server.test"));
    let (sender, received) = mpsc::channel();
    let url = listen_secure(&identity, &Demands::default(), move |mut stream| {
        sender.send(read_request(&mut stream)).unwrap();
        answer(&mut stream);
    });
    let url = renamed(&url);
    let (proxy, told) = proxy();
    let options = TargetOptions {
        tls: files.trusting(&identity),
        ..through(&with_password(&proxy))
    };
    let pool = pool(&url, &options).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "secret");
    assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    let to = url.trim_start_matches("https://");
    let expected = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{AUTHORIZATION}\r\n");
    assert_eq!(told.recv().unwrap(), expected);
    let request = received.recv().unwrap();
    assert!(
        request.starts_with("POST /v1/echo HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(!request.contains("proxy-authorization"), "{request}");
    let (kernel, user) = pool.clock().stats().reads();
    assert_eq!(
        (kernel > 0, user > 0),
        (cfg!(target_os = "linux"), !cfg!(target_os = "linux"))
    );
}

#[tokio::test]
async fn http2_without_tls_goes_through_a_tunnel() {
    let url = renamed(&listen(|stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        peer.send(&[ok(id), last_data(id, "two")]);
        std::mem::forget(peer);
    }));
    let (proxy, told) = proxy();
    let options = TargetOptions {
        http2: true,
        ..through(&proxy)
    };
    let pool = pool(&url, &options).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "hello");
    assert_eq!(body(&mut connection).await.unwrap(), ["two"]);
    assert!(told.recv().unwrap().starts_with("CONNECT server.test:"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let answers = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "status 407",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        ("HTTP/1.1 200 Conn", "closed the connection"),
    ];
    for (text, expected) in answers {
        let url = listen(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(text.as_bytes()).unwrap();
        });
        let options = TargetOptions {
            tls: bench_http::TlsOptions {
                insecure: true,
                ..Default::default()
            },
            ..through(&with_password(&url))
        };
        let pool = pool("https://server.test:8443", &options).await;
        let error = pool.connect().await.err().expect("refused");
        assert!(matches!(error, ConnectError::Proxy { .. }), "{error}");
        let said = format!("{error} {error:?}");
        for part in [url.as_str(), "server.test:8443", expected] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[tokio::test]
async fn nobody_at_the_proxys_address_is_an_error_that_names_the_proxy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let pool = pool("http://server.test", &through(&with_password(&proxy))).await;
    let error = pool.connect().await.err().expect("nobody listens");
    let text = error.to_string();
    assert!(text.contains(&proxy) && !text.contains("sesame"), "{text}");
}

#[tokio::test]
async fn exceptions_and_this_machine_are_reached_directly() {
    let dead = "http://proxy.invalid:1";
    let url = listen(|mut stream| {
        let request = read_request(&mut stream);
        assert!(request.starts_with("POST /v1/echo "), "{request}");
        answer(&mut stream);
    });
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let pool = pool(&url, &through(dead)).await;
        let mut connection = pool.connect().await.unwrap();
        post(&mut connection, "");
        assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    }
    Target::resolve("unix:///no.sock", &through(dead))
        .await
        .expect("unix sockets have no proxy");
    let mut options = through(dead);
    options.proxy.no_proxy = "example.com,.inside.invalid, 192.0.2.0/24".to_owned();
    for url in ["http://inside.invalid", "https://deep.inside.invalid"] {
        // To reach it directly, its name has to be resolved, and nobody has it.
        let error = Target::resolve(url, &options).await.unwrap_err();
        assert!(matches!(error, HttpError::Resolve { .. }), "{error}");
    }
    Target::resolve("http://192.0.2.7", &options)
        .await
        .expect("an address needs no resolving");
    let error = Target::resolve("http://192.0.3.7", &options)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Proxy { .. }), "{error}");
    assert!(error.to_string().contains("proxy.invalid"), "{error}");
    options.proxy.no_proxy = "*".to_owned();
    Target::resolve("http://192.0.3.7", &options)
        .await
        .expect("no proxy at all");
}

#[tokio::test]
async fn each_scheme_has_its_proxy() {
    let (first, second) = (proxy().0, proxy().0);
    let options = TargetOptions {
        proxy: ProxyOptions {
            http: first.clone(),
            all: second.clone(),
            ..ProxyOptions::default()
        },
        tls: bench_http::TlsOptions {
            insecure: true,
            ..Default::default()
        },
        ..TargetOptions::default()
    };
    for (url, proxy) in [
        ("http://server.test", first),
        ("https://server.test", second),
    ] {
        let target = Target::resolve(url, &options).await.unwrap();
        assert!(format!("{target:?}").contains(&proxy), "{target:?}");
    }
}

#[tokio::test]
async fn proxies_of_other_kinds_are_refused_and_passwords_never_shown() {
    for (proxy, reason) in [
        ("https://me:sesame@proxy.test:3128", "https:// proxies"),
        ("socks5://me:sesame@proxy.test:1080", "socks5:// proxies"),
        ("ftp://me:sesame@proxy.test", "not a URL"),
        ("http://me:sesame with space@proxy.test", "not a URL"),
        ("http://me:se@same@proxy.test", "percent-encoded"),
        ("http://me:80/sesame@proxy.test", "percent-encoded"),
    ] {
        let options = through(proxy);
        let error = Target::resolve("http://server.test", &options).await;
        let error = error.expect_err(proxy);
        assert!(matches!(error, HttpError::Proxy { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(reason) && text.contains("proxy.test"),
            "{text}"
        );
        for shown in [text, format!("{error:?}"), format!("{options:?}")] {
            assert!(!shown.contains("same"), "{shown}");
        }
    }
    let options = through("http://me:sesame@127.0.0.1:1");
    let target = Target::resolve("http://server.test", &options);
    let shown = format!("{:?}", target.await.unwrap());
    assert!(shown.contains("http://127.0.0.1:1"), "{shown}");
    // The name and the password in Base64, too.
    assert!(
        !shown.contains("sesame") && !shown.contains("bWU6c2VzYW1l"),
        "{shown}"
    );
}
