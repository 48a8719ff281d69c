//! The content blocks of an answer.

use crate::converse::{
    ContentBlockDelta, ContentBlockStart, Event, ReasoningContentBlockDelta, ToolUseBlockDelta,
    ToolUseBlockStart,
};

/// How many blanks may wait for the words behind them.
const MOST_BLANK: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
}

/// The content blocks of an answer: one open at a time, each stopped before the next, none of
/// them blank.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Of the open block, or the next.
    index: u32,
    open: Option<Open>,
    /// The blank beginning of a block of text or reasoning. It opens with its first word; if
    /// none comes, there was no block.
    blank: Option<(Kind, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Said(Kind),
    Tool,
}

impl Blocks {
    pub(super) fn say(&mut self, kind: Kind, text: &str, out: &mut Vec<Event>) {
        if self.open == Some(Open::Said(kind)) {
            self.blank = None;
            out.push(self.delta(kind, text.to_owned()));
            return;
        }
        let blank = self.blank.take().filter(|(of, _)| *of == kind);
        let mut said = blank.map(|(_, blank)| blank).unwrap_or_default();
        said.push_str(text);
        if text.trim().is_empty() && said.len() <= MOST_BLANK {
            self.blank = Some((kind, said));
            return;
        }
        self.close(out);
        self.open = Some(Open::Said(kind));
        out.push(self.delta(kind, said));
    }

    fn delta(&self, kind: Kind, text: String) -> Event {
        let delta = match kind {
            Kind::Text => ContentBlockDelta::Text(text),
            Kind::Reasoning => {
                ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text))
            }
        };
        Event::delta(self.index, delta)
    }

    pub(super) fn start_tool(&mut self, tool_use_id: String, name: String, out: &mut Vec<Event>) {
        self.close(out);
        self.open = Some(Open::Tool);
        let start = ToolUseBlockStart { name, tool_use_id, kind: None };
        out.push(Event::start(self.index, ContentBlockStart::ToolUse(start)));
        self.fragment("", out); // as Claude does on Bedrock
    }

    pub(super) fn fragment(&mut self, input: &str, out: &mut Vec<Event>) {
        let delta = ToolUseBlockDelta { input: input.to_owned() };
        out.push(Event::delta(self.index, ContentBlockDelta::ToolUse(delta)));
    }

    /// Whether there was no block at all.
    pub(super) fn are_none(&self) -> bool {
        self.index == 0 && self.open.is_none()
    }

    pub(super) fn close(&mut self, out: &mut Vec<Event>) {
        self.blank = None;
        if self.open.take().is_some() {
            out.push(Event::stop(self.index));
            self.index += 1;
        }
    }
}

/// The container's id, if Bedrock could have given it and the answer has it once; TGI calls
/// every call `0`.
pub(super) fn tool_use_id(given: &str, taken: &[String], random: &mut fastrand::Rng) -> String {
    let is_fit = (1..=64).contains(&given.len())
        && given.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
        && !given.bytes().all(|b| b.is_ascii_digit())
        && !taken.iter().any(|id| id == given);
    if is_fit {
        return given.to_owned();
    }
    std::iter::once("tooluse_")
        .flat_map(str::chars)
        .chain(std::iter::repeat_with(|| random.alphanumeric()).take(22))
        .collect()
}
