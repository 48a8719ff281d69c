//! Stream events → one answer.

use serde_json::Value;

use super::{
    CitationText, CitationsContentBlock, ContentBlock, ContentBlockDelta, ContentBlockStart, Event,
    ImageBlock, Message, Metrics, Output, PerformanceConfiguration, ReasoningContent,
    ReasoningContentBlockDelta, ReasoningText, Response, Role, ServiceTier, StopReason, TokenUsage,
    ToolResultBlock, ToolResultBlockDelta, ToolResultContentBlock, ToolUseBlock,
};
use crate::{Code, Error, Result};

/// The order of blocks in a unary answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockOrder {
    /// As the model generated them: reasoning, then text.
    #[default]
    AsGenerated,
    /// Text before reasoning, as Bedrock's DeepSeek-R1 answers: its callers read
    /// `content[0]["text"]`.
    TextFirst,
}

/// Folds the events of one answer into a [`Response`].
///
/// ```
/// use helan::converse::{BlockOrder, ContentBlockDelta, Event, Fold, MessageStopEvent, StopReason};
///
/// let mut fold = Fold::new(BlockOrder::AsGenerated);
/// fold.push(Event::message_start());
/// fold.push(Event::delta(0, ContentBlockDelta::Text("Ni".into())));
/// fold.push(Event::delta(0, ContentBlockDelta::Text("hao".into())));
/// fold.push(Event::stop(0));
/// fold.push(Event::MessageStop(MessageStopEvent {
///     additional_model_response_fields: None,
///     stop_reason: StopReason::EndTurn,
///     stop_sequence: None,
/// }));
/// let answer = serde_json::to_value(fold.finish()?).unwrap();
/// assert_eq!(answer["output"]["message"]["content"][0]["text"], "Nihao");
/// # Ok::<(), helan::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Fold {
    order: BlockOrder,
    role: Option<Role>,
    /// Open and closed blocks by `contentBlockIndex`, in order of appearance.
    blocks: Vec<(u32, Partial)>,
    stop: Option<(StopReason, Option<Value>)>,
    usage: TokenUsage,
    metrics: Metrics,
    trace: Option<Box<super::Trace>>,
    performance_config: Option<PerformanceConfiguration>,
    service_tier: Option<ServiceTier>,
}

#[derive(Debug)]
enum Partial {
    Text(String),
    Cited { text: String, citations: Vec<super::Citation> },
    Reasoning { text: String, signature: Option<String> },
    Redacted(super::Blob),
    ToolUse { start: super::ToolUseBlockStart, input: String },
    ToolResult { start: super::ToolResultBlockStart, content: Vec<ToolResultContentBlock> },
    Image { start: super::ImageBlockStart, delta: Option<super::ImageBlockDelta> },
}

impl Fold {
    /// An empty fold.
    pub fn new(order: BlockOrder) -> Self {
        Self { order, ..Self::default() }
    }

    /// Takes the next event.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::MessageStart(start) => self.role = Some(start.role),
            Event::ContentBlockStart(event) => {
                let partial = match event.start {
                    ContentBlockStart::ToolUse(start) => {
                        Partial::ToolUse { start, input: String::new() }
                    }
                    ContentBlockStart::ToolResult(start) => {
                        Partial::ToolResult { start, content: vec![] }
                    }
                    ContentBlockStart::Image(start) => Partial::Image { start, delta: None },
                };
                self.blocks.push((event.content_block_index, partial));
            }
            Event::ContentBlockDelta(event) => self.delta(event.content_block_index, event.delta),
            Event::ContentBlockStop(_) => {}
            Event::MessageStop(stop) => {
                self.stop = Some((stop.stop_reason, stop.additional_model_response_fields));
            }
            Event::Metadata(metadata) => {
                self.usage = metadata.usage;
                self.metrics = metadata.metrics;
                self.trace = metadata.trace;
                self.performance_config = metadata.performance_config;
                self.service_tier = metadata.service_tier;
            }
        }
    }

    fn delta(&mut self, index: u32, delta: ContentBlockDelta) {
        let block = self.blocks.iter_mut().rev().find(|(at, _)| *at == index).map(|(_, b)| b);
        match (block, delta) {
            (
                Some(Partial::Text(text) | Partial::Cited { text, .. }),
                ContentBlockDelta::Text(more),
            ) => {
                text.push_str(&more);
            }
            (Some(Partial::ToolUse { input, .. }), ContentBlockDelta::ToolUse(more)) => {
                input.push_str(&more.input);
            }
            (
                Some(Partial::Reasoning { text, signature }),
                ContentBlockDelta::ReasoningContent(more),
            ) => match more {
                ReasoningContentBlockDelta::Text(more) => text.push_str(&more),
                ReasoningContentBlockDelta::Signature(whole) => *signature = Some(whole),
                ReasoningContentBlockDelta::RedactedContent(blob) => {
                    self.blocks.push((index, Partial::Redacted(blob)));
                }
            },
            (Some(Partial::Cited { citations, .. }), ContentBlockDelta::Citation(citation)) => {
                citations.push(citation);
            }
            (Some(block @ Partial::Text(_)), ContentBlockDelta::Citation(citation)) => {
                if let Partial::Text(text) = block {
                    let text = std::mem::take(text);
                    *block = Partial::Cited { text, citations: vec![citation] };
                }
            }
            (Some(Partial::ToolResult { content, .. }), ContentBlockDelta::ToolResult(more)) => {
                content.extend(more.into_iter().map(|piece| match piece {
                    ToolResultBlockDelta::Text(text) => ToolResultContentBlock::Text(text),
                    ToolResultBlockDelta::Json(json) => ToolResultContentBlock::Json(json),
                }));
            }
            (Some(Partial::Image { delta, .. }), ContentBlockDelta::Image(more)) => {
                *delta = Some(more);
            }
            // Text, reasoning and citations have no start: their first delta opens the block.
            (_, ContentBlockDelta::Text(text)) => self.blocks.push((index, Partial::Text(text))),
            (_, ContentBlockDelta::ReasoningContent(first)) => {
                let partial = match first {
                    ReasoningContentBlockDelta::Text(text) => {
                        Partial::Reasoning { text, signature: None }
                    }
                    ReasoningContentBlockDelta::Signature(whole) => {
                        Partial::Reasoning { text: String::new(), signature: Some(whole) }
                    }
                    ReasoningContentBlockDelta::RedactedContent(blob) => Partial::Redacted(blob),
                };
                self.blocks.push((index, partial));
            }
            (_, ContentBlockDelta::Citation(citation)) => {
                let partial = Partial::Cited { text: String::new(), citations: vec![citation] };
                self.blocks.push((index, partial));
            }
            // A piece of a block that never started carries nothing that could be shown.
            (
                _,
                ContentBlockDelta::ToolUse(_)
                | ContentBlockDelta::ToolResult(_)
                | ContentBlockDelta::Image(_),
            ) => {}
        }
    }

    /// The answer. Fails if no `messageStop` came: an answer that was cut is no answer.
    pub fn finish(self) -> Result<Response> {
        let Some((stop_reason, additional_model_response_fields)) = self.stop else {
            return Err(Error::new(
                Code::ModelError,
                "The model's answer ended before it was complete. Try your request again.",
            ));
        };
        let mut content: Vec<ContentBlock> =
            self.blocks.into_iter().filter_map(|(_, partial)| partial.close()).collect();
        if self.order == BlockOrder::TextFirst {
            // Stable, so that several texts, or tool uses, keep their own order.
            content.sort_by_key(|block| matches!(block, ContentBlock::ReasoningContent(_)));
        }
        Ok(Response {
            additional_model_response_fields,
            metrics: self.metrics,
            output: Output::Message(Message {
                content,
                role: self.role.unwrap_or(Role::Assistant),
            }),
            performance_config: self.performance_config,
            service_tier: self.service_tier,
            stop_reason,
            trace: self.trace,
            usage: self.usage,
        })
    }
}

impl Partial {
    fn close(self) -> Option<ContentBlock> {
        Some(match self {
            Self::Text(text) => ContentBlock::Text(text),
            Self::Cited { text, citations } => {
                ContentBlock::CitationsContent(CitationsContentBlock {
                    citations: Some(citations),
                    content: Some(vec![CitationText::Text(text)]),
                })
            }
            Self::Reasoning { text, signature } => {
                ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(ReasoningText {
                    signature,
                    text,
                }))
            }
            Self::Redacted(blob) => {
                ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(blob))
            }
            Self::ToolUse { start, input } => ContentBlock::ToolUse(ToolUseBlock {
                input: tool_input(input),
                name: start.name,
                tool_use_id: start.tool_use_id,
                kind: start.kind,
            }),
            Self::ToolResult { start, content } => ContentBlock::ToolResult(ToolResultBlock {
                content,
                status: start.status,
                tool_use_id: start.tool_use_id,
                kind: start.kind,
            }),
            Self::Image { start, delta } => {
                let delta = delta?;
                ContentBlock::Image(ImageBlock {
                    error: delta.error,
                    format: start.format,
                    source: delta.source?,
                })
            }
        })
    }
}

/// A tool without parameters may be called without a single fragment; what is no JSON (a call cut
/// by the token limit) is kept as the text it is, since `input` may be any JSON value.
fn tool_input(text: String) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
