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

/// One frame, read. Headers that are not strings have been checked and left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Names and values in their order.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
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

    fn read(&mut self) -> Result<Option<Frame>, Error> {
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
        let mut frame = self.buffer.split_to(total).freeze();
        let mut checksum = frame.split_off(total - CHECKSUM);
        if checksum.get_u32() != crc32fast::hash(&frame) {
            return Err(Error::Checksum);
        }
        frame.advance(PRELUDE);
        let headers = read_headers(frame.split_to(headers))?;
        Ok(Some(Frame { headers, payload: frame }))
    }
}

impl Iterator for Decoder {
    type Item = Result<Frame, Error>;

    /// The next whole frame, `None` until more is pushed.
    fn next(&mut self) -> Option<Self::Item> {
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
}

fn read_headers(mut from: Bytes) -> Result<Vec<(String, String)>, Error> {
    let mut headers = Vec::new();
    while from.has_remaining() {
        let length = from.get_u8().into();
        let name = text(take(&mut from, length)?)?;
        let kind = from.try_get_u8().map_err(|_| Error::Header)?;
        let length = match kind {
            0 | 1 => 0, // true, false
            2 => 1,     // byte
            3 => 2,     // short
            4 => 4,     // integer
            5 | 8 => 8, // long, timestamp
            9 => 16,    // UUID
            6 | STRING => from.try_get_u16().map_err(|_| Error::Header)?.into(),
            _ => return Err(Error::Header),
        };
        let value = take(&mut from, length)?;
        if kind == STRING {
            headers.push((name, text(value)?));
        }
    }
    Ok(headers)
}

fn take(from: &mut Bytes, length: usize) -> Result<Bytes, Error> {
    if length > from.len() { Err(Error::Header) } else { Ok(from.split_to(length)) }
}

fn text(bytes: Bytes) -> Result<String, Error> {
    String::from_utf8(bytes.into()).map_err(|_| Error::Header)
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame as smithy;
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
    use proptest::prelude::*;

    use super::*;

    // Put together by hand (lengths counted, checksums by zlib) from the reference's description.
    const MESSAGE_START: &str = "\
        00000081 00000052 6cc17693\
        0b 3a6576656e742d74797065 07 000c 6d6573736167655374617274\
        0d 3a636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e\
        0d 3a6d6573736167652d74797065 07 0005 6576656e74\
        7b2270223a2261626364222c22726f6c65223a22617373697374616e74227d f512a005";
    const THROTTLING: &str = "\
        00000091 00000061 b3f18007\
        0f 3a657863657074696f6e2d74797065 07 0013 7468726f74746c696e67457863657074696f6e\
        0d 3a636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e\
        0d 3a6d6573736167652d74797065 07 0009 657863657074696f6e\
        7b226d657373616765223a22546f6f206d616e792072657175657374732e227d 17ab451d";
    const INTERNAL: &str = "\
        00000058 00000048 154692c1\
        0b 3a6572726f722d636f6465 07 000d 496e7465726e616c4572726f72\
        0e 3a6572726f722d6d657373616765 07 0004 53746f70\
        0d 3a6d6573736167652d74797065 07 0005 6572726f72\
        e055a9d4";
    const PAYLOAD_PART: &str = "\
        00000070 00000059 8e47d6f6\
        0b 3a6576656e742d74797065 07 000b 5061796c6f616450617274\
        0d 3a636f6e74656e742d74797065 07 0018 6170706c69636174696f6e2f6f637465742d73747265616d\
        0d 3a6d6573736167652d74797065 07 0005 6576656e74\
        646174613a20e4 e4c33737";

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    const PART: [(&str, &str); 3] = [
        (":event-type", "PayloadPart"),
        (":content-type", "application/octet-stream"),
        (":message-type", "event"),
    ];

    fn all(bytes: &[u8]) -> Result<Vec<Frame>, Error> {
        let mut decoder = Decoder::new(MAX_FRAME);
        decoder.push(bytes);
        let frames = decoder.by_ref().collect();
        decoder.finish()?;
        frames
    }

    #[test]
    fn frames_are_byte_exact() {
        let mut out = BytesMut::new();
        event(&mut out, "messageStart", br#"{"p":"abcd","role":"assistant"}"#).unwrap();
        assert_eq!(out, bytes(MESSAGE_START));
        out.clear();
        exception(&mut out, "throttlingException", br#"{"message":"Too many requests."}"#).unwrap();
        assert_eq!(out, bytes(THROTTLING));
        out.clear();
        error(&mut out, "InternalError", "Stop").unwrap();
        assert_eq!(out, bytes(INTERNAL));
        out.clear();
        encode(&mut out, &PART, b"data: \xe4").unwrap();
        assert_eq!(out, bytes(PAYLOAD_PART));
    }

    #[test]
    fn a_payload_is_serialized_in_its_place_behind_others() {
        let mut out = BytesMut::new();
        error(&mut out, "InternalError", "Stop").unwrap();
        let mut open = begin_event(&mut out, "messageStart");
        serde_json::to_writer(&mut open, &serde_json::json!({"p": "abcd", "role": "assistant"}))
            .unwrap();
        open.finish().unwrap();
        assert_eq!(out, [bytes(INTERNAL), bytes(MESSAGE_START)].concat());
    }

    #[test]
    fn a_frame_not_finished_leaves_nothing() {
        let mut out = BytesMut::from(&b"before"[..]);
        begin_event(&mut out, "messageStart").extend(b"{");
        assert_eq!(out, "before");
        let too_long = vec![b' '; MAX_FRAME];
        assert!(matches!(event(&mut out, "chunk", &too_long), Err(Error::TooLong { .. })));
        assert_eq!(out, "before");
    }

    #[test]
    fn long_header_values_are_cut_between_characters() {
        let mut out = BytesMut::new();
        error(&mut out, "InternalError", &"贺".repeat(20_000)).unwrap();
        let frame = all(&out).unwrap().remove(0);
        assert_eq!(frame.header(":error-message").unwrap(), "贺".repeat(10_922));
    }

    #[test]
    fn every_wrong_byte_is_noticed() {
        let right = bytes(MESSAGE_START);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 0x20;
            assert!(all(&wrong).is_err(), "byte {at}");
        }
    }

    /// A frame with these lengths, and both checksums right.
    fn lying(total: u32, headers: u32, rest: &[u8]) -> Vec<u8> {
        let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.extend(rest);
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    #[test]
    fn contradictions_are_refused() {
        let limit = MAX_FRAME;
        assert_eq!(all(&lying(15, 0, b"")), Err(Error::Lengths));
        assert_eq!(all(&lying(16, 1, b"")), Err(Error::Lengths));
        assert_eq!(
            all(&lying(u32::MAX, 0, b"")),
            Err(Error::TooLong { length: u32::MAX as usize, limit })
        );
        assert_eq!(all(&lying(18, 2, b"\x05a")), Err(Error::Header)); // name over the end
        assert_eq!(all(&lying(18, 2, b"\x01a")), Err(Error::Header)); // no type
        assert_eq!(all(&lying(19, 3, b"\x01a\x0a")), Err(Error::Header)); // unknown type
        assert_eq!(all(&lying(21, 5, b"\x01a\x07\0\x01")), Err(Error::Header)); // no value
        assert_eq!(all(&lying(22, 6, b"\x01a\x07\0\x01\xff")), Err(Error::Header)); // no UTF-8
        assert_eq!(all(&bytes(INTERNAL)[..40]), Err(Error::Truncated));
        assert_eq!(all(&lying(16, 0, b"")).unwrap()[0].payload, "");
    }

    #[test]
    fn the_decoder_stops_at_its_limit_and_stays_stopped() {
        let mut decoder = Decoder::new(100);
        decoder.push(&bytes(INTERNAL));
        decoder.push(&bytes(MESSAGE_START)[..PRELUDE]);
        assert!(decoder.next().unwrap().is_ok());
        assert_eq!(decoder.next(), Some(Err(Error::TooLong { length: 129, limit: 100 })));
        decoder.push(&bytes(INTERNAL));
        assert_eq!((decoder.next(), decoder.buffer.capacity()), (None, 0));
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let message = Message::new(&b"payload"[..])
            .add_header(Header::new("bool", HeaderValue::Bool(true)))
            .add_header(Header::new("byte", HeaderValue::Byte(1)))
            .add_header(Header::new("short", HeaderValue::Int16(1)))
            .add_header(Header::new("int", HeaderValue::Int32(1)))
            .add_header(Header::new("long", HeaderValue::Int64(1)))
            .add_header(Header::new("bytes", HeaderValue::ByteArray(Bytes::from_static(b"ab"))))
            .add_header(Header::new("time", HeaderValue::Timestamp(std::time::UNIX_EPOCH.into())))
            .add_header(Header::new("uuid", HeaderValue::Uuid(7)))
            .add_header(Header::new("text", HeaderValue::String("贺兰".into())));
        let mut out = Vec::new();
        smithy::write_message_to(&message, &mut out).unwrap();
        let frame = all(&out).unwrap().remove(0);
        assert_eq!(frame.headers, [("text".to_owned(), "贺兰".to_owned())]);
        assert_eq!(frame.payload, "payload");
    }

    #[test]
    fn padding_is_a_prefix_of_the_alphabet() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut lengths = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            let padding = padding(&mut random);
            assert!(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                    .starts_with(padding)
            );
            lengths.insert(padding.len());
        }
        assert_eq!((lengths.first(), lengths.last(), lengths.len()), (Some(&2), Some(&61), 60));
    }

    type Parts = (Vec<(String, String)>, Vec<u8>);

    fn messages() -> impl Strategy<Value = Vec<Parts>> {
        let header = ("[:a-z-]{1,20}", ".{0,20}");
        let payload = proptest::collection::vec(any::<u8>(), 0..200);
        proptest::collection::vec((proptest::collection::vec(header, 0..5), payload), 1..5)
    }

    fn encoded(messages: &[Parts]) -> BytesMut {
        let mut out = BytesMut::new();
        for (headers, payload) in messages {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
            encode(&mut out, &headers, payload).unwrap();
        }
        out
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            messages in messages(),
            cuts in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let out = encoded(&messages);
            let mut decoder = Decoder::new(MAX_FRAME);
            let (mut rest, mut cuts) = (&out[..], cuts.iter().cycle());
            let mut read = Vec::new();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                decoder.push(now);
                rest = later;
                for frame in decoder.by_ref() {
                    let frame = frame.unwrap();
                    read.push((frame.headers, frame.payload.to_vec()));
                }
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn smithy_reads_what_is_written_and_writes_the_same(messages in messages()) {
            let mut out = encoded(&messages).freeze();
            let written = out.clone();
            let mut again = Vec::new();
            for (headers, payload) in &messages {
                let message = smithy::read_message_from(&mut out).unwrap();
                prop_assert_eq!(&message.payload()[..], &payload[..]);
                let read: Vec<_> = message.headers().iter().map(|header| (
                    header.name().as_str().to_owned(),
                    header.value().as_string().unwrap().as_str().to_owned(),
                )).collect();
                prop_assert_eq!(&read, headers);
                smithy::write_message_to(&message, &mut again).unwrap();
            }
            prop_assert_eq!(&again[..], &written[..]);
        }

        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..100), total in 0_u32..200, headers in 0_u32..200) {
            let _ = all(&noise);
            let _ = all(&lying(total, headers, &noise));
        }
    }
}
