//! The shapes of answers: the whole message, and what it shares with its chunks.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::converse::{
    CitationText, ContentBlock, Output, ReasoningContent, Response, StopReason, TokenUsage,
};

/// How the answer to one request is said.
pub(super) struct Manner {
    pub(super) id: String,
    pub(super) model: String,
    /// Whether the caller reads no thinking, only its signature.
    pub(super) omits_thinking: bool,
    /// The stop sequence, where the request has one alone.
    pub(super) only_stop: Option<String>,
}

/// The id of a message.
pub(super) fn id(prefix: &str, random: &mut fastrand::Rng) -> String {
    format!("{prefix}{}", clock::alphanumeric(random, 24))
}

/// The name that an answer calls its model by. Anthropic's models are called as Anthropic does,
/// without provider, region and version: `us.anthropic.claude-3-haiku-20240307-v1:0` is
/// `claude-3-haiku-20240307`. Of an ARN, the model's part is the name; others keep their ids.
pub(super) fn model_name(id: &str) -> &str {
    let id = id.rsplit_once('/').map_or(id, |(_, last)| last);
    let rest = match id.split_once("anthropic.") {
        Some((before, rest)) if before.is_empty() || before.ends_with('.') => rest,
        _ => return id,
    };
    let is_version = |version: &str| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    };
    match rest.rsplit_once("-v") {
        // `claude-v2` has no other number: that is its name.
        Some((name, version))
            if is_version(version) && name.bytes().any(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => rest,
    }
}

/// A message, whole or as `message_start` begins it.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) model: &'a str,
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) role: &'static str,
    pub(super) content: &'a [Block<'a>],
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) usage: Usage,
}

/// A block of an answer; `content_block_start` shows it empty.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text { text: Cow<'a, str> },
    Thinking { thinking: &'a str, signature: Cow<'a, str> },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Cow<'a, Value> },
}

/// Tokens. What was neither read from a cache nor written to one is `input_tokens`.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Usage {
    #[serde(rename = "input_tokens")]
    input: u32,
    #[serde(rename = "cache_creation_input_tokens")]
    written: u32,
    #[serde(rename = "cache_read_input_tokens")]
    read: u32,
    #[serde(rename = "output_tokens")]
    output: u32,
}

impl From<&TokenUsage> for Usage {
    /// The members are required: zero `input_tokens` also say that the container did not count.
    /// Where it does not tell cached tokens apart, they are among `input_tokens`.
    fn from(usage: &TokenUsage) -> Self {
        Self {
            input: usage.input_tokens,
            written: usage.cache_write_input_tokens.unwrap_or(0),
            read: usage.cache_read_input_tokens.unwrap_or(0),
            output: usage.output_tokens,
        }
    }
}

/// The whole message.
pub(super) fn whole(manner: &Manner, answer: &Response) -> serde_json::Result<Vec<u8>> {
    let Output::Message(message) = &answer.output;
    let content: Vec<Block<'_>> =
        message.content.iter().filter_map(|block| said(manner, block)).collect();
    serde_json::to_vec(&Message {
        model: &manner.model,
        id: &manner.id,
        r#type: "message",
        role: "assistant",
        content: &content,
        stop_reason: Some(stop_reason(answer.stop_reason)),
        stop_sequence: stop_sequence(manner, answer.stop_reason, answer.stop_sequence.as_deref()),
        usage: Usage::from(&answer.usage),
    })
}

fn said<'a>(manner: &Manner, block: &'a ContentBlock) -> Option<Block<'a>> {
    Some(match block {
        ContentBlock::Text(text) if text.is_empty() => return None,
        ContentBlock::Text(text) => Block::Text { text: text.into() },
        ContentBlock::CitationsContent(block) => {
            let texts = block.content.iter().flatten().map(|text| match text {
                CitationText::Text(text) => text.as_str(),
            });
            Block::Text { text: texts.collect::<String>().into() }
        }
        ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(reasoning)) => {
            let signature = reasoning.signature.as_deref().map_or_else(
                || Signature::default().and(&reasoning.text).finish().into(),
                Cow::Borrowed,
            );
            let thinking = if manner.omits_thinking { "" } else { reasoning.text.as_str() };
            Block::Thinking { thinking, signature }
        }
        ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(blob)) => {
            Block::RedactedThinking { data: blob.as_base64() }
        }
        ContentBlock::ToolUse(call) => {
            let input = match &call.input {
                input @ Value::Object(_) => Cow::Borrowed(input),
                broken => Cow::Owned(wrapped(broken.clone())),
            };
            Block::ToolUse { id: &call.tool_use_id, name: &call.name, input }
        }
        // Nothing else is generated, and Messages has no words for it.
        _ => return None,
    })
}

/// Input that is no object (a call that the limit of tokens cut) under the key that Anthropic's
/// guide gives it: `input` is an object always.
fn wrapped(broken: Value) -> Value {
    Value::Object(Map::from_iter([("INVALID_JSON".to_owned(), broken)]))
}

/// Why the model stopped, in the words of the Messages API.
pub(super) fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::GuardrailIntervened | StopReason::ContentFiltered => "refusal",
        StopReason::ModelContextWindowExceeded => "model_context_window_exceeded",
        StopReason::EndTurn | StopReason::MalformedModelOutput | StopReason::MalformedToolUse => {
            "end_turn"
        }
    }
}

/// The stop sequence that was met. Not every container tells it; where there was only one to
/// meet, it is that one.
pub(super) fn stop_sequence<'a>(
    manner: &'a Manner,
    reason: StopReason,
    told: Option<&'a str>,
) -> Option<&'a str> {
    (reason == StopReason::StopSequence).then(|| told.or(manner.only_stop.as_deref())).flatten()
}

/// The signature of thinking that its model did not sign. Clients keep it and send it back, and
/// it is not looked at then; it proves nothing. The same thinking has the same.
#[derive(Default)]
pub(super) struct Signature(Sha256);

impl Signature {
    /// Goes on with `thinking`.
    pub(super) fn push(&mut self, thinking: &str) {
        self.0.update(thinking.as_bytes());
    }

    fn and(mut self, thinking: &str) -> Self {
        self.push(thinking);
        self
    }

    /// Base64, as Anthropic's own.
    pub(super) fn finish(self) -> String {
        STANDARD.encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::model_name;

    #[test]
    fn models_are_called_by_their_names() {
        for (id, name) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-20250514"),
            ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("anthropic.claude-v2:1", "claude-v2:1"),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
                "claude-3-haiku-20240307",
            ),
            (
                "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl",
                "abcdefghijkl",
            ),
            ("deepseek.r1-v1:0", "deepseek.r1-v1:0"),
            ("misanthropic.r1-v1:0", "misanthropic.r1-v1:0"),
            ("", ""),
        ] {
            assert_eq!(model_name(id), name);
        }
    }
}
