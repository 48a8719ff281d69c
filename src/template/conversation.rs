//! A conversation as transformers takes it: messages, functions, documents.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::documents::unsupported;
use super::findings::{Arguments, CallIds, Content, Findings, System};
use super::render::Input;
use super::said::{Image, Piece, Place, Said, placed, split_thought};
use crate::converse::{
    ContentBlock, Conversation, Message, Parameters, ReasoningContent, Role, Tool, ToolInputSchema,
    ToolResultBlock,
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

/// The template's input for a conversation, and the images that it has places for, in
/// the order of the places. Fails with a `ValidationException` for what the template has no place for: nothing is dropped.
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

impl<'a> Writer<'a, '_> {
    fn conversation(&mut self, conversation: &'a Conversation) -> Result<()> {
        self.system(Said::system(&conversation.system))?;
        for (at, message) in conversation.messages.iter().enumerate() {
            if message.content.iter().all(|block| matches!(block, ContentBlock::CachePoint(_))) {
                continue;
            }
            match message.role {
                Role::User => self.user(message, at)?,
                Role::Assistant => self.assistant(message, at)?,
                Role::System => {
                    let said = plain(message, at)?;
                    self.system(said)?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, role: &str, content: &Json) {
        self.messages.push(json!({"role": role, "content": content}));
    }

    fn system(&mut self, said: Said<'a>) -> Result<()> {
        if said.is_empty() {
            return Ok(());
        }
        match self.findings.system {
            System::Rendered => {
                let content = self.content(said)?;
                self.push("system", &content);
            }
            System::Missing if said.has_images() => return Err(unsupported("image")),
            System::Missing => {
                for piece in said.pieces {
                    if let Piece::Text(text) = piece {
                        self.system.push_str(&text);
                        self.system.push_str("\n\n");
                    }
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, said: Said<'a>) -> Result<Json> {
        let images = said.has_images();
        if images && !(self.options.images && self.findings.images) {
            return Err(unsupported("image"));
        }
        if !images && self.findings.content != Content::Parts {
            return Ok(Json::String(said.joined().into_owned()));
        }
        let parts = said.pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => json!({"type": "text", "text": text}),
            Piece::Image(image) => {
                self.images.push(image);
                json!({"type": "image"})
            }
        });
        Ok(parts.collect())
    }

    /// Results of tools become messages of their own, before what else the user says.
    fn user(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let before = self.messages.len();
        let mut said = Said::default();
        for (block, place) in placed(message, at) {
            if let ContentBlock::ToolResult(result) = block {
                self.result(result, place, &mut said)?;
            }
        }
        let mut rest = plain(message, at)?;
        if !self.system.is_empty() {
            // One text with what follows: the template has one place for both.
            let system = std::mem::take(&mut self.system);
            match rest.pieces.first_mut() {
                Some(Piece::Text(text)) => text.to_mut().insert_str(0, &system),
                _ => rest.pieces.insert(0, Piece::Text(system.trim_end().to_owned().into())),
            }
        }
        said.pieces.extend(rest.pieces);
        if !said.is_empty() || self.messages.len() == before {
            let content = self.content(said)?;
            self.push("user", &content);
        }
        Ok(())
    }

    fn assistant(&mut self, message: &'a Message, at: usize) -> Result<()> {
        let (mut said, mut thoughts, mut calls) = (Said::default(), Said::default(), vec![]);
        for (block, place) in placed(message, at) {
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
                block => said.block(block, place)?,
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
        let content = if said.is_empty() { json!("") } else { self.content(said)? };
        let mut turn = json!({"role": "assistant", "content": content});
        if self.options.reasoning_history && !thoughts.is_empty() {
            turn["reasoning_content"] = json!(thoughts.joined());
        }
        if !calls.is_empty() {
            turn["tool_calls"] = Json::Array(calls);
        }
        self.messages.push(turn);
        Ok(())
    }

    fn result(
        &mut self,
        result: &'a ToolResultBlock,
        place: Place,
        after: &mut Said<'a>,
    ) -> Result<()> {
        if !self.findings.tool_history {
            return Err(unsupported("toolResult"));
        }
        let text = Said::result(result, place, after)?;
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
}

/// What a message says beside the results of tools, which a user's turn has told before.
fn plain(message: &Message, at: usize) -> Result<Said<'_>> {
    let mut said = Said::default();
    for (block, place) in placed(message, at) {
        if message.role != Role::User || !matches!(block, ContentBlock::ToolResult(_)) {
            said.block(block, place)?;
        }
    }
    Ok(said)
}
