//! The rules of the standard, followed to the letter and with no thought of speed.

use crate::Owned;

/// The events of a whole body.
pub(crate) fn parse(body: &[u8]) -> Vec<Owned> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let (lines, tail) = lines(body);
    let mut events = Vec::new();
    let mut event = Building::default();
    for line in lines {
        if line.is_empty() {
            events.extend(std::mem::take(&mut event).build(true));
        } else {
            event.line(&line);
        }
    }
    if !tail.is_empty() {
        event.line(&tail);
    }
    events.extend(event.build(false));
    events
}

/// The lines that have an end, and what follows the last of them.
fn lines(body: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut after_cr = false;
    for byte in body {
        match byte {
            b'\n' if after_cr => {}
            b'\n' | b'\r' => lines.push(std::mem::take(&mut line)),
            other => line.push(*other),
        }
        after_cr = *byte == b'\r';
    }
    (lines, line)
}

#[derive(Default)]
struct Building {
    /// Every data line with a line feed after it.
    data: Vec<u8>,
    event: Vec<u8>,
    id: Option<Vec<u8>>,
    retry: Option<u64>,
}

impl Building {
    fn line(&mut self, line: &[u8]) {
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(0) => return,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = value.to_vec(),
            b"id" if !value.contains(&0) => self.id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let text = String::from_utf8_lossy(value);
                self.retry = text.parse().ok().or(self.retry);
            }
            _ => {}
        }
    }

    fn build(mut self, terminated: bool) -> Option<Owned> {
        self.data.pop()?;
        Some(Owned {
            event: Some(self.event).filter(|event| !event.is_empty()),
            data: self.data,
            id: self.id,
            retry: self.retry,
            terminated,
        })
    }
}
