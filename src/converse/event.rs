//! What `ConverseStream` answers, one event at a time: also what every container's answer becomes.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shape::{structures, union};
use super::{
    Blob, Citation, CitationLocation, CitationText, ErrorBlock, ImageFormat, MediaSource, Metrics,
    PerformanceConfiguration, Role, ServiceTier, StopReason, TokenUsage, ToolResultContentBlock,
    ToolResultStatus, Trace,
};

union! {
    /// A piece of a streamed answer, in the order of the wire:
    ///
    /// ```text
    /// messageStart (contentBlockStart? contentBlockDelta* contentBlockStop)* messageStop metadata
    /// ```
    ///
    /// Only tool uses, tool results and images get a `contentBlockStart`. A member's name is the
    /// frame's `:event-type`; the union's exceptions travel as errors.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Event {
        MessageStart(MessageStartEvent) = "messageStart",
        ContentBlockStart(ContentBlockStartEvent) = "contentBlockStart",
        ContentBlockDelta(ContentBlockDeltaEvent) = "contentBlockDelta",
        ContentBlockStop(ContentBlockStopEvent) = "contentBlockStop",
        MessageStop(MessageStopEvent) = "messageStop",
        Metadata(MetadataEvent) = "metadata",
    }
}

impl Event {
    /// The start of every answer.
    pub const fn message_start() -> Self {
        Self::MessageStart(MessageStartEvent { role: Role::Assistant })
    }

    /// A piece of block `index`.
    pub const fn delta(index: u32, delta: ContentBlockDelta) -> Self {
        Self::ContentBlockDelta(ContentBlockDeltaEvent { content_block_index: index, delta })
    }

    /// The start of block `index`.
    pub const fn start(index: u32, start: ContentBlockStart) -> Self {
        Self::ContentBlockStart(ContentBlockStartEvent { content_block_index: index, start })
    }

    /// The end of block `index`.
    pub const fn stop(index: u32) -> Self {
        Self::ContentBlockStop(ContentBlockStopEvent { content_block_index: index })
    }

    /// Writes the frame's payload with its padding member `p`, members in alphabetical order as
    /// Bedrock writes them.
    pub fn write_payload(
        &self,
        padding: &str,
        mut out: impl std::io::Write,
    ) -> serde_json::Result<()> {
        match self {
            // Nearly all events of nearly all streams: serde's way to the same bytes takes twice as
            // many instructions.
            Self::ContentBlockDelta(ContentBlockDeltaEvent {
                content_block_index,
                delta: ContentBlockDelta::Text(text),
            }) if padding.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                out.write_all(b"{\"contentBlockIndex\":").map_err(serde_json::Error::io)?;
                serde_json::to_writer(&mut out, content_block_index)?;
                out.write_all(b",\"delta\":{\"text\":").map_err(serde_json::Error::io)?;
                serde_json::to_writer(&mut out, text)?;
                for part in ["},\"p\":\"", padding, "\"}"] {
                    out.write_all(part.as_bytes()).map_err(serde_json::Error::io)?;
                }
                Ok(())
            }
            Self::MessageStart(event) => {
                serde_json::to_writer(out, &padded::MessageStart { p: padding, role: event.role })
            }
            Self::ContentBlockStart(event) => serde_json::to_writer(
                out,
                &padded::BlockStart {
                    content_block_index: event.content_block_index,
                    p: padding,
                    start: &event.start,
                },
            ),
            Self::ContentBlockDelta(event) => serde_json::to_writer(
                out,
                &padded::BlockDelta {
                    content_block_index: event.content_block_index,
                    delta: &event.delta,
                    p: padding,
                },
            ),
            Self::ContentBlockStop(event) => serde_json::to_writer(
                out,
                &padded::Stop { content_block_index: event.content_block_index, p: padding },
            ),
            Self::MessageStop(event) => serde_json::to_writer(
                out,
                &padded::MessageStop {
                    additional_model_response_fields: event
                        .additional_model_response_fields
                        .as_ref(),
                    p: padding,
                    stop_reason: event.stop_reason,
                },
            ),
            Self::Metadata(event) => serde_json::to_writer(
                out,
                &padded::Metadata {
                    metrics: event.metrics,
                    p: padding,
                    performance_config: event.performance_config,
                    service_tier: event.service_tier,
                    trace: event.trace.as_deref(),
                    usage: &event.usage,
                },
            ),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct MessageStartEvent {
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ContentBlockStartEvent {
    pub content_block_index: u32,
    pub start: ContentBlockStart,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ContentBlockStart {
        ToolUse(ToolUseBlockStart) = "toolUse",
        ToolResult(ToolResultBlockStart) = "toolResult",
        Image(ImageBlockStart) = "image",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolUseBlockStart {
    pub name: String,
    pub tool_use_id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolResultBlockStart {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ToolResultStatus>,
    pub tool_use_id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ImageBlockStart {
    pub format: ImageFormat,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ContentBlockDeltaEvent {
    pub content_block_index: u32,
    pub delta: ContentBlockDelta,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ContentBlockDelta {
        Text(String) = "text",
        ToolUse(ToolUseBlockDelta) = "toolUse",
        ToolResult(Vec<ToolResultBlockDelta>) = "toolResult",
        ReasoningContent(ReasoningContentBlockDelta) = "reasoningContent",
        Citation(CitationsDelta) = "citation",
        Image(ImageBlockDelta) = "image",
    }
}

impl From<ToolResultBlockDelta> for ToolResultContentBlock {
    fn from(delta: ToolResultBlockDelta) -> Self {
        match delta {
            ToolResultBlockDelta::Text(text) => Self::Text(text),
            ToolResultBlockDelta::Json(json) => Self::Json(json),
        }
    }
}

/// A whole citation: deltas of citations are not cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct CitationsDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<CitationLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_content: Option<Vec<CitationSourceContentDelta>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Unlike `CitationSourceContent`, this is a structure: its text may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct CitationSourceContentDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl From<CitationsDelta> for Citation {
    fn from(delta: CitationsDelta) -> Self {
        let texts = |content: Vec<CitationSourceContentDelta>| {
            content.into_iter().filter_map(|piece| piece.text).map(CitationText::Text).collect()
        };
        Self {
            location: delta.location,
            source: delta.source,
            source_content: delta.source_content.map(texts),
            title: delta.title,
        }
    }
}

/// `input` is a fragment of JSON text; all fragments of a block together are one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ToolUseBlockDelta {
    pub input: String,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ToolResultBlockDelta {
        Text(String) = "text",
        Json(Value) = "json",
    }
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ReasoningContentBlockDelta {
        Text(String) = "text",
        RedactedContent(Blob) = "redactedContent",
        Signature(String) = "signature",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ImageBlockDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<MediaSource>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ContentBlockStopEvent {
    pub content_block_index: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct MessageStopEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_response_fields: Option<Value>,
    pub stop_reason: StopReason,
    /// The stop sequence that was met, where the container tells it. Not a member of Converse;
    /// the native bodies of some families carry it.
    #[serde(skip)]
    pub stop_sequence: Option<String>,
}

/// `ConverseStreamMetadataEvent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct MetadataEvent {
    pub metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_config: Option<PerformanceConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<Trace>>,
    pub usage: TokenUsage,
}

structures!(
    MessageStartEvent,
    ContentBlockStartEvent,
    ToolUseBlockStart,
    ToolResultBlockStart,
    ImageBlockStart,
    ContentBlockDeltaEvent,
    ToolUseBlockDelta,
    ImageBlockDelta,
    ContentBlockStopEvent,
    MessageStopEvent,
    MetadataEvent,
    CitationsDelta,
    CitationSourceContentDelta
);

/// The events with their padding, members in alphabetical order.
mod padded {
    use serde::Serialize;

    #[derive(Serialize)]
    pub(super) struct MessageStart<'a> {
        pub(super) p: &'a str,
        pub(super) role: super::Role,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct BlockStart<'a> {
        pub(super) content_block_index: u32,
        pub(super) p: &'a str,
        pub(super) start: &'a super::ContentBlockStart,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct BlockDelta<'a> {
        pub(super) content_block_index: u32,
        pub(super) delta: &'a super::ContentBlockDelta,
        pub(super) p: &'a str,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Stop<'a> {
        pub(super) content_block_index: u32,
        pub(super) p: &'a str,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct MessageStop<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) additional_model_response_fields: Option<&'a serde_json::Value>,
        pub(super) p: &'a str,
        pub(super) stop_reason: super::StopReason,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Metadata<'a> {
        pub(super) metrics: super::Metrics,
        pub(super) p: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) performance_config: Option<super::PerformanceConfiguration>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) service_tier: Option<super::ServiceTier>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) trace: Option<&'a super::Trace>,
        pub(super) usage: &'a super::TokenUsage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_written_as_bedrock_writes_them() {
        let event = Event::delta(0, ContentBlockDelta::Text("Hel".into()));
        let mut out = vec![];
        event.write_payload("abcde", &mut out).unwrap();
        // The reference's own example frame.
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"contentBlockIndex":0,"delta":{"text":"Hel"},"p":"abcde"}"#
        );
    }
}
