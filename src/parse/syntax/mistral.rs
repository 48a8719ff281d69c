//! Mistral's calls behind `[TOOL_CALLS]`: an array of JSON objects, or, from v11, the name, maybe
//! `[CALL_ID]` and an id, `[ARGS]`, and JSON.

use std::sync::LazyLock;

use super::json_calls::JsonCalls;
use super::pieces::{Arguments, Until};
use super::{Context, Step};
use crate::parse::json::Status;
use crate::parse::scan::Machine;

/// What ends a name or an id. Some models leave `[ARGS]` out.
static HEAD: LazyLock<Machine> = LazyLock::new(|| Machine::new(["[ARGS]", "[CALL_ID]", "{"]));

#[derive(Debug, Default)]
pub(in crate::parse) struct Mistral {
    state: State,
    until: Until,
    /// The name, then the id.
    head: Vec<String>,
    arguments: Arguments,
    json: Option<JsonCalls>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Json,
    Head,
    Arguments,
    After,
}

impl Mistral {
    pub(super) fn is_between(&self) -> bool {
        self.state == State::After || self.json.as_ref().is_some_and(JsonCalls::is_between)
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while read < text.len() {
            let rest = &text[read..];
            match self.state {
                State::Before => {
                    let blank = rest.len() - rest.trim_start().len();
                    read += blank;
                    match rest[blank..].chars().next() {
                        None => {}
                        Some('[' | '{') => {
                            self.json = Some(JsonCalls::tagged());
                            self.state = State::Json;
                        }
                        Some(_) => self.state = State::Head,
                    }
                }
                State::Json => {
                    let Some(json) = &mut self.json else { return (read, Step::Bad) };
                    let (taken, step) = json.feed(rest, context);
                    return (read + taken, step);
                }
                State::Head => match self.until.feed(rest, &HEAD) {
                    Ok((taken, found)) => {
                        read += taken;
                        if let Some((part, which)) = found
                            && !self.head(part, which, context)
                        {
                            return (read, Step::Bad);
                        }
                    }
                    Err(taken) => return (read + taken, Step::Bad),
                },
                State::Arguments => {
                    let (taken, status) = self.arguments.feed(rest, context);
                    read += taken;
                    match status {
                        Status::More => {}
                        Status::Bad => return (read, Step::Bad),
                        Status::Done => {
                            context.end();
                            self.state = State::After;
                            return (read, Step::Call);
                        }
                    }
                }
                State::After => return (read, Step::Closed),
            }
        }
        (read, Step::More)
    }

    /// Takes a part of the head and what ended it; `false` if this is no call.
    fn head(&mut self, part: String, which: usize, context: &mut Context<'_>) -> bool {
        self.head.push(part);
        if which == 1 {
            return self.head.len() == 1;
        }
        let name = self.head.first().map(|name| name.trim()).unwrap_or_default();
        let id = self.head.get(1).map(|id| id.trim());
        if !context.start(name, id) {
            return false;
        }
        if which == 2 {
            self.arguments.feed("{", context);
        }
        self.state = State::Arguments;
        true
    }
}
