//! Binary members.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
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

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        let text = Box::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(|_| {
            D::Error::custom("expected bytes as base64 (standard alphabet, with padding)")
        })?;
        Ok(Self(text))
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
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["\"a\"", "\"YQ\"", "\"Y-_=\"", "\"YQ==YQ==\"", "7"] {
            assert!(serde_json::from_str::<Blob>(text).is_err(), "{text}");
        }
    }
}
