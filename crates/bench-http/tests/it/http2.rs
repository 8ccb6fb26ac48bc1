use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

use bench_http::{ConnectError, Connection, Event, Pool, PoolOptions, TargetOptions};
use bench_types::{Failure, FailureClass};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::frames::{ACK, GOAWAY, PING, Peer, RST_STREAM, data, frame, last_data, ok};
use crate::server::{body, listen, pool_with, post};

async fn pool(url: &str) -> Pool {
    let options = TargetOptions {
        http2: true,
        ..TargetOptions::default()
    };
    pool_with(url, &options, PoolOptions::default()).await
}

/// The pieces of a body, with trailers behind them.
struct Pieces(Vec<Frame<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop().map(Ok))
    }
}

/// Tells what came, in two pieces and trailers.
async fn tell(request: http::Request<Incoming>) -> Result<http::Response<Pieces>, hyper::Error> {
    let (head, body) = request.into_parts();
    let length = body.collect().await?.to_bytes().len();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", http::HeaderValue::from_static("none"));
    let connection = ["host", "connection", "keep-alive", "transfer-encoding"];
    let forbidden = connection
        .iter()
        .filter(|name| head.headers.contains_key(**name));
    let pieces = vec![
        Frame::trailers(trailers),
        Frame::data(format!("{length} bytes, {} forbidden", forbidden.count()).into()),
        Frame::data(format!("{} {}: ", head.method, head.uri).into()),
    ];
    Ok(http::Response::new(Pieces(pieces)))
}

/// hyper's server, on a thread of its own, with small windows.
fn hyper_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                server
                    .initial_stream_window_size(65_535)
                    .initial_connection_window_size(65_535);
                let service = hyper::service::service_fn(tell);
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    format!("http://{address}")
}

#[tokio::test]
async fn requests_follow_each_other_over_one_connection() {
    let url = hyper_server();
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    // Longer than the server's windows: it has to ask for more, several times.
    for length in [0, 5, 300_000, 3] {
        post(&mut connection, &"x".repeat(length));
        let expected = [
            format!("POST {url}/v1/echo: "),
            format!("{length} bytes, 0 forbidden"),
        ];
        assert_eq!(body(&mut connection).await.unwrap(), expected);
        pool.put(connection);
        connection = pool.take().expect("still good");
    }
    assert_eq!((pool.peak_open(), pool.stale()), (1, 0));
}

#[tokio::test]
async fn what_only_http_1_has_is_left_out_and_a_host_of_the_users_is_asked_for() {
    let url = hyper_server();
    let pool = pool(&format!("{url}/below")).await;
    let mut connection = pool.connect().await.unwrap();
    let request = http::Request::get("/here?q=1")
        .header("host", "other.test")
        .header("connection", "keep-alive")
        .header("keep-alive", "timeout=5")
        .body(Bytes::new())
        .unwrap();
    connection.encode(request).unwrap();
    connection.start();
    assert_eq!(
        body(&mut connection).await.unwrap().concat(),
        "GET http://other.test/below/here?q=1: 0 bytes, 0 forbidden"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn frames_have_the_kernels_stamp_of_the_read_that_brought_them() {
    let (written, wait) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        peer.send(&[ok(id), data(id, "one"), data(id, "two")]);
        written.send(()).unwrap();
        gone.recv().unwrap();
        peer.send(&[last_data(id, "three")]);
        written.send(()).unwrap();
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    let clock = pool.clock().clone();
    assert_eq!(clock.stats().reads(), (0, 0), "connecting is not measured");
    post(&mut connection, "hello");
    // On loopback the bytes are in our socket when the server's write returns, so whatever is
    // read from now on arrived earlier than now.
    wait.recv().unwrap();
    let before_first = clock.now();
    let Event::Head(head) = connection.event().await.unwrap() else {
        panic!("the head comes first");
    };
    let one = stamp(&mut connection, "one").await;
    let two = stamp(&mut connection, "two").await;
    assert!(one.kernel && one.at <= before_first, "{one:?}");
    assert_eq!((one, two), (head.at, head.at));
    go.send(()).unwrap();
    wait.recv().unwrap();
    let before_second = clock.now();
    let three = stamp(&mut connection, "three").await;
    assert!(three.kernel && three.at <= before_second, "{three:?}");
    assert!(three.at > one.at, "{three:?}");
    let Event::End { at } = connection.event().await.unwrap() else {
        panic!("the end was in the same read");
    };
    assert_eq!(at, three);
    assert_eq!(clock.stats().reads(), (2, 0));
}

/// The stamp of the next piece, which has to be `text`.
async fn stamp(connection: &mut Connection, text: &str) -> bench_http::Arrival {
    match connection.event().await.unwrap() {
        Event::Data { bytes, at } if bytes == text => at,
        other => panic!("expected {text}, got {other:?}"),
    }
}

#[tokio::test]
async fn pings_are_answered_inside_a_response_and_between_requests() {
    let (written, wait) = mpsc::channel();
    let (answered, done) = mpsc::channel();
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        peer.send(&[ok(id), frame(PING, 0, 0, b"inside!!")]);
        let pong = peer.await_frame(PING, ACK);
        assert_eq!(pong.payload, b"inside!!");
        peer.send(&[last_data(id, "whole")]);
        wait.recv().unwrap();
        peer.send(&[frame(PING, 0, 0, b"between!")]);
        answered.send(()).unwrap();
        let pong = peer.await_frame(PING, ACK);
        assert_eq!(pong.payload, b"between!");
        let id = peer.request();
        peer.send(&[ok(id), last_data(id, "again")]);
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    assert_eq!(body(&mut connection).await.unwrap(), ["whole"]);
    pool.put(connection);
    written.send(()).unwrap();
    done.recv().unwrap();
    let mut connection = pool.take().expect("a ping is no reason to hang up");
    post(&mut connection, "");
    assert_eq!(body(&mut connection).await.unwrap(), ["again"]);
}

#[tokio::test]
async fn a_ping_before_an_encoded_request_is_answered_behind_it() {
    let (ask, asked) = mpsc::channel();
    let (written, wait) = mpsc::channel();
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        asked.recv().unwrap();
        peer.send(&[frame(PING, 0, 0, b"too soon")]);
        written.send(()).unwrap();
        let id = peer.request();
        peer.await_frame(PING, ACK);
        peer.send(&[ok(id), last_data(id, "fine")]);
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    let request = http::Request::get("/").body(Bytes::new()).unwrap();
    connection.encode(request).unwrap();
    ask.send(()).unwrap();
    wait.recv().unwrap();
    assert!(connection.is_quiet());
    connection.start();
    assert_eq!(body(&mut connection).await.unwrap(), ["fine"]);
}

#[tokio::test]
async fn a_goodbye_between_requests_makes_a_connection_stale() {
    let (go, gone) = mpsc::channel();
    let (written, wait) = mpsc::channel();
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        peer.send(&[ok(id), last_data(id, "last")]);
        gone.recv().unwrap();
        let mut goodbye = id.to_be_bytes().to_vec();
        goodbye.extend(0_u32.to_be_bytes());
        peer.send(&[frame(GOAWAY, 0, 0, &goodbye)]);
        written.send(()).unwrap();
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    assert_eq!(body(&mut connection).await.unwrap(), ["last"]);
    pool.put(connection);
    assert_eq!(pool.idle(), 1);
    go.send(()).unwrap();
    wait.recv().unwrap();
    assert!(pool.take().is_none());
    assert_eq!(pool.stale(), 1);
}

#[tokio::test]
async fn a_goodbye_inside_a_response_lets_it_end() {
    let url = listen(|stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        let mut goodbye = id.to_be_bytes().to_vec();
        goodbye.extend(0_u32.to_be_bytes());
        peer.send(&[ok(id), data(id, "one"), frame(GOAWAY, 0, 0, &goodbye)]);
        peer.send(&[data(id, "two"), last_data(id, "")]);
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    assert_eq!(body(&mut connection).await.unwrap().concat(), "onetwo");
    pool.put(connection);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let pool = pool(&hyper_server()).await;
    let mut connection = pool.connect().await.unwrap();
    let request = http::Request::get("/").header("host", "no host");
    let error = connection.encode(request.body(Bytes::new()).unwrap());
    let error = error.expect_err("not a host").to_string();
    assert!(error.contains("no host"), "{error}");
}

/// How an exchange with a server that does `misbehave` breaks.
async fn broken(misbehave: impl Fn(&mut Peer<TcpStream>, u32) + Send + 'static) -> Failure {
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.request();
        misbehave(&mut peer, id);
        // Whatever else the client has to say is read, so that closing resets nothing.
        peer.0.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = peer.0.read_to_end(&mut Vec::new());
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    let error = body(&mut connection).await.unwrap_err();
    pool.put(connection);
    assert_eq!(pool.idle(), 0, "a broken connection is of no use");
    error.into()
}

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

fn reset(id: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &reason.to_be_bytes())
}

#[tokio::test]
async fn each_way_to_break_is_told_apart() {
    let silent = broken(|_, _| ()).await;
    assert_eq!(silent.class(), FailureClass::Connect, "{silent}");
    let refused = broken(|peer, id| peer.send(&[reset(id, REFUSED_STREAM)])).await;
    assert_eq!(refused.class(), FailureClass::Connect, "{refused}");
    assert!(refused.to_string().contains("REFUSED_STREAM"), "{refused}");
    let calm = broken(|peer, _| {
        let mut goodbye = 0_u32.to_be_bytes().to_vec();
        goodbye.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        peer.send(&[frame(GOAWAY, 0, 0, &goodbye)]);
    });
    let calm = calm.await;
    assert_eq!(calm.class(), FailureClass::Connect, "{calm}");
    assert!(calm.to_string().contains("ENHANCE_YOUR_CALM"), "{calm}");
    let cut = broken(|peer, id| {
        peer.send(&[ok(id), data(id, "some"), reset(id, INTERNAL_ERROR)]);
    });
    let cut = cut.await;
    assert_eq!(cut.class(), FailureClass::Truncated, "{cut}");
    assert!(cut.to_string().contains("INTERNAL_ERROR"), "{cut}");
    let closed = broken(|peer, id| peer.send(&[ok(id), data(id, "some")])).await;
    assert_eq!(closed.class(), FailureClass::Truncated, "{closed}");
    let half = broken(|peer, id| {
        let whole = data(id, "never comes whole");
        peer.send(&[ok(id), whole[..12].to_vec()]);
    });
    let half = half.await;
    assert_eq!(half.class(), FailureClass::Truncated, "{half}");
    let no_frame = broken(|peer, _| peer.0.write_all(&[0xff; 64]).unwrap()).await;
    assert_eq!(no_frame.class(), FailureClass::Protocol, "{no_frame}");
    // Data before a head.
    let no_head = broken(|peer, id| peer.send(&[data(id, "headless")])).await;
    assert_eq!(no_head.class(), FailureClass::Protocol, "{no_head}");
}

#[tokio::test]
async fn an_answer_ahead_of_the_end_of_the_request_is_heard_and_ends_the_connection() {
    let mut enough = true;
    let url = listen(move |stream| {
        let mut peer = Peer::greet(stream);
        let id = peer.receive().stream;
        // The client may send 64 KiB; the rest waits for a permission that never comes.
        let mut answer = vec![ok(id), last_data(id, "no")];
        // As servers say that they need no more of a request.
        answer.extend(std::mem::take(&mut enough).then(|| reset(id, 0)));
        peer.send(&answer);
        std::mem::forget(peer);
    });
    let pool = pool(&url).await;
    for _ in 0..2 {
        let mut connection = pool.connect().await.unwrap();
        post(&mut connection, &"long ".repeat(100_000));
        assert_eq!(body(&mut connection).await.unwrap(), ["no"]);
        pool.put(connection);
        assert_eq!(pool.idle(), 0, "the request was not sent whole");
    }
}

#[tokio::test]
async fn a_server_without_http2_is_named_with_the_cure() {
    let plain = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let text = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
        stream.write_all(text).unwrap();
    });
    let closes = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    for url in [plain, closes] {
        let error = pool(&url).await.connect().await.err();
        let error = error.expect("HTTP/2 is not spoken there");
        assert!(matches!(error, ConnectError::NoHttp2 { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("--http2"), "{text}");
    }
}

#[tokio::test]
async fn unix_sockets_speak_http2_as_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut peer = Peer::greet(listener.accept().unwrap().0);
        let head = peer.receive();
        sender.send(head.payload).unwrap();
        peer.send(&[ok(head.stream), last_data(head.stream, "hi")]);
    });
    let pool = pool(&format!("unix://{}", path.display())).await;
    let mut connection = pool.connect().await.unwrap();
    let request = http::Request::get("/").body(Bytes::new()).unwrap();
    connection.encode(request).unwrap();
    connection.start();
    assert_eq!(body(&mut connection).await.unwrap(), ["hi"]);
    // GET, http, / are entries 2, 6 and 4 of the table; the authority is spelled out.
    let head = received.recv().unwrap();
    for entry in [0x82, 0x86, 0x84] {
        assert!(head.contains(&entry), "{head:02x?}");
    }
    let (kernel, user) = pool.clock().stats().reads();
    assert!(kernel == 0 && user > 0);
}
