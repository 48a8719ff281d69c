//! Turns as `messages`.
//!
//! Content is a string wherever it is all text, since not every model's template takes parts;
//! several texts are joined by a line break, as vLLM itself joins parts for such a template.
//! Only a turn that shows an image has parts.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use super::{Options, ReasoningHistory};
use crate::converse::{
    ContentBlock, Conversation, GuardContent, GuardImageSource, ImageBlock, MediaSource, Message,
    ReasoningContent, Role, SystemContentBlock, ToolResultBlock, ToolResultContentBlock,
    ToolResultStatus, ToolUseBlock,
};
use crate::template::documents::{S3_LOCATION, cited, document, search_result, unsupported};
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
        tool_call_id: &'a str,
        content: Cow<'a, str>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
pub(super) struct ImageUrl<'a> {
    url: DataUrl<'a>,
}

/// Written straight into the body: an image is never copied.
struct DataUrl<'a> {
    media_type: &'static str,
    base64: &'a str,
}

impl fmt::Display for DataUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data:{};base64,{}", self.media_type, self.base64)
    }
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: String,
}

/// The messages of a conversation: its system prompts as one, then its turns.
pub(super) fn turns<'a>(
    conversation: &'a Conversation,
    options: &'a Options,
) -> Result<Vec<Turn<'a>>> {
    let mut turns = Vec::with_capacity(conversation.messages.len() + 1);
    let mut images = 0;
    let mut system = Pieces::new(options, &mut images);
    for block in &conversation.system {
        match block {
            SystemContentBlock::Text(text) => system.text(text),
            SystemContentBlock::GuardContent(content) => system.guarded(content)?,
            SystemContentBlock::CachePoint(_) => {}
        }
    }
    if !system.is_empty() {
        turns.push(Turn::System { content: system.content() });
    }
    for (at, message) in conversation.messages.iter().enumerate() {
        if message.content.iter().all(|block| matches!(block, ContentBlock::CachePoint(_))) {
            continue;
        }
        let pieces = Pieces::new(options, &mut images);
        match message.role {
            Role::User => user(message, at, pieces, &mut turns)?,
            Role::Assistant => turns.push(assistant(message, at, pieces)?),
            Role::System => {
                let content = plain(message, at, pieces)?.content();
                turns.push(Turn::System { content });
            }
        }
    }
    Ok(turns)
}

/// Results of tools become messages of their own, before what else the user says: templates want
/// them right behind the calls. An image in a result cannot be told there; it follows in the
/// user's message, under a line that says where it belongs.
fn user<'a>(
    message: &'a Message,
    at: usize,
    mut pieces: Pieces<'a, '_>,
    turns: &mut Vec<Turn<'a>>,
) -> Result<()> {
    let before = turns.len();
    for (nth, block) in message.content.iter().enumerate() {
        if let ContentBlock::ToolResult(result) = block {
            let path = Path { message: at, block: nth };
            turns.push(tool_result(result, path, &mut pieces)?);
        }
    }
    for (nth, block) in message.content.iter().enumerate() {
        if !matches!(block, ContentBlock::ToolResult(_)) {
            pieces.block(block, Path { message: at, block: nth })?;
        }
    }
    if !pieces.is_empty() || turns.len() == before {
        turns.push(Turn::User { content: pieces.content() });
    }
    Ok(())
}

fn plain<'a, 'n>(
    message: &'a Message,
    at: usize,
    mut pieces: Pieces<'a, 'n>,
) -> Result<Pieces<'a, 'n>> {
    for (nth, block) in message.content.iter().enumerate() {
        pieces.block(block, Path { message: at, block: nth })?;
    }
    Ok(pieces)
}

fn assistant<'a>(message: &'a Message, at: usize, mut pieces: Pieces<'a, '_>) -> Result<Turn<'a>> {
    let mut thoughts: Option<Cow<'a, str>> = None;
    let mut tool_calls = vec![];
    for (nth, block) in message.content.iter().enumerate() {
        match block {
            ContentBlock::ToolUse(call) => tool_calls.push(Call::from(call)),
            ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(thought)) => {
                match &mut thoughts {
                    Some(thoughts) => {
                        let thoughts = thoughts.to_mut();
                        thoughts.push('\n');
                        thoughts.push_str(&thought.text);
                    }
                    None => thoughts = Some(thought.text.as_str().into()),
                }
            }
            block => pieces.block(block, Path { message: at, block: nth })?,
        }
    }
    let (reasoning_content, reasoning) = match pieces.options.reasoning_history {
        ReasoningHistory::ReasoningContent => (thoughts, None),
        ReasoningHistory::Reasoning => (None, thoughts),
        ReasoningHistory::Dropped => (None, None),
    };
    let content = (!pieces.is_empty() || tool_calls.is_empty()).then(|| pieces.content());
    Ok(Turn::Assistant { content, reasoning_content, reasoning, tool_calls })
}

impl<'a> From<&'a ToolUseBlock> for Call<'a> {
    fn from(call: &'a ToolUseBlock) -> Self {
        // A value's text is its compact JSON, members in the caller's order.
        let function = Called { name: &call.name, arguments: call.input.to_string() };
        Self { id: &call.tool_use_id, r#type: "function", function }
    }
}

/// A failed call's result begins with `Error`, since OpenAI has no member for it.
fn tool_result<'a>(
    result: &'a ToolResultBlock,
    path: Path,
    images: &mut Pieces<'a, '_>,
) -> Result<Turn<'a>> {
    let mut texts: Vec<Cow<'a, str>> = Vec::with_capacity(result.content.len());
    for block in &result.content {
        match block {
            ToolResultContentBlock::Text(text) => texts.push(text.as_str().into()),
            ToolResultContentBlock::Json(json) => texts.push(json.to_string().into()),
            ToolResultContentBlock::Document(block) => {
                texts.push(document(block, &path.to_string())?.into());
            }
            ToolResultContentBlock::SearchResult(block) => texts.push(search_result(block).into()),
            ToolResultContentBlock::Image(image) => {
                images.text(format!("Image in the result of {}:", result.tool_use_id));
                images.image(image)?;
            }
            ToolResultContentBlock::Video(_) => return Err(unsupported("video")),
        }
    }
    let mut content = joined(texts);
    if result.status == Some(ToolResultStatus::Error) {
        let told = if content.is_empty() { "Error".into() } else { format!("Error: {content}") };
        content = told.into();
    }
    Ok(Turn::Tool { tool_call_id: &result.tool_use_id, content })
}

fn joined(mut texts: Vec<Cow<'_, str>>) -> Cow<'_, str> {
    if texts.len() > 1 { texts.join("\n").into() } else { texts.pop().unwrap_or_default() }
}

/// Where a block stands, for refusals.
#[derive(Clone, Copy)]
struct Path {
    message: usize,
    block: usize,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.{}.content.{}", self.message, self.block)
    }
}

/// What one message says, piece by piece.
struct Pieces<'a, 'n> {
    parts: Vec<Part<'a>>,
    options: &'a Options,
    /// How many images the whole request has shown.
    images: &'n mut usize,
}

impl<'a, 'n> Pieces<'a, 'n> {
    fn new(options: &'a Options, images: &'n mut usize) -> Self {
        Self { parts: vec![], options, images }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Empty text says nothing, and some templates fail on it.
    fn text(&mut self, text: impl Into<Cow<'a, str>>) {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(Part::Text { text });
        }
    }

    fn block(&mut self, block: &'a ContentBlock, path: Path) -> Result<()> {
        match block {
            ContentBlock::Text(text) => self.text(text),
            ContentBlock::Image(block) => self.image(block)?,
            ContentBlock::Document(block) => self.text(document(block, &path.to_string())?),
            ContentBlock::GuardContent(content) => self.guarded(content)?,
            ContentBlock::CitationsContent(block) => self.text(cited(block)),
            ContentBlock::SearchResult(block) => self.text(search_result(block)),
            ContentBlock::CachePoint(_) => {}
            // In a turn where they have no business, or nowhere to go.
            ContentBlock::Video(_)
            | ContentBlock::Audio(_)
            | ContentBlock::ToolUse(_)
            | ContentBlock::ToolResult(_)
            | ContentBlock::ReasoningContent(_)
            | ContentBlock::ToolAddition(_)
            | ContentBlock::ToolRemoval(_) => return Err(unsupported(block.name())),
        }
        Ok(())
    }

    fn guarded(&mut self, content: &'a GuardContent) -> Result<()> {
        match content {
            GuardContent::Text(block) => {
                self.text(&block.text);
                Ok(())
            }
            GuardContent::Image(image) => {
                let GuardImageSource::Bytes(blob) = &image.source;
                self.shown(image.format.media_type(), blob.as_base64())
            }
        }
    }

    fn image(&mut self, image: &'a ImageBlock) -> Result<()> {
        match &image.source {
            MediaSource::Bytes(blob) => self.shown(image.format.media_type(), blob.as_base64()),
            MediaSource::S3Location(_) => Err(Error::validation(S3_LOCATION)),
        }
    }

    fn shown(&mut self, media_type: &'static str, base64: &'a str) -> Result<()> {
        if !self.options.images {
            return Err(unsupported("image"));
        }
        *self.images += 1;
        if let Some(limit) = self.options.max_images.filter(|limit| *self.images > *limit) {
            return Err(Error::validation(format!(
                "The request has more images than this model takes, which is {limit}. Remove \
                 images and try again."
            )));
        }
        let url = DataUrl { media_type, base64 };
        self.parts.push(Part::ImageUrl { image_url: ImageUrl { url } });
        Ok(())
    }

    fn content(self) -> Content<'a> {
        if self.parts.iter().any(|part| matches!(part, Part::ImageUrl { .. })) {
            return Content::Parts(self.parts);
        }
        let texts = self.parts.into_iter().filter_map(|part| match part {
            Part::Text { text } => Some(text),
            Part::ImageUrl { .. } => None,
        });
        Content::Text(joined(texts.collect()))
    }
}
