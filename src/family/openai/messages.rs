//! `messages` as turns.
//!
//! System and developer messages before the first turn are the system prompt; later ones are turns
//! of their own. The results of tools, each a message here, are one turn of the user's behind the
//! calls, together with what the user says next. Other messages stay as they are, even two of one
//! speaker in a row: OpenAI takes them, and the model's template knows what to do with them.

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde_json::{Map, Value};

use crate::Result;
use crate::converse::{
    Blob, ContentBlock, ImageBlock, ImageFormat, MediaSource, Message as Turn, ReasoningContent,
    ReasoningText, Role as Speaker, SystemContentBlock, ToolResultBlock, ToolResultContentBlock,
    ToolUseBlock,
};
use crate::family::schema::malformed;

/// How gpt-oss's answers show what the model thought, on Bedrock.
pub(super) const OPENS: &str = "<reasoning>";
pub(super) const CLOSES: &str = "</reasoning>";

/// One message. Which members it may have was checked by its role.
#[derive(Deserialize)]
pub(super) struct Message {
    role: Role,
    content: Option<Value>,
    reasoning: Option<String>,
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<Call>,
    tool_call_id: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Deserialize)]
struct Call {
    id: String,
    function: Called,
}

#[derive(Deserialize)]
struct Called {
    name: String,
    /// Text that holds JSON, or the object itself.
    arguments: Value,
}

/// A part of a message.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
}

/// OpenAI's object, or Mistral's string.
#[derive(Deserialize)]
#[serde(untagged)]
enum ImageUrl {
    Object { url: String },
    Url(String),
}

/// Removes the members of messages that are `null`.
pub(super) fn without_nulls(members: &mut Map<String, Value>) {
    let Some(Value::Array(messages)) = members.get_mut("messages") else { return };
    for message in messages {
        if let Value::Object(message) = message {
            super::without_nulls(message);
        }
    }
}

/// The system prompt and the turns. With `inlined`, what an assistant's text shows as reasoning is
/// reasoning.
pub(super) fn conversation(
    messages: Vec<Message>,
    inlined: bool,
) -> Result<(Vec<SystemContentBlock>, Vec<Turn>)> {
    let mut turns = Turns { inlined, ..Turns::default() };
    for (at, message) in messages.into_iter().enumerate() {
        turns.message(at, message)?;
    }
    if turns.answered().is_some() {
        turns.refuse_open("")?;
    }
    Ok((turns.system, turns.all))
}

#[derive(Default)]
struct Turns {
    inlined: bool,
    system: Vec<SystemContentBlock>,
    all: Vec<Turn>,
    /// The calls of the last assistant's turn that have no result yet.
    open: Vec<String>,
}

impl Turns {
    fn message(&mut self, at: usize, message: Message) -> Result<()> {
        if !matches!(message.role, Role::Tool) {
            self.refuse_open(&format!("/{at}"))?;
        }
        let content =
            |message: Option<Value>| message.map_or_else(|| Ok(vec![]), |c| blocks(at, c));
        match message.role {
            Role::System | Role::Developer => {
                let content = content(message.content)?;
                if self.all.is_empty() {
                    self.system.extend(texts(content).map(SystemContentBlock::Text));
                } else {
                    self.all.push(turn(Speaker::System, content));
                }
            }
            Role::User => {
                let content = content(message.content)?;
                match self.answered() {
                    Some(results) => results.content.extend(content),
                    None => self.all.push(turn(Speaker::User, content)),
                }
            }
            Role::Assistant => {
                let turn = self.assistant(at, message)?;
                self.all.push(turn);
            }
            Role::Tool => {
                let id = message.tool_call_id.unwrap_or_default();
                self.result(at, id, content(message.content)?)?;
            }
        }
        Ok(())
    }

    /// The last turn, if it holds results of tools and nothing else.
    fn answered(&mut self) -> Option<&mut Turn> {
        self.all.last_mut().filter(|turn| {
            turn.content.iter().all(|block| matches!(block, ContentBlock::ToolResult(_)))
        })
    }

    /// Calls that were never answered, as OpenAI refuses them. A conversation may end with them:
    /// then the model goes on from there.
    fn refuse_open(&self, at: &str) -> Result<()> {
        match self.open.first() {
            None => Ok(()),
            Some(id) => Err(malformed(&format!(
                "#/messages{at}: the tool call {} has no message of a tool behind it",
                shortened(id)
            ))),
        }
    }

    fn assistant(&mut self, at: usize, message: Message) -> Result<Turn> {
        let mut said = message.content.map_or_else(|| Ok(vec![]), |c| blocks(at, c))?;
        let mut thought = message.reasoning_content.or(message.reasoning).unwrap_or_default();
        if self.inlined
            && thought.is_empty()
            && let Some(ContentBlock::Text(text)) = said.first_mut()
            && let Some((inlined, rest)) = inlined(text)
        {
            (thought, *text) = (inlined.to_owned(), rest.to_owned());
        }
        let mut content = Vec::with_capacity(said.len() + message.tool_calls.len() + 1);
        if !thought.is_empty() {
            let text = ReasoningText { signature: None, text: thought };
            content.push(ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(text)));
        }
        if !message.tool_calls.is_empty() {
            said.retain(|block| !matches!(block, ContentBlock::Text(text) if text.is_empty()));
        }
        content.append(&mut said);
        for call in message.tool_calls {
            self.open.push(call.id.clone());
            content.push(ContentBlock::ToolUse(ToolUseBlock {
                input: input(call.function.arguments),
                name: call.function.name,
                tool_use_id: call.id,
                kind: None,
            }));
        }
        Ok(turn(Speaker::Assistant, content))
    }

    fn result(&mut self, at: usize, id: String, content: Vec<ContentBlock>) -> Result<()> {
        let Some(open) = self.open.iter().position(|open| *open == id) else {
            return Err(malformed(&format!(
                "#/messages/{at}/tool_call_id: no tool call {} before waits for a result",
                shortened(&id)
            )));
        };
        self.open.remove(open);
        let content = content.into_iter().filter_map(|block| match block {
            ContentBlock::Text(text) => Some(ToolResultContentBlock::Text(text)),
            ContentBlock::Image(image) => Some(ToolResultContentBlock::Image(image)),
            _ => None, // there is no other part
        });
        let result = ContentBlock::ToolResult(ToolResultBlock {
            content: content.collect(),
            status: None,
            tool_use_id: id,
            kind: None,
        });
        match self.answered() {
            Some(results) => results.content.push(result),
            None => self.all.push(turn(Speaker::User, vec![result])),
        }
        Ok(())
    }
}

/// A turn says something, be it an empty text: one without any block would be left out.
fn turn(role: Speaker, mut content: Vec<ContentBlock>) -> Turn {
    if content.is_empty() {
        content.push(ContentBlock::Text(String::new()));
    }
    Turn { content, role }
}

fn inlined(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(OPENS)?.split_once(CLOSES)
}

fn shortened(id: &str) -> String {
    id.chars().take(64).collect()
}

/// The arguments of a call: what is no JSON, such as those of a call that was cut, stays text.
fn input(arguments: Value) -> Value {
    match arguments {
        Value::String(text) if text.trim().is_empty() => Value::Object(Map::new()),
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        arguments => arguments,
    }
}

fn texts(content: Vec<ContentBlock>) -> impl Iterator<Item = String> {
    content.into_iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text),
        _ => None, // the schema takes no other part of a system message
    })
}

/// `content`: a string, or parts.
fn blocks(at: usize, content: Value) -> Result<Vec<ContentBlock>> {
    let parts = match content {
        Value::String(text) => return Ok(vec![ContentBlock::Text(text)]),
        Value::Array(parts) => parts,
        _ => return Err(malformed(&format!("#/messages/{at}/content: this value cannot be used"))),
    };
    parts
        .into_iter()
        .enumerate()
        .map(|(nth, part)| {
            let at = || format!("#/messages/{at}/content/{nth}");
            match serde_json::from_value(part) {
                Ok(Part::Text { text }) => Ok(ContentBlock::Text(text)),
                Ok(Part::ImageUrl {
                    image_url: ImageUrl::Object { url } | ImageUrl::Url(url),
                }) => image(&url).map(ContentBlock::Image).ok_or_else(|| {
                    malformed(&format!(
                        "{}/image_url: only a data URL of a PNG, JPEG, GIF or WebP can be read, \
                         such as data:image/png;base64,…",
                        at()
                    ))
                }),
                Err(_) => Err(malformed(&format!("{}: this value cannot be used", at()))),
            }
        })
        .collect()
}

/// The image in a data URL. Nothing is fetched: a caller could make the gateway ask any host.
fn image(url: &str) -> Option<ImageBlock> {
    let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
    let (media_type, encoding) = head.split_once(';')?;
    if !encoding.rsplit(';').next()?.eq_ignore_ascii_case("base64") {
        return None;
    }
    let is_named = |format: &ImageFormat| {
        let name = format.media_type();
        name.eq_ignore_ascii_case(media_type)
            || (name == "image/jpeg" && media_type.eq_ignore_ascii_case("image/jpg"))
    };
    let format = ImageFormat::ALL.iter().copied().find(is_named)?;
    let text: StrDeserializer<'_, serde::de::value::Error> = base64.into_deserializer();
    let bytes = Blob::deserialize(text).ok().filter(|bytes| !bytes.is_empty())?;
    Some(ImageBlock { error: None, format, source: MediaSource::Bytes(bytes) })
}
