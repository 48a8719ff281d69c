//! The answer as tokens: what the rule says, as the request allows it.

use serde_json::Value;

use super::ask::{Ask, Choice, Format, Tool};
use super::{Manner, schema, tokens};
use crate::clock::Clock;
use crate::emulator::rules::{Answer, Reasoning, ToolCall, Usage};

/// One token of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Reasoning(String),
    Text(String),
    /// A call begins: its place among the calls. The name is the call's.
    Call(usize),
    Arguments(usize, String),
}

/// A function that is called.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) id: String,
    pub(super) name: String,
    /// All of the arguments, also where the tokens end before.
    pub(super) arguments: String,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) tokens: Vec<Token>,
    pub(super) calls: Vec<Called>,
    pub(super) finish: String,
    /// The stop string that was met.
    pub(super) stop: Option<String>,
    /// The last token is also the one that finishes: cut off, not ended.
    pub(super) cut_off: bool,
    pub(super) usage: Counted,
}

/// The usage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) reasoning: u64,
    pub(super) cached: Option<u64>,
    pub(super) created: Option<u64>,
}

impl Script {
    pub(super) fn write(ask: &Ask, answer: &Answer, manner: &Manner<'_>, clock: &Clock) -> Self {
        let calls = calls(ask, answer, clock);
        let forced = matches!(ask.choice, Choice::Required | Choice::Named(_));
        let text = if forced && !calls.is_empty() {
            String::new()
        } else {
            text(ask, answer, manner.model)
        };
        let reasoning =
            if ask.thinking { fill(&answer.reasoning, ask, manner.model) } else { String::new() };
        let mut script = Self {
            id: format!("{}-{}", if ask.chat { "chatcmpl" } else { "cmpl" }, hex(clock)),
            created: clock.now().unix_timestamp(),
            tokens: thoughts(&reasoning, ask, manner.reasoning),
            finish: if calls.is_empty() || matches!(ask.choice, Choice::Named(_)) {
                "stop"
            } else {
                "tool_calls"
            }
            .to_owned(),
            calls,
            stop: None,
            cut_off: false,
            usage: Counted { prompt: 0, completion: 0, reasoning: 0, cached: None, created: None },
        };
        script.say(&text, ask);
        script.limit(ask.max_tokens);
        script.count(ask, answer.usage);
        if let Some(finish) = &answer.finish_reason {
            script.finish.clone_from(finish);
        }
        script
    }

    /// Adds the text up to the first stop string, and the calls if there was none.
    fn say(&mut self, text: &str, ask: &Ask) {
        let met = ask
            .stop
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| Some((text.find(stop.as_str())?, stop)))
            .min_by_key(|(at, _)| *at);
        if let Some((at, stop)) = met {
            "stop".clone_into(&mut self.finish);
            self.stop = Some(stop.clone());
            self.cut_off = true;
            self.calls.clear();
            self.tokens.extend(split(text.get(..at).unwrap_or_default(), Token::Text));
            return;
        }
        self.tokens.extend(split(text, Token::Text));
        for (at, call) in self.calls.iter().enumerate() {
            self.tokens.push(Token::Call(at));
            self.tokens.extend(split(&call.arguments, |text| Token::Arguments(at, text)));
        }
    }

    fn limit(&mut self, max_tokens: u64) {
        let limit = usize::try_from(max_tokens).unwrap_or(usize::MAX);
        if self.tokens.len() > limit {
            self.tokens.truncate(limit);
            "length".clone_into(&mut self.finish);
            (self.stop, self.cut_off) = (None, true);
        }
    }

    fn count(&mut self, ask: &Ask, usage: Usage) {
        let thought = self.tokens.iter().filter(|token| matches!(token, Token::Reasoning(_)));
        self.usage = Counted {
            prompt: usage.prompt_tokens.unwrap_or(ask.prompt_tokens),
            completion: usage.completion_tokens.unwrap_or(self.tokens.len() as u64),
            reasoning: usage.reasoning_tokens.unwrap_or(thought.map(|_| 1).sum()),
            cached: usage.cached_tokens,
            created: usage.created_cache_tokens,
        };
    }

    /// Whether the tokens end inside a call.
    pub(super) fn ends_in_a_call(&self) -> bool {
        self.cut_off && matches!(self.tokens.last(), Some(Token::Call(_) | Token::Arguments(..)))
    }
}

/// Sixteen hexadecimal digits, as in vLLM's ids.
fn hex(clock: &Clock) -> String {
    format!("{:016x}", clock.fork().u64(..))
}

fn split<'a>(text: &'a str, token: impl Fn(String) -> Token + 'a) -> impl Iterator<Item = Token> {
    tokens::split(text).map(move |text| token(text.to_owned())).collect::<Vec<_>>().into_iter()
}

/// What is thought: in a field of its own, or in the text between tags. A completion has no
/// parser that could find it, and its prompt may have opened the tag.
fn thoughts(reasoning: &str, ask: &Ask, how: Reasoning) -> Vec<Token> {
    if reasoning.is_empty() {
        return Vec::new();
    }
    let opened = ask.text.trim_end().ends_with("<think>");
    let tagged = match how {
        _ if !ask.chat && opened => format!("{reasoning}\n</think>\n\n"),
        _ if !ask.chat => format!("<think>\n{reasoning}\n</think>\n\n"),
        Reasoning::Think => format!("<think>\n{reasoning}\n</think>\n\n"),
        Reasoning::ThinkClose => format!("{reasoning}\n</think>\n\n"),
        Reasoning::Field | Reasoning::OldField => {
            return split(reasoning, Token::Reasoning).collect();
        }
    };
    split(&tagged, Token::Text).collect()
}

/// The text: the rule's, or the body itself, or JSON where JSON was asked for.
fn text(ask: &Ask, answer: &Answer, model: &str) -> String {
    if answer.echo {
        return ask.body.clone();
    }
    let text = fill(&answer.text, ask, model);
    match &ask.format {
        Some(format) if serde_json::from_str::<Value>(&text).is_err() => match format {
            Format::Json => serde_json::json!({"answer": text}).to_string(),
            Format::Schema(schema) => schema::instance(schema).to_string(),
        },
        _ => text,
    }
}

/// `text` with its places filled. What is put in is not looked at again.
fn fill(text: &str, ask: &Ask, model: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let places = [
            ("text}", ask.text.clone()),
            ("tool_result}", ask.tool_result.clone().unwrap_or_default()),
            ("images}", ask.images.to_string()),
            ("model}", model.to_owned()),
        ];
        let found =
            places.iter().find_map(|(name, value)| Some((after.strip_prefix(name)?, value)));
        rest = if let Some((after, value)) = found {
            out.push_str(value);
            after
        } else {
            out.push('{');
            after
        };
    }
    out.push_str(rest);
    out
}

/// What is called: nothing that the request forbids, and something where it insists.
fn calls(ask: &Ask, answer: &Answer, clock: &Clock) -> Vec<Called> {
    let scripted = || answer.tool_calls.iter();
    let forced = |tool: &Tool| ToolCall {
        name: tool.name.clone(),
        arguments: schema::instance(&tool.parameters),
        id: None,
    };
    let mut calls: Vec<ToolCall> = match &ask.choice {
        Choice::None if ask.has_tools() => Vec::new(),
        Choice::Named(name) => scripted().filter(|call| call.name == *name).cloned().collect(),
        _ => scripted().cloned().collect(),
    };
    if calls.is_empty() {
        let tool = match &ask.choice {
            Choice::Named(name) => ask.tools.iter().find(|tool| tool.name == *name),
            Choice::Required => ask.tools.first(),
            Choice::Auto if answer.call => ask.tools.first(),
            _ => None,
        };
        calls.extend(tool.map(forced));
    }
    if !ask.parallel {
        calls.truncate(1);
    }
    let called = |call: ToolCall| Called {
        id: call.id.unwrap_or_else(|| format!("chatcmpl-tool-{}", hex(clock))),
        name: call.name,
        arguments: match call.arguments {
            Value::String(verbatim) => verbatim,
            Value::Null => "{}".to_owned(),
            json => json.to_string(),
        },
    };
    calls.into_iter().map(called).collect()
}
