//! The server of the example: it repeats what it is told.

use std::io;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

#[derive(Deserialize)]
struct Order {
    say: String,
    times: usize,
}

/// Starts it on the runtime of the caller; it ends with that.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(BufStream::new(client)));
        }
    });
    Ok(address)
}

/// Answers one request, and closes the connection.
async fn answer(mut client: BufStream<TcpStream>) -> io::Result<()> {
    let (mut first, mut length) = (String::new(), 0);
    client.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None => break,
        }
    }
    if !first.starts_with("POST /speak ") {
        let nothing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        client.write_all(nothing).await?;
        return client.flush().await;
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    let order: Order = serde_json::from_slice(&body)?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).await?;
    let words = order.say.split_whitespace().cycle().take(order.times);
    let words = words.map(|word| json!({ "word": word }));
    for event in words.chain([json!({ "words": order.times })]) {
        let event = format!("data: {event}\n\n");
        client.write_all(event.as_bytes()).await?;
        client.flush().await?;
    }
    Ok(())
}
