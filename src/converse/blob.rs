//! Binary members.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A `blob` member: in JSON it is base64, standard alphabet, with padding.
///
/// The text is kept as it came, since most blobs (images) leave again as base64; it was proven to
/// be well-formed when it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(Box<str>);

impl Blob {
    /// Encodes `bytes`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(STANDARD.encode(bytes).into())
    }

    /// The base64 text.
    pub fn as_base64(&self) -> &str {
        &self.0
    }

    /// The bytes.
    pub fn decode(&self) -> Vec<u8> {
        STANDARD.decode(self.0.as_bytes()).unwrap_or_default() // proven when it was made
    }

    /// How many bytes it holds, without decoding them.
    pub fn len(&self) -> usize {
        let padding = self.0.bytes().rev().take_while(|b| *b == b'=').count();
        (self.0.len() / 4 * 3).saturating_sub(padding)
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Each byte's six bits; [`OTHER`] for what is outside the standard alphabet.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut sextets = [OTHER; 256];
    let mut at = 0_u8;
    while at < 64 {
        sextets[alphabet[at as usize] as usize] = at;
        at += 1;
    }
    sextets
};
const OTHER: u8 = 0x80;

/// Whether a decoder of standard base64 would take `text`, without decoding it: images are large,
/// and most of them are passed on as the text they are.
fn is_base64(text: &[u8]) -> bool {
    let Some((start, last)) = text.split_last_chunk::<4>() else { return text.is_empty() };
    let sextet = |byte: u8| SEXTETS[usize::from(byte)];
    // The bits that padding cuts off must be zero, or two texts would mean the same bytes.
    let last_is_right = match *last {
        [a, b, b'=', b'='] => sextet(a) != OTHER && sextet(b) & (OTHER | 0x0f) == 0,
        [a, b, c, b'='] => (sextet(a) | sextet(b)) & OTHER == 0 && sextet(c) & (OTHER | 0x03) == 0,
        [a, b, c, d] => (sextet(a) | sextet(b) | sextet(c) | sextet(d)) & OTHER == 0,
    };
    last_is_right
        && start.len().is_multiple_of(4)
        // Without a branch per byte, in pieces small enough to give up early.
        && start
            .chunks(4096)
            .all(|piece| piece.iter().fold(0, |all, byte| all | sextet(*byte)) & OTHER == 0)
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64)
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    // Not `visit_string`: a parser that has the text at hand lends it, and one copy is enough.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
        if is_base64(text.as_bytes()) {
            Ok(Blob(text.into()))
        } else {
            Err(E::custom("Member must be base64 (standard alphabet, with padding)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let blob = Blob::new(&bytes);
            prop_assert_eq!(blob.len(), bytes.len());
            let json = serde_json::to_string(&blob).unwrap();
            prop_assert_eq!(serde_json::from_str::<Blob>(&json).unwrap().decode(), bytes);
        }

        /// The decoder is the judge of what is base64, on texts that nearly are.
        #[test]
        fn nothing_but_base64_is_taken(text in "[A-Za-z0-9+/=_-]{0,9}") {
            prop_assert_eq!(is_base64(text.as_bytes()), STANDARD.decode(&text).is_ok());
        }

        #[test]
        fn no_byte_is_overlooked(
            bytes in proptest::collection::vec(any::<u8>(), 1..9000),
            at in any::<proptest::sample::Index>(),
            wrong in any::<u8>(),
        ) {
            let mut text = STANDARD.encode(&bytes).into_bytes();
            prop_assert!(is_base64(&text));
            let at = at.index(text.len());
            text[at] = wrong;
            prop_assert_eq!(is_base64(&text), STANDARD.decode(&text).is_ok());
        }
    }

    /// Every end there can be: the last four characters, over the whole alphabet and beyond.
    #[test]
    fn every_end_is_judged_as_the_decoder_does() {
        for third in 0..=127_u8 {
            for second in 0..=127_u8 {
                let text = [b'A', second, third, b'='];
                assert_eq!(is_base64(&text), STANDARD.decode(text).is_ok(), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["\"a\"", "\"YQ\"", "\"Y-_=\"", "\"YQ==YQ==\"", "7", "\"YR==\"", "\"====\""] {
            assert!(serde_json::from_str::<Blob>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_slash_may_be_escaped() {
        let blob: Blob = serde_json::from_str(r#""iVBOR\/\/+""#).unwrap();
        assert_eq!(blob.as_base64(), "iVBOR//+");
    }
}
