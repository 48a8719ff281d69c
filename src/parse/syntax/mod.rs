//! What markers open: one module for each syntax of calls.

mod deepseek;
mod glm;
mod harmony;
mod json_calls;
mod kimi;
mod mistral;
mod pieces;
mod pythonic;
mod qwen_coder;

use super::format::{Format, Mark};
use super::json::Checker;
use super::sink::{Out, Sink};
use deepseek::DeepSeek;
use glm::Glm;
use harmony::Harmony;
use json_calls::JsonCalls;
use kimi::Kimi;
use mistral::Mistral;
use pythonic::Pythonic;
use qwen_coder::QwenCoder;

/// How far a block is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// All was taken; more is to come.
    More,
    /// A call was completed; the block goes on.
    Call,
    /// The block is over.
    Closed,
    /// What follows belongs to no call.
    Bad,
    /// It is JSON, but no call; how far it has been checked.
    NoCall(Checker),
    /// A harmony message of reasoning follows.
    Reasoning,
    /// A harmony message of text follows.
    Text,
}

/// What a block writes to.
pub(super) struct Context<'a> {
    pub(super) sink: &'a mut Sink,
    pub(super) out: Out<'a>,
    /// Whether the block has no marker of its own.
    pub(super) bare: bool,
}

impl Context<'_> {
    fn start(&mut self, name: &str, id: Option<&str>) -> bool {
        self.sink.start(name, id, self.bare, &mut *self.out)
    }

    fn arguments(&mut self, fragment: &str) {
        self.sink.arguments(fragment, &mut *self.out);
    }

    fn end(&mut self) {
        self.sink.end(&mut *self.out);
    }
}

/// The text behind a marker that opens calls.
#[derive(Debug)]
pub(super) enum Block {
    /// Told apart by the first letter: what `<tool_call>` and Llama's Python tokens open.
    Any {
        mark: Mark,
        format: Format,
    },
    Json(JsonCalls),
    Pythonic(Pythonic),
    QwenCoder(QwenCoder),
    Glm(Glm),
    Mistral(Mistral),
    DeepSeek(DeepSeek),
    Kimi(Kimi),
    Harmony(Harmony),
}

impl Block {
    /// What `mark` opens, and the part of the marker that it has yet to read.
    pub(super) fn open(mark: Mark, marker: &str, format: Format) -> (Self, &str) {
        let tail = marker.get(1..).unwrap_or_default();
        match mark {
            Mark::BareList if format == Format::Llama3Json => {
                (Self::Json(JsonCalls::bare_array()), "")
            }
            Mark::BareStart if marker == "[{" => (Self::Json(JsonCalls::bare_array()), tail),
            Mark::BareStart if tail.is_empty() => (Self::Json(JsonCalls::bare_object()), ""),
            Mark::BareObject => (Self::Json(JsonCalls::bare_object()), ""),
            Mark::BareStart | Mark::BareList => (Self::Pythonic(Pythonic::list(true)), tail),
            Mark::Function => (Self::QwenCoder(QwenCoder::default()), ""),
            Mark::Mistral => (Self::Mistral(Mistral::default()), ""),
            Mark::DeepSeekCalls => (Self::DeepSeek(DeepSeek::calls()), ""),
            Mark::DeepSeekCall => (Self::DeepSeek(DeepSeek::call()), ""),
            Mark::KimiSection => (Self::Kimi(Kimi::section()), ""),
            Mark::KimiCall => (Self::Kimi(Kimi::call()), ""),
            Mark::Header | Mark::HeaderRest => (Self::Harmony(Harmony::default()), marker),
            _ => (Self::Any { mark, format }, ""),
        }
    }

    /// Whether it has no marker of its own.
    pub(super) fn is_bare(&self) -> bool {
        match self {
            Self::Json(json) => json.is_bare(),
            Self::Pythonic(list) => list.is_bare(),
            _ => false,
        }
    }

    /// Takes as much of `text` as belongs to the block; says how much that was. All of it, if more is
    /// to come.
    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        if let Self::Any { mark, format } = self {
            let blank = text.len() - text.trim_start().len();
            let Some(first) = text[blank..].chars().next() else { return (blank, Step::More) };
            match Self::chosen(*mark, *format, first) {
                Some(block) => *self = block,
                None => return (blank, Step::Bad),
            }
            // A list of Python begins behind its bracket.
            let begun = blank + usize::from(matches!(self, Self::Pythonic(_)) && first == '[');
            let (read, step) = self.feed(&text[begun..], context);
            return (begun + read, step);
        }
        match self {
            Self::Any { .. } => (0, Step::Bad),
            Self::Json(block) => block.feed(text, context),
            Self::Pythonic(block) => block.feed(text, context),
            Self::QwenCoder(block) => block.feed(text, context),
            Self::Glm(block) => block.feed(text, context),
            Self::Mistral(block) => block.feed(text, context),
            Self::DeepSeek(block) => block.feed(text, context),
            Self::Kimi(block) => block.feed(text, context),
            Self::Harmony(block) => block.feed(text, context),
        }
    }

    fn chosen(mark: Mark, format: Format, first: char) -> Option<Self> {
        Some(match (mark, first) {
            (Mark::ToolCall, '<') => Self::QwenCoder(QwenCoder::tag()),
            (Mark::PythonStart, '[') => Self::Pythonic(Pythonic::list(false)),
            (_, '{' | '[') => Self::Json(JsonCalls::tagged()),
            (Mark::PythonTag | Mark::PythonStart, 'a'..='z' | 'A'..='Z' | '_') => {
                Self::Pythonic(Pythonic::one())
            }
            (Mark::ToolCall, _) if matches!(format, Format::Glm45 | Format::Detect) => {
                Self::Glm(Glm::new(format == Format::Detect))
            }
            _ => return None,
        })
    }

    /// Whether the text may end here without breaking a call.
    pub(super) fn may_end(&self) -> bool {
        match self {
            Self::Json(block) => block.is_between(),
            Self::DeepSeek(block) => block.is_between(),
            Self::Kimi(block) => block.is_between(),
            Self::Mistral(block) => block.is_between(),
            Self::QwenCoder(block) => block.is_between(),
            Self::Glm(block) => block.is_between(),
            Self::Pythonic(block) => block.is_between(),
            Self::Harmony(block) => block.is_between(),
            Self::Any { .. } => false,
        }
    }
}
