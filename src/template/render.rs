//! One compiled template, and what it renders.

use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, io};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Object;
use minijinja::{Environment, ErrorKind, State, Value};
use serde_json::{Map, Value as Json};
use time::OffsetDateTime;

use super::load::{Found, LoadError};
use super::python::{budget, filters, methods, repr, strftime, value};
use super::rewrite;
use crate::{Code, Error};

const DEFAULT: &str = "default";
const TOOL_USE: &str = "tool_use";

/// Steps of the engine for one render. A long conversation takes some ten thousand; a template
/// without an end is stopped after about a second.
const FUEL: u64 = 10_000_000;

/// How much one render may build: so many bytes, and so many for each byte of the conversation.
/// A template that adds up its messages one by one builds half a conversation for each.
const BYTES: usize = 64 << 20;
const BYTES_FOR_BYTE: usize = 256;

/// How deep macros, loops and recursive loops may nest in each other.
const RECURSION_LIMIT: usize = 200;

/// What a template is rendered with: the arguments of `apply_chat_template`.
#[derive(Clone, Debug)]
pub struct Input {
    /// The messages, as transformers takes them: `{"role", "content", …}`.
    pub messages: Vec<Json>,
    /// Tools as JSON schemas of functions.
    pub tools: Option<Vec<Json>>,
    /// Documents as `{"title", "text"}`, for templates that know them.
    pub documents: Option<Vec<Json>>,
    /// Whether the prompt ends by opening the assistant's turn.
    pub add_generation_prompt: bool,
    /// Anything else the template reads, such as `enable_thinking`; it may replace a token.
    pub kwargs: Map<String, Json>,
    /// What `strftime_now` tells. Its zone is the one told.
    pub now: OffsetDateTime,
}

impl Input {
    /// Messages to be answered, and nothing else.
    pub fn new(messages: Vec<Json>, now: OffsetDateTime) -> Self {
        Self {
            messages,
            tools: None,
            documents: None,
            add_generation_prompt: true,
            kwargs: Map::new(),
            now,
        }
    }
}

/// A chat template, compiled. Clones share it.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    environment: Arc<Environment<'static>>,
    has_tool_use: bool,
    tokens: Vec<(String, String)>,
    control: Vec<String>,
    read: Arc<Read>,
}

impl Compiled {
    /// What other tokens do not change.
    fn shared(&self) -> Self {
        Self {
            environment: Arc::clone(&self.environment),
            has_tool_use: self.has_tool_use,
            tokens: vec![],
            control: vec![],
            read: Arc::clone(&self.read),
        }
    }
}

/// What reading the sources told.
#[derive(Debug, Default)]
struct Read {
    literals: Vec<String>,
    warnings: Vec<String>,
    words: Vec<String>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("tokens", &self.0.tokens).finish_non_exhaustive()
    }
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The template refused the conversation in its own words, by `raise_exception`.
    #[error("{0}")]
    Refused(String),
    /// The conversation is not one that the template can render.
    #[error("The model's chat template cannot render this conversation.")]
    Failed(#[source] minijinja::Error),
    /// The template builds more text than it is given room for.
    #[error("The model's chat template builds too much text for this conversation.")]
    TooLarge(#[source] minijinja::Error),
    /// The template did not come to an end in the steps it is given.
    #[error("The model's chat template takes too long for this conversation.")]
    Exhausted(#[source] minijinja::Error),
}

impl From<RenderError> for Error {
    /// Each is the same every time it is tried, so none is an error of the server, which clients
    /// repeat.
    fn from(error: RenderError) -> Self {
        Error::new(Code::Validation, error.to_string()).because(error)
    }
}

/// What `raise_exception` said, inside the engine's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

impl Template {
    /// Compiles the text of a `chat_template.jinja`, with tokens by name (`bos_token` …).
    pub fn new<'a>(
        text: &str,
        tokens: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LoadError> {
        let tokens: Vec<_> =
            tokens.into_iter().map(|(name, token)| (name.to_owned(), token.to_owned())).collect();
        let control = tokens.iter().map(|(_, token)| token.clone()).collect();
        let found = Found { default: Some(text.to_owned()), tool_use: None, tokens, control };
        Self::from_found(found)?.ok_or(LoadError::Missing { path: "chat_template.jinja".into() })
    }

    pub(super) fn from_found(found: Found) -> Result<Option<Self>, LoadError> {
        let mut environment = environment()?;
        let mut read = Read::default();
        let has_tool_use = found.tool_use.is_some();
        let Some(default) = found.default.as_ref().or(found.tool_use.as_ref()) else {
            return Ok(None);
        };
        for (name, text) in [(DEFAULT, Some(default)), (TOOL_USE, found.tool_use.as_ref())] {
            let Some(text) = text else { continue };
            let source = rewrite::read(text);
            environment.add_template_owned(name, source.text)?;
            read.literals.extend(source.literals);
            read.warnings.extend(source.warnings);
            read.words.extend(source.words);
        }
        Ok(Some(Self(Arc::new(Compiled {
            environment: Arc::new(environment),
            has_tool_use,
            tokens: found.tokens,
            control: found.control,
            read: Arc::new(read),
        }))))
    }

    /// The same template with other tokens.
    #[must_use]
    pub fn with_tokens<'a>(&self, tokens: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let tokens: Vec<_> =
            tokens.into_iter().map(|(name, token)| (name.to_owned(), token.to_owned())).collect();
        let control = tokens.iter().map(|(_, token)| token.clone());
        let control = self.0.control.iter().cloned().chain(control).collect();
        Self(Arc::new(Compiled { tokens, control, ..self.0.shared() }))
    }

    /// The same template with more control tokens: those of its model that it never spells.
    #[must_use]
    pub fn with_control<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let more = tokens.into_iter().map(str::to_owned);
        let control = self.0.control.iter().cloned().chain(more).collect();
        Self(Arc::new(Compiled { control, tokens: self.0.tokens.clone(), ..self.0.shared() }))
    }

    /// The tokens that the template may name, such as `("bos_token", "<s>")`.
    pub fn tokens(&self) -> &[(String, String)] {
        &self.0.tokens
    }

    /// What will render otherwise than in transformers, for the operator.
    pub fn warnings(&self) -> &[String] {
        &self.0.read.warnings
    }

    /// The special and added tokens of the tokenizer.
    pub(super) fn control(&self) -> &[String] {
        &self.0.control
    }

    /// The template's data and string constants.
    pub(super) fn literals(&self) -> &[String] {
        &self.0.read.literals
    }

    /// Whether an expression of the template uses `name`.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.0.read.words.iter().any(|word| word == name)
    }

    /// The prompt, byte for byte as transformers renders it.
    pub fn render(&self, input: &Input) -> Result<String, RenderError> {
        let name =
            if self.0.has_tool_use && input.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
                TOOL_USE
            } else {
                DEFAULT
            };
        let template = self.0.environment.get_template(name).map_err(RenderError::Failed)?;
        let limit = BYTES.saturating_add(size(input).saturating_mul(BYTES_FOR_BYTE));
        let mut out = Prompt { bytes: Vec::new(), limit };
        let (rendered, spent) = budget::with(limit, || {
            template.render_captured_to(self.context(input), &mut out).map(drop)
        });
        let spent = spent || out.bytes.len() > limit;
        let too_much = || minijinja::Error::new(ErrorKind::WriteFailure, "no room is left");
        match rendered {
            Err(error) if spent => Err(RenderError::TooLarge(error)),
            Err(error) => Err(RenderError::from_engine(error)),
            Ok(()) if spent => Err(RenderError::TooLarge(too_much())),
            Ok(()) => String::from_utf8(out.bytes).map_err(|_| RenderError::Failed(too_much())),
        }
    }

    fn context(&self, input: &Input) -> Value {
        let list = |items: &Option<Vec<Json>>| match items {
            Some(items) => value::list(items.iter().map(value::from_json).collect()),
            None => Value::from(()),
        };
        let own = [
            ("messages", value::list(input.messages.iter().map(message).collect())),
            ("tools", list(&input.tools)),
            ("documents", list(&input.documents)),
            ("add_generation_prompt", Value::from(input.add_generation_prompt)),
            ("strftime_now", Value::from_object(Strftime(input.now))),
        ];
        let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
        let mut members: Vec<(Value, Value)> =
            Vec::with_capacity(own.len() + input.kwargs.len() + self.0.tokens.len());
        for (name, value) in &input.kwargs {
            if !is_own(name) {
                members.push((Value::from(name.as_str()), value::from_json(value)));
            }
        }
        for (name, token) in &self.0.tokens {
            if !input.kwargs.contains_key(name) {
                members.push((Value::from(name.as_str()), Value::from(token.as_str())));
            }
        }
        members.extend(own.map(|(name, value)| (Value::from(name), value)));
        Value::from_object(value::Dict::new(members))
    }
}

/// The prompt, as far as it is written.
struct Prompt {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Prompt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() > self.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of the input's strings.
fn size(input: &Input) -> usize {
    fn of(value: &Json) -> usize {
        match value {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(of).sum(),
            Json::Object(members) => {
                members.iter().map(|(name, value)| name.len() + of(value)).sum()
            }
            _ => 0,
        }
    }
    let lists = [&input.tools, &input.documents].into_iter().flatten().flatten();
    input.messages.iter().chain(lists).chain(input.kwargs.values()).map(of).sum()
}

/// A message as `apply_chat_template` hands it on: without members that are null, and with its
/// reasoning under each name that templates read.
fn message(message: &Json) -> Value {
    const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
    let Some(members) = message.as_object() else { return value::from_json(message) };
    let reasoning =
        REASONING.iter().find_map(|name| members.get(*name).filter(|value| !value.is_null()));
    let mut out: Vec<(Value, Value)> = Vec::with_capacity(members.len() + 2);
    if let Some(reasoning) = reasoning
        && members.get("thinking").is_none_or(Json::is_null)
    {
        out.push((Value::from("thinking"), value::from_json(reasoning)));
    }
    for (name, member) in members {
        let member = match reasoning {
            Some(reasoning) if name == "reasoning_content" => reasoning,
            _ => member,
        };
        if !member.is_null() {
            out.push((Value::from(name.as_str()), value::from_json(member)));
        }
    }
    if let Some(reasoning) = reasoning
        && !members.contains_key("reasoning_content")
    {
        out.push((Value::from("reasoning_content"), value::from_json(reasoning)));
    }
    Value::from_object(value::Dict::new(out))
}

impl RenderError {
    fn from_engine(error: minijinja::Error) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(at) = cause {
            if let Some(Raised(message)) = at.downcast_ref::<Raised>() {
                return Self::Refused(message.clone());
            }
            cause = at.source();
        }
        if error.kind() == ErrorKind::OutOfFuel {
            Self::Exhausted(error)
        } else {
            Self::Failed(error)
        }
    }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_debug(false);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|out, _, value| {
        // A block that is captured is written here, too.
        let written = if let Some(text) = value.as_str() {
            budget::charge(text.len())?;
            out.write_str(text)
        } else {
            let mut text = budget::Text::default();
            repr::write_str(&mut text, value).and_then(|()| out.write_str(&text.0))
        };
        written.map_err(|_| {
            minijinja::Error::new(ErrorKind::InvalidOperation, "a value cannot be printed")
        })
    });
    filters::install(&mut environment);
    environment.add_function(
        "raise_exception",
        |message: &Value| -> Result<Value, minijinja::Error> {
            let message = repr::to_str(message);
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raise_exception")
                .with_source(Raised(message)))
        },
    );
    Ok(environment)
}

/// `strftime_now(format)`.
#[derive(Debug)]
struct Strftime(OffsetDateTime);

impl Object for Strftime {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn call(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        args: &[Value],
    ) -> Result<Value, minijinja::Error> {
        let (format,): (&str,) = minijinja::value::from_args(args)?;
        Ok(Value::from(strftime::format(self.0, format)))
    }
}
