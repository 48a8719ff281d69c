//! The rules file: which endpoints there are, what the scripted model answers, what goes wrong.
//!
//! TOML, read with positions, so that an error names its line. See `examples/emulator-rules.toml`.

mod dialect;
mod matching;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

pub(super) use dialect::Dialect;
pub(super) use matching::{Call, When};

use super::faults::Fault;

/// What is wrong with a rules file, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RulesError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl RulesError {
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self { line, column, message: message.into() }
    }
}

/// The emulator's endpoints and what they answer.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    endpoints: BTreeMap<String, Endpoint>,
    /// What every name stands for, where none is listed.
    any: Endpoint,
    list: Vec<Rule>,
}

/// Reads a rules file: for the command line's `check`.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<Rules, RulesError> {
    Rules::parse(text)
}

impl Rules {
    /// The rules that `helan demo` runs on: any endpoint name, friendly answers with reasoning,
    /// tool calls, structured output, English and Chinese.
    pub fn builtin() -> Self {
        Self::read(include_str!("../builtin.toml")).map_or_else(|_| Self::default(), |(own, _)| own)
    }

    /// Reads a rules file. Its rules come before the built-in ones, unless it says
    /// `builtin = false`.
    ///
    /// ```
    /// use helan::emulator::Rules;
    ///
    /// let error = Rules::parse("[[rules]]\nanswer.txt = 'Hi'").unwrap_err();
    /// assert_eq!(error.line, 2);
    /// assert!(error.message.starts_with("unknown field `txt`, expected one of `text`"));
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let (mut rules, builtin) = Self::read(text)?;
        if builtin {
            rules.list.extend(Self::builtin().list);
        }
        Ok(rules)
    }

    /// One container behind any endpoint name: `url` is that of its `/invocations`, or of another
    /// path that takes the same bodies.
    ///
    /// # Errors
    /// The URL is not one that can be called.
    pub fn container(url: &str) -> Result<Self, RulesError> {
        let any = Endpoint {
            container: Some(Spanned::new(0..url.len(), url.to_owned())),
            ..Endpoint::default()
        };
        any.check(url)?;
        Ok(Self { any, ..Self::default() })
    }

    /// The rules of one file, and whether it wants the built-in ones too.
    fn read(text: &str) -> Result<(Self, bool), RulesError> {
        let file: File = toml::from_str(text).map_err(|error| {
            RulesError::at(text, error.span().map_or(0, |span| span.start), error.message())
        })?;
        let mut endpoints = BTreeMap::new();
        for (name, endpoint) in file.endpoints {
            if !is_endpoint_name(name.as_ref()) {
                return Err(RulesError::at(
                    text,
                    name.span().start,
                    "an endpoint's name is up to 63 letters, digits and inner hyphens",
                ));
            }
            endpoint.check(text)?;
            endpoints.insert(name.into_inner(), endpoint);
        }
        for rule in &file.rules {
            rule.check(text)?;
        }
        let any = Endpoint::default();
        Ok((Self { endpoints, any, list: file.rules }, file.builtin))
    }

    /// The endpoint of this name: those of the file, or any if the file names none.
    pub(super) fn endpoint(&self, name: &str) -> Option<Endpoint> {
        if self.endpoints.is_empty() {
            return Some(Endpoint { is_any: true, ..self.any.clone() });
        }
        self.endpoints.get(name).cloned()
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.list
    }
}

/// Whether SageMaker would take this for an endpoint's name.
pub(super) fn is_endpoint_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && edge(name.chars().next())
        && edge(name.chars().last())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "yes")]
    builtin: bool,
    #[serde(default)]
    endpoints: BTreeMap<Spanned<String>, Endpoint>,
    #[serde(default)]
    rules: Vec<Rule>,
}

const fn yes() -> bool {
    true
}

/// One endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Endpoint {
    /// The model's name in answers; the endpoint's if it is not given.
    pub(super) model: Option<String>,
    /// The production variant that answers.
    pub(super) variant: String,
    /// A container that answers instead of the script: the URL of its `/invocations`.
    pub(super) container: Option<Spanned<String>>,
    /// The inference components. If there are any, each call must name one; if not, none may.
    pub(super) inference_components: Vec<String>,
    /// How the container shows what the model thinks.
    pub(super) reasoning: Reasoning,
    /// What the container speaks.
    pub(super) dialect: Dialect,
    /// Whether `inputs` is answered too, as TGI does, where the dialect knows none: nobody has said
    /// which container this is.
    #[serde(skip)]
    pub(super) is_any: bool,
    /// The token that the container's tokenizer puts in front of every prompt; empty: none.
    pub(super) bos: String,
    /// The token that ends the model's turn.
    pub(super) eos: String,
    /// Further special tokens: what a container leaves out of the text unless it is asked not to.
    pub(super) special_tokens: Vec<String>,
    /// What is odd about its stream.
    pub(super) quirks: Vec<Quirk>,
    /// The model's context, in tokens.
    pub(super) context: u64,
    /// Whether the model takes images.
    pub(super) vision: bool,
    /// How many numbers a vector has, where the model makes vectors.
    pub(super) dimensions: usize,
    /// Tokens a second; 0 is as fast as possible.
    pub(super) tokens_per_second: u32,
    /// The sizes of payload parts, over and over; empty: one part for each event.
    pub(super) cut: Option<Spanned<Vec<usize>>>,
    /// How long `InvokeEndpoint` waits for the container.
    pub(super) timeout_ms: u64,
    /// The longest request body, in bytes.
    pub(super) max_body: usize,
    /// What `DescribeEndpoint` says of it.
    pub(super) status: String,
    /// How many instances it has, as `DescribeEndpoint` says.
    pub(super) instances: u32,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            model: None,
            variant: "AllTraffic".to_owned(),
            container: None,
            inference_components: Vec::new(),
            reasoning: Reasoning::default(),
            dialect: Dialect::default(),
            is_any: false,
            bos: String::new(),
            eos: "</s>".to_owned(),
            special_tokens: Vec::new(),
            quirks: Vec::new(),
            context: 131_072,
            vision: true,
            dimensions: 1024,
            tokens_per_second: 0,
            cut: None,
            timeout_ms: 60_000,
            max_body: 6_291_456,
            status: "InService".to_owned(),
            instances: 1,
        }
    }
}

impl Endpoint {
    fn check(&self, text: &str) -> Result<(), RulesError> {
        check_cut(self.cut.as_ref(), text)?;
        let Some(url) = &self.container else { return Ok(()) };
        let read = url.get_ref().parse::<http::Uri>().ok();
        if read.is_some_and(|u| u.scheme_str() == Some("http") && u.authority().is_some()) {
            return Ok(());
        }
        Err(RulesError::at(
            text,
            url.span().start,
            "a container is an http URL, such as \"http://127.0.0.1:8000/invocations\"",
        ))
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn check_cut(cut: Option<&Spanned<Vec<usize>>>, text: &str) -> Result<(), RulesError> {
    match cut {
        Some(cut) if cut.get_ref().contains(&0) => Err(RulesError::at(
            text,
            cut.span().start,
            "the sizes of payload parts are at least 1, such as [1, 7, 2]",
        )),
        _ => Ok(()),
    }
}

/// How a container shows what the model thinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reasoning {
    /// A field `reasoning`, as vLLM does today.
    #[default]
    #[serde(rename = "reasoning")]
    Field,
    /// A field `reasoning_content`: older vLLM, LMI's rolling batch, `SGLang`.
    #[serde(rename = "reasoning_content")]
    OldField,
    /// In the text, between `<think>` and `</think>`.
    Think,
    /// In the text, closed by `</think>`: the template opened it.
    ThinkClose,
}

/// What may be odd about a stream, as containers in the field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Quirk {
    /// `data:` without a space.
    NoSpace,
    /// Lines end in `\r\n`.
    Crlf,
    /// A comment before each event, to keep the connection alive.
    Comments,
    /// `[DONE]` follows the last event without a line's end.
    GluedDone,
    /// No `[DONE]`.
    NoDone,
    /// The last line has no end.
    NoLastNewline,
}

/// One rule: the first that matches answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rule {
    /// What the call must be like.
    pub(super) when: When,
    /// How often the rule applies; then it is passed over. Without it, always.
    pub(super) times: Option<u64>,
    pub(super) answer: Answer,
    pub(super) fault: Fault,
    pub(super) dialect: Option<Dialect>,
    pub(super) quirks: Option<Vec<Quirk>>,
    pub(super) reasoning: Option<Reasoning>,
    pub(super) tokens_per_second: Option<u32>,
    pub(super) cut: Option<Spanned<Vec<usize>>>,
}

impl Rule {
    fn check(&self, text: &str) -> Result<(), RulesError> {
        check_cut(self.cut.as_ref(), text)?;
        if let Some(status) = self.fault.status().filter(|s| !(400..=599).contains(s.get_ref())) {
            return Err(RulesError::at(
                text,
                status.span().start,
                "the status of a failure is from 400 to 599",
            ));
        }
        Ok(())
    }
}

/// What the model says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Answer {
    /// The text. `{text}`, `{tool_result}`, `{images}` and `{model}` stand for what was received.
    pub(super) text: String,
    /// What it thinks first, with the same places.
    pub(super) reasoning: String,
    /// Functions it calls, after the text.
    pub(super) tool_calls: Vec<ToolCall>,
    /// Calls one of the offered functions, with arguments that fit its schema.
    pub(super) call: bool,
    /// The text is the request's body as it arrived.
    pub(super) echo: bool,
    /// The finish reason, if it is to be another than the true one.
    pub(super) finish_reason: Option<String>,
    /// Numbers that are to be others than the counted ones.
    pub(super) usage: Usage,
}

/// A call of a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// A table is written as JSON; a string is sent as it is, JSON or not.
    #[serde(default)]
    pub(super) arguments: Value,
    pub(super) id: Option<String>,
}

/// Numbers of the usage.
#[expect(clippy::struct_field_names, reason = "as the schema names them")]
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) reasoning_tokens: Option<u64>,
    /// Without it there are no `prompt_tokens_details`, as on a server that was not told to.
    pub(super) cached_tokens: Option<u64>,
    pub(super) created_cache_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (usize, usize, String) {
        let RulesError { line, column, message } = Rules::parse(text).unwrap_err();
        (line, column, message)
    }

    #[test]
    fn the_builtin_rules_and_the_example_are_right() {
        assert!(Rules::read(include_str!("../builtin.toml")).unwrap().0.list.len() >= 5);
        let example = include_str!("../../../examples/emulator-rules.toml");
        let rules = Rules::parse(example).unwrap();
        assert!(rules.endpoint("nobody").is_none() && !rules.endpoints.is_empty());
    }

    #[test]
    fn errors_name_their_place_and_what_is_right() {
        let (line, column, message) = wrong("[[rules]]\nwhen.tool_choice = 'maybe'\n");
        assert_eq!((line, column), (2, 20));
        assert!(
            message.contains("expected one of `none`, `auto`, `required`, `named`"),
            "{message}"
        );
        assert_eq!(wrong("[endpoints.a]\n\n  cut = [1, 0]\n").0, 3);
        let (line, column, message) = wrong("[endpoints.a]\ncontainer = 'localhost:8000'\n");
        assert_eq!((line, column), (2, 13));
        assert!(message.contains("http://127.0.0.1:8000/invocations"), "{message}");
        assert_eq!(wrong("[endpoints.'not a name']").0, 1);
        assert_eq!(wrong("[[rules]]\nfault.http = { status = 200 }").0, 2);
        assert_eq!(wrong("rules = 3").0, 1);
        assert_eq!(wrong("\n\n[[rules").0, 3);
    }

    #[test]
    fn a_container_stands_behind_any_name() {
        let rules = Rules::container("http://127.0.0.1:8000/invocations").unwrap();
        let url = rules.endpoint("any").unwrap().container.unwrap().into_inner();
        assert_eq!(url, "http://127.0.0.1:8000/invocations");
        assert_eq!(Rules::container("127.0.0.1:8000").unwrap_err().line, 1);
    }

    #[test]
    fn a_file_without_endpoints_serves_any() {
        assert!(Rules::parse("").unwrap().endpoint("any").is_some());
        assert!(Rules::parse("builtin = false").unwrap().rules().is_empty());
    }
}
