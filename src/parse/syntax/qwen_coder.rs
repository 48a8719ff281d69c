//! Qwen3-Coder's calls: `<function=name>`, then `<parameter=name>` and the value on lines of its own.
//!
//! `</parameter>` may be missing in front of another marker, `<tool_call>` around the function may be
//! missing as well; Llama's `<function=name>{…}</function>` is read, too.

use std::sync::LazyLock;

use super::pieces::{Arguments, Expect, Until};
use super::{Context, Step};
use crate::parse::coerce::{Kinds, coerce};
use crate::parse::json::{Status, escape, quoted};
use crate::parse::scan::{Machine, Scanner};

static NAME: LazyLock<Machine> = LazyLock::new(|| Machine::new([">"]));
static VALUE: LazyLock<Machine> =
    LazyLock::new(|| Machine::new(["</parameter>", "<parameter=", "</function>"]));

#[derive(Debug, Default)]
pub(in crate::parse) struct QwenCoder {
    state: State,
    until: Until,
    expect: Expect,
    value: Value,
    count: usize,
    json: Arguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// `<function=` is to come.
    Tag,
    #[default]
    Name,
    Between,
    ParameterName,
    Value,
    Json,
    JsonEnd,
    Closed,
}

/// A parameter's value.
#[derive(Debug, Default)]
struct Value {
    scanner: Scanner,
    kinds: Kinds,
    /// Whether anything has come.
    begun: bool,
    /// What has to be whole before it goes out.
    text: String,
}

impl QwenCoder {
    /// Behind `<tool_call>`.
    pub(super) fn tag() -> Self {
        Self { state: State::Tag, ..Self::default() }
    }

    pub(super) fn is_between(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while read < text.len() {
            if self.state == State::Closed {
                return (read, Step::Closed);
            }
            let (taken, good) = match self.step(&text[read..], context) {
                Ok(taken) => (taken, true),
                Err(taken) => (taken, false),
            };
            read += taken;
            if !good {
                return (read, Step::Bad);
            }
            if self.state == State::Closed {
                context.end();
                return (read, Step::Call);
            }
        }
        (read, Step::More)
    }

    /// Takes some text; `Err` at the byte that does not belong.
    fn step(&mut self, text: &str, context: &mut Context<'_>) -> Result<usize, usize> {
        let rest = text.len() - text.trim_start().len();
        match self.state {
            State::Tag => {
                let (taken, found) = self.expect.feed(text, &["<function="])?;
                if found.is_some() {
                    self.state = State::Name;
                }
                Ok(taken)
            }
            State::Name | State::ParameterName => self.name(text, context),
            State::Between
                if self.count == 0 && self.expect.is_idle() && text[rest..].starts_with('{') =>
            {
                self.state = State::Json;
                Ok(rest)
            }
            State::Between | State::JsonEnd => {
                let literals: &[&str] = if self.state == State::Between {
                    &["</function>", "<parameter="]
                } else {
                    &["</function>"]
                };
                let (taken, found) = self.expect.feed(text, literals)?;
                match found {
                    Some(0) => self.close(context),
                    Some(_) => self.state = State::ParameterName,
                    None => {}
                }
                Ok(taken)
            }
            State::Json => {
                let (taken, status) = self.json.feed(text, context);
                match status {
                    Status::More => {}
                    Status::Done => self.state = State::JsonEnd,
                    Status::Bad => return Err(taken),
                }
                Ok(taken)
            }
            State::Value => Ok(self.value(text, context)),
            State::Closed => Ok(0),
        }
    }

    fn name(&mut self, text: &str, context: &mut Context<'_>) -> Result<usize, usize> {
        let (taken, found) = self.until.feed(text, &NAME)?;
        let Some((name, _)) = found else { return Ok(taken) };
        let name = name.trim();
        if self.state == State::Name {
            if !context.start(name, None) {
                return Err(taken);
            }
            self.state = State::Between;
            return Ok(taken);
        }
        context.arguments(if self.count == 0 { "{" } else { ", " });
        context.arguments(&quoted(name));
        context.arguments(": ");
        self.count += 1;
        self.value = Value { kinds: Kinds::of(context.sink.tool(), name), ..Value::default() };
        if self.value.kinds.is_text() {
            context.arguments("\"");
        }
        self.state = State::Value;
        Ok(taken)
    }

    fn value(&mut self, text: &str, context: &mut Context<'_>) -> usize {
        let value = &mut self.value;
        let (kinds, begun, kept) = (value.kinds, &mut value.begun, &mut value.text);
        let hit = value.scanner.scan(&VALUE, text, &mut |mut part| {
            if !std::mem::replace(begun, true) {
                // The line end behind the marker is not the value's.
                part = part.strip_prefix('\n').unwrap_or(part);
            }
            if !kinds.is_text() {
                return kept.push_str(part);
            }
            // Nor is the one in front of the next.
            if !part.is_empty() && !kept.is_empty() {
                kept.clear();
                escape("\n", &mut |part| context.arguments(part));
            }
            if let Some(lines) = part.strip_suffix('\n') {
                kept.push('\n');
                part = lines;
            }
            escape(part, &mut |part| context.arguments(part));
        });
        let Some(hit) = hit else { return text.len() };
        if kinds.is_text() {
            context.arguments("\"");
        } else {
            let whole = kept.strip_suffix('\n').unwrap_or(kept);
            context.arguments(&coerce(whole, kinds));
        }
        self.state = match hit.pattern {
            0 => State::Between,
            1 => State::ParameterName,
            _ => {
                self.close(context);
                State::Closed
            }
        };
        hit.end
    }

    fn close(&mut self, context: &mut Context<'_>) {
        if self.count > 0 {
            context.arguments("}");
        }
        self.state = State::Closed;
    }
}
