//! One answer, from the dialect's words to events.

use super::dialect::Dialect;
use super::special::is_markup;
use super::stops::{EndTokens, Stops};
use crate::container::Mode;
use crate::container::blocks::{Blocks, Kind};
use crate::container::decoder::Reader;
use crate::container::ending::Ending;
use crate::container::faults::Fault;
use crate::container::generated::Generated;
use crate::container::json::Count;
use crate::container::pointers::Pointers;
use crate::container::usage::{Usage, usage};
use crate::converse::{Event, StopReason};
use crate::parse::{self, Format};
use crate::{Code, Error, Result};

/// Why the container stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// The model ended its turn, or the container does not say.
    End,
    /// The limit of tokens was reached.
    Length,
    /// A stop sequence was met; which, where the container says.
    Stop(Option<String>),
    /// A filter intervened.
    Filtered,
}

/// What the answer was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) dialect: Dialect,
    pub(super) mode: Mode,
    /// The format of the generated text; none where it is shown as it is.
    pub(super) format: Option<Format>,
    pub(super) max_tokens: Option<u64>,
    pub(super) stop: Vec<String>,
    /// Whether usage tells cached tokens apart.
    pub(super) split: bool,
}

/// How generated text is understood.
pub(super) enum Voice {
    /// As it is, up to a stop sequence.
    Plain(Stops),
    Parsed(Box<Generated>),
}

pub(super) struct Answer {
    pub(super) wanted: Wanted,
    pointers: Pointers,
    ends: EndTokens,
    voice: Voice,
    blocks: Blocks,
    pub(super) usage: Usage,
    /// Whether any text came by the token.
    pub(super) by_token: bool,
    finish: Option<Finish>,
    /// Words of an unknown schema: what is known when the end is missing.
    words: Option<String>,
}

impl Answer {
    pub(super) fn new(wanted: Wanted, paths: &[String], eos: &[String], voice: Voice) -> Self {
        Self {
            wanted,
            pointers: Pointers::new(paths),
            ends: EndTokens::new(eos),
            voice,
            blocks: Blocks::default(),
            usage: Usage::default(),
            by_token: false,
            finish: None,
            words: None,
        }
    }

    /// Takes text that was generated.
    pub(super) fn text(&mut self, text: &str, out: &mut Vec<Event>) {
        let Self { ends, voice, blocks, .. } = self;
        ends.push(text, &mut |text| voice.push(text, blocks, out));
    }

    /// Takes one token: of special ones, only what the parser has to see. `is_end` says that it
    /// is the token by which the model ended its turn.
    pub(super) fn token(
        &mut self,
        text: &str,
        is_special: bool,
        is_end: bool,
        out: &mut Vec<Event>,
    ) {
        self.by_token = true;
        let is_markup = is_markup(self.wanted.format, text);
        if is_special && (!is_markup || (is_end && self.ends.has(text))) {
            return;
        }
        self.text(text, out);
    }

    pub(super) fn finish(&mut self, finish: Finish) {
        self.finish = Some(finish);
    }

    pub(super) fn prompt_tokens(&mut self, count: Count) {
        if count.0.is_some() {
            self.usage.prompt_tokens = count;
        }
    }

    pub(super) fn completion_tokens(&mut self, count: Count) {
        if count.0.is_some() {
            self.usage.completion_tokens = count;
        }
    }

    /// Keeps a value of an unknown schema.
    pub(super) fn unknown(&mut self, json: &[u8]) {
        self.words(json);
    }

    pub(super) fn fail(&self, fault: Fault) -> Error {
        fault.into_error(self.wanted.mode)
    }

    pub(super) fn code(&self) -> Code {
        match self.wanted.mode {
            Mode::Unary => Code::ModelError,
            Mode::Stream => Code::ModelStreamError,
        }
    }
}

impl Voice {
    fn push(&mut self, text: &str, blocks: &mut Blocks, out: &mut Vec<Event>) {
        match self {
            Self::Plain(stops) => stops.push(text, &mut |text| blocks.say(Kind::Text, text, out)),
            Self::Parsed(generated) => generated.push(text, blocks, out),
        }
    }

    fn finish(
        &mut self,
        how: parse::Finish,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> parse::Outcome {
        match self {
            Self::Plain(stops) => {
                let stop_sequence = stops.finish(&mut |text| blocks.say(Kind::Text, text, out));
                parse::Outcome { stop_sequence, ..parse::Outcome::default() }
            }
            Self::Parsed(generated) => generated.finish(how, blocks, out),
        }
    }
}

impl Reader for Answer {
    fn json(&mut self, json: &[u8], out: &mut Vec<Event>) -> Result<()> {
        self.pointers.look_at(json);
        let dialect = self.wanted.dialect;
        dialect.read(json, self, out)
    }

    fn words(&mut self, words: &[u8]) {
        if self.words.is_none() {
            let words = words.get(..2048).unwrap_or(words);
            self.words = Some(String::from_utf8_lossy(words).into_owned());
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let Some(finish) = self.finish.take() else {
            return Err(self.incomplete());
        };
        let Self { ends, voice, blocks, .. } = self;
        ends.finish(&mut |text| voice.push(text, blocks, out));
        let how = match finish {
            Finish::End => parse::Finish::End,
            Finish::Length | Finish::Stop(_) | Finish::Filtered => parse::Finish::Cut,
        };
        let outcome = voice.finish(how, blocks, out);
        blocks.close(out);
        let met = outcome.stop_sequence.or_else(|| match &finish {
            Finish::Stop(Some(sequence)) => Some(sequence.clone()),
            // The engine took it away; there was but one.
            Finish::Stop(None) => match self.wanted.stop.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
            _ => None,
        });
        let stopped = met.is_some() || matches!(finish, Finish::Stop(_));
        let stop_reason = match finish {
            _ if outcome.malformed > 0 => StopReason::MalformedToolUse,
            _ if outcome.calls > 0 && !outcome.cut_call => StopReason::ToolUse,
            _ if stopped => StopReason::StopSequence,
            Finish::Length => StopReason::MaxTokens,
            Finish::Filtered => StopReason::ContentFiltered,
            Finish::End | Finish::Stop(_) => StopReason::EndTurn,
        };
        let usage = usage(self.usage, self.wanted.split);
        Ending { stop_reason, sequence: met, usage }.push(std::mem::take(&mut self.pointers), out);
        Ok(())
    }

    fn incomplete(&self) -> Error {
        let fault = self.words.as_ref().map(|words| Fault::of_answer(words.as_bytes()));
        match fault {
            Some(fault) if !fault.is_unknown() => self.fail(fault),
            Some(_) => Error::new(
                self.code(),
                "The model's answer is not one of the schema that its deployment names.",
            ),
            None => Error::new(
                self.code(),
                "The model's answer ended before it was complete. Try your request again.",
            ),
        }
    }
}
