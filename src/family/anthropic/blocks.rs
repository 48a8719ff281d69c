//! Content blocks of requests.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use crate::converse::{
    Blob, CachePointBlock, CachePointType, CacheTtl, CitationsConfig, ContentBlock, DocumentBlock,
    DocumentContentBlock, DocumentFormat, DocumentSource, ImageBlock, ImageFormat, MediaSource,
    ReasoningContent, ReasoningText, SearchResultBlock, SearchResultContentBlock, ToolResultBlock,
    ToolResultContentBlock, ToolResultStatus, ToolUseBlock,
};

/// A string, or blocks: the string is short for one block of text.
pub(super) enum Said<T> {
    Text(String),
    Blocks(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Said<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or blocks")
            }

            fn visit_str<E>(self, text: &str) -> Result<Said<T>, E> {
                Ok(Said::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Said<T>, E> {
                Ok(Said::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, blocks: A) -> Result<Said<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(blocks)).map(Said::Blocks)
            }
        }
        // Not an untagged enum: that would copy what it tries.
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// `cache_control`: what stands before it may be cached.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct CacheControl {
    ttl: Option<CacheTtl>,
}

impl From<CacheControl> for CachePointBlock {
    fn from(control: CacheControl) -> Self {
        Self { ttl: control.ttl, kind: CachePointType::Default }
    }
}

/// A block of text, in `system` and wherever nothing else may stand.
#[derive(Deserialize)]
pub(super) struct TextBlock {
    pub(super) text: String,
    pub(super) cache_control: Option<CacheControl>,
}

/// Any block. Which may stand where is the schema's business.
// Each kind has its own `cache_control`, since a flattened member would have its block copied.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text(TextBlock),
    Image(Image),
    Document(Document),
    SearchResult(SearchResult),
    Thinking(Thinking),
    RedactedThinking(RedactedThinking),
    ToolUse(ToolUse),
    ToolResult(ToolResult),
    /// In the result of a search for tools: all of them are offered from the start.
    ToolReference(ToolReference),
}

#[derive(Deserialize)]
pub(super) struct Thinking {
    #[serde(rename = "thinking")]
    text: String,
    signature: String,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
pub(super) struct RedactedThinking {
    data: Blob,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
pub(super) struct ToolUse {
    id: String,
    name: String,
    input: Value,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
pub(super) struct ToolResult {
    tool_use_id: String,
    content: Option<Said<Block>>,
    is_error: Option<bool>,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
pub(super) struct ToolReference {
    tool_name: String,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
pub(super) struct Image {
    source: ImageSource,
    cache_control: Option<CacheControl>,
}

/// Base64, as the schema has it.
#[derive(Deserialize)]
struct ImageSource {
    media_type: MediaType,
    data: Blob,
}

#[derive(Clone, Copy, Deserialize)]
enum MediaType {
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/gif")]
    Gif,
    #[serde(rename = "image/webp")]
    Webp,
}

#[derive(Deserialize)]
pub(super) struct Document {
    source: DocumentData,
    title: Option<String>,
    context: Option<String>,
    citations: Option<Citations>,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum DocumentData {
    /// A PDF, as the schema has it.
    Base64 {
        data: Blob,
    },
    Text {
        data: String,
    },
    Content {
        content: Said<TextBlock>,
    },
}

#[derive(Deserialize)]
struct Citations {
    enabled: Option<bool>,
}

impl From<Citations> for CitationsConfig {
    fn from(citations: Citations) -> Self {
        Self { enabled: citations.enabled.unwrap_or(false) }
    }
}

#[derive(Deserialize)]
pub(super) struct SearchResult {
    source: String,
    title: String,
    content: Vec<TextBlock>,
    citations: Option<Citations>,
    cache_control: Option<CacheControl>,
}

impl Block {
    /// Its `type`.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Document(_) => "document",
            Self::SearchResult(_) => "search_result",
            Self::Thinking(_) => "thinking",
            Self::RedactedThinking(_) => "redacted_thinking",
            Self::ToolUse(_) => "tool_use",
            Self::ToolResult(_) => "tool_result",
            Self::ToolReference(_) => "tool_reference",
        }
    }

    /// Whether the caller wants what ends here cached. Converse has no cache point within a
    /// result; one that stands there is its result's.
    pub(super) fn cache_control(&self) -> Option<CacheControl> {
        match self {
            Self::Text(block) => block.cache_control,
            Self::Image(block) => block.cache_control,
            Self::Document(block) => block.cache_control,
            Self::SearchResult(block) => block.cache_control,
            Self::Thinking(block) => block.cache_control,
            Self::RedactedThinking(block) => block.cache_control,
            Self::ToolUse(block) => block.cache_control,
            Self::ToolReference(block) => block.cache_control,
            Self::ToolResult(block) => block.cache_control.or_else(|| match &block.content {
                Some(Said::Blocks(blocks)) => blocks.iter().rev().find_map(Self::cache_control),
                _ => None,
            }),
        }
    }

    /// Converse's block; `None` where it says nothing.
    pub(super) fn into_converse(self) -> Option<ContentBlock> {
        Some(match self {
            Self::Text(block) => text(block.text)?,
            Self::ToolReference(block) => text(block.tool_name)?,
            Self::Image(block) => ContentBlock::Image(block.source.into()),
            Self::Document(block) => ContentBlock::Document(block.into()),
            Self::SearchResult(block) => ContentBlock::SearchResult(block.into()),
            Self::Thinking(block) => thinking(block)?,
            Self::RedactedThinking(block) => {
                ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(block.data))
            }
            Self::ToolUse(block) => ContentBlock::ToolUse(ToolUseBlock {
                input: block.input,
                name: block.name,
                tool_use_id: block.id,
                kind: None,
            }),
            Self::ToolResult(block) => ContentBlock::ToolResult(ToolResultBlock {
                content: block.content.map(results).unwrap_or_default(),
                status: (block.is_error == Some(true)).then_some(ToolResultStatus::Error),
                tool_use_id: block.tool_use_id,
                kind: None,
            }),
        })
    }
}

fn text(text: String) -> Option<ContentBlock> {
    (!text.is_empty()).then_some(ContentBlock::Text(text))
}

/// Thinking that was not shown left its signature alone: there is nothing to tell.
fn thinking(block: Thinking) -> Option<ContentBlock> {
    let signature = Some(block.signature).filter(|signature| !signature.is_empty());
    let thought = ReasoningText { signature, text: block.text };
    (!thought.text.is_empty())
        .then_some(ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(thought)))
}

fn results(content: Said<Block>) -> Vec<ToolResultContentBlock> {
    let blocks = match content {
        Said::Text(text) if text.is_empty() => return vec![],
        Said::Text(text) => return vec![ToolResultContentBlock::Text(text)],
        Said::Blocks(blocks) => blocks,
    };
    blocks
        .into_iter()
        .filter_map(|block| match block.into_converse()? {
            ContentBlock::Text(text) => Some(ToolResultContentBlock::Text(text)),
            ContentBlock::Image(image) => Some(ToolResultContentBlock::Image(image)),
            ContentBlock::Document(document) => Some(ToolResultContentBlock::Document(document)),
            ContentBlock::SearchResult(result) => {
                Some(ToolResultContentBlock::SearchResult(result))
            }
            _ => None, // the schema has refused all others
        })
        .collect()
}

impl From<ImageSource> for ImageBlock {
    fn from(source: ImageSource) -> Self {
        let format = match source.media_type {
            MediaType::Png => ImageFormat::Png,
            MediaType::Jpeg => ImageFormat::Jpeg,
            MediaType::Gif => ImageFormat::Gif,
            MediaType::Webp => ImageFormat::Webp,
        };
        Self { error: None, format, source: MediaSource::Bytes(source.data) }
    }
}

impl From<Document> for DocumentBlock {
    fn from(document: Document) -> Self {
        let (format, source) = match document.source {
            DocumentData::Base64 { data } => {
                (Some(DocumentFormat::Pdf), DocumentSource::Bytes(data))
            }
            DocumentData::Text { data } => (Some(DocumentFormat::Txt), DocumentSource::Text(data)),
            DocumentData::Content { content } => {
                let texts = match content {
                    Said::Text(text) => vec![text],
                    Said::Blocks(blocks) => blocks.into_iter().map(|block| block.text).collect(),
                };
                let blocks = texts.into_iter().map(DocumentContentBlock::Text).collect();
                (None, DocumentSource::Content(blocks))
            }
        };
        let title = document.title.filter(|title| !title.is_empty());
        Self {
            citations: document.citations.map(Into::into),
            context: document.context.filter(|context| !context.is_empty()),
            format,
            name: title.unwrap_or_else(|| "document".to_owned()), // Converse requires one
            source,
        }
    }
}

impl From<SearchResult> for SearchResultBlock {
    fn from(result: SearchResult) -> Self {
        let content = result.content.into_iter();
        Self {
            citations: result.citations.map(Into::into),
            content: content.map(|block| SearchResultContentBlock { text: block.text }).collect(),
            source: result.source,
            title: result.title,
        }
    }
}
