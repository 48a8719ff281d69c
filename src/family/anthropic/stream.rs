//! Events of an answer → the events of the Messages API, one a chunk:
//!
//! ```text
//! message_start (content_block_start content_block_delta* content_block_stop)*
//! message_delta message_stop
//! ```
//!
//! Unlike Converse's, every block has a start, and none is empty text.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{self, Block, Manner, Message, Signature, Usage};
use crate::converse::{
    Blob, ContentBlockDelta, ContentBlockStart, Event, MessageStopEvent, MetadataEvent,
    ReasoningContentBlockDelta, Response, StopReason, ToolUseBlockStart,
};
use crate::family::{Chunks, Voice};
use crate::{Error, Result};

/// Says one answer.
pub(super) struct Speaker {
    manner: Manner,
    /// Which block is open, or comes next.
    index: u32,
    open: Open,
    stop: (StopReason, Option<String>),
}

enum Open {
    Nothing,
    Text,
    Thinking {
        signature: Signature,
        /// Whether the model has signed it itself.
        is_signed: bool,
    },
    /// Said when it is complete: it has no deltas.
    Redacted(Vec<u8>),
    ToolUse,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Chunk<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Block<'a> },
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: Stopped<'a>, usage: Counted },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct Stopped<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

/// All tokens of the answer; the input's only where the container counted them.
#[derive(Serialize)]
#[serde(untagged)]
enum Counted {
    All(Usage),
    Output { output_tokens: u32 },
}

impl Speaker {
    pub(super) const fn new(manner: Manner) -> Self {
        Self { manner, index: 0, open: Open::Nothing, stop: (StopReason::EndTurn, None) }
    }

    fn delta(&mut self, delta: &ContentBlockDelta, out: &mut Chunks) -> Result<()> {
        match delta {
            ContentBlockDelta::Text(text) if text.is_empty() => Ok(()),
            ContentBlockDelta::Text(text) => {
                if !matches!(self.open, Open::Text) {
                    self.start(Open::Text, Block::Text { text: "".into() }, out)?;
                }
                self.push(Delta::Text { text }, out)
            }
            ContentBlockDelta::ReasoningContent(delta) => self.reasoning(delta, out),
            ContentBlockDelta::ToolUse(delta) => match self.open {
                Open::ToolUse => self.push(Delta::InputJson { partial_json: &delta.input }, out),
                _ => Ok(()), // a piece of a call that never started carries nothing
            },
            // Nothing else is generated, and Messages has no words for it.
            _ => Ok(()),
        }
    }

    fn reasoning(&mut self, delta: &ReasoningContentBlockDelta, out: &mut Chunks) -> Result<()> {
        match delta {
            ReasoningContentBlockDelta::Text(thinking) if thinking.is_empty() => Ok(()),
            ReasoningContentBlockDelta::Text(thinking) => {
                self.think(out)?;
                if let Open::Thinking { signature, .. } = &mut self.open {
                    signature.push(thinking);
                }
                if self.manner.omits_thinking {
                    return Ok(());
                }
                self.push(Delta::Thinking { thinking }, out)
            }
            ReasoningContentBlockDelta::Signature(signature) => {
                self.think(out)?;
                if let Open::Thinking { is_signed, .. } = &mut self.open {
                    *is_signed = true;
                }
                self.push(Delta::Signature { signature }, out)
            }
            ReasoningContentBlockDelta::RedactedContent(blob) => {
                if let Open::Redacted(bytes) = &mut self.open {
                    bytes.extend(blob.decode());
                    return Ok(());
                }
                self.close(out)?;
                self.open = Open::Redacted(blob.decode());
                Ok(())
            }
        }
    }

    fn think(&mut self, out: &mut Chunks) -> Result<()> {
        if matches!(self.open, Open::Thinking { .. }) {
            return Ok(());
        }
        let thinking = Open::Thinking { signature: Signature::default(), is_signed: false };
        self.start(thinking, Block::Thinking { thinking: "", signature: "".into() }, out)
    }

    fn start(&mut self, open: Open, block: Block<'_>, out: &mut Chunks) -> Result<()> {
        self.close(out)?;
        self.open = open;
        out.push(&Chunk::ContentBlockStart { index: self.index, content_block: block })
    }

    fn call(&mut self, call: &ToolUseBlockStart, out: &mut Chunks) -> Result<()> {
        let input = Cow::Owned(Value::Object(Map::new()));
        let block = Block::ToolUse { id: &call.tool_use_id, name: &call.name, input };
        self.start(Open::ToolUse, block, out)
    }

    fn push(&self, delta: Delta<'_>, out: &mut Chunks) -> Result<()> {
        out.push(&Chunk::ContentBlockDelta { index: self.index, delta })
    }

    /// Ends the open block, if there is one.
    fn close(&mut self, out: &mut Chunks) -> Result<()> {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return Ok(()),
            Open::Thinking { signature, is_signed: false } => {
                self.push(Delta::Signature { signature: &signature.finish() }, out)?;
            }
            Open::Redacted(bytes) => {
                let blob = Blob::new(bytes);
                let block = Block::RedactedThinking { data: blob.as_base64() };
                out.push(&Chunk::ContentBlockStart { index: self.index, content_block: block })?;
            }
            Open::Text | Open::ToolUse | Open::Thinking { is_signed: true, .. } => {}
        }
        out.push(&Chunk::ContentBlockStop { index: self.index })?;
        self.index += 1;
        Ok(())
    }

    fn begin(&self, out: &mut Chunks) -> Result<()> {
        out.push(&Chunk::MessageStart {
            message: Message {
                model: &self.manner.model,
                id: &self.manner.id,
                r#type: "message",
                role: "assistant",
                content: &[],
                stop_reason: None,
                stop_sequence: None,
                usage: Usage::default(), // containers count when they are done
            },
        })
    }

    fn end(&self, metadata: &MetadataEvent, out: &mut Chunks) -> Result<()> {
        let (reason, told) = &self.stop;
        let usage = &metadata.usage;
        let is_counted = usage.total_tokens > usage.output_tokens;
        out.push(&Chunk::MessageDelta {
            delta: Stopped {
                stop_reason: answer::stop_reason(*reason),
                stop_sequence: answer::stop_sequence(&self.manner, *reason, told.as_deref()),
            },
            usage: if is_counted {
                Counted::All(usage.into())
            } else {
                Counted::Output { output_tokens: usage.output_tokens }
            },
        })?;
        out.push(&Chunk::MessageStop)
    }
}

impl Voice for Speaker {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        match event {
            Event::MessageStart(_) => self.begin(out),
            Event::ContentBlockStart(event) => match &event.start {
                ContentBlockStart::ToolUse(call) => self.call(call, out),
                ContentBlockStart::ToolResult(_) | ContentBlockStart::Image(_) => self.close(out),
            },
            Event::ContentBlockDelta(event) => self.delta(&event.delta, out),
            Event::ContentBlockStop(_) => self.close(out),
            Event::MessageStop(MessageStopEvent { stop_reason, stop_sequence, .. }) => {
                self.stop = (*stop_reason, stop_sequence.clone());
                self.close(out)
            }
            Event::Metadata(metadata) => self.end(metadata, out),
        }
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        answer::whole(&self.manner, &answer).map_err(|error| Error::internal().because(error))
    }
}
