//! Tool calls, which arrive in pieces, as blocks that never overlap.
//!
//! One call at a time is live: its arguments are shown as they come. Pieces of later calls are
//! kept until the live one is complete, so that calls whose pieces alternate still make whole
//! blocks, one behind the other.

use super::chunk::{Function, ToolCall};
use crate::container::blocks::{Blocks, tool_use_id};
use crate::converse::Event;
use crate::{Code, Error, Result};

/// How many bytes of arguments one answer may hold.
const MOST_BYTES: usize = 8 << 20;
/// How many calls.
const MOST_CALLS: usize = 1024;

/// What the model's arguments turned out to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Calls whose arguments are an object.
    pub(super) completed: usize,
    /// Calls whose arguments are something else, or cut, or that have no name.
    pub(super) broken: usize,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upto {
    /// More may follow.
    Now,
    /// Nothing follows.
    End,
    /// Nothing follows, since the token limit was reached.
    Cut,
}

#[derive(Debug)]
pub(super) struct Calls {
    all: Vec<Call>,
    /// The first call that is not closed: the live one.
    live: usize,
    bytes: usize,
    ids: Vec<String>,
    random: fastrand::Rng,
    outcome: Outcome,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
    started: bool,
    /// How much of the arguments has been shown.
    shown: usize,
    nesting: Nesting,
}

impl Calls {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { all: vec![], live: 0, bytes: 0, ids: vec![], random, outcome: Outcome::default() }
    }

    /// Whether a call is open or waits to be.
    pub(super) fn are_open(&self) -> bool {
        self.live < self.all.len()
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Takes a piece of a call, or with `whole` a call of which no more will come.
    pub(super) fn take(&mut self, piece: &ToolCall<'_>, whole: bool) -> Result<()> {
        let name = piece.function.as_ref().map(|f| f.name.get()).unwrap_or_default();
        let arguments = piece.function.as_ref().map(Function::arguments).unwrap_or_default();
        let known = if whole { None } else { self.find(piece, name, &arguments) };
        let at = known.unwrap_or(self.all.len());
        if known.is_none() {
            self.all.push(Call { index: piece.index.0, ..Call::default() });
        }
        self.bytes += arguments.len();
        if self.bytes > MOST_BYTES || self.all.len() > MOST_CALLS {
            return Err(Error::new(
                Code::ModelStreamError,
                "The model returned tool calls that are too long to be read.",
            ));
        }
        let Some(call) = self.all.get_mut(at) else {
            return Ok(());
        };
        if at < self.live {
            // Closed already: what still comes would have spoilt it.
            if !arguments.trim().is_empty() {
                self.outcome.broken += 1;
            }
            return Ok(());
        }
        if call.id.is_empty() {
            piece.id.get().clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&arguments);
        call.nesting.read(arguments.as_bytes());
        Ok(())
    }

    /// The call that `piece` belongs to. As a rule its index says so; but some engines number
    /// all calls 0, or none, and some repeat id and name in every piece.
    fn find(&self, piece: &ToolCall<'_>, name: &str, arguments: &str) -> Option<usize> {
        let (at, call) = match piece.index.0 {
            Some(index) => {
                self.all.iter().enumerate().rfind(|(_, call)| call.index == Some(index))?
            }
            None => self.all.iter().enumerate().next_back()?,
        };
        let id = piece.id.get();
        let other_id = !id.is_empty() && !call.id.is_empty() && id != call.id;
        let begins_again = call.nesting.is_closed() && !arguments.is_empty();
        let unnumbered = piece.index.0.is_none() && (id.is_empty() || call.id.is_empty());
        let is_new =
            !name.is_empty() && !call.name.is_empty() && (other_id || begins_again || unnumbered);
        (!is_new).then_some(at)
    }

    /// Shows what can be shown. With `wanted`, other content waits for the calls to be over.
    pub(super) fn advance(
        &mut self,
        upto: Upto,
        wanted: bool,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) {
        let count = self.all.len();
        while let Some(call) = self.all.get_mut(self.live) {
            if call.name.is_empty() {
                if upto == Upto::Now {
                    return;
                }
                self.outcome.broken += 1; // nothing to show it by
                self.live += 1;
                continue;
            }
            if !call.started {
                let id = tool_use_id(&call.id, &self.ids, &mut self.random);
                self.ids.push(id.clone());
                blocks.start_tool(id, call.name.clone(), out);
                call.started = true;
            }
            call.show(blocks, out);
            let is_over = call.nesting.is_closed() && (wanted || self.live + 1 < count);
            if upto == Upto::Now && !is_over {
                return;
            }
            // No arguments are as good as none, unless the limit fell before they could come.
            let is_cut = upto == Upto::Cut && call.arguments.trim().is_empty();
            if call.close(blocks, out) && !is_cut {
                self.outcome.completed += 1;
            } else {
                self.outcome.broken += 1;
            }
            self.live += 1;
        }
    }
}

impl Call {
    fn show(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) {
        let text = self.arguments.trim_start();
        // Nothing yet, or what will be `null`, which stands for no arguments.
        if text.is_empty() || "null".starts_with(text.trim_end()) {
            return;
        }
        if let Some(more) = self.arguments.get(self.shown..).filter(|more| !more.is_empty()) {
            blocks.fragment(more, out);
            self.shown = self.arguments.len();
        }
    }

    /// Ends the block; says whether the arguments are an object.
    fn close(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) -> bool {
        let arguments = std::mem::take(&mut self.arguments);
        let arguments = arguments.trim();
        let is_object = if arguments.is_empty() || arguments == "null" {
            blocks.fragment("{}", out); // clients parse what they gathered, and fail on nothing
            true
        } else {
            if self.shown == 0 {
                blocks.fragment(arguments, out); // cut inside `null`
            }
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok()
        };
        blocks.close(out);
        is_object
    }
}

/// Follows JSON text as far as to know when its object is closed.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
    opened: bool,
}

impl Nesting {
    fn read(&mut self, json: &[u8]) {
        for byte in json {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.opened = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_closed(self) -> bool {
        self.opened && self.depth == 0 && !self.in_string
    }
}
