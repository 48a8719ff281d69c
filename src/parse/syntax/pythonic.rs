//! Calls as Python: `[name(argument='value'), …]` of Llama 3.2 and 4, and the single
//! `name.call(argument="value")` of Llama 3.1's built-in tools.

use super::{Context, Step};
use crate::parse::json::{Status, quoted};
use crate::parse::python::Literal;

/// The longest name, in bytes.
const LONGEST: usize = 256;

#[derive(Debug)]
pub(in crate::parse) struct Pythonic {
    state: State,
    list: bool,
    bare: bool,
    text: String,
    value: Literal,
    started: bool,
    /// How many arguments the call has.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BeforeName,
    Name,
    /// An argument, or the end of the call.
    Argument,
    ArgumentName,
    Equals,
    Value,
    AfterValue,
    AfterCall,
    Closed,
}

impl Pythonic {
    /// Behind `[`; `bare` if that stood in the text.
    pub(super) fn list(bare: bool) -> Self {
        Self {
            state: State::BeforeName,
            list: true,
            bare,
            text: String::new(),
            value: Literal::default(),
            started: false,
            count: 0,
        }
    }

    /// In front of one call.
    pub(super) fn one() -> Self {
        Self { list: false, ..Self::list(false) }
    }

    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    pub(super) fn is_between(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while let Some(next) = text[read..].chars().next() {
            if self.state == State::Closed {
                return (read, Step::Closed);
            }
            if self.state == State::Value {
                let (taken, status) =
                    self.value.feed(&text[read..], &mut |part| context.arguments(part));
                read += taken;
                match status {
                    Status::Bad => return (read, Step::Bad),
                    Status::More => {}
                    Status::Done => self.state = State::AfterValue,
                }
                continue;
            }
            let Some(state) = self.step(next, context) else { return (read, Step::Bad) };
            read += next.len_utf8();
            let over = matches!(self.state, State::AfterCall) && state != State::AfterCall;
            self.state = state;
            if over || (state == State::Closed && !self.list) {
                context.end();
                self.started = false;
                return (read, Step::Call);
            }
        }
        (read, Step::More)
    }

    fn step(&mut self, next: char, context: &mut Context<'_>) -> Option<State> {
        let blank = next.is_whitespace();
        Some(match (self.state, next) {
            (State::Name | State::ArgumentName, _)
                if is_name(next) && self.text.len() < LONGEST =>
            {
                self.text.push(next);
                self.state
            }
            (State::BeforeName | State::Argument | State::AfterValue | State::AfterCall, _)
                if blank =>
            {
                self.state
            }
            (State::BeforeName | State::Argument, _) if next.is_alphabetic() || next == '_' => {
                let state =
                    if self.state == State::Argument { State::ArgumentName } else { State::Name };
                if state == State::ArgumentName {
                    self.begin(context)?;
                }
                self.text.clear();
                self.text.push(next);
                state
            }
            (State::Name, '(') => {
                if !self.list
                    && let Some(name) = self.text.strip_suffix(".call")
                {
                    self.text = name.to_owned();
                }
                // Other names are not offered: tell so before anything is given.
                if self.bare && !context.sink.offers(&self.text) {
                    return None;
                }
                self.count = 0;
                State::Argument
            }
            (State::Argument, ')') => {
                self.begin(context)?;
                self.close(context)
            }
            (State::ArgumentName | State::Equals, '=') => {
                context.arguments(if self.count == 0 { "{" } else { ", " });
                context.arguments(&quoted(&self.text));
                context.arguments(": ");
                self.count += 1;
                self.value = Literal::default();
                State::Value
            }
            (State::ArgumentName | State::Equals, _) if blank => State::Equals,
            (State::AfterValue, ',') => State::Argument,
            (State::AfterValue, ')') => self.close(context),
            (State::AfterCall, ',') => State::BeforeName,
            (State::AfterCall, ']') => State::Closed,
            _ => return None,
        })
    }

    /// Begins the call at its first argument or its end, when its name is known.
    fn begin(&mut self, context: &mut Context<'_>) -> Option<()> {
        if !self.started {
            if !context.start(&self.text, None) {
                return None;
            }
            self.started = true;
        }
        Some(())
    }

    fn close(&mut self, context: &mut Context<'_>) -> State {
        if self.count > 0 {
            context.arguments("}");
        }
        if self.list { State::AfterCall } else { State::Closed }
    }
}

fn is_name(next: char) -> bool {
    next.is_alphanumeric() || matches!(next, '_' | '.' | '-')
}
