//! TLS, HTTP/2, proxies and several servers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use bytes::Bytes;
use tempfile::TempDir;

use crate::secure::{Identity, tls_in_front_of};
use crate::support::{
    SMALL, assert_fails, command, result, server, small_at, stderr, succeeded, text,
};

/// Hands every connection to `serve`, each on a thread of its own.
pub(crate) fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.expect("accepted"), serve.clone());
            stream.set_nodelay(true).expect("a TCP socket");
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// The head of a request, up to the empty line, and what has come behind it.
pub(crate) fn read_head(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).expect("text"), rest));
        }
        // A client that goes away, in whatever way, asks for nothing more.
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

/// A proxy that takes every name for that of this machine, and tells the heads it is sent.
pub(crate) fn proxy() -> (String, Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let address = listen(move |mut client| {
        let Some((head, rest)) = read_head(&mut client) else {
            return;
        };
        // The test may have heard enough.
        let _ = tell.send(head.clone());
        let target = head.split(' ').nth(1).unwrap();
        let authority = target.trim_start_matches("http://");
        let authority = authority.split('/').next().unwrap();
        let (_, port) = authority.split_once(':').expect("a port");
        let mut server = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        server.set_nodelay(true).unwrap();
        server.write_all(head.as_bytes()).unwrap();
        server.write_all(&rest).unwrap();
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || pass(back.0, back.1));
        pass(client, server);
    });
    (format!("http://{address}"), told)
}

/// Passes on what comes `from` one side.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    // However it ends, that is the end for the other side, too.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn with(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

#[test]
fn https_with_a_certificate_that_is_trusted() {
    let (server, files) = (server(), Files::new());
    let identity = Identity::of("localhost");
    let url = tls_in_front_of(server.addr(), &identity, None);
    let trusted = files.with("ca.pem", &identity.certificate_pem());
    let page = succeeded(&small_at(&url, &["--ca-cert", text(&trusted)]));
    assert!(
        page.contains("Successful requests:                     8"),
        "{page}"
    );
    assert_eq!(server.stats().completed, 8);
    succeeded(&small_at(&url, &["--insecure"]));
}

#[test]
fn a_certificate_that_is_not_accepted_is_said_with_its_cure() {
    let (server, files) = (server(), Files::new());
    let url = tls_in_front_of(server.addr(), &Identity::of("localhost"), None);
    let other = files.with("ca.pem", &Identity::of("localhost").certificate_pem());
    let refused = |arguments: &[&str]| {
        let output = small_at(&url, &[&["--ca-cert", text(&other)], arguments].concat());
        let cures = ["--ca-cert FILE", "--insecure"];
        assert_fails(
            &output,
            1,
            &[&[&*url, "its issuer is unknown"], &cures[..]].concat(),
        );
        // Nor is a cure named that is none.
        assert!(
            !stderr(&output).contains("is it running"),
            "{}",
            stderr(&output)
        );
    };
    refused(&[]);
    refused(&["--model", "sim-model"]);
    refused(&["--model", "sim-model", "--ready-check-timeout-sec", "0.1"]);
    // A name that the certificate is not for.
    let elsewhere = Identity::of("elsewhere.test");
    let url = tls_in_front_of(server.addr(), &elsewhere, None);
    let trusted = files.with("elsewhere.pem", &elsewhere.certificate_pem());
    let output = small_at(&url, &["--ca-cert", text(&trusted)]);
    assert_fails(&output, 1, &[&url, "elsewhere.test"]);
    assert_fails(
        &small_at(&url, &["--ca-cert", "/no/such.pem"]),
        2,
        &["/no/such.pem"],
    );
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn a_client_certificate_is_shown() {
    let (server, files) = (server(), Files::new());
    let (identity, client) = (Identity::of("localhost"), Identity::of("client.test"));
    let url = tls_in_front_of(server.addr(), &identity, Some(&client));
    let trusted = files.with("ca.pem", &identity.certificate_pem());
    let certificate = files.with("client.pem", &client.certificate_pem());
    let key = files.with("client.key", &client.key_pem());
    let trusting = ["--ca-cert", text(&trusted)];
    let shown = ["--client-cert", text(&certificate)];
    let with_key = ["--client-key", text(&key)];
    succeeded(&small_at(&url, &[trusting, shown, with_key].concat()));
    assert_eq!(server.stats().completed, 8);
    let none = small_at(&url, &trusting);
    assert_fails(
        &none,
        1,
        &["asks for a client certificate", "--client-cert"],
    );
    let keyless = small_at(&url, &[trusting, shown].concat());
    assert_fails(&keyless, 2, &["client.pem", "--client-key"]);
}

/// Four tokens, as vLLM streams them.
const STREAM: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"text\":\" a\",\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"text\":\" b\",\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"text\":\" c\",\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"text\":\" d\",\"finish_reason\":\"length\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":4,",
    "\"total_tokens\":20}}\n\n",
    "data: [DONE]\n\n",
);

/// A server that speaks nothing but HTTP/2 without TLS.
fn http2_server() -> String {
    let address = listen(|stream| {
        stream.set_nonblocking(true).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        // A client that goes away ends the conversation with an error.
        let _ = runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut connection = h2::server::handshake(stream).await?;
            while let Some(accepted) = connection.accept().await {
                let (request, mut respond) = accepted?;
                let is_asked = request.uri().path() == "/v1/completions";
                let mut head = http::Response::new(());
                if !is_asked {
                    *head.status_mut() = http::StatusCode::NOT_FOUND;
                }
                let mut body = respond.send_response(head, !is_asked)?;
                if is_asked {
                    body.send_data(Bytes::from_static(STREAM.as_bytes()), true)?;
                }
            }
            Ok::<(), h2::Error>(())
        });
    });
    format!("http://{address}")
}

#[test]
fn http2_without_tls() {
    let (url, files) = (http2_server(), Files::new());
    let dir = text(files.0.path());
    let save = [
        "--save-result",
        "--result-dir",
        dir,
        "--result-filename",
        "r.json",
    ];
    let named = ["--model", "m", "--http2"];
    succeeded(&small_at(&url, &[&save[..], &named].concat()));
    let result = result(&files.0.path().join("r.json"));
    assert_eq!(result["completed"], 8);
    assert_eq!(result["total_output_tokens"], 8 * 4);
    // A server that does not speak it is not taken for one that does.
    let server = server();
    let output = small_at(&server.url(), &named);
    assert_fails(&output, 1, &["does not speak HTTP/2", "leave out --http2"]);
}

/// A small run with variables in its environment.
fn small_in(environment: &[(&str, &str)], url: &str) -> Output {
    let mut run = command();
    run.args(SMALL)
        .args(["--base-url", url, "--model", "sim-model"]);
    run.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    for name in ["http_proxy", "ALL_PROXY"] {
        let server = server();
        let (proxy, told) = proxy();
        // A name that only the proxy knows.
        let url = server.url().replace("127.0.0.1", "server.test");
        succeeded(&small_in(&[(name, &proxy)], &url));
        assert_eq!(server.stats().completed, 8);
        let heads: Vec<String> = told.try_iter().collect();
        let asked = |head: &String| head.contains(&format!("{url}/v1/"));
        assert!(heads.iter().any(asked), "{heads:?}");
    }
}

#[test]
fn exceptions_from_the_proxy_are_honoured() {
    let server = server();
    let (proxy, told) = proxy();
    let url = server.url().replace("127.0.0.1", "server.invalid");
    let excepted = [("http_proxy", &*proxy), ("NO_PROXY", "other.test,.invalid")];
    // Nobody but the proxy knows the name.
    assert_fails(
        &small_in(&excepted, &url),
        2,
        &["`server.invalid`", "--base-url"],
    );
    // What is on this machine needs no proxy, and no exception either.
    succeeded(&small_in(&[("http_proxy", &proxy)], &server.url()));
    assert_eq!(server.stats().completed, 8);
    assert_eq!(told.try_iter().count(), 0);
}

#[test]
fn several_servers_have_a_row_each() {
    let (one, other) = (server(), server());
    let urls = [one.url(), other.url()];
    let page = succeeded(&small_at(&urls[0], &["--base-url", &urls[1]]));
    assert_eq!((one.stats().completed, other.stats().completed), (4, 4));
    assert!(page.contains("By Server"), "{page}");
    for url in &urls {
        let host = url.trim_start_matches("http://");
        let mut rows = page.lines().filter(|line| line.contains(host));
        let row = rows.next().expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[1..4], ["4", "4", "0"], "{page}");
    }
}
