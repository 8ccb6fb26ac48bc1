use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use bench_http::{
    ConnectError, Event, FetchError, HttpError, PoolOptions, Target, TargetOptions, fetch,
};
use bench_types::{Failure, FailureClass};

use crate::server::{CHUNKED, answer, body, chunk, listen, pool, pool_with, post, read_request};

#[tokio::test]
async fn chunks_of_one_read_come_apart_with_the_same_stamp() {
    let url = listen(|mut stream| {
        read_request(&mut stream);
        answer(&mut stream);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "hello");
    let Event::Head(head) = connection.event().await.unwrap() else {
        panic!("the head comes first");
    };
    let mut stamps = Vec::new();
    while let Event::Data { bytes, at } = connection.event().await.unwrap() {
        stamps.push((bytes, at));
    }
    assert_eq!(stamps[0].0, "one");
    assert_eq!(stamps[1].0, "two");
    assert_eq!(stamps[0].1, stamps[1].1);
    assert_eq!(stamps[0].1, head.at);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stamps_are_of_the_arrival_and_not_of_the_read() {
    let (written, wait) = mpsc::channel();
    let url = listen(move |mut stream| {
        read_request(&mut stream);
        answer(&mut stream);
        written.send(()).unwrap();
        // Keep the connection open.
        std::mem::forget(stream);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    let clock = pool.clock().clone();
    post(&mut connection, "");
    // On loopback the bytes are in our socket when the server's write returns, so whatever is
    // read from now on arrived earlier than now.
    wait.recv().unwrap();
    let before_read = clock.now();
    let Event::Head(head) = connection.event().await.unwrap() else {
        panic!("the head comes first");
    };
    let (kernel, user) = clock.stats().reads();
    assert_eq!((kernel, user), (1, 0));
    assert!(head.at.kernel && head.at.at <= before_read, "{:?}", head.at);
    assert_eq!(clock.stats().lag().len(), 1);
}

#[tokio::test]
async fn a_connection_serves_again_and_a_stale_one_is_found_out() {
    let (close, closed) = (mpsc::channel(), mpsc::channel());
    let (wait, done) = (close.1, closed.0);
    let mut first = true;
    let url = listen(move |mut stream| {
        read_request(&mut stream);
        answer(&mut stream);
        if std::mem::take(&mut first) {
            read_request(&mut stream);
            answer(&mut stream);
            wait.recv().unwrap();
            drop(stream);
            done.send(()).unwrap();
        }
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    for _ in 0..2 {
        post(&mut connection, "again");
        assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    }
    pool.put(connection);
    assert_eq!(pool.idle(), 1);
    close.0.send(()).unwrap();
    closed.1.recv().unwrap();
    assert!(pool.take().is_none(), "the server has closed it");
    assert_eq!(pool.stale(), 1);
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "fresh");
    assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    assert_eq!(pool.peak_open(), 1);
}

#[tokio::test]
async fn connection_close_is_respected() {
    let url = listen(|mut stream| {
        read_request(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end";
        stream.write_all(head.as_bytes()).unwrap();
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    assert_eq!(
        body(&mut connection).await.unwrap().concat(),
        "until the end"
    );
    pool.put(connection);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn a_long_body_is_sent_whole() {
    let (sender, received) = mpsc::channel();
    let url = listen(move |mut stream| {
        sender.send(read_request(&mut stream)).unwrap();
        answer(&mut stream);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    let long = "0123456789".repeat(800_000);
    post(&mut connection, &long);
    body(&mut connection).await.unwrap();
    let request = received.recv().unwrap();
    assert!(request.starts_with("POST /v1/echo HTTP/1.1\r\n"));
    assert!(request.contains("host: 127.0.0.1:"));
    assert!(request.ends_with(&long));
}

/// How an exchange with a server that does `misbehave` breaks.
async fn broken(misbehave: impl Fn(&mut TcpStream) + Send + 'static) -> Failure {
    let url = listen(move |mut stream| {
        read_request(&mut stream);
        misbehave(&mut stream);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    let error = body(&mut connection).await.unwrap_err();
    pool.put(connection);
    assert_eq!(pool.idle(), 0, "a broken connection is of no use");
    error.into()
}

#[tokio::test]
async fn each_way_to_break_is_told_apart() {
    let unanswered = broken(|_| ()).await;
    assert_eq!(unanswered.class(), FailureClass::Connect);
    let cut_in_chunk = broken(|stream| {
        let parts = [CHUNKED, b"ff\r\nonly a part"].concat();
        stream.write_all(&parts).unwrap();
    });
    assert_eq!(cut_in_chunk.await.class(), FailureClass::Truncated);
    let cut_between = broken(|stream| {
        stream
            .write_all(&[CHUNKED, &chunk("one")].concat())
            .unwrap();
    });
    assert_eq!(cut_between.await.class(), FailureClass::Truncated);
    let short = broken(|stream| {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!";
        stream.write_all(text).unwrap();
    });
    assert_eq!(short.await.class(), FailureClass::Truncated);
    let half_a_head = broken(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap();
    });
    assert_eq!(half_a_head.await.class(), FailureClass::Connect);
    let no_http = broken(|stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap());
    assert_eq!(no_http.await.class(), FailureClass::Protocol);
    let no_chunk = broken(|stream| {
        stream.write_all(&[CHUNKED, b"zz\r\n"].concat()).unwrap();
    });
    assert_eq!(no_chunk.await.class(), FailureClass::Protocol);
}

#[tokio::test]
async fn garbage_behind_an_answer_spoils_the_connection_but_not_the_answer() {
    let sized: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall";
    let chunked = [CHUNKED, &chunk("all"), &chunk("")].concat();
    for whole in [sized.to_vec(), chunked] {
        let url = listen(move |mut stream| {
            read_request(&mut stream);
            let answer = [whole.as_slice(), b"garbage"].concat();
            stream.write_all(&answer).unwrap();
            std::mem::forget(stream);
        });
        let pool = pool(&url).await;
        let mut connection = pool.connect().await.unwrap();
        post(&mut connection, "");
        assert_eq!(body(&mut connection).await.unwrap(), ["all"]);
        pool.put(connection);
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test]
async fn an_early_answer_to_a_long_request_is_heard() {
    let url = listen(|mut stream| {
        // Not reading the body, the server answers and closes.
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(text).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::mem::forget(stream);
    });
    let pool = pool(&url).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, &"long ".repeat(4_000_000));
    assert_eq!(body(&mut connection).await.unwrap(), ["no"]);
}

#[tokio::test]
async fn unix_sockets_work_with_stamps_of_the_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        answer(&mut stream);
    });
    let pool = pool(&format!("unix://{}", path.display())).await;
    let mut connection = pool.connect().await.unwrap();
    post(&mut connection, "");
    assert_eq!(body(&mut connection).await.unwrap(), ["one", "two"]);
    let (kernel, user) = pool.clock().stats().reads();
    assert!(kernel == 0 && user > 0);
}

#[tokio::test]
async fn connecting_has_a_time_limit() {
    // A queue for one connection that nobody accepts: the next one gets no answer.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let limit = Duration::from_millis(100);
    let options = PoolOptions {
        connect_timeout: limit,
        keepalive: true,
    };
    let pool = pool_with(
        &format!("http://{address}"),
        &TargetOptions::default(),
        options,
    )
    .await;
    let mut opened = Vec::new();
    let error = loop {
        match pool.connect().await {
            Ok(connection) => opened.push(connection),
            Err(error) => break error,
        }
        assert!(opened.len() < 100, "the queue has no end");
    };
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn nobody_there_is_an_error_that_names_the_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = pool(&format!("http://{address}"))
        .await
        .connect()
        .await
        .err();
    let text = error.expect("nobody listens").to_string();
    assert!(text.contains(&address.to_string()), "{text}");
}

#[tokio::test]
async fn bad_urls_say_what_a_good_one_looks_like() {
    let options = TargetOptions::default();
    for url in [
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://user:pw@host",
        "http://host/?api_key=sesame",
        "unix://relative.sock",
    ] {
        let error = Target::resolve(url, &options).await.expect_err(url);
        assert!(matches!(error, HttpError::Url { .. }), "{url}: {error}");
        assert!(
            error.to_string().contains("http://localhost:8000"),
            "{error}"
        );
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
    let error = Target::resolve("http://no-such-host.invalid:1", &options).await;
    assert!(matches!(error, Err(HttpError::Resolve { .. })));
}

#[tokio::test]
async fn fetch_collects_an_answer_below_the_base_path() {
    let (sender, received) = mpsc::channel();
    let url = listen(move |mut stream| {
        sender.send(read_request(&mut stream)).unwrap();
        let text = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nlate";
        stream.write_all(text).unwrap();
    });
    let url = format!("{url}/prefix/");
    let target = Target::resolve(&url, &TargetOptions::default())
        .await
        .unwrap();
    let request = http::Request::get("/v1/models").body(bytes::Bytes::new());
    let response = fetch(&target, request.unwrap(), Duration::from_secs(60)).await;
    let response = response.unwrap();
    assert_eq!(response.status.as_u16(), 503);
    assert_eq!(response.body, "late");
    assert!(
        received
            .recv()
            .unwrap()
            .starts_with("GET /prefix/v1/models ")
    );
}

#[tokio::test]
async fn fetch_has_a_time_limit() {
    let url = listen(std::mem::forget);
    let target = Target::resolve(&url, &TargetOptions::default())
        .await
        .unwrap();
    let request = http::Request::get("/health").body(bytes::Bytes::new());
    let response = fetch(&target, request.unwrap(), Duration::from_millis(50)).await;
    let error = response.expect_err("nobody answers");
    assert!(matches!(error, FetchError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("/health"));
}
