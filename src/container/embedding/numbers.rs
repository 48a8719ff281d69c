//! Arrays of arrays of numbers, however deep.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Members whose value is the answer, where containers wrap it: the Hugging Face toolkit's
/// sentence embeddings, inference scripts of AWS's examples.
const WRAPPERS: [&str; 3] = ["embeddings", "vectors", "embedding"];

/// A number, a row of them, or a list of what is deeper. An empty array is a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    One(f32),
    Row(Vec<f32>),
    List(Vec<Numbers>),
}

impl Numbers {
    /// The numbers of a row.
    pub(super) fn into_row(self) -> Option<Vec<f32>> {
        match self {
            Self::Row(row) => Some(row),
            Self::One(_) | Self::List(_) => None,
        }
    }
}

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Numbers, serde_json::Error> {
    serde_json::from_slice(body)
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyDepth)
    }
}

struct AnyDepth;

impl<'de> Visitor<'de> for AnyDepth {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers in arrays")
    }

    #[expect(clippy::cast_possible_truncation, reason = "embeddings are of single precision")]
    fn visit_f64<E>(self, number: f64) -> Result<Numbers, E> {
        Ok(Numbers::One(number as f32))
    }

    #[expect(clippy::cast_precision_loss, reason = "embeddings are of single precision")]
    fn visit_i64<E>(self, number: i64) -> Result<Numbers, E> {
        Ok(Numbers::One(number as f32))
    }

    #[expect(clippy::cast_precision_loss, reason = "embeddings are of single precision")]
    fn visit_u64<E>(self, number: u64) -> Result<Numbers, E> {
        Ok(Numbers::One(number as f32))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbers, A::Error> {
        let (mut row, mut list) = (vec![], vec![]);
        while let Some(next) = seq.next_element()? {
            match next {
                Numbers::One(number) => row.push(number),
                deeper => list.push(deeper),
            }
            if !row.is_empty() && !list.is_empty() {
                return Err(A::Error::custom("numbers beside arrays"));
            }
        }
        Ok(if list.is_empty() { Numbers::Row(row) } else { Numbers::List(list) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if WRAPPERS.contains(&name.as_str()) && found.is_none() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| A::Error::custom("an object without embeddings"))
    }
}
