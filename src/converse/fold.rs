//! Stream events → one answer.

use serde_json::Value;

use super::{
    Blob, Citation, CitationText, CitationsContentBlock, ContentBlock, ContentBlockDelta,
    ContentBlockStart, Event, ImageBlock, Message, MessageStopEvent, Metrics, Output,
    PerformanceConfiguration, ReasoningContent, ReasoningContentBlockDelta, ReasoningText,
    Response, Role, ServiceTier, TokenUsage, ToolResultBlock, ToolResultContentBlock, ToolUseBlock,
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
    stop: Option<MessageStopEvent>,
    usage: TokenUsage,
    metrics: Metrics,
    trace: Option<Box<super::Trace>>,
    performance_config: Option<PerformanceConfiguration>,
    service_tier: Option<ServiceTier>,
}

#[derive(Debug)]
enum Partial {
    Text(String),
    Cited { text: String, citations: Vec<Citation> },
    Reasoning { text: String, signature: Option<String> },
    Redacted(Vec<u8>),
    ToolUse { start: super::ToolUseBlockStart, input: String },
    ToolResult { start: super::ToolResultBlockStart, content: Vec<ToolResultContentBlock> },
    Image { start: super::ImageBlockStart, delta: super::ImageBlockDelta },
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
                    ContentBlockStart::Image(start) => Partial::Image {
                        start,
                        delta: super::ImageBlockDelta { error: None, source: None },
                    },
                };
                self.blocks.push((event.content_block_index, partial));
            }
            Event::ContentBlockDelta(event) => self.delta(event.content_block_index, event.delta),
            Event::ContentBlockStop(_) => {}
            Event::MessageStop(stop) => self.stop = Some(stop),
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
        match delta {
            // Text, reasoning and citations have no start: their first delta opens the block.
            ContentBlockDelta::Text(more) => {
                if let Some(text) = self.open(index, Partial::text) {
                    text.push_str(&more);
                } else {
                    self.blocks.push((index, Partial::Text(more)));
                }
            }
            ContentBlockDelta::Citation(citation) => self.citation(index, citation.into()),
            ContentBlockDelta::ReasoningContent(more) => self.reasoning(index, more),
            // A piece of a block that never started carries nothing that could be shown.
            ContentBlockDelta::ToolUse(more) => {
                if let Some(input) = self.open(index, Partial::tool_input) {
                    input.push_str(&more.input);
                }
            }
            ContentBlockDelta::ToolResult(more) => {
                if let Some(content) = self.open(index, Partial::tool_result) {
                    content.extend(more.into_iter().map(ToolResultContentBlock::from));
                }
            }
            ContentBlockDelta::Image(more) => {
                if let Some(image) = self.open(index, Partial::image) {
                    image.error = more.error.or(image.error.take());
                    image.source = more.source.or(image.source.take());
                }
            }
        }
    }

    /// The latest block at `index` that is of a kind. A block that holds another kind as well (a
    /// redacted piece inside reasoning) is several blocks here, so that nothing is lost.
    fn open<'a, T: 'a>(
        &'a mut self,
        index: u32,
        kind: impl Fn(&'a mut Partial) -> Option<&'a mut T>,
    ) -> Option<&'a mut T> {
        self.blocks
            .iter_mut()
            .rev()
            .filter(|(at, _)| *at == index)
            .find_map(|(_, partial)| kind(partial))
    }

    fn citation(&mut self, index: u32, citation: Citation) {
        let block =
            self.blocks.iter_mut().rev().filter(|(at, _)| *at == index).find_map(|(_, partial)| {
                matches!(partial, Partial::Text(_) | Partial::Cited { .. }).then_some(partial)
            });
        match block {
            Some(Partial::Cited { citations, .. }) => citations.push(citation),
            Some(block @ Partial::Text(_)) => {
                let text = block.text().map(std::mem::take).unwrap_or_default();
                *block = Partial::Cited { text, citations: vec![citation] };
            }
            _ => {
                let cited = Partial::Cited { text: String::new(), citations: vec![citation] };
                self.blocks.push((index, cited));
            }
        }
    }

    fn reasoning(&mut self, index: u32, delta: ReasoningContentBlockDelta) {
        let latest = self.blocks.iter_mut().rev().find(|(at, _)| *at == index).map(|(_, b)| b);
        match (delta, latest) {
            (ReasoningContentBlockDelta::Text(more), Some(Partial::Reasoning { text, .. })) => {
                text.push_str(&more);
            }
            (ReasoningContentBlockDelta::Text(text), _) => {
                self.blocks.push((index, Partial::Reasoning { text, signature: None }));
            }
            // Pieces of one blob, until something else comes.
            (ReasoningContentBlockDelta::RedactedContent(more), Some(Partial::Redacted(bytes))) => {
                bytes.extend(more.decode());
            }
            (ReasoningContentBlockDelta::RedactedContent(blob), _) => {
                self.blocks.push((index, Partial::Redacted(blob.decode())));
            }
            // What is signed may have a redacted piece after it.
            (ReasoningContentBlockDelta::Signature(more), _) => {
                if let Some(signature) = self.open(index, Partial::signature) {
                    signature.get_or_insert_default().push_str(&more);
                } else {
                    let signature = Some(more);
                    self.blocks
                        .push((index, Partial::Reasoning { text: String::new(), signature }));
                }
            }
        }
    }

    /// The answer. Fails if no `messageStop` came: an answer that was cut is no answer.
    pub fn finish(self) -> Result<Response> {
        let Some(stop) = self.stop else {
            return Err(Error::new(
                Code::ModelError,
                "The model's answer ended before it was complete. Try your request again.",
            ));
        };
        let mut content: Vec<ContentBlock> =
            self.blocks.into_iter().filter_map(|(_, partial)| partial.close()).collect();
        // A stream may open with an empty text before its reasoning. Kept, it would be refused when
        // the caller sends the turn back; alone, it is the answer.
        let is_empty =
            |block: &ContentBlock| matches!(block, ContentBlock::Text(t) if t.is_empty());
        if !content.iter().all(is_empty) {
            content.retain(|block| !is_empty(block));
        }
        if self.order == BlockOrder::TextFirst {
            // Stable, so that several texts, or tool uses, keep their own order.
            content.sort_by_key(|block| matches!(block, ContentBlock::ReasoningContent(_)));
        }
        Ok(Response {
            additional_model_response_fields: stop.additional_model_response_fields,
            metrics: self.metrics,
            output: Output::Message(Message {
                content,
                role: self.role.unwrap_or(Role::Assistant),
            }),
            performance_config: self.performance_config,
            service_tier: self.service_tier,
            stop_reason: stop.stop_reason,
            stop_sequence: stop.stop_sequence,
            trace: self.trace,
            usage: self.usage,
        })
    }
}

impl Partial {
    fn text(&mut self) -> Option<&mut String> {
        match self {
            Self::Text(text) | Self::Cited { text, .. } => Some(text),
            _ => None,
        }
    }

    fn signature(&mut self) -> Option<&mut Option<String>> {
        if let Self::Reasoning { signature, .. } = self { Some(signature) } else { None }
    }

    fn tool_input(&mut self) -> Option<&mut String> {
        if let Self::ToolUse { input, .. } = self { Some(input) } else { None }
    }

    fn tool_result(&mut self) -> Option<&mut Vec<ToolResultContentBlock>> {
        if let Self::ToolResult { content, .. } = self { Some(content) } else { None }
    }

    fn image(&mut self) -> Option<&mut super::ImageBlockDelta> {
        if let Self::Image { delta, .. } = self { Some(delta) } else { None }
    }

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
            Self::Redacted(bytes) => {
                ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(Blob::new(bytes)))
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
            // An image without a source cannot be said.
            Self::Image { start, delta } => ContentBlock::Image(ImageBlock {
                error: delta.error,
                format: start.format,
                source: delta.source?,
            }),
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
