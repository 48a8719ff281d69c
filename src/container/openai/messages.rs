//! Turns as `messages`.
//!
//! Content is a string wherever it is all text, since not every model's template takes parts;
//! several texts are joined by a line break, as vLLM itself joins parts for such a template.
//! Only a turn that shows an image has parts.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::images::{DataUrl, Mark};
use super::{Options, ReasoningHistory};
use crate::converse::{
    ContentBlock, Conversation, Message, ReasoningContent, Role, ToolResultBlock, ToolUseBlock,
};
use crate::template::documents::unsupported;
use crate::template::said::{Image, Piece, Place, Said, placed, split_thought};
use crate::wire::quoted;
use crate::{Error, Result};

/// One message.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Turn<'a> {
    System {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        /// `null` beside tool calls without text: TGI would take a string for all there is.
        content: Option<Content<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        #[serde(serialize_with = "quoted")]
        content: Cow<'a, str>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(#[serde(serialize_with = "quoted")] Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text {
        #[serde(serialize_with = "quoted")]
        text: Cow<'a, str>,
    },
    ImageUrl {
        image_url: ImageUrl,
    },
}

#[derive(Serialize)]
pub(super) struct ImageUrl {
    url: Mark,
}

/// How long the texts are as they are written, in bytes, but for what must be escaped.
pub(super) fn length(turns: &[Turn<'_>]) -> usize {
    let content = |content: &Content<'_>| match content {
        Content::Text(text) => text.len(),
        Content::Parts(parts) => parts.iter().map(Part::length).sum(),
    };
    let length = |turn: &Turn<'_>| match turn {
        Turn::System { content: said } | Turn::User { content: said } => content(said),
        Turn::Assistant { content: said, .. } => said.as_ref().map_or(0, content),
        Turn::Tool { content, .. } => content.len(),
    };
    turns.iter().map(length).sum()
}

impl Part<'_> {
    fn length(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::ImageUrl { .. } => 0,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: String,
}

/// The messages of a conversation: its system prompts as one, then its turns. And the images that
/// belong to their marks, in the order in which those are written.
pub(super) fn turns<'a>(
    conversation: &'a Conversation,
    options: &'a Options,
) -> Result<(Vec<Turn<'a>>, Vec<DataUrl<'a>>)> {
    let turns = Vec::with_capacity(conversation.messages.len() + 1);
    let mut writer = Writer { options, turns, images: vec![] };
    let system = Said::system(&conversation.system);
    if !system.is_empty() {
        let content = writer.content(system, "system")?;
        writer.turns.push(Turn::System { content });
    }
    for (at, message) in conversation.messages.iter().enumerate() {
        if message.content.iter().all(|block| matches!(block, ContentBlock::CachePoint(_))) {
            continue;
        }
        match message.role {
            Role::User => writer.user(message, at)?,
            Role::Assistant => writer.assistant(message, at)?,
            Role::System => {
                let mut said = Said::default();
                for (block, place) in placed(message, at) {
                    said.block(block, place)?;
                }
                let content = writer.content(said, Whole(at))?;
                writer.turns.push(Turn::System { content });
            }
        }
    }
    Ok((writer.turns, writer.images))
}

/// The place of a message's words as a whole: several blocks may have become one text.
#[derive(Clone, Copy)]
struct Whole(usize);

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.{}.content", self.0)
    }
}

struct Writer<'a> {
    options: &'a Options,
    turns: Vec<Turn<'a>>,
    /// Those that the whole request has shown.
    images: Vec<DataUrl<'a>>,
}

impl<'a> Writer<'a> {
    /// Results of tools become messages of their own, before what else the user says: templates
    /// want them right behind the calls.
    fn user(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let before = self.turns.len();
        let mut said = Said::default();
        for (block, place) in placed(message, at) {
            if let ContentBlock::ToolResult(result) = block {
                let turn = self.result(result, place, &mut said)?;
                self.turns.push(turn);
            }
        }
        for (block, place) in placed(message, at) {
            if !matches!(block, ContentBlock::ToolResult(_)) {
                said.block(block, place)?;
            }
        }
        if !said.is_empty() || self.turns.len() == before {
            let content = self.content(said, Whole(at))?;
            self.turns.push(Turn::User { content });
        }
        Ok(())
    }

    fn result(
        &self,
        result: &'a ToolResultBlock,
        place: Place,
        after: &mut Said<'a>,
    ) -> Result<Turn<'a>> {
        let guard = &self.options.guard;
        let tool_call_id = guard.text(result.tool_use_id.as_str().into(), place)?;
        let content = guard.text(Said::result(result, place, after)?, place)?;
        Ok(Turn::Tool { tool_call_id, content })
    }

    fn assistant(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let guard = &self.options.guard;
        let (mut said, mut thoughts) = (Said::default(), Said::default());
        let mut tool_calls = vec![];
        for (block, place) in placed(message, at) {
            match block {
                ContentBlock::ToolUse(call) => tool_calls.push(self.call(call, place)?),
                ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(thought)) => {
                    thoughts.text(&thought.text);
                }
                // Reasoning told in the text, as a client does that knows no reasoning blocks:
                // its tags would be broken.
                ContentBlock::Text(text) if !guard.is_idle() => match split_thought(text) {
                    Some((thought, rest)) => {
                        thoughts.text(thought);
                        said.text(rest);
                    }
                    None => said.text(text),
                },
                block => said.block(block, place)?,
            }
        }
        let thoughts = (!thoughts.is_empty()).then(|| thoughts.joined());
        let thoughts = thoughts.map(|thoughts| guard.text(thoughts, Whole(at))).transpose()?;
        let (reasoning_content, reasoning) = match self.options.reasoning_history {
            ReasoningHistory::ReasoningContent => (thoughts, None),
            ReasoningHistory::Reasoning => (None, thoughts),
            ReasoningHistory::Dropped => (None, None),
        };
        let speaks = !said.is_empty() || tool_calls.is_empty();
        let content = speaks.then(|| self.content(said, Whole(at))).transpose()?;
        self.turns.push(Turn::Assistant { content, reasoning_content, reasoning, tool_calls });
        Ok(())
    }

    fn call(&self, call: &'a ToolUseBlock, place: Place) -> Result<Call<'a>> {
        let guard = &self.options.guard;
        // A value's text is its compact JSON, members in the caller's order.
        let arguments = guard.json(&call.input, place)?.to_string();
        let id = guard.text(call.tool_use_id.as_str().into(), place)?;
        let function = Called { name: &call.name, arguments };
        Ok(Call { id, r#type: "function", function })
    }

    fn content(&mut self, mut said: Said<'a>, place: impl fmt::Display) -> Result<Content<'a>> {
        let guard = &self.options.guard;
        if !said.has_images() {
            return Ok(Content::Text(guard.text(said.joined(), place)?));
        }
        // The container's template may write the texts side by side.
        let texts = said.pieces.iter_mut().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Image(_) => None,
        });
        guard.texts(texts, place)?;
        let parts = said.pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => Ok(Part::Text { text }),
            Piece::Image(image) => self.shown(image),
        });
        Ok(Content::Parts(parts.collect::<Result<_>>()?))
    }

    fn shown(&mut self, image: Image<'a>) -> Result<Part<'a>> {
        if !self.options.images {
            return Err(unsupported("image"));
        }
        self.images.push(DataUrl { media_type: image.media_type, base64: image.base64 });
        let shown = self.images.len();
        if let Some(limit) = self.options.max_images.filter(|limit| shown > *limit) {
            return Err(Error::validation(format!(
                "The request has more images than this model takes, which is {limit}. Remove \
                 images and try again."
            )));
        }
        Ok(Part::ImageUrl { image_url: ImageUrl { url: Mark } })
    }
}
