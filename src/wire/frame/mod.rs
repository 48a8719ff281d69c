//! Event-stream frames: `application/vnd.amazon.eventstream`.
//!
//! ```text
//! total length u32 │ headers length u32 │ CRC-32 of those 8 bytes
//! headers: (name length u8 │ name │ type u8 = 7 │ value length u16 │ value)*
//! payload
//! CRC-32 of everything before
//! ```
//!
//! All numbers are big-endian, the checksum is CRC-32 as in IEEE 802.3. Services send string
//! headers only, and Bedrock always in the same order, which is kept here.
//!
//! Writing goes straight into the connection's buffer: [`begin`] leaves room for the prelude,
//! the payload is serialized behind the headers, and [`Open::finish`] fills in the lengths and
//! checksums. Reading is [`Decoder`].

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The media type of a stream of frames.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The longest frame written or, unless said otherwise, read: 16 MiB, the format's own limit.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// The longest headers of one frame: 128 KiB, the format's own limit.
pub const MAX_HEADERS: usize = 128 * 1024;

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
const STRING: u8 = 7;
const MAX_NAME: usize = 255;
const MAX_VALUE: usize = 32_767;

/// Why a frame could not be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the limit, in bytes.
    #[error("an event-stream frame of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// The frame's length, as far as it is known.
        length: usize,
        /// The limit it breaks.
        limit: usize,
    },
    /// Lengths that contradict each other.
    #[error("an event-stream frame's lengths contradict each other")]
    Lengths,
    /// The first 8 bytes do not have the checksum that follows them.
    #[error("an event-stream frame's prelude does not match its checksum")]
    PreludeChecksum,
    /// The frame does not have the checksum at its end.
    #[error("an event-stream frame does not match its checksum")]
    Checksum,
    /// A header runs over the end, has an unknown type, or is not UTF-8.
    #[error("an event-stream frame has a broken header")]
    Header,
    /// The stream ended inside a frame.
    #[error("the event stream ended inside a frame")]
    Truncated,
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        Self::internal().because(error)
    }
}

/// Writes an event as Bedrock does: `:event-type`, `:content-type` = `application/json`,
/// `:message-type` = `event`. Leaves `out` as it was when the frame is over [`MAX_FRAME`].
///
/// ```
/// # use bytes::BytesMut;
/// # use helan::wire::frame;
/// let mut out = BytesMut::new();
/// frame::event(&mut out, "messageStart", br#"{"role":"assistant"}"#)?;
///
/// let mut frames = frame::Decoder::new(frame::MAX_FRAME);
/// frames.push(&out);
/// let read = frames.next().transpose()?.expect("one frame was written");
/// assert_eq!(read.header(":event-type"), Some("messageStart"));
/// # Ok::<_, frame::Error>(())
/// ```
pub fn event(out: &mut BytesMut, event_type: &str, payload: &[u8]) -> Result<(), Error> {
    let mut open = begin_event(out, event_type);
    open.extend(payload);
    open.finish()
}

/// Opens an event with the headers of [`event`]; the payload is written into what is returned.
///
/// ```
/// # use bytes::BytesMut;
/// # use helan::wire::frame;
/// let mut out = BytesMut::new();
/// let mut open = frame::begin_event(&mut out, "contentBlockStop");
/// serde_json::to_writer(&mut open, &serde_json::json!({"contentBlockIndex": 0}))?;
/// open.finish()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn begin_event<'a>(out: &'a mut BytesMut, event_type: &str) -> Open<'a> {
    begin(
        out,
        &[
            (":event-type", event_type),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
    )
}

/// Writes a modelled failure that ends a stream. `exception_type` is the name of the stream's
/// member, such as `modelStreamErrorException`; the payload is its JSON.
pub fn exception(out: &mut BytesMut, exception_type: &str, payload: &[u8]) -> Result<(), Error> {
    encode(
        out,
        &[
            (":exception-type", exception_type),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

/// Writes a failure that the service model does not know. It has no payload; a `message` over
/// 32,767 bytes is cut.
pub fn error(out: &mut BytesMut, code: &str, message: &str) -> Result<(), Error> {
    let headers = [(":error-code", code), (":error-message", message), (":message-type", "error")];
    encode(out, &headers, b"")
}

/// Writes one frame with these string headers in this order. Names are cut at 255 bytes and
/// values at 32,767, at the end of a character.
pub fn encode(out: &mut BytesMut, headers: &[(&str, &str)], payload: &[u8]) -> Result<(), Error> {
    let mut open = begin(out, headers);
    open.extend(payload);
    open.finish()
}

/// Opens a frame at the end of `out` with these headers, as [`encode`] writes them.
pub fn begin<'a>(out: &'a mut BytesMut, headers: &[(&str, &str)]) -> Open<'a> {
    let start = out.len();
    let room: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    out.reserve(PRELUDE + room + CHECKSUM);
    out.put_bytes(0, PRELUDE);
    for (name, value) in headers {
        put_length(out, cut(name, MAX_NAME), 1);
        out.put_u8(STRING);
        put_length(out, cut(value, MAX_VALUE), 2);
    }
    let payload = out.len();
    Open { out, start, payload, finished: false }
}

/// `text`, and before it its length in `width` bytes.
fn put_length(out: &mut BytesMut, text: &str, width: usize) {
    out.put_uint(text.len() as u64, width);
    out.extend_from_slice(text.as_bytes());
}

fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// A frame whose payload is being written. Dropped without [`finish`](Self::finish), it leaves
/// nothing behind.
#[derive(Debug)]
pub struct Open<'a> {
    out: &'a mut BytesMut,
    start: usize,
    payload: usize,
    finished: bool,
}

impl Open<'_> {
    /// Adds bytes to the payload.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Fills in lengths and checksums. Fails, and takes the frame back, when it is over
    /// [`MAX_FRAME`] or its headers are over [`MAX_HEADERS`].
    pub fn finish(mut self) -> Result<(), Error> {
        let (start, payload) = (self.start, self.payload);
        let total = within(self.out.len() - start + CHECKSUM, MAX_FRAME)?;
        let headers = within(payload - start - PRELUDE, MAX_HEADERS)?;
        let mut prelude = self.out.get_mut(start..start + PRELUDE).ok_or(Error::Lengths)?;
        prelude.put_u32(total);
        prelude.put_u32(headers);
        let lengths = self.out.get(start..start + 8).ok_or(Error::Lengths)?;
        let checksum = crc32fast::hash(lengths);
        let mut after = self.out.get_mut(start + 8..start + PRELUDE).ok_or(Error::Lengths)?;
        after.put_u32(checksum);
        let checksum = crc32fast::hash(self.out.get(start..).ok_or(Error::Lengths)?);
        self.out.put_u32(checksum);
        self.finished = true;
        Ok(())
    }
}

fn within(length: usize, limit: usize) -> Result<u32, Error> {
    u32::try_from(length).ok().filter(|_| length <= limit).ok_or(Error::TooLong { length, limit })
}

impl io::Write for Open<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What Bedrock puts into the member `p` of every event, so that a frame's length does not tell
/// the length of its token: a prefix of the alphabet and digits, 2 to 61 characters.
pub fn padding(random: &mut fastrand::Rng) -> &'static str {
    ALPHABET.get(..random.usize(2..=61)).unwrap_or(ALPHABET)
}

/// One frame, read. Its headers have been checked; they stay in the frame's own bytes, since a
/// stream of tokens has a frame for each and few of its headers are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    headers: Bytes,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut rest = &self.headers[..];
        // Nothing fails here: the frame would not have been read.
        while let Some((found, value)) = next_header(&mut rest).ok()? {
            if let Some(value) = value.filter(|_| found == name.as_bytes()) {
                return text(value).ok();
            }
        }
        None
    }

    /// Names and values in their order. Headers that are not strings are left out.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &self.headers[..];
        std::iter::from_fn(move || {
            loop {
                // Nothing fails here: the frame would not have been read.
                let (name, value) = next_header(&mut rest).ok()??;
                if let Some(value) = value {
                    return Some((text(name).ok()?, text(value).ok()?));
                }
            }
        })
    }
}

/// Reads frames from bytes that arrive in any pieces.
///
/// Take all frames after each [`push`](Self::push): then no more is held than one unfinished
/// frame, which `limit` bounds, and one piece. After an error nothing more is read.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
    broken: bool,
}

impl Decoder {
    /// A reader that refuses frames of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit, broken: false }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Says that nothing more arrives: an error if that is inside a frame.
    pub fn finish(&self) -> Result<(), Error> {
        if self.buffer.is_empty() { Ok(()) } else { Err(Error::Truncated) }
    }

    /// The next whole frame and its very bytes, for those who pass it on.
    pub fn next_with_bytes(&mut self) -> Option<Result<(Frame, Bytes), Error>> {
        if self.broken {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.broken = true;
            self.buffer = BytesMut::new();
        }
        read.transpose()
    }

    fn read(&mut self) -> Result<Option<(Frame, Bytes)>, Error> {
        let Some(mut prelude) = self.buffer.get(..PRELUDE) else { return Ok(None) };
        let expected = crc32fast::hash(prelude.get(..8).unwrap_or_default());
        let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        // The checksum first: a length that is not one is no length to complain of.
        if prelude.get_u32() != expected {
            return Err(Error::PreludeChecksum);
        }
        if total > self.limit {
            return Err(Error::TooLong { length: total, limit: self.limit });
        }
        if headers > MAX_HEADERS {
            return Err(Error::TooLong { length: headers, limit: MAX_HEADERS });
        }
        let body = total.checked_sub(PRELUDE + CHECKSUM).ok_or(Error::Lengths)?;
        if headers > body {
            return Err(Error::Lengths);
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let whole = self.buffer.split_to(total).freeze();
        let mut frame = whole.clone();
        let mut checksum = frame.split_off(total - CHECKSUM);
        if checksum.get_u32() != crc32fast::hash(&frame) {
            return Err(Error::Checksum);
        }
        frame.advance(PRELUDE);
        let headers = frame.split_to(headers);
        let mut rest = &headers[..];
        while let Some((name, value)) = next_header(&mut rest)? {
            text(name)?;
            text(value.unwrap_or_default())?;
        }
        Ok(Some((Frame { headers, payload: frame }, whole)))
    }
}

impl Iterator for Decoder {
    type Item = Result<Frame, Error>;

    /// The next whole frame, `None` until more is pushed.
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_with_bytes()?.map(|(frame, _)| frame))
    }
}

/// A name, and its value if that is a string; `None` at the end. Whether they are text has not been
/// looked at.
type Header<'a> = Option<(&'a [u8], Option<&'a [u8]>)>;

fn next_header<'a>(from: &mut &'a [u8]) -> Result<Header<'a>, Error> {
    let Some((length, rest)) = from.split_first() else { return Ok(None) };
    *from = rest;
    let name = take(from, usize::from(*length))?;
    let (kind, rest) = from.split_first().ok_or(Error::Header)?;
    *from = rest;
    let length = match kind {
        0 | 1 => 0, // true, false
        2 => 1,     // byte
        3 => 2,     // short
        4 => 4,     // integer
        5 | 8 => 8, // long, timestamp
        9 => 16,    // UUID
        6 | &STRING => from.try_get_u16().map_err(|_| Error::Header)?.into(),
        _ => return Err(Error::Header),
    };
    let value = take(from, length)?;
    Ok(Some((name, (*kind == STRING).then_some(value))))
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    let (taken, rest) = from.split_at_checked(length).ok_or(Error::Header)?;
    *from = rest;
    Ok(taken)
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Header)
}

#[cfg(test)]
mod tests;
