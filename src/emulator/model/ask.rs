//! What was asked, as far as a script looks at it: here the `OpenAI` chat and completion schemas.

use serde_json::{Map, Value};

use super::inputs::{self, Inputs};
use super::pooling::{self, Pooling};
use super::refused::{Refused, Said};
use super::tokens;
use crate::emulator::rules::{Dialect, Endpoint};

/// What a message costs beside its text, an image, and the beginning of the answer.
const MESSAGE: u64 = 4;
const IMAGE: u64 = 256;
const ANSWER: u64 = 3;

/// vLLM's default for `/completions`; a chat may use the rest of the context.
const COMPLETION_LENGTH: u64 = 16;

/// A function that may be called.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) parameters: Value,
}

/// `tool_choice`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::emulator) enum Choice {
    /// No call is wanted, or there is nothing to call.
    #[default]
    None,
    /// The model decides.
    Auto,
    /// Some call must come.
    Required,
    /// This one must come.
    Named(String),
}

/// `response_format`.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Json,
    Schema(Value),
}

/// One request, read.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the request's own")]
#[derive(Debug, Default)]
pub(in crate::emulator) struct Ask {
    /// Chat, or a prompt that is to be continued.
    pub(super) chat: bool,
    /// The prompt came as `inputs`.
    pub(super) inputs: Option<Inputs>,
    /// Texts that are to become vectors, or documents that are to be put in order.
    pub(super) pooling: Option<Pooling>,
    /// What the request was read as.
    pub(super) dialect: Dialect,
    /// The whole body as it came.
    pub(super) body: String,
    /// The text of the last user message, or the prompt.
    pub(in crate::emulator) text: String,
    /// The text of all system messages.
    pub(in crate::emulator) system: String,
    /// The text of the tool results at the end of the conversation.
    pub(in crate::emulator) tool_result: Option<String>,
    pub(in crate::emulator) images: u64,
    pub(super) tools: Vec<Tool>,
    pub(in crate::emulator) choice: Choice,
    pub(super) parallel: bool,
    pub(super) format: Option<Format>,
    pub(in crate::emulator) stream: bool,
    pub(super) include_usage: bool,
    pub(super) continuous_usage: bool,
    pub(super) max_tokens: u64,
    pub(super) stop: Vec<String>,
    /// Whether special tokens stay in the text.
    pub(super) shows_special: bool,
    /// Whether what ended the answer stays in the text.
    pub(super) shows_stop: bool,
    /// Whether the template asks the model to think, and whether the thoughts are shown.
    pub(super) thinking: bool,
    pub(super) show_reasoning: bool,
    pub(super) prompt_tokens: u64,
}

/// What of the endpoint the reading of a request depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Limits<'a> {
    model: &'a str,
    pub(super) dialect: Dialect,
    is_any: bool,
    /// `max_model_len`.
    pub(super) context: u64,
    vision: bool,
    bos: &'a str,
}

impl<'a> Limits<'a> {
    /// Those of the endpoint `name`.
    pub(in crate::emulator) fn of(name: &'a str, endpoint: &'a Endpoint) -> Self {
        Self {
            model: endpoint.model.as_deref().unwrap_or(name),
            dialect: endpoint.dialect,
            is_any: endpoint.is_any,
            context: endpoint.context,
            vision: endpoint.vision,
            bos: &endpoint.bos,
        }
    }

    /// How many tokens the model reads of `prompt`.
    pub(super) fn count(&self, prompt: &str) -> u64 {
        inputs::prompt_tokens(self.bos, prompt).map(|_| 1).sum()
    }
}

impl Ask {
    /// Reads a body as `/invocations` of the endpoint's container does.
    pub(in crate::emulator) fn read(body: &[u8], mut limits: Limits<'_>) -> Result<Self, Refused> {
        let text = String::from_utf8_lossy(body).into_owned();
        let (body, failed) = match serde_json::from_str(&text) {
            Ok(Value::Object(body)) => (body, None),
            Ok(_) => (Map::new(), Some(no_prompt())),
            Err(error) => (Map::new(), Some(bad_json(&text, &error))),
        };
        let has = |name: &str| body.contains_key(name);
        if limits.is_any && limits.dialect == Dialect::default() && has("inputs") {
            limits.dialect = Dialect::Tgi;
        }
        let dialect = limits.dialect;
        let said = Said {
            dialect,
            to_inputs: dialect.pools() || (has("inputs") && dialect.takes_inputs()),
            in_stream: body.get("stream").and_then(Value::as_bool) == Some(true),
        };
        let asked = match (failed, body.get("inputs").filter(|_| said.to_inputs)) {
            (Some(failed), _) => Err(failed),
            (None, _) if dialect.pools() => pooling::read(text, &body, limits),
            (None, Some(Value::String(prompt))) => inputs::read(text, &body, prompt, limits),
            (None, Some(_)) => Err(no_prompt()),
            (None, None) => Self::read_openai(text, &body, limits),
        };
        asked.map_err(|refused| Refused { said, ..refused })
    }

    /// Reads a body as vLLM does: chat if there are messages, else completion.
    fn read_openai(
        text: String,
        body: &Map<String, Value>,
        limits: Limits<'_>,
    ) -> Result<Self, Refused> {
        let dialect = limits.dialect;
        let messages = body.get("messages").and_then(Value::as_array);
        let messages = messages.filter(|_| dialect != Dialect::Hf);
        let prompt = body.get("prompt").and_then(Value::as_str);
        let prompt = prompt.filter(|prompt| !prompt.is_empty() && dialect.takes_prompt());
        let conversation = match (messages, prompt) {
            (Some(messages), _) => Conversation::read(messages),
            (None, Some(prompt)) => Conversation {
                text: prompt.to_owned(),
                tokens: limits.count(prompt),
                ..Conversation::default()
            },
            _ => return Err(no_prompt()),
        };
        if conversation.images > 0 && !limits.vision {
            return Err(Refused::plain(format!("{} is not a multimodal model", limits.model)));
        }
        let tools = read_tools(body);
        let choice = read_choice(body, &tools)?;
        let tool_tokens = body.get("tools").map_or(0, |t| tokens::count(&t.to_string()));
        let chat = messages.is_some();
        let prompt_tokens = conversation.tokens + tool_tokens + if chat { ANSWER } else { 0 };
        check_sampling(body)?;
        let number = |name| body.get(name).and_then(Value::as_i64);
        let asked = number("max_completion_tokens").filter(|_| chat);
        let default = if chat { u64::MAX } else { COMPLETION_LENGTH };
        let asked = asked.or_else(|| number("max_tokens"));
        let max_tokens = read_length(asked, default, prompt_tokens, limits.context)?;
        let flag = |path: &str| body_pointer(body, path).and_then(Value::as_bool);
        Ok(Self {
            chat,
            inputs: None,
            pooling: None,
            dialect,
            text: conversation.text,
            system: conversation.system,
            tool_result: conversation.tool_result,
            images: conversation.images,
            tools,
            choice,
            parallel: flag("parallel_tool_calls").unwrap_or(true),
            format: read_format(body),
            stream: flag("stream").unwrap_or(false),
            include_usage: flag("stream_options/include_usage").unwrap_or(false),
            continuous_usage: flag("stream_options/continuous_usage_stats").unwrap_or(false),
            max_tokens,
            stop: strings(body.get("stop")),
            shows_special: flag("skip_special_tokens") == Some(false),
            shows_stop: flag("include_stop_str_in_output") == Some(true),
            thinking: flag("chat_template_kwargs/enable_thinking")
                .or_else(|| flag("chat_template_kwargs/thinking"))
                .unwrap_or(true),
            show_reasoning: flag("include_reasoning").unwrap_or(true),
            prompt_tokens,
            body: text,
        })
    }

    /// Whether a container of `dialect` could have been asked this.
    pub(super) fn is_of(&self, dialect: Dialect) -> bool {
        if self.pooling.is_some() || dialect.pools() {
            return false; // a model of another kind
        }
        match (&self.inputs, self.chat) {
            (Some(_), _) => dialect.takes_inputs() && (dialect != Dialect::Hf || !self.stream),
            (None, true) => dialect != Dialect::Hf,
            (None, false) => dialect.takes_prompt(),
        }
    }

    /// Whether there is anything to call.
    pub(in crate::emulator) fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    /// Whether the answer must be JSON.
    pub(in crate::emulator) fn has_format(&self) -> bool {
        self.format.is_some()
    }
}

fn body_pointer<'a>(body: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('/');
    let first = body.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

/// Python's words for what is not JSON.
fn bad_json(text: &str, error: &serde_json::Error) -> Refused {
    let column = error.column() + usize::from(error.is_eof());
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = before + column.saturating_sub(1);
    Refused {
        status: 400,
        kind: "Bad Request",
        message: format!(
            "JSON decode error: Expecting value: line {} column {column} (char {at})",
            error.line()
        ),
        is_unread: true,
        ..Refused::default()
    }
}

fn no_prompt() -> Refused {
    let message = "Either prompt or prompt_embeds must be provided and non-empty.";
    Refused { is_unread: true, ..Refused::bad("prompt", message, None) }
}

#[derive(Default)]
struct Conversation {
    text: String,
    system: String,
    tool_result: Option<String>,
    images: u64,
    tokens: u64,
}

impl Conversation {
    fn read(messages: &[Value]) -> Self {
        let mut read = Self::default();
        for message in messages {
            let content = message.get("content").unwrap_or(&Value::Null);
            let (text, images) = content_text(content);
            read.tokens += MESSAGE + tokens::count(&text) + images * IMAGE;
            if let Some(calls) = message.get("tool_calls").filter(|calls| !calls.is_null()) {
                read.tokens += tokens::count(&calls.to_string());
            }
            read.images += images;
            match message.get("role").and_then(Value::as_str) {
                Some("tool") => {
                    let result = read.tool_result.get_or_insert_default();
                    if !result.is_empty() {
                        result.push('\n');
                    }
                    result.push_str(&text);
                    continue;
                }
                Some("system" | "developer") => read.system.push_str(&text),
                Some("user") => read.text = text,
                _ => {}
            }
            read.tool_result = None;
        }
        read
    }
}

/// The text of a message's content, and how many images it has.
fn content_text(content: &Value) -> (String, u64) {
    match content {
        Value::String(text) => (text.clone(), 0),
        Value::Array(parts) => {
            let text: Vec<_> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            let image = |part: &&Value| part.get("type").is_some_and(|kind| kind == "image_url");
            (text.join("\n"), parts.iter().filter(image).map(|_| 1).sum())
        }
        _ => (String::new(), 0),
    }
}

fn read_tools(body: &Map<String, Value>) -> Vec<Tool> {
    let tools = body.get("tools").and_then(Value::as_array);
    let read = |tool: &Value| {
        let function = tool.get("function")?;
        Some(Tool {
            name: function.get("name")?.as_str()?.to_owned(),
            parameters: function.get("parameters").cloned().unwrap_or_default(),
        })
    };
    tools.into_iter().flatten().filter_map(read).collect()
}

fn read_choice(body: &Map<String, Value>, tools: &[Tool]) -> Result<Choice, Refused> {
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => Choice::Auto,
        Some(Value::String(choice)) => match choice.as_str() {
            "none" => Choice::None,
            "required" => Choice::Required,
            _ => Choice::Auto,
        },
        Some(named) => match named.pointer("/function/name").and_then(Value::as_str) {
            Some(name) if tools.iter().any(|tool| tool.name == name) => {
                Choice::Named(name.to_owned())
            }
            _ => {
                return Err(Refused::bad(
                    "tool_choice",
                    "The tool specified in `tool_choice` does not match any of the specified \
                     `tools`",
                    None,
                ));
            }
        },
    };
    Ok(if tools.is_empty() { Choice::None } else { choice })
}

fn read_format(body: &Map<String, Value>) -> Option<Format> {
    let format = body.get("response_format")?;
    match format.get("type")?.as_str()? {
        "json_object" => Some(Format::Json),
        "json_schema" => {
            Some(Format::Schema(format.pointer("/json_schema/schema").cloned().unwrap_or_default()))
        }
        _ => None,
    }
}

pub(super) fn check_sampling(body: &Map<String, Value>) -> Result<(), Refused> {
    let number = |name| body.get(name).and_then(Value::as_f64);
    if let Some(value) = number("temperature").filter(|value| *value < 0.0) {
        let message = format!("temperature must be non-negative, got {value:?}.");
        return Err(Refused::bad("temperature", &message, Some(&value)));
    }
    if let Some(value) = number("top_p").filter(|value| *value <= 0.0 || *value > 1.0) {
        let message = format!("top_p must be in (0, 1], got {value:?}.");
        return Err(Refused::bad("top_p", &message, Some(&value)));
    }
    Ok(())
}

/// How many tokens the answer may have, in a `context` with so many tokens of `prompt`; without a
/// number of its own the rest, but no more than `default`.
pub(super) fn read_length(
    asked: Option<i64>,
    default: u64,
    prompt: u64,
    context: u64,
) -> Result<u64, Refused> {
    if let Some(value) = asked {
        if value < 1 {
            let message = format!("max_tokens must be at least 1, got {value}.");
            return Err(Refused::bad("max_tokens", &message, Some(&value)));
        }
        if value.unsigned_abs() > context {
            let message = format!(
                "max_tokens={value} cannot be greater than max_model_len={context}. Please \
                 request fewer output tokens."
            );
            return Err(Refused::bad("max_tokens", &message, Some(&value)));
        }
    }
    let limit = format!("This model's maximum context length is {context} tokens. However,");
    // vLLM stops counting one token after the limit.
    if prompt >= context {
        let counted = context + 1;
        let message = format!(
            "{limit} your prompt contains at least {counted} input tokens, which exceeds this \
             limit even without any output tokens. Please reduce the length of the input prompt."
        );
        return Err(Refused::bad("input_tokens", &message, Some(&counted)));
    }
    let rest = context - prompt;
    let Some(asked) = asked.map(i64::unsigned_abs) else {
        return Ok(rest.min(default));
    };
    if asked > rest {
        let total = prompt + asked;
        let message = format!(
            "{limit} you requested {asked} output tokens and your prompt contains {prompt} input \
             tokens, for a total of {total} tokens. Please reduce the length of the input prompt \
             or the number of requested output tokens."
        );
        return Err(Refused::bad("input_tokens", &message, Some(&prompt)));
    }
    Ok(asked)
}

pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
