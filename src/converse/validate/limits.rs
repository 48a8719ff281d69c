//! Every limit that the service model sets on a request's members.

use std::fmt;
use std::ops::RangeInclusive;

use super::pattern::{self, Pattern};
use crate::converse::{
    Blob, ContentBlock, DocumentBlock, DocumentSource, GuardContent, GuardImageSource,
    GuardrailConfiguration, InferenceConfiguration, MediaSource, Message, Request, S3Location,
    SystemContentBlock, Tool, ToolChoice, ToolConfiguration, ToolReference, ToolResultBlock,
    ToolResultContentBlock, read,
};

/// So many are named in one message; a body of megabytes could break millions.
const NAMED: usize = 10;

/// What is broken, each with its path, in the words of AWS.
pub(super) fn broken(request: &Request) -> Vec<String> {
    let mut limits = Limits { broken: vec![] };
    limits.request(request);
    limits.broken
}

/// Where a member stands. Costs nothing until it is written.
#[derive(Clone, Copy)]
enum At<'a> {
    Top(&'a str),
    Member(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl<'a> At<'a> {
    fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}.{index}"),
        }
    }
}

struct Limits {
    broken: Vec<String>,
}

/// The checks.
impl Limits {
    fn refuse(&mut self, at: At<'_>, constraint: &str) {
        if self.broken.len() < NAMED {
            self.broken.push(read::violation(&at.to_string(), constraint));
        }
    }

    fn length(&mut self, at: At<'_>, length: usize, allowed: RangeInclusive<usize>) {
        if length < *allowed.start() {
            let least = allowed.start();
            self.refuse(at, &format!("Member must have length greater than or equal to {least}"));
        }
        if length > *allowed.end() {
            let most = allowed.end();
            self.refuse(at, &format!("Member must have length less than or equal to {most}"));
        }
    }

    /// A string's length is counted in characters, not in bytes.
    fn text(&mut self, at: At<'_>, text: &str, allowed: RangeInclusive<usize>) {
        self.length(at, text.chars().count(), allowed);
    }

    fn pattern(&mut self, at: At<'_>, text: &str, pattern: &Pattern) {
        if !(pattern.takes)(text) {
            let pattern = pattern.text;
            self.refuse(at, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    fn fraction(&mut self, at: At<'_>, value: Option<f32>) {
        if value.is_some_and(|value| value < 0.0) {
            self.refuse(at, "Member must have value greater than or equal to 0");
        }
        if value.is_some_and(|value| value > 1.0) {
            self.refuse(at, "Member must have value less than or equal to 1");
        }
    }

    fn blob(&mut self, at: At<'_>, blob: &Blob) {
        self.length(at, blob.len(), 1..=usize::MAX);
    }
}

/// The members, in the order of the request's alphabet.
impl Limits {
    fn request(&mut self, request: &Request) {
        if let Some(paths) = &request.additional_model_response_field_paths {
            let at = At::Top("additionalModelResponseFieldPaths");
            self.length(at, paths.len(), 0..=10);
            for (index, path) in paths.iter().enumerate() {
                self.text(at.index(index), path, 1..=256);
                if !path.is_empty() && !pattern::is_json_pointer(path) {
                    self.refuse(at.index(index), "Member must be a JSON Pointer (RFC 6901)");
                }
            }
        }
        if let Some(config) = &request.guardrail_config {
            self.guardrail(config);
        }
        if let Some(config) = &request.inference_config {
            self.inference(config);
        }
        for (index, message) in request.messages.iter().flatten().enumerate() {
            self.message(At::Top("messages").index(index), message);
        }
        if let Some(effort) = request.output_config.as_ref().and_then(|c| c.effort.as_deref()) {
            self.text(At::Top("outputConfig").member("effort"), effort, 0..=16);
        }
        if let Some(metadata) = &request.request_metadata {
            let at = At::Top("requestMetadata");
            self.length(at, metadata.len(), 0..=16);
            for (key, value) in metadata {
                // The key may be anything: the path names its map, and its value by the key only
                // once the key is known to be short.
                self.text(at, key, 1..=256);
                self.pattern(at, key, &pattern::METADATA_KEY);
                if (pattern::METADATA_KEY.takes)(key) && key.len() <= 256 {
                    self.text(at.member(key), value, 0..=256);
                    self.pattern(at.member(key), value, &pattern::METADATA_VALUE);
                }
            }
        }
        for (index, block) in request.system.iter().flatten().enumerate() {
            self.system(At::Top("system").index(index), block);
        }
        if let Some(config) = &request.tool_config {
            self.tools(config);
        }
    }

    fn guardrail(&mut self, config: &GuardrailConfiguration) {
        let at = At::Top("guardrailConfig");
        if let Some(id) = &config.guardrail_identifier {
            self.text(at.member("guardrailIdentifier"), id, 0..=2048);
            self.pattern(at.member("guardrailIdentifier"), id, &pattern::GUARDRAIL_ID);
        }
        if let Some(version) = &config.guardrail_version {
            self.pattern(at.member("guardrailVersion"), version, &pattern::GUARDRAIL_VERSION);
        }
    }

    fn inference(&mut self, config: &InferenceConfiguration) {
        let at = At::Top("inferenceConfig");
        if config.max_tokens.is_some_and(|tokens| tokens < 1) {
            let constraint = "Member must have value greater than or equal to 1";
            self.refuse(at.member("maxTokens"), constraint);
        }
        if let Some(sequences) = &config.stop_sequences {
            let at = at.member("stopSequences");
            self.length(at, sequences.len(), 0..=2500);
            for (index, sequence) in sequences.iter().enumerate() {
                self.text(at.index(index), sequence, 1..=usize::MAX);
            }
        }
        self.fraction(at.member("temperature"), config.temperature);
        self.fraction(at.member("topP"), config.top_p);
    }

    fn system(&mut self, at: At<'_>, block: &SystemContentBlock) {
        match block {
            SystemContentBlock::Text(text) => {
                self.text(at.member("text"), text, 1..=usize::MAX);
            }
            SystemContentBlock::GuardContent(guard) => self.guard(at.member("guardContent"), guard),
            SystemContentBlock::CachePoint(_) => {}
        }
    }

    fn message(&mut self, at: At<'_>, message: &Message) {
        let at = at.member("content");
        for (index, block) in message.content.iter().enumerate() {
            self.block(at.index(index).member(block.name()), block);
        }
    }

    fn block(&mut self, at: At<'_>, block: &ContentBlock) {
        match block {
            ContentBlock::Image(image) => self.media(at, &image.source),
            ContentBlock::Video(video) => self.media(at, &video.source),
            ContentBlock::Audio(audio) => self.media(at, &audio.source),
            ContentBlock::Document(document) => self.document(at, document),
            ContentBlock::ToolUse(tool) => {
                self.tool_use_id(at, &tool.tool_use_id);
                self.tool_name(at, &tool.name);
                if tool.input.is_null() {
                    self.refuse(at.member("input"), "Member must not be null");
                }
            }
            ContentBlock::ToolResult(result) => self.tool_result(at, result),
            ContentBlock::GuardContent(guard) => self.guard(at, guard),
            ContentBlock::ToolAddition(change) | ContentBlock::ToolRemoval(change) => {
                self.tool_reference(at.member("tool"), &change.tool);
            }
            ContentBlock::Text(_)
            | ContentBlock::CachePoint(_)
            | ContentBlock::ReasoningContent(_)
            | ContentBlock::CitationsContent(_)
            | ContentBlock::SearchResult(_) => {}
        }
    }

    fn media(&mut self, at: At<'_>, source: &MediaSource) {
        let at = at.member("source");
        match source {
            MediaSource::Bytes(blob) => self.blob(at.member("bytes"), blob),
            MediaSource::S3Location(place) => self.s3(at.member("s3Location"), place),
        }
    }

    fn s3(&mut self, at: At<'_>, place: &S3Location) {
        self.text(at.member("uri"), &place.uri, 1..=1024);
        self.pattern(at.member("uri"), &place.uri, &pattern::S3_URI);
        if let Some(owner) = &place.bucket_owner {
            self.pattern(at.member("bucketOwner"), owner, &pattern::ACCOUNT_ID);
        }
    }

    fn document(&mut self, at: At<'_>, document: &DocumentBlock) {
        self.text(at.member("name"), &document.name, 1..=200);
        let at = at.member("source");
        match &document.source {
            DocumentSource::Bytes(blob) => self.blob(at.member("bytes"), blob),
            DocumentSource::S3Location(place) => self.s3(at.member("s3Location"), place),
            DocumentSource::Text(_) | DocumentSource::Content(_) => {}
        }
    }

    fn tool_use_id(&mut self, at: At<'_>, id: &str) {
        self.text(at.member("toolUseId"), id, 1..=64);
        self.pattern(at.member("toolUseId"), id, &pattern::TOOL_USE_ID);
    }

    fn tool_name(&mut self, at: At<'_>, name: &str) {
        self.text(at.member("name"), name, 1..=64);
        self.pattern(at.member("name"), name, &pattern::NAME);
    }

    fn tool_result(&mut self, at: At<'_>, result: &ToolResultBlock) {
        self.tool_use_id(at, &result.tool_use_id);
        let at = at.member("content");
        for (index, block) in result.content.iter().enumerate() {
            let at = at.index(index);
            let at = at.member(block.name());
            match block {
                ToolResultContentBlock::Image(image) => self.media(at, &image.source),
                ToolResultContentBlock::Video(video) => self.media(at, &video.source),
                ToolResultContentBlock::Document(document) => self.document(at, document),
                ToolResultContentBlock::Json(_)
                | ToolResultContentBlock::Text(_)
                | ToolResultContentBlock::SearchResult(_) => {}
            }
        }
    }

    fn guard(&mut self, at: At<'_>, guard: &GuardContent) {
        if let GuardContent::Image(image) = guard {
            let GuardImageSource::Bytes(blob) = &image.source;
            self.blob(at.member("image").member("source").member("bytes"), blob);
        }
    }

    fn tool_reference(&mut self, at: At<'_>, tool: &ToolReference) {
        let members = [
            ("name", &tool.name, 128),
            ("serverName", &tool.server_name, 128),
            ("type", &tool.kind, 64),
        ];
        for (name, value, most) in members {
            if let Some(value) = value {
                self.text(at.member(name), value, 1..=most);
            }
        }
    }

    fn tools(&mut self, config: &ToolConfiguration) {
        let at = At::Top("toolConfig");
        if let Some(ToolChoice::Tool(tool)) = &config.tool_choice {
            self.tool_name(at.member("toolChoice").member("tool"), &tool.name);
        }
        let at = at.member("tools");
        self.length(at, config.tools.len(), 1..=usize::MAX);
        for (index, tool) in config.tools.iter().enumerate() {
            let at = at.index(index);
            let at = at.member(tool.name());
            match tool {
                Tool::ToolSpec(spec) => {
                    self.tool_name(at, &spec.name);
                    if let Some(description) = &spec.description {
                        self.text(at.member("description"), description, 1..=usize::MAX);
                    }
                }
                Tool::SystemTool(tool) => self.tool_name(at, &tool.name),
                Tool::CachePoint(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::converse::Request;

    fn refusal(body: &str) -> String {
        let request = Request::parse(body.as_bytes()).unwrap();
        request.validate().unwrap_err().message().to_owned()
    }

    #[test]
    fn all_broken_limits_are_named_in_one_message() {
        assert_eq!(
            refusal(r#"{"messages":[],"inferenceConfig":{"maxTokens":0,"topP":1.5}}"#),
            "2 validation errors detected: Value at 'inferenceConfig.maxTokens' failed to satisfy \
             constraint: Member must have value greater than or equal to 1; Value at \
             'inferenceConfig.topP' failed to satisfy constraint: Member must have value less than \
             or equal to 1"
        );
    }

    #[test]
    fn a_message_stays_short_however_much_is_broken() {
        let body =
            format!("{{\"inferenceConfig\":{{\"stopSequences\":[{}\"\"]}}}}", "\"\",".repeat(2000));
        assert!(refusal(&body).starts_with("10 validation errors detected: "));
        let body = format!("{{\"requestMetadata\":{{\"{}\":\"v\"}}}}", "k".repeat(1_000_000));
        assert!(refusal(&body).len() < 1000);
    }

    #[test]
    fn metadata_is_refused_by_its_key_and_its_value() {
        let refused = |metadata: &str| refusal(&format!("{{\"requestMetadata\":{metadata}}}"));
        assert!(refused(r#"{"a":"b;"}"#).contains("Value at 'requestMetadata.a' failed"));
        assert!(refused(r#"{"a;":"b"}"#).contains("Value at 'requestMetadata' failed"));
        assert!(refused(r#"{"":"b"}"#).contains("greater than or equal to 1"));
    }

    #[test]
    fn response_field_paths_are_json_pointers() {
        assert_eq!(
            refusal(r#"{"additionalModelResponseFieldPaths":["/a","stop"]}"#),
            "1 validation error detected: Value at 'additionalModelResponseFieldPaths.1' failed to \
             satisfy constraint: Member must be a JSON Pointer (RFC 6901)"
        );
    }
}
