//! Event-stream frames, written by the stub and read by the client: the client's own reader, so
//! that a fault of the gateway's writer cannot hide behind itself.

use anyhow::{Result, ensure};
use bytes::{Buf as _, Bytes, BytesMut};

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// One frame with string headers.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = vec![];
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = PRELUDE + head.len() + payload.len() + CHECKSUM;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&(head.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

/// Cuts frames out of a body.
pub struct Reader {
    buffer: BytesMut,
    verify: bool,
}

/// A frame as it came.
pub struct Frame {
    bytes: Bytes,
    headers: usize,
}

impl Reader {
    /// With `verify`, checksums are compared: that costs the client a part of its core.
    pub fn new(verify: bool) -> Self {
        Self { buffer: BytesMut::new(), verify }
    }

    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    pub fn next(&mut self) -> Result<Option<Frame>> {
        if self.buffer.len() < PRELUDE {
            return Ok(None);
        }
        let mut prelude = &self.buffer[..PRELUDE];
        let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        ensure!(
            total >= PRELUDE + headers + CHECKSUM && total <= 16 << 20,
            "a frame's lengths contradict each other: {total} bytes, headers {headers}"
        );
        if self.buffer.len() < total {
            return Ok(None);
        }
        let bytes = self.buffer.split_to(total).freeze();
        if self.verify {
            ensure!(crc32fast::hash(&bytes[..8]) == (&bytes[8..]).get_u32(), "prelude checksum");
            let end = total - CHECKSUM;
            ensure!(crc32fast::hash(&bytes[..end]) == (&bytes[end..]).get_u32(), "frame checksum");
        }
        Ok(Some(Frame { bytes, headers }))
    }

    /// Whether nothing of a frame is left over.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Frame {
    /// The value of a string header.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let mut rest = self.bytes.get(PRELUDE..PRELUDE + self.headers)?;
        while !rest.is_empty() {
            let name = usize::from(*rest.first()?);
            let (found, after) = (rest.get(1..1 + name)?, rest.get(2 + name..)?);
            let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
            let value = after.get(2..2 + length)?;
            if found == wanted.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
            rest = &after[2 + length..];
        }
        None
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes[PRELUDE + self.headers..self.bytes.len() - CHECKSUM]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_wherever_it_is_cut() {
        let mut bytes = frame(&[(":event-type", "PayloadPart")], b"one");
        bytes.extend(frame(&[(":message-type", "event"), (":event-type", "x")], b""));
        for cut in 0..bytes.len() {
            let mut reader = Reader::new(true);
            let mut seen = vec![];
            for part in [&bytes[..cut], &bytes[cut..]] {
                reader.push(part);
                while let Ok(Some(frame)) = reader.next() {
                    seen.push((
                        frame.header(":event-type").map(str::to_owned),
                        frame.payload().to_vec(),
                    ));
                }
            }
            assert_eq!(
                seen,
                [(Some("PayloadPart".to_owned()), b"one".to_vec()), (Some("x".to_owned()), vec![])]
            );
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let good = frame(&[(":event-type", "PayloadPart")], b"one");
        for place in [0, 9, 20, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            let mut reader = Reader::new(true);
            reader.push(&bad);
            assert!(!matches!(reader.next(), Ok(Some(_))), "byte {place}");
        }
    }
}
