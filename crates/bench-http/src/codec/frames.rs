//! Follows the frames of HTTP/2 in a stream of bytes, without looking into them.

/// Type of the frame that carries a part of a body.
pub(super) const DATA: u8 = 0;
/// Type of the frame that begins a message.
pub(super) const HEADERS: u8 = 1;
/// Type of the frame that ends a stream early.
pub(super) const RST_STREAM: u8 = 3;
/// Type of the frame that tells the other side's limits.
pub(super) const SETTINGS: u8 = 4;
/// Flag of `SETTINGS`: it confirms those of the other side.
pub(super) const ACK: u8 = 1;
/// Flag of `DATA` and `HEADERS`: the message is complete.
pub(super) const END_STREAM: u8 = 1;

/// The type and the flags of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: u8,
    pub(super) flags: u8,
}

impl FrameHead {
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

const HEAD: usize = 9;

/// A position in a stream of frames.
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of the head is there.
    have: usize,
    /// How many bytes come before the next head.
    skip: usize,
}

impl Frames {
    /// At a place `skip` bytes before the first frame.
    pub(super) fn after(skip: usize) -> Frames {
        Frames {
            head: [0; HEAD],
            have: 0,
            skip,
        }
    }

    /// Goes over `bytes` and shows the head of each frame that begins in them.
    pub(super) fn scan(&mut self, mut bytes: &[u8], mut show: impl FnMut(FrameHead)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                self.have = 0;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                show(FrameHead { kind, flags });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u32;
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn heads_are_found_however_the_bytes_are_cut() {
        let bytes = [
            b"preface".to_vec(),
            frame(SETTINGS, 0, b"123456"),
            frame(SETTINGS, ACK, b""),
            frame(DATA, END_STREAM, &[b'x'; 300]),
        ]
        .concat();
        let expected = [(SETTINGS, 0), (SETTINGS, ACK), (DATA, END_STREAM)];
        for size in 1..=bytes.len() {
            let mut frames = Frames::after(7);
            let mut seen = Vec::new();
            for part in bytes.chunks(size) {
                frames.scan(part, |head| seen.push((head.kind, head.flags)));
            }
            assert_eq!(seen, expected, "in parts of {size}");
        }
    }
}
