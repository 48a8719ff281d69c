//! The answer as tokens: what the rule says, as the request allows it.

use std::fmt::Write as _;

use serde_json::Value;

use super::ask::{Ask, Choice, Format, Tool};
use super::{Manner, schema, tokens};
use crate::clock::Clock;
use crate::emulator::rules::{Answer, Dialect, Reasoning, ToolCall, Usage};

/// One token of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Reasoning(String),
    Text(String),
    /// A special token, for a container that tells them apart.
    Special(String),
    /// The token that ends the turn, for a container that has one for it.
    End(String),
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

impl Called {
    /// As the templates of Qwen and Hermes teach it.
    fn write(&self, text: &mut String) {
        let name = Value::from(self.name.as_str());
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(
            text,
            "{gap}<tool_call>\n{{\"name\": {name}, \"arguments\": {}}}\n</tool_call>",
            self.arguments
        );
    }
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
        let mut calls = calls(ask, answer, clock);
        let forced = matches!(ask.choice, Choice::Required | Choice::Named(_));
        let mut text = if forced && !calls.is_empty() {
            String::new()
        } else {
            text(ask, answer, manner.model)
        };
        if !ask.chat {
            // Nobody takes them out of what continues a prompt.
            for call in calls.drain(..) {
                call.write(&mut text);
            }
        }
        let reasoning =
            if ask.thinking { fill(&answer.reasoning, ask, manner.model) } else { String::new() };
        let mut script = Self {
            id: format!("{}-{}", if ask.chat { "chatcmpl" } else { "cmpl" }, hex(clock)),
            created: clock.now().unix_timestamp(),
            tokens: thoughts(&reasoning, ask, manner),
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
        script.say(&text, ask, manner);
        script.limit(ask.max_tokens);
        script.count(ask, answer.usage);
        if let Some(finish) = &answer.finish_reason {
            script.finish.clone_from(finish);
        }
        script
    }

    /// Adds the text up to the first stop string, and the calls and the end if there was none.
    fn say(&mut self, text: &str, ask: &Ask, manner: &Manner<'_>) {
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
            let end = if ask.shows_stop { at + stop.len() } else { at };
            self.tokens.extend(spoken(text.get(..end).unwrap_or_default(), ask, manner));
            if self.tokens.is_empty() && ask.inputs.is_some() {
                self.tokens.push(Token::Text(String::new())); // some token ended it
            }
            return;
        }
        self.tokens.extend(spoken(text, ask, manner));
        for (at, call) in self.calls.iter().enumerate() {
            self.tokens.push(Token::Call(at));
            self.tokens.extend(split(&call.arguments, |text| Token::Arguments(at, text)));
        }
        if ask.inputs.is_some() && ask.dialect != Dialect::Hf {
            self.tokens.push(Token::End(manner.eos.to_owned()));
        } else if !ask.chat && ask.shows_special && ask.shows_stop {
            self.tokens.push(Token::Text(manner.eos.to_owned()));
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

/// The tokens of what is said. Special ones are no tokens where they would be left out unseen.
fn spoken(text: &str, ask: &Ask, manner: &Manner<'_>) -> Vec<Token> {
    let mut spoken = Vec::new();
    let mut rest = text;
    while let Some((at, special)) = manner
        .special_tokens
        .iter()
        .filter(|special| !special.is_empty())
        .filter_map(|special| Some((rest.find(special.as_str())?, special)))
        .min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at(at);
        spoken.extend(split(before, Token::Text));
        if ask.inputs.is_some() {
            spoken.push(Token::Special(special.clone()));
        } else if ask.shows_special {
            spoken.push(Token::Text(special.clone()));
        }
        rest = after.get(special.len()..).unwrap_or_default();
    }
    spoken.extend(split(rest, Token::Text));
    spoken
}

/// What is thought: in a field of its own, or in the text between tags. A completion has no
/// parser that could find it, and its prompt may have opened the tag, or closed it too.
fn thoughts(reasoning: &str, ask: &Ask, manner: &Manner<'_>) -> Vec<Token> {
    let how = manner.reasoning;
    let prompt = if ask.chat { "" } else { ask.text.trim_end() };
    if reasoning.is_empty() || prompt.ends_with("</think>") {
        return Vec::new();
    }
    let opened = prompt.ends_with("<think>");
    let tagged = match how {
        _ if !ask.chat && opened => format!("{reasoning}\n</think>\n\n"),
        _ if !ask.chat => format!("<think>\n{reasoning}\n</think>\n\n"),
        Reasoning::Think => format!("<think>\n{reasoning}\n</think>\n\n"),
        Reasoning::ThinkClose => format!("{reasoning}\n</think>\n\n"),
        Reasoning::Field | Reasoning::OldField => {
            return split(reasoning, Token::Reasoning).collect();
        }
    };
    spoken(&tagged, ask, manner)
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
