//! gpt-oss's messages: a header of role, channel and recipient, `<|message|>`, and the content.
//!
//! `analysis` is reasoning, other channels are text. A message to `functions.name` is a call, whatever
//! its channel. The recipient may stand in front of the channel or behind it.

use std::sync::LazyLock;

use super::pieces::{Arguments, Until};
use super::{Context, Step};
use crate::parse::json::Status;
use crate::parse::scan::Machine;

static MESSAGE: LazyLock<Machine> = LazyLock::new(|| Machine::new(["<|message|>"]));

#[derive(Debug, Default)]
pub(in crate::parse) struct Harmony {
    until: Until,
    state: State,
    arguments: Arguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Arguments,
    After,
}

impl Harmony {
    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        while read < text.len() {
            let rest = &text[read..];
            match self.state {
                State::Header => match self.until.feed(rest, &MESSAGE) {
                    Ok((taken, found)) => {
                        read += taken;
                        let Some((header, _)) = found else { continue };
                        match recipient(&header) {
                            Some(name) if !context.start(name, None) => return (read, Step::Bad),
                            Some(_) => self.state = State::Arguments,
                            None if channel(&header) == Some("analysis") => {
                                return (read, Step::Reasoning);
                            }
                            None => return (read, Step::Text),
                        }
                    }
                    Err(taken) => return (read + taken, Step::Bad),
                },
                State::Arguments => {
                    let (taken, status) = self.arguments.feed(rest, context);
                    read += taken;
                    let empty = self.arguments.is_new() && text[read..].starts_with('<');
                    match status {
                        Status::More => {}
                        Status::Bad if !empty => return (read, Step::Bad),
                        Status::Bad | Status::Done => {
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

    /// A header that is not complete has nothing in it to show.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Header | State::After)
    }
}

/// The function that a message is for.
fn recipient(header: &str) -> Option<&str> {
    let (_, to) = header.split_once("to=")?;
    let end = to.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(to.len());
    to[..end].strip_prefix("functions.")
}

/// The first channel that the header names.
fn channel(header: &str) -> Option<&str> {
    let (_, channel) = header.split_once("<|channel|>")?;
    let end = channel.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(channel.len());
    Some(&channel[..end])
}
