//! A server that speaks HTTP/2 frame by frame, exactly as a test says.

use std::io::{Read, Write};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A frame as it goes over the socket.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of an answer with status 200: entry 8 of the table every side knows.
pub(crate) fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

pub(crate) fn data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, 0, stream, text.as_bytes())
}

pub(crate) fn last_data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, text.as_bytes())
}

/// A frame received.
pub(crate) struct Received {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The server's side of a connection.
pub(crate) struct Peer<S>(pub(crate) S);

impl<S: Read + Write> Peer<S> {
    /// Exchanges preface and settings.
    pub(crate) fn greet(socket: S) -> Peer<S> {
        let mut peer = Peer(socket);
        let mut preface = [0; 24];
        peer.0.read_exact(&mut preface).expect("a preface");
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        peer.send(&[frame(SETTINGS, 0, 0, &[])]);
        peer.await_frame(SETTINGS, 0);
        peer.send(&[frame(SETTINGS, ACK, 0, &[])]);
        peer.await_frame(SETTINGS, ACK);
        peer
    }

    /// Sends `frames` in one write.
    pub(crate) fn send(&mut self, frames: &[Vec<u8>]) {
        self.0.write_all(&frames.concat()).expect("writable");
        self.0.flush().expect("writable");
    }

    pub(crate) fn receive(&mut self) -> Received {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("a frame");
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).expect("the whole frame");
        Received {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        }
    }

    /// Reads up to a frame of this kind with exactly these flags.
    pub(crate) fn await_frame(&mut self, kind: u8, flags: u8) -> Received {
        loop {
            let received = self.receive();
            if (received.kind, received.flags) == (kind, flags) {
                return received;
            }
        }
    }

    /// Reads a request and returns its stream.
    pub(crate) fn request(&mut self) -> u32 {
        loop {
            let received = self.receive();
            if matches!(received.kind, HEADERS | DATA) && received.flags & END_STREAM != 0 {
                return received.stream;
            }
        }
    }
}
