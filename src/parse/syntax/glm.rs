//! GLM 4.5's calls: the name, then `<arg_key>` and `<arg_value>` in turn, up to `</tool_call>`.

use std::sync::LazyLock;

use super::pieces::{Expect, Until};
use super::{Context, Step};
use crate::parse::coerce::{Kinds, coerce};
use crate::parse::json::{escape, quoted};
use crate::parse::scan::{Machine, Scanner};

static NAME: LazyLock<Machine> = LazyLock::new(|| Machine::new(["<arg_key>", "</tool_call>"]));
static KEY: LazyLock<Machine> = LazyLock::new(|| Machine::new(["</arg_key>"]));
static VALUE: LazyLock<Machine> = LazyLock::new(|| Machine::new(["</arg_value>"]));

#[derive(Debug)]
pub(in crate::parse) struct Glm {
    state: State,
    /// Without arguments it is only a call if its tool was offered: the text shows too little.
    strict: bool,
    until: Until,
    expect: Expect,
    scanner: Scanner,
    kinds: Kinds,
    text: String,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Name,
    Key,
    BeforeValue,
    Value,
    Between,
    Closed,
}

impl Glm {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            state: State::Name,
            strict,
            until: Until::default(),
            expect: Expect::default(),
            scanner: Scanner::default(),
            kinds: Kinds::default(),
            text: String::new(),
            count: 0,
        }
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
            match self.step(&text[read..], context) {
                Ok(taken) => read += taken,
                Err(taken) => return (read + taken, Step::Bad),
            }
            if self.state == State::Closed {
                if self.count > 0 {
                    context.arguments("}");
                }
                context.end();
                return (read, Step::Call);
            }
        }
        (read, Step::More)
    }

    fn step(&mut self, text: &str, context: &mut Context<'_>) -> Result<usize, usize> {
        Ok(match self.state {
            State::Name => {
                let (taken, found) = self.until.feed(text, &NAME)?;
                if let Some((name, which)) = found {
                    let (name, empty) = (name.trim(), which == 1);
                    let known = context.sink.knows_tools() && context.sink.offers(name);
                    if (empty && self.strict && !known) || !context.start(name, None) {
                        return Err(taken);
                    }
                    self.state = if empty { State::Closed } else { State::Key };
                }
                taken
            }
            State::Key => {
                let (taken, found) = self.until.feed(text, &KEY)?;
                if let Some((key, _)) = found {
                    let key = key.trim();
                    context.arguments(if self.count == 0 { "{" } else { ", " });
                    context.arguments(&quoted(key));
                    context.arguments(": ");
                    self.count += 1;
                    self.kinds = Kinds::of(context.sink.tool(), key);
                    self.state = State::BeforeValue;
                }
                taken
            }
            State::BeforeValue => {
                let (taken, found) = self.expect.feed(text, &["<arg_value>"])?;
                if found.is_some() {
                    if self.kinds.is_text() {
                        context.arguments("\"");
                    }
                    self.state = State::Value;
                }
                taken
            }
            State::Value => self.value(text, context),
            State::Between => {
                let (taken, found) = self.expect.feed(text, &["<arg_key>", "</tool_call>"])?;
                match found {
                    Some(0) => self.state = State::Key,
                    Some(_) => self.state = State::Closed,
                    None => {}
                }
                taken
            }
            State::Closed => 0,
        })
    }

    fn value(&mut self, text: &str, context: &mut Context<'_>) -> usize {
        let (kinds, kept) = (self.kinds, &mut self.text);
        let hit = self.scanner.scan(&VALUE, text, &mut |part| {
            if kinds.is_text() {
                escape(part, &mut |part| context.arguments(part));
            } else {
                kept.push_str(part);
            }
        });
        let Some(hit) = hit else { return text.len() };
        if kinds.is_text() {
            context.arguments("\"");
        } else {
            context.arguments(&coerce(kept, kinds));
            kept.clear();
        }
        self.state = State::Between;
        hit.end
    }
}
