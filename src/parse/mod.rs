//! Generated text to structure: reasoning, tool calls, stop sequences.
//!
//! Containers that take a raw prompt answer raw text, markup and all. A [`Parser`] takes that text
//! as bytes, cut anywhere, and tells its [`Piece`]s apart. It does no I/O, and gives the same wherever
//! the bytes are cut. What could begin a marker is held back, and nothing else; what looked like a
//! call and is none is text again, so nothing is lost but markers and the blanks beside them.
//!
//! ```
//! use helan::parse::{Finish, Format, Options, Parser, Piece};
//!
//! let mut parser = Parser::new(Format::Qwen3, Options::default());
//! let mut seen = Vec::new();
//! let mut out = |piece: Piece<'_>| seen.push(format!("{piece:?}"));
//! parser.push(b"<think>\nhm\n</th", &mut out);
//! parser.push(b"ink>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", &mut out);
//! let outcome = parser.finish(Finish::End, &mut out);
//! assert_eq!(outcome.calls, 1);
//! assert_eq!(
//!     seen,
//!     [
//!         "Reasoning(\"hm\")",
//!         "CallStart { index: 0, name: \"f\", id: None }",
//!         "CallArguments { index: 0, fragment: \"{}\" }",
//!         "CallEnd { index: 0 }",
//!     ]
//! );
//! ```

mod coerce;
mod format;
mod json;
mod jsonl;
mod parser;
mod python;
mod scan;
mod sink;
mod syntax;
mod utf8;

pub use coerce::Tool;
pub use format::{Format, starts_in_reasoning};
pub use jsonl::jsonl;
pub use parser::Parser;

/// A piece of an answer, in the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text for the reader; never empty, maybe blank.
    Text(&'a str),
    /// Reasoning; never empty.
    Reasoning(&'a str),
    /// A tool call begins. One is open at a time.
    CallStart {
        /// Which call of the answer it is, from 0. Broken ones count.
        index: u32,
        /// The tool's name.
        name: &'a str,
        /// The model's own id of the call, where its format has one.
        id: Option<&'a str>,
    },
    /// A part of the open call's arguments. Together the parts are one JSON object; a call that
    /// ends has at least `{}`.
    CallArguments {
        /// The call's.
        index: u32,
        /// A slice of JSON, cut anywhere between characters.
        fragment: &'a str,
    },
    /// The open call is complete.
    CallEnd {
        /// The call's.
        index: u32,
    },
    /// The open call is none: what it was made of. Not given with [`Calls::Whole`].
    CallBroken {
        /// The call's.
        index: u32,
        /// All the text since the call's opening marker. Text that goes on behind it follows.
        raw: &'a str,
        /// Whether the answer was cut within it; otherwise it was malformed, or the model ended
        /// within it.
        cut: bool,
    },
}

/// Where the generated text begins, which the prompt decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// In front of everything: reasoning has its own opening marker, if there is any.
    #[default]
    Text,
    /// Inside reasoning, whose opening marker was the prompt's end ([`starts_in_reasoning`]).
    Reasoning,
}

/// When a call is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// As it arrives. If it breaks, [`Piece::CallBroken`] says so.
    #[default]
    AsTheyArrive,
    /// Once it is complete. If it breaks, it is text; if it was cut, it is nothing.
    Whole,
}

/// What becomes of a well-formed call to a tool that was not offered.
///
/// Calls without markers of their own (bare JSON or Python in the text) are always text then. Where
/// no tool was offered at all and such calls are text, so is a call that was cut before its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unoffered {
    /// A call as any other.
    #[default]
    Call,
    /// Text.
    Text,
}

/// How one answer is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the generated text begins.
    pub start: Start,
    /// The tools that were offered; `None` where that is not known, and then any name will do.
    pub tools: Option<Vec<Tool>>,
    /// What becomes of other names.
    pub unoffered: Unoffered,
    /// When calls are given.
    pub calls: Calls,
    /// The stop sequences. They are matched against the text as it was generated, markup and all,
    /// as engines do. Empty ones are ignored.
    pub stop: Vec<String>,
}

/// How the generated text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it.
    End,
    /// It was cut: a limit of tokens, a stop sequence that the engine met, an error.
    Cut,
}

/// What is known at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The stop sequence that was met. What came behind it was dropped.
    pub stop_sequence: Option<String>,
    /// How many calls are complete.
    pub calls: u32,
    /// How many calls broke, without the one that was cut.
    pub malformed: u32,
    /// Whether a call was cut.
    pub cut_call: bool,
    /// Whether reasoning was still open.
    pub in_reasoning: bool,
}
