//! What blocks of content say: texts, and images between them. Prompts and messages share it.

use std::borrow::Cow;
use std::fmt;

use super::documents::{S3_LOCATION, cited, document, search_result, unsupported};
use crate::converse::{
    ContentBlock, GuardContent, GuardImageSource, ImageBlock, MediaSource, Message,
    SystemContentBlock, ToolResultBlock, ToolResultContentBlock, ToolResultStatus,
};
use crate::{Error, Result};

/// An image that a conversation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Such as `image/png`.
    pub media_type: &'static str,
    /// The bytes, in base64.
    pub base64: &'a str,
}

/// A piece of what a message says.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
}

/// What a message says, piece by piece. No text is empty.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) pieces: Vec<Piece<'a>>,
}

/// Where a block stands, for refusals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) message: usize,
    pub(crate) block: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.{}.content.{}", self.message, self.block)
    }
}

/// The blocks of the conversation's message `at`, each with its place.
pub(crate) fn placed(message: &Message, at: usize) -> impl Iterator<Item = (&ContentBlock, Place)> {
    let place = move |block| Place { message: at, block };
    message.content.iter().enumerate().map(move |(nth, block)| (block, place(nth)))
}

impl<'a> Said<'a> {
    /// What system prompts say.
    pub(crate) fn system(blocks: &'a [SystemContentBlock]) -> Self {
        let mut said = Self::default();
        for block in blocks {
            match block {
                SystemContentBlock::Text(text) => said.text(text),
                SystemContentBlock::GuardContent(content) => said.guarded(content),
                SystemContentBlock::CachePoint(_) => {}
            }
        }
        said
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn has_images(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Image(_)))
    }

    /// Empty text says nothing, and some templates fail on it.
    pub(crate) fn text(&mut self, text: impl Into<Cow<'a, str>>) {
        let text = text.into();
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text));
        }
    }

    /// Refuses what has no business in a turn's words, or nowhere to go.
    pub(crate) fn block(&mut self, block: &'a ContentBlock, place: Place) -> Result<()> {
        match block {
            ContentBlock::Text(text) => self.text(text),
            ContentBlock::Image(image) => self.image(image)?,
            ContentBlock::Document(block) => self.text(document(block, &place.to_string())?),
            ContentBlock::GuardContent(content) => self.guarded(content),
            ContentBlock::CitationsContent(block) => self.text(cited(block)),
            ContentBlock::SearchResult(block) => self.text(search_result(block)),
            ContentBlock::CachePoint(_) => {}
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

    fn guarded(&mut self, content: &'a GuardContent) {
        match content {
            GuardContent::Text(block) => self.text(&block.text),
            GuardContent::Image(image) => {
                let GuardImageSource::Bytes(blob) = &image.source;
                self.shown(image.format.media_type(), blob.as_base64());
            }
        }
    }

    fn image(&mut self, image: &'a ImageBlock) -> Result<()> {
        match &image.source {
            MediaSource::Bytes(blob) => {
                self.shown(image.format.media_type(), blob.as_base64());
                Ok(())
            }
            MediaSource::S3Location(_) => Err(Error::validation(S3_LOCATION)),
        }
    }

    fn shown(&mut self, media_type: &'static str, base64: &'a str) {
        self.pieces.push(Piece::Image(Image { media_type, base64 }));
    }

    /// What a tool's result says. An image cannot be told there: it goes to `after`, under a line
    /// that says where it belongs. A failed call's result begins with `Error`, since there is no
    /// member for it.
    pub(crate) fn result(
        result: &'a ToolResultBlock,
        place: Place,
        after: &mut Self,
    ) -> Result<Cow<'a, str>> {
        let mut said = Self::default();
        for block in &result.content {
            match block {
                ToolResultContentBlock::Text(text) => said.text(text),
                ToolResultContentBlock::Json(json) => said.text(json.to_string()),
                ToolResultContentBlock::Document(block) => {
                    said.text(document(block, &place.to_string())?);
                }
                ToolResultContentBlock::SearchResult(block) => said.text(search_result(block)),
                ToolResultContentBlock::Image(image) => {
                    after.text(format!("Image in the result of {}:", result.tool_use_id));
                    after.image(image)?;
                }
                ToolResultContentBlock::Video(_) => return Err(unsupported("video")),
            }
        }
        let text = said.joined();
        Ok(match result.status {
            Some(ToolResultStatus::Error) if text.is_empty() => "Error".into(),
            Some(ToolResultStatus::Error) => format!("Error: {text}").into(),
            _ => text,
        })
    }

    /// The texts, joined by a line break, without the images.
    pub(crate) fn joined(self) -> Cow<'a, str> {
        let mut texts = self.pieces.into_iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Image(_) => None,
        });
        let mut joined = texts.next().unwrap_or_default();
        for text in texts {
            let joined = joined.to_mut();
            joined.push('\n');
            joined.push_str(&text);
        }
        joined
    }
}

/// An answer's `<think>…</think>` and what follows it.
pub(crate) fn split_thought(text: &str) -> Option<(&str, &str)> {
    let (thought, rest) = text.trim_start().strip_prefix("<think>")?.split_once("</think>")?;
    Some((thought.trim(), rest.trim_start_matches('\n')))
}
