//! Kimi K2's calls: `functions.name:index`, which is the call's id, a marker, and JSON.

use std::sync::LazyLock;

use super::pieces::{Arguments, Expect, Until};
use super::{Context, Step};
use crate::parse::json::Status;
use crate::parse::scan::Machine;

static ARGUMENTS: LazyLock<Machine> =
    LazyLock::new(|| Machine::new(["<|tool_call_argument_begin|>"]));

#[derive(Debug)]
pub(in crate::parse) struct Kimi {
    state: State,
    expect: Expect,
    until: Until,
    arguments: Arguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    Head,
    Arguments,
    After,
}

impl Kimi {
    /// Behind the marker of several calls.
    pub(super) fn section() -> Self {
        Self {
            state: State::Begin,
            expect: Expect::default(),
            until: Until::default(),
            arguments: Arguments::default(),
        }
    }

    /// Behind the marker of one call.
    pub(super) fn call() -> Self {
        Self { state: State::Head, ..Self::section() }
    }

    pub(super) fn is_between(&self) -> bool {
        self.state == State::After
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while read < text.len() {
            match self.step(&text[read..], context) {
                Ok(taken) => read += taken,
                Err((taken, step)) => return (read + taken, step),
            }
        }
        (read, Step::More)
    }

    fn step(&mut self, text: &str, context: &mut Context<'_>) -> Result<usize, (usize, Step)> {
        let bad = |taken| (taken, Step::Bad);
        match self.state {
            State::Begin => {
                let (taken, found) =
                    self.expect.feed(text, &["<|tool_call_begin|>"]).map_err(bad)?;
                if found.is_some() {
                    self.state = State::Head;
                }
                Ok(taken)
            }
            State::Head => {
                let (taken, found) = self.until.feed(text, &ARGUMENTS).map_err(bad)?;
                if let Some((id, _)) = found {
                    if !context.start(name(id.trim()), Some(id.trim())) {
                        return Err(bad(taken));
                    }
                    self.state = State::Arguments;
                }
                Ok(taken)
            }
            State::Arguments => {
                let (taken, status) = self.arguments.feed(text, context);
                match status {
                    Status::More => Ok(taken),
                    // No arguments at all.
                    Status::Bad if self.arguments.is_new() && text[taken..].starts_with('<') => {
                        self.ended(taken, context)
                    }
                    Status::Bad => Err(bad(taken)),
                    Status::Done => self.ended(taken, context),
                }
            }
            State::After => Err((0, Step::Closed)),
        }
    }

    fn ended(&mut self, taken: usize, context: &mut Context<'_>) -> Result<usize, (usize, Step)> {
        context.end();
        self.state = State::After;
        Err((taken, Step::Call))
    }
}

/// The name in an id: `functions.get_weather:0`.
fn name(id: &str) -> &str {
    let id = id.strip_prefix("functions.").unwrap_or(id);
    match id.rsplit_once(':') {
        Some((name, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => id,
    }
}
