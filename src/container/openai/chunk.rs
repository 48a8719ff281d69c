//! What containers send, read without copying: one type for a stream's chunks and for a whole
//! answer, which differ in `delta` or `message` alone.
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

/// One JSON value of a container's answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) choices: OneOrMany<Choice<'a>>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    /// Any shape of error: read again, whole, by `faults`.
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// `error` in the flat errors of older vLLM.
    #[serde(borrow, default)]
    pub(super) object: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) delta: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub(super) message: Option<Said<'a>>,
    /// A completion's.
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    /// vLLM: the stop string, or the id of the token that stopped.
    #[serde(borrow, default)]
    pub(super) stop_reason: Text<'a>,
    /// SGLang's name for the same.
    #[serde(borrow, default)]
    pub(super) matched_stop: Text<'a>,
}

/// `delta` or `message`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default)]
    pub(super) content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tool_calls: OneOrMany<ToolCall<'a>>,
}

impl Said<'_> {
    /// What the model thought: some engines send it under both names at once.
    pub(super) fn thought(&self) -> &str {
        match self.reasoning_content.get() {
            "" => self.reasoning.get(),
            thought => thought,
        }
    }
}

/// A call, or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    /// Text that holds JSON; TGI and others have sent the object itself.
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Function<'a> {
    pub(super) fn arguments(&self) -> Cow<'a, str> {
        match self.arguments.map(RawValue::get) {
            None => Cow::Borrowed(""),
            Some(text) if text.starts_with('"') => {
                serde_json::from_str::<Text<'a>>(text).unwrap_or_default().0.unwrap_or_default()
            }
            Some(value) => Cow::Borrowed(value),
        }
    }
}

/// Token counts, as OpenAI names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: Count,
    #[serde(default)]
    pub(super) completion_tokens: Count,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct PromptDetails {
    #[serde(default)]
    pub(super) cached_tokens: Count,
    #[serde(default)]
    pub(super) created_cache_tokens: Count,
}

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

/// Reads one JSON value, or the values of an array around them. Bytes that are not UTF-8, which
/// no container should send, become replacement characters rather than the end of the answer.
pub(super) fn read<R>(
    json: &[u8],
    take: impl FnOnce(OneOrMany<Chunk<'_>>) -> R,
) -> serde_json::Result<R> {
    match std::str::from_utf8(json) {
        Ok(json) => serde_json::from_str(json).map(take),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(json)).map(take),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_borrowed_where_nothing_is_escaped() {
        let plain: Said<'_> = serde_json::from_str(r#"{"content":"贺兰山","role":null}"#).unwrap();
        assert!(matches!(plain.content, Text(Some(Cow::Borrowed("贺兰山")))));
        let escaped: Said<'_> = serde_json::from_str(r#"{"content":"a\nb"}"#).unwrap();
        assert!(matches!(&escaped.content, Text(Some(Cow::Owned(text))) if text == "a\nb"));
    }

    #[test]
    fn members_of_other_types_read_as_absent() {
        let choice: Choice<'_> = serde_json::from_str(
            r#"{"index":"0","delta":null,"text":7,"finish_reason":true,"stop_reason":151645,
                "matched_stop":{"a":[1]}}"#,
        )
        .unwrap();
        assert_eq!(choice.index, Count(None));
        assert_eq!(choice.stop_reason, Text(None));
        assert_eq!(choice.matched_stop, Text(None));
        let usage: Usage = serde_json::from_str(
            r#"{"prompt_tokens":-1,"completion_tokens":2.5,"prompt_tokens_details":null}"#,
        )
        .unwrap();
        assert_eq!(usage, Usage::default());
    }

    #[test]
    fn parts_read_as_their_texts() {
        let said: Said<'_> = serde_json::from_str(
            r#"{"content":[{"type":"text","text":"a"},{"type":"image"},{"type":"text","text":"b"}]}"#,
        )
        .unwrap();
        assert_eq!(said.content.get(), "ab");
    }

    #[test]
    fn arguments_are_text_or_the_object_itself() {
        for (json, expected) in [
            (r#"{"arguments":"{\"a\": 1}"}"#, r#"{"a": 1}"#),
            (r#"{"arguments":{"a": 1}}"#, r#"{"a": 1}"#),
            (r#"{"arguments":null}"#, ""),
            (r"{}", ""),
        ] {
            let function: Function<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(function.arguments(), expected);
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let json = b"{\"choices\":[{\"text\":\"a\xff\"}]}";
        let text = read(json, |chunks| chunks.0[0].choices.0[0].text.get().to_owned()).unwrap();
        assert_eq!(text, "a\u{fffd}");
    }
}
