//! Messages and what they hold.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Blob;
use super::shape::{string_enum, structures, union};

string_enum! {
    /// Who speaks.
    pub enum Role {
        User = "user",
        Assistant = "assistant",
        /// System text in the middle of a conversation.
        System = "system",
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Message {
    pub content: Vec<ContentBlock>,
    pub role: Role,
}

union! {
    /// A piece of a message. A union: exactly one member.
    #[derive(Clone, Debug, PartialEq)]
    pub enum ContentBlock {
        Text(String) = "text",
        Image(ImageBlock) = "image",
        Document(DocumentBlock) = "document",
        Video(VideoBlock) = "video",
        Audio(AudioBlock) = "audio",
        ToolUse(ToolUseBlock) = "toolUse",
        ToolResult(ToolResultBlock) = "toolResult",
        GuardContent(GuardContent) = "guardContent",
        CachePoint(CachePointBlock) = "cachePoint",
        ReasoningContent(ReasoningContent) = "reasoningContent",
        CitationsContent(CitationsContentBlock) = "citationsContent",
        SearchResult(SearchResultBlock) = "searchResult",
        ToolAddition(ToolReferenceBlock) = "toolAddition",
        ToolRemoval(ToolReferenceBlock) = "toolRemoval",
    }
}

string_enum! {
    pub enum ImageFormat {
        Png = "png",
        Jpeg = "jpeg",
        Gif = "gif",
        Webp = "webp",
    }
}

impl ImageFormat {
    /// The media type, as in a data URL.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    /// The format that an image's first bytes tell, in base64.
    pub fn of_base64(image: &str) -> Option<Self> {
        let starts = [
            ("iVBORw0KGgo", Self::Png),
            ("/9j/", Self::Jpeg),
            ("R0lGOD", Self::Gif),
            ("UklGR", Self::Webp),
        ];
        starts.into_iter().find(|(start, _)| image.starts_with(start)).map(|(_, format)| format)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ImageBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBlock>,
    pub format: ImageFormat,
    pub source: MediaSource,
}

union! {
    /// Where an image, a video or an audio comes from: `ImageSource`, `VideoSource`, `AudioSource`.
    #[derive(Clone, Debug, PartialEq)]
    pub enum MediaSource {
        Bytes(Blob) = "bytes",
        S3Location(S3Location) = "s3Location",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct S3Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_owner: Option<String>,
    pub uri: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ErrorBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

string_enum! {
    pub enum DocumentFormat {
        Pdf = "pdf",
        Csv = "csv",
        Doc = "doc",
        Docx = "docx",
        Xls = "xls",
        Xlsx = "xlsx",
        Html = "html",
        Txt = "txt",
        Md = "md",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct DocumentBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citations: Option<CitationsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<DocumentFormat>,
    pub name: String,
    pub source: DocumentSource,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum DocumentSource {
        Bytes(Blob) = "bytes",
        S3Location(S3Location) = "s3Location",
        Text(String) = "text",
        Content(Vec<DocumentContentBlock>) = "content",
    }
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum DocumentContentBlock {
        Text(String) = "text",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct CitationsConfig {
    pub enabled: bool,
}

string_enum! {
    pub enum VideoFormat {
        Mkv = "mkv",
        Mov = "mov",
        Mp4 = "mp4",
        Webm = "webm",
        Flv = "flv",
        Mpeg = "mpeg",
        Mpg = "mpg",
        Wmv = "wmv",
        ThreeGp = "three_gp",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct VideoBlock {
    pub format: VideoFormat,
    pub source: MediaSource,
}

string_enum! {
    pub enum AudioFormat {
        Mp3 = "mp3",
        Opus = "opus",
        Wav = "wav",
        Aac = "aac",
        Flac = "flac",
        Mp4 = "mp4",
        Ogg = "ogg",
        Mkv = "mkv",
        Mka = "mka",
        XAac = "x-aac",
        M4a = "m4a",
        Mpeg = "mpeg",
        Mpga = "mpga",
        Pcm = "pcm",
        Webm = "webm",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AudioBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBlock>,
    pub format: AudioFormat,
    pub source: MediaSource,
}

/// A call of a tool. `input` may be any JSON value on the wire; models give an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolUseBlock {
    pub input: Value,
    pub name: String,
    pub tool_use_id: String,
    /// `server_tool_use` in the model; real answers carry others too.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

string_enum! {
    pub enum ToolResultStatus {
        Success = "success",
        Error = "error",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolResultBlock {
    pub content: Vec<ToolResultContentBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ToolResultStatus>,
    pub tool_use_id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ToolResultContentBlock {
        Json(Value) = "json",
        Text(String) = "text",
        Image(ImageBlock) = "image",
        Document(DocumentBlock) = "document",
        Video(VideoBlock) = "video",
        SearchResult(SearchResultBlock) = "searchResult",
    }
}

union! {
    /// `GuardrailConverseContentBlock`: content that a guardrail is to look at.
    #[derive(Clone, Debug, PartialEq)]
    pub enum GuardContent {
        Text(GuardText) = "text",
        Image(GuardImage) = "image",
    }
}

/// `GuardrailConverseTextBlock`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifiers: Option<Vec<GuardQualifier>>,
    pub text: String,
}

string_enum! {
    pub enum GuardQualifier {
        GroundingSource = "grounding_source",
        Query = "query",
        GuardContent = "guard_content",
    }
}

/// `GuardrailConverseImageBlock`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardImage {
    pub format: GuardImageFormat,
    pub source: GuardImageSource,
}

string_enum! {
    pub enum GuardImageFormat {
        Png = "png",
        Jpeg = "jpeg",
    }
}

impl GuardImageFormat {
    /// The media type, as in a data URL.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum GuardImageSource {
        Bytes(Blob) = "bytes",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct CachePointBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<CacheTtl>,
    #[serde(rename = "type")]
    pub kind: CachePointType,
}

string_enum! {
    pub enum CachePointType {
        Default = "default",
    }
}

string_enum! {
    pub enum CacheTtl {
        FiveMinutes = "5m",
        OneHour = "1h",
    }
}

union! {
    /// `ReasoningContentBlock`: what the model thought.
    #[derive(Clone, Debug, PartialEq)]
    pub enum ReasoningContent {
        ReasoningText(ReasoningText) = "reasoningText",
        RedactedContent(Blob) = "redactedContent",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ReasoningText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct CitationsContentBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citations: Option<Vec<Citation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<CitationText>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Citation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<CitationLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_content: Option<Vec<CitationText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

union! {
    /// `CitationGeneratedContent`, `CitationSourceContent`.
    #[derive(Clone, Debug, PartialEq)]
    pub enum CitationText {
        Text(String) = "text",
    }
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum CitationLocation {
        Web(WebLocation) = "web",
        DocumentChar(DocumentLocation) = "documentChar",
        DocumentPage(DocumentLocation) = "documentPage",
        DocumentChunk(DocumentLocation) = "documentChunk",
        SearchResultLocation(SearchResultLocation) = "searchResultLocation",
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct WebLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// `DocumentCharLocation`, `DocumentPageLocation`, `DocumentChunkLocation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct DocumentLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct SearchResultLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_result_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct SearchResultBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citations: Option<CitationsConfig>,
    pub content: Vec<SearchResultContentBlock>,
    pub source: String,
    pub title: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SearchResultContentBlock {
    pub text: String,
}

/// `ToolAdditionBlock` and `ToolRemovalBlock`: tools that come and go during a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ToolReferenceBlock {
    pub tool: ToolReference,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolReference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

structures!(
    Message,
    ImageBlock,
    S3Location,
    ErrorBlock,
    DocumentBlock,
    CitationsConfig,
    VideoBlock,
    AudioBlock,
    ToolUseBlock,
    ToolResultBlock,
    GuardText,
    GuardImage,
    CachePointBlock,
    ReasoningText,
    CitationsContentBlock,
    Citation,
    WebLocation,
    DocumentLocation,
    SearchResultLocation,
    SearchResultBlock,
    SearchResultContentBlock,
    ToolReferenceBlock,
    ToolReference
);
