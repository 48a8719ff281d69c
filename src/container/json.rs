//! JSON of containers, read with forbearance.
//!
//! Engines disagree about types (a stop reason is a string, a number or null; arguments are text
//! or an object), so that a member of another type than expected reads as absent rather than as
//! an error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Code, Error};

/// Text; `null` and other types read as none. Parts (`[{"type": "text", "text": …}]`) read as
/// their texts in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, empty if there is none.
    pub(super) fn get(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = None;
        while let Some(text) = seq.next_element::<Text<'de>>()? {
            if let Text(Some(text)) = text {
                match &mut all {
                    None => all = Some(text),
                    Some(all) => all.to_mut().push_str(&text),
                }
            }
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(key)) = map.next_key()? {
            if key.as_deref() == Some("text") {
                Text(found) = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A count; anything but a whole number that is not negative reads as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = <&RawValue>::deserialize(deserializer)?;
        let count = number.get().parse::<u64>().ok();
        Ok(Self(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX))))
    }
}

/// An array; what stands alone reads as an array of one (TGI 2 sent a lone tool call), anything
/// else as none.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for One<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array of objects")
            }

            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(vec![])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
            }
        }

        deserializer.deserialize_any(One(PhantomData)).map(Self)
    }
}

/// The text of a JSON value. Bytes that are not UTF-8, which no container should send, become
/// replacement characters rather than the end of the answer.
pub(super) fn text(json: &[u8]) -> Cow<'_, str> {
    // Text without a fault is looked through much faster by this than by the replacing.
    std::str::from_utf8(json).map_or_else(|_| String::from_utf8_lossy(json), Cow::Borrowed)
}

/// Where a JSON text could not be read; never the text.
#[derive(Debug, thiserror::Error)]
#[error("{category:?} error at line {line} column {column} of the container's JSON")]
struct Unreadable {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

/// The failure of an answer that is no JSON, or not such as was expected.
pub(super) fn unreadable(code: Code, error: &serde_json::Error) -> Error {
    let at = Unreadable { category: error.classify(), line: error.line(), column: error.column() };
    Error::new(code, "The model returned an answer that could not be read.").because(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let json = text(b"[\"a\xff\"]");
        let texts: Vec<Text<'_>> = serde_json::from_str(&json).unwrap();
        assert_eq!(texts[0].get(), "a\u{fffd}");
    }
}
