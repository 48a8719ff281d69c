//! A conversation as transformers takes it: messages, functions, documents.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::documents::{S3_LOCATION, cited, document, search_result, unsupported};
use super::findings::{Arguments, CallIds, Content, Findings, System};
use super::render::Input;
use crate::converse::{
    ContentBlock, Conversation, GuardContent, GuardImageSource, ImageBlock, MediaSource, Message,
    Parameters, ReasoningContent, Role, SystemContentBlock, Tool, ToolInputSchema, ToolResultBlock,
    ToolResultContentBlock, ToolResultStatus,
};
use crate::{Error, Result};

/// The member of `additionalModelRequestFields` that goes to the template, as in vLLM and SGLang.
const KWARGS: &str = "chat_template_kwargs";

/// What the operator decides about conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether the container takes images beside a prompt. Default: no.
    pub images: bool,
    /// Whether the reasoning of earlier turns goes to the template, which may still leave it out.
    /// Default: yes.
    pub reasoning_history: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { images: false, reasoning_history: true }
    }
}

/// An image that the prompt has a place for, in the order of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Such as `image/png`.
    pub media_type: &'static str,
    /// The bytes, in base64.
    pub base64: &'a str,
}

/// The template's input for a conversation, and the images it shows. Fails with a
/// `ValidationException` for what the template has no place for: nothing is dropped.
///
/// `parameters` give the template its switches: the object `chat_template_kwargs` of the
/// additional fields, and the effort, where the template reads one.
pub fn input<'a>(
    conversation: &'a Conversation,
    parameters: &Parameters,
    findings: &Findings,
    options: Options,
    now: OffsetDateTime,
) -> Result<(Input, Vec<Image<'a>>)> {
    let tools = functions(conversation)?;
    if tools.is_some() && !findings.tools {
        return Err(Error::validation("This model doesn't support tool use."));
    }
    let mut writer = Writer {
        findings,
        options,
        messages: vec![],
        images: vec![],
        names: HashMap::new(),
        system: String::new(),
    };
    writer.conversation(conversation)?;
    let Writer { messages, images, .. } = writer;
    let mut input = Input::new(messages, now);
    input.tools = tools;
    input.kwargs = kwargs(parameters, findings)?;
    Ok((input, images))
}

fn kwargs(parameters: &Parameters, findings: &Findings) -> Result<Map<String, Json>> {
    let mut kwargs = match parameters.additional_request_fields.get(KWARGS) {
        Some(Json::Object(kwargs)) => kwargs.clone(),
        None | Some(Json::Null) => Map::new(),
        Some(_) => return Err(Error::validation(format!("{KWARGS} must be an object."))),
    };
    if let Some(effort) = &parameters.output.effort
        && findings.reasoning_effort
    {
        kwargs.entry("reasoning_effort").or_insert_with(|| json!(effort));
    }
    Ok(kwargs)
}

/// Tools as OpenAI's functions, without their cache points.
fn functions(conversation: &Conversation) -> Result<Option<Vec<Json>>> {
    let mut functions = vec![];
    for tool in conversation.tools.iter().flat_map(|config| &config.tools) {
        match tool {
            Tool::ToolSpec(spec) => {
                let ToolInputSchema::Json(parameters) = &spec.input_schema;
                // Templates read the description without asking whether there is one.
                let description = spec.description.as_deref().unwrap_or_default();
                functions.push(json!({"type": "function", "function": {
                    "name": spec.name, "description": description, "parameters": parameters}}));
            }
            Tool::SystemTool(tool) => {
                return Err(Error::validation(format!(
                    "This model doesn't support the system tool {} that you provided. Remove the \
                     system tool and try again.",
                    tool.name
                )));
            }
            Tool::CachePoint(_) => {}
        }
    }
    Ok((!functions.is_empty()).then_some(functions))
}

struct Writer<'a, 'f> {
    findings: &'f Findings,
    options: Options,
    messages: Vec<Json>,
    images: Vec<Image<'a>>,
    /// The tool that each call's id names.
    names: HashMap<&'a str, &'a str>,
    /// System text that waits for the first user message.
    system: String,
}

/// What one message says: texts and places of images.
#[derive(Default)]
struct Said {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Image,
}

impl Said {
    /// Empty text says nothing, and some templates fail on it.
    fn text(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(Part::Text(text));
        }
    }
}

impl<'a> Writer<'a, '_> {
    fn conversation(&mut self, conversation: &'a Conversation) -> Result<()> {
        let mut system = Said::default();
        for block in &conversation.system {
            match block {
                SystemContentBlock::Text(text) => system.text(text.as_str()),
                SystemContentBlock::GuardContent(content) => self.guarded(content, &mut system)?,
                SystemContentBlock::CachePoint(_) => {}
            }
        }
        self.system(system);
        for (at, message) in conversation.messages.iter().enumerate() {
            if message.content.iter().all(|block| matches!(block, ContentBlock::CachePoint(_))) {
                continue;
            }
            match message.role {
                Role::User => self.user(message, at)?,
                Role::Assistant => self.assistant(message, at)?,
                Role::System => {
                    let said = self.plain(message, at)?;
                    self.system(said);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, role: &str, content: &Json) {
        self.messages.push(json!({"role": role, "content": content}));
    }

    fn system(&mut self, said: Said) {
        if said.parts.is_empty() {
            return;
        }
        match self.findings.system {
            System::Rendered => {
                let content = self.content(said);
                self.push("system", &content);
            }
            System::Missing => {
                for part in said.parts {
                    if let Part::Text(text) = part {
                        self.system.push_str(&text);
                        self.system.push_str("\n\n");
                    }
                }
            }
        }
    }

    fn content(&self, said: Said) -> Json {
        let images = said.parts.iter().any(|part| matches!(part, Part::Image));
        if images || self.findings.content == Content::Parts {
            return said
                .parts
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => json!({"type": "text", "text": text}),
                    Part::Image => json!({"type": "image"}),
                })
                .collect();
        }
        let texts: Vec<_> = said
            .parts
            .into_iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text),
                Part::Image => None,
            })
            .collect();
        Json::String(texts.join("\n"))
    }

    /// Results of tools become messages of their own, before what else the user says.
    fn user(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let before = self.messages.len();
        let mut said = Said::default();
        for (nth, block) in message.content.iter().enumerate() {
            if let ContentBlock::ToolResult(result) = block {
                self.result(result, at, nth, &mut said)?;
            }
        }
        let mut rest = self.plain(message, at)?;
        if !self.system.is_empty() {
            // One text with what follows: the template has one place for both.
            let system = std::mem::take(&mut self.system);
            match rest.parts.first_mut() {
                Some(Part::Text(text)) => text.insert_str(0, &system),
                _ => rest.parts.insert(0, Part::Text(system.trim_end().to_owned())),
            }
        }
        said.parts.extend(rest.parts);
        if !said.parts.is_empty() || self.messages.len() == before {
            let content = self.content(said);
            self.push("user", &content);
        }
        Ok(())
    }

    fn plain(&mut self, message: &'a Message, at: usize) -> Result<Said> {
        let mut said = Said::default();
        for (nth, block) in message.content.iter().enumerate() {
            if message.role != Role::User || !matches!(block, ContentBlock::ToolResult(_)) {
                self.block(block, at, nth, &mut said)?;
            }
        }
        Ok(said)
    }

    fn assistant(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let (mut said, mut thoughts, mut calls) = (Said::default(), Said::default(), vec![]);
        for (nth, block) in message.content.iter().enumerate() {
            match block {
                ContentBlock::ToolUse(call) => {
                    self.names.insert(&call.tool_use_id, &call.name);
                    calls.push(json!({"id": self.id(&call.tool_use_id), "type": "function",
                        "function": {"name": call.name, "arguments": self.arguments(&call.input)}}));
                }
                ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(thought)) => {
                    thoughts.text(thought.text.as_str());
                }
                // Told in the text, as a client does that knows no reasoning blocks.
                ContentBlock::Text(text) => match split_thought(text) {
                    Some((thought, rest)) => {
                        thoughts.text(thought);
                        said.text(rest);
                    }
                    None => said.text(text.as_str()),
                },
                block => self.block(block, at, nth, &mut said)?,
            }
        }
        if !calls.is_empty() && !self.findings.tool_history {
            return Err(unsupported("toolUse"));
        }
        if calls.len() > 1 && !self.findings.parallel_calls {
            return Err(Error::validation(
                "This model supports one tool call in a turn. Remove the others and try again.",
            ));
        }
        // Templates read the content without asking whether there is any.
        let content = if said.parts.is_empty() { json!("") } else { self.content(said) };
        let mut turn = json!({"role": "assistant", "content": content});
        if self.options.reasoning_history && !thoughts.parts.is_empty() {
            turn["reasoning_content"] = string(thoughts);
        }
        if !calls.is_empty() {
            turn["tool_calls"] = Json::Array(calls);
        }
        self.messages.push(turn);
        Ok(())
    }

    /// A failed call's result begins with `Error`, since there is no member for it.
    fn result(
        &mut self,
        result: &'a ToolResultBlock,
        at: usize,
        nth: usize,
        after: &mut Said,
    ) -> Result<()> {
        if !self.findings.tool_history {
            return Err(unsupported("toolResult"));
        }
        let mut said = Said::default();
        for block in &result.content {
            match block {
                ToolResultContentBlock::Text(text) => said.text(text.as_str()),
                ToolResultContentBlock::Json(json) => said.text(json.to_string()),
                ToolResultContentBlock::Document(block) => {
                    said.text(document(block, &format!("messages.{at}.content.{nth}"))?);
                }
                ToolResultContentBlock::SearchResult(block) => said.text(search_result(block)),
                ToolResultContentBlock::Image(image) => {
                    after.text(format!("Image in the result of {}:", result.tool_use_id));
                    self.image(image, after)?;
                }
                ToolResultContentBlock::Video(_) => return Err(unsupported("video")),
            }
        }
        let mut text = string(said).as_str().unwrap_or_default().to_owned();
        if result.status == Some(ToolResultStatus::Error) {
            text = if text.is_empty() { "Error".to_owned() } else { format!("Error: {text}") };
        }
        let content = match self.findings.content {
            Content::Parts => json!([{"type": "text", "text": text}]),
            _ => json!(text),
        };
        let name = self.names.get(result.tool_use_id.as_str()).copied().unwrap_or_default();
        self.messages.push(json!({"role": "tool", "tool_call_id": self.id(&result.tool_use_id),
            "name": name, "content": content}));
        Ok(())
    }

    fn arguments(&self, input: &Json) -> Json {
        match self.findings.arguments {
            Arguments::Object => input.clone(),
            Arguments::String => Json::String(input.to_string()),
        }
    }

    /// The id of a call, as the template takes it: the same for the same call.
    fn id(&self, id: &str) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let nine = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if self.findings.call_ids == CallIds::Any || nine {
            return id.to_owned();
        }
        let digest = Sha256::digest(id.as_bytes());
        digest
            .iter()
            .take(9)
            .map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()]))
            .collect()
    }

    fn block(
        &mut self,
        block: &'a ContentBlock,
        at: usize,
        nth: usize,
        said: &mut Said,
    ) -> Result<()> {
        match block {
            ContentBlock::Text(text) => said.text(text.as_str()),
            ContentBlock::Image(image) => self.image(image, said)?,
            ContentBlock::Document(block) => {
                said.text(document(block, &format!("messages.{at}.content.{nth}"))?);
            }
            ContentBlock::GuardContent(content) => self.guarded(content, said)?,
            ContentBlock::CitationsContent(block) => said.text(cited(block)),
            ContentBlock::SearchResult(block) => said.text(search_result(block)),
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

    fn guarded(&mut self, content: &'a GuardContent, said: &mut Said) -> Result<()> {
        match content {
            GuardContent::Text(block) => {
                said.text(block.text.as_str());
                Ok(())
            }
            GuardContent::Image(image) => {
                let GuardImageSource::Bytes(blob) = &image.source;
                self.shown(image.format.media_type(), blob.as_base64(), said)
            }
        }
    }

    fn image(&mut self, image: &'a ImageBlock, said: &mut Said) -> Result<()> {
        match &image.source {
            MediaSource::Bytes(blob) => {
                self.shown(image.format.media_type(), blob.as_base64(), said)
            }
            MediaSource::S3Location(_) => Err(Error::validation(S3_LOCATION)),
        }
    }

    fn shown(&mut self, media_type: &'static str, base64: &'a str, said: &mut Said) -> Result<()> {
        if !(self.options.images && self.findings.images) {
            return Err(unsupported("image"));
        }
        self.images.push(Image { media_type, base64 });
        said.parts.push(Part::Image);
        Ok(())
    }
}

fn string(said: Said) -> Json {
    let texts: Vec<_> = said
        .parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Image => None,
        })
        .collect();
    Json::String(texts.join("\n"))
}

/// An answer's `<think>…</think>` and what follows it.
fn split_thought(text: &str) -> Option<(&str, &str)> {
    let (thought, rest) = text.trim_start().strip_prefix("<think>")?.split_once("</think>")?;
    Some((thought.trim(), rest.trim_start_matches('\n')))
}
