use std::ops::Range;

use memchr::memchr2;
use thiserror::Error;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Limits of a [`SseParser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// The largest event in bytes: its lines with one line end each, comments not counted.
    pub max_event: usize,
}

impl Default for SseLimits {
    /// Events of up to 16 MiB.
    fn default() -> SseLimits {
        SseLimits {
            max_event: 16 * 1024 * 1024,
        }
    }
}

/// Why a stream cannot be parsed any further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SseError {
    /// An event is larger than [`SseLimits::max_event`].
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// One event of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The value of its last `event` line; `None` if there is none or it is empty, which
    /// means `message`.
    pub event: Option<&'a [u8]>,
    /// The values of its `data` lines, joined by line feeds. Nothing is trimmed but the one
    /// space that may follow the colon.
    pub data: &'a [u8],
    /// The value of its last `id` line; ids of earlier events are not carried on.
    pub id: Option<&'a [u8]>,
    /// The value of its last valid `retry` line, in milliseconds.
    pub retry: Option<u64>,
    /// Whether the blank line that ends an event was seen. An event without it comes from
    /// [`SseParser::finish`] only, and its data may be cut.
    pub terminated: bool,
}

/// A parser of server-sent events after the rules of the WHATWG HTML standard.
///
/// Feed it the bytes of one response body, in pieces of any size, with
/// [`SseParser::push`], then call [`SseParser::finish`]. The events are the same for every
/// way of cutting the bytes into pieces: line ends (LF, CRLF or CR), characters, the byte
/// order mark and fields may be split anywhere.
///
/// Two things differ from a browser: a last event without its blank line is delivered, by
/// `finish`, marked as not terminated; and data need not be UTF-8.
#[derive(Clone, Debug)]
pub struct SseParser {
    limits: SseLimits,
    /// The lines of an event that began in an earlier frame: no comments, each complete
    /// line with one LF; the line under way is last. Of a comment under way only the colon
    /// is kept.
    pending: Vec<u8>,
    /// Where in `pending` the line under way begins.
    line_start: usize,
    /// `pending` holds an event that was handed out and goes at the next call.
    handed_out: bool,
    /// The joined data of an event with more than one `data` line.
    joined: Vec<u8>,
    /// Bytes of the byte order mark seen, or 3 once the stream is past it.
    bom: usize,
    /// The last line ended with a CR at the end of a frame; an LF that follows belongs to it.
    skip_lf: bool,
    failed: bool,
}

/// The events of one frame, from [`SseParser::push`].
///
/// Dropping it early discards the events that remain in the frame, and only those: an
/// event that begins in the frame and ends in the next is kept.
#[derive(Debug)]
pub struct Events<'p> {
    parser: &'p mut SseParser,
    rest: &'p [u8],
}

/// Where a complete event lies.
enum Found<'p> {
    InFrame(&'p [u8], Fields),
    Pending(Fields),
    Failed(SseError),
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new(limits: SseLimits) -> SseParser {
        SseParser {
            limits,
            pending: Vec::new(),
            line_start: 0,
            handed_out: false,
            joined: Vec::new(),
            bom: 0,
            skip_lf: false,
            failed: false,
        }
    }

    /// Takes the next piece of the stream and gives the events it completes.
    pub fn push<'p>(&'p mut self, frame: &'p [u8]) -> Events<'p> {
        let mut rest = frame;
        if self.bom < BOM.len() {
            rest = self.skip_bom(rest);
        }
        if self.skip_lf
            && let Some(first) = rest.first()
        {
            self.skip_lf = false;
            if *first == b'\n' {
                rest = &rest[1..];
            }
        }
        Events { parser: self, rest }
    }

    /// The stream is over: gives its last event if that lacks the blank line, and makes the
    /// parser ready for another stream.
    ///
    /// # Errors
    /// [`SseError`] if the stream has failed before.
    pub fn finish(&mut self) -> Result<Option<SseEvent<'_>>, SseError> {
        self.forget_handed_out();
        let failed = std::mem::take(&mut self.failed);
        self.bom = 0;
        self.skip_lf = false;
        self.handed_out = true;
        if failed {
            return Err(self.too_large());
        }
        if self.pending.get(self.line_start) == Some(&b':') {
            self.pending.truncate(self.line_start);
        }
        let fields = Fields::of(&self.pending, &mut self.joined);
        Ok(fields.event(&self.pending, &self.joined, false))
    }

    /// Skips what is left of the byte order mark at the beginning of `rest`.
    fn skip_bom<'p>(&mut self, rest: &'p [u8]) -> &'p [u8] {
        let wanted = &BOM[self.bom..];
        let same = wanted.iter().zip(rest).take_while(|(a, b)| a == b).count();
        if same == rest.len() {
            self.bom += same;
            return &[];
        }
        if same < wanted.len() {
            // Not a mark after all: what was taken for it begins the first line.
            self.forget_handed_out();
            self.pending.extend_from_slice(&BOM[..self.bom]);
            self.bom = BOM.len();
            return rest;
        }
        self.bom = BOM.len();
        &rest[same..]
    }

    fn forget_handed_out(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.pending.clear();
            self.line_start = 0;
        }
    }

    /// Moves `rest` into `pending` up to the end of the event under way. `Ok(None)`: the
    /// frame is used up and the event is not complete.
    fn absorb(&mut self, rest: &mut &[u8]) -> Result<Option<Fields>, SseError> {
        while let Some(first) = rest.first() {
            let line_is_new = self.pending.len() == self.line_start;
            let begins_with = self.pending.get(self.line_start).unwrap_or(first);
            let comment = *begins_with == b':';
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                if comment && line_is_new {
                    self.pending.push(b':');
                } else if !comment {
                    self.grow(rest)?;
                }
                *rest = &[];
                break;
            };
            let next = after_line(rest, length, &mut self.skip_lf);
            if comment {
                self.pending.truncate(self.line_start);
            } else if line_is_new && length == 0 {
                *rest = &rest[next..];
                let fields = Fields::of(&self.pending, &mut self.joined);
                if fields.data.is_some() {
                    return Ok(Some(fields));
                }
                self.pending.clear();
                self.line_start = 0;
                continue;
            } else {
                self.grow(&rest[..length])?;
                self.grow(b"\n")?;
                self.line_start = self.pending.len();
            }
            *rest = &rest[next..];
        }
        Ok(None)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.pending.len() + bytes.len() > self.limits.max_event {
            return Err(self.too_large());
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn too_large(&self) -> SseError {
        SseError::TooLarge {
            limit: self.limits.max_event,
        }
    }
}

impl<'p> Events<'p> {
    /// The next event that the frame completes.
    ///
    /// # Errors
    /// [`SseError`], once; the rest of the frame and of the stream is then lost, and every
    /// later frame gives the same error.
    // Not an `Iterator`: the event borrows from the parser.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Option<Result<SseEvent<'_>, SseError>> {
        let event = match self.advance()? {
            Found::InFrame(bytes, fields) => fields.event(bytes, &self.parser.joined, true),
            Found::Pending(fields) => fields.event(&self.parser.pending, &self.parser.joined, true),
            Found::Failed(error) => return Some(Err(error)),
        };
        event.map(Ok)
    }

    #[inline]
    fn advance(&mut self) -> Option<Found<'p>> {
        if self.rest.is_empty() {
            return None;
        }
        if self.parser.failed {
            self.rest = &[];
            return Some(Found::Failed(self.parser.too_large()));
        }
        self.parser.forget_handed_out();
        if self.parser.pending.is_empty()
            && let Some(found) = self.in_frame()
        {
            return Some(found);
        }
        match self.parser.absorb(&mut self.rest) {
            Ok(fields) => {
                let fields = fields?;
                self.parser.handed_out = true;
                Some(Found::Pending(fields))
            }
            Err(error) => Some(self.fail(error)),
        }
    }

    /// The next event if it lies whole in the rest of the frame. Otherwise the rest begins
    /// with the event that does not.
    #[inline]
    fn in_frame(&mut self) -> Option<Found<'p>> {
        let bytes = self.rest;
        let mut fields = Fields::default();
        let mut event_start = 0;
        let mut size = 0;
        let mut pos = 0;
        loop {
            let rest = &bytes[pos..];
            let Some(length) = line_length(rest) else {
                self.rest = &bytes[event_start..];
                return None;
            };
            let next = pos + after_line(rest, length, &mut self.parser.skip_lf);
            if length == 0 {
                if fields.data.is_some() {
                    self.rest = &bytes[next..];
                    return Some(Found::InFrame(bytes, fields));
                }
                event_start = next;
                size = 0;
                fields = Fields::default();
            } else if rest[0] != b':' {
                size += length + 1;
                if size > self.parser.limits.max_event {
                    let error = self.parser.too_large();
                    return Some(self.fail(error));
                }
                fields.line(bytes, pos..pos + length, &mut self.parser.joined);
            }
            pos = next;
        }
    }

    fn fail(&mut self, error: SseError) -> Found<'p> {
        self.parser.failed = true;
        self.parser.pending = Vec::new();
        self.parser.line_start = 0;
        self.rest = &[];
        Found::Failed(error)
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        while self.advance().is_some() {}
    }
}

/// Length of the line that `rest` begins with, if its end is there too.
#[inline]
fn line_length(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'\n' | b'\r' => Some(0),
        _ => memchr2(b'\n', b'\r', rest),
    }
}

/// Where the line after the one of `length` bytes begins. `skip_lf` says whether an LF at
/// the beginning of the next frame would still belong to the line's end.
#[inline]
fn after_line(rest: &[u8], length: usize, skip_lf: &mut bool) -> usize {
    let next = length + 1;
    if rest[length] == b'\r' {
        match rest.get(next) {
            Some(b'\n') => return next + 1,
            Some(_) => {}
            None => *skip_lf = true,
        }
    }
    next
}

/// The fields of an event, as places in the bytes it lies in.
#[derive(Debug, Default)]
struct Fields {
    data: Option<Data>,
    event: Option<Range<usize>>,
    id: Option<Range<usize>>,
    retry: Option<u64>,
}

#[derive(Debug)]
enum Data {
    OneLine(Range<usize>),
    Joined,
}

impl Fields {
    /// The fields of the lines in `pending`, whose last line may lack its end.
    fn of(pending: &[u8], joined: &mut Vec<u8>) -> Fields {
        let mut fields = Fields::default();
        let mut pos = 0;
        while pos < pending.len() {
            let end = memchr::memchr(b'\n', &pending[pos..]).map_or(pending.len(), |i| pos + i);
            fields.line(pending, pos..end, joined);
            pos = end + 1;
        }
        fields
    }

    /// Takes in one line, which is neither blank nor a comment.
    #[inline]
    fn line(&mut self, bytes: &[u8], line: Range<usize>, joined: &mut Vec<u8>) {
        let text = &bytes[line.clone()];
        let name_length = if text.starts_with(b"data:") {
            4
        } else {
            memchr::memchr(b':', text).unwrap_or(text.len())
        };
        let mut value = (line.start + name_length + 1).min(line.end)..line.end;
        if bytes[value.clone()].first() == Some(&b' ') {
            value.start += 1;
        }
        match &text[..name_length] {
            b"data" => self.data_line(bytes, value, joined),
            b"event" => self.event = Some(value),
            b"id" if memchr::memchr(0, &bytes[value.clone()]).is_none() => self.id = Some(value),
            b"retry" => self.retry = milliseconds(&bytes[value]).or(self.retry),
            _ => {}
        }
    }

    #[inline]
    fn data_line(&mut self, bytes: &[u8], value: Range<usize>, joined: &mut Vec<u8>) {
        let Some(so_far) = &self.data else {
            self.data = Some(Data::OneLine(value));
            return;
        };
        if let Data::OneLine(first) = so_far {
            joined.clear();
            joined.extend_from_slice(&bytes[first.clone()]);
            self.data = Some(Data::Joined);
        }
        joined.push(b'\n');
        joined.extend_from_slice(&bytes[value]);
    }

    /// The event, if there is one: fields without a data line are none.
    #[inline]
    fn event<'a>(
        self,
        bytes: &'a [u8],
        joined: &'a [u8],
        terminated: bool,
    ) -> Option<SseEvent<'a>> {
        let data = match self.data? {
            Data::OneLine(place) => &bytes[place],
            Data::Joined => joined,
        };
        Some(SseEvent {
            event: self.event.filter(|e| !e.is_empty()).map(|e| &bytes[e]),
            data,
            id: self.id.map(|id| &bytes[id]),
            retry: self.retry,
            terminated,
        })
    }
}

/// The value of a `retry` line: ASCII digits only.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
