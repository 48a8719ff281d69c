//! DeepSeek's calls: V3's and R1's `type<｜tool▁sep｜>name`, then JSON in a fence; V3.1's
//! `name<｜tool▁sep｜>` and JSON. What follows the separator tells them apart.

use std::sync::LazyLock;

use super::pieces::{Arguments, Expect, Until};
use super::{Context, Step};
use crate::parse::json::Status;
use crate::parse::scan::Machine;

static SEPARATOR: LazyLock<Machine> = LazyLock::new(|| Machine::new(["<｜tool▁sep｜>"]));
/// The longest name, in bytes.
const LONGEST: usize = 256;

#[derive(Debug)]
pub(in crate::parse) struct DeepSeek {
    state: State,
    expect: Expect,
    until: Until,
    /// What stands in front of the separator.
    head: String,
    /// The name behind it, then the fence's language.
    text: String,
    arguments: Arguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `<｜tool▁call▁begin｜>` may come.
    Before,
    Begin,
    Head,
    AfterSeparator,
    Name,
    Fence,
    Arguments,
    After,
}

impl DeepSeek {
    /// Behind the marker of several calls.
    pub(super) fn calls() -> Self {
        Self {
            state: State::Before,
            expect: Expect::default(),
            until: Until::default(),
            head: String::new(),
            text: String::new(),
            arguments: Arguments::default(),
        }
    }

    /// Behind the marker of one call.
    pub(super) fn call() -> Self {
        Self { state: State::Head, ..Self::calls() }
    }

    pub(super) fn is_between(&self) -> bool {
        self.state == State::After
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while read < text.len() {
            let rest = &text[read..];
            let step = match self.state {
                State::Begin => match self.expect.feed(rest, &["<｜tool▁call▁begin｜>"]) {
                    Ok((taken, found)) => {
                        read += taken;
                        if found.is_some() {
                            self.state = State::Head;
                        }
                        None
                    }
                    Err(taken) => {
                        read += taken;
                        Some(Step::Bad)
                    }
                },
                State::Head => match self.until.feed(rest, &SEPARATOR) {
                    Ok((taken, found)) => {
                        read += taken;
                        if let Some((head, _)) = found {
                            head.trim().clone_into(&mut self.head);
                            self.state = State::AfterSeparator;
                        }
                        None
                    }
                    Err(taken) => {
                        read += taken;
                        Some(Step::Bad)
                    }
                },
                State::Arguments => {
                    let (taken, status) = self.arguments.feed(rest, context);
                    read += taken;
                    match status {
                        Status::More => None,
                        Status::Bad => Some(Step::Bad),
                        Status::Done => {
                            context.end();
                            self.state = State::After;
                            Some(Step::Call)
                        }
                    }
                }
                _ => {
                    let Some(next) = rest.chars().next() else { break };
                    self.letter(next, &mut read, context)
                }
            };
            if let Some(step) = step {
                return (read, step);
            }
        }
        (read, Step::More)
    }

    fn letter(&mut self, next: char, read: &mut usize, context: &mut Context<'_>) -> Option<Step> {
        let blank = next.is_whitespace();
        match (self.state, next) {
            (State::Before, '<') => {
                self.state = State::Begin;
                return None;
            }
            (State::Before, _) if !blank => {
                self.state = State::Head;
                return None;
            }
            (State::AfterSeparator, '{' | '`') => {
                self.state = State::Fence;
                self.text = std::mem::take(&mut self.head);
                return self.named(context);
            }
            (State::AfterSeparator, _) if !blank => {
                self.state = State::Name;
                return None;
            }
            (State::Name, '\n' | '`' | '{') => {
                self.state = State::Fence;
                return self.named(context);
            }
            (State::Name, _) if self.text.len() < LONGEST => self.text.push(next),
            (State::Fence, '{') => {
                self.state = State::Arguments;
                return None;
            }
            (State::Fence, '`' | 'j' | 's' | 'o' | 'n') | (State::After, '`') => {}
            (State::After, _) if !blank => return Some(Step::Closed),
            (State::Before | State::AfterSeparator | State::Fence | State::After, _) if blank => {}
            _ => return Some(Step::Bad),
        }
        *read += next.len_utf8();
        None
    }

    fn named(&mut self, context: &mut Context<'_>) -> Option<Step> {
        let name = std::mem::take(&mut self.text);
        (!context.start(name.trim(), None)).then_some(Step::Bad)
    }
}
