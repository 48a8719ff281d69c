//! What containers send, read without copying: one type for a stream's chunks and for a whole
//! answer, which differ in `delta` or `message` alone.
//!
//! A member of another type than expected reads as absent: see [`json`](crate::container::json).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::container::json::{Count, OneOrMany, Text};
use crate::container::usage::Usage;

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
}
