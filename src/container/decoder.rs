//! From bytes to JSON texts: what every container's answers have in common.

use bytes::Bytes;

use super::Decoder;
use crate::converse::Event;
use crate::wire::Joined;
use crate::wire::lines::{Line, Lines, sniff};
use crate::{Code, Error, Result};

/// How many bytes one line may have. No chunk comes near; an answer that was not streamed at all
/// is one line.
const LONGEST_LINE: usize = 16 << 20;
/// How many bytes a body may have; SageMaker's own limit is below it.
const LARGEST: usize = 32 << 20;

/// Understands the JSON texts of one answer.
pub(super) trait Reader: Send {
    /// Takes one JSON text: an object or an array.
    fn json(&mut self, json: &[u8], out: &mut Vec<Event>) -> Result<()>;

    /// Keeps words that are no JSON: what is known if the end is missing.
    fn words(&mut self, words: &[u8]);

    /// Takes the end; fails if the container did not tell it before.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<()>;

    /// Why an answer without an end is no answer.
    fn incomplete(&self) -> Error;
}

/// Streamed answers: server-sent events or JSON lines, told apart line by line.
pub(super) struct Stream<R> {
    lines: Lines,
    answer: R,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The end was told; what follows means nothing.
    Done,
    Failed,
}

impl<R: Reader> Stream<R> {
    pub(super) fn new(answer: R) -> Self {
        Self { lines: Lines::new(LONGEST_LINE), answer, state: State::Open }
    }

    fn take(&mut self, out: &mut Vec<Event>) -> Result<()> {
        for line in self.lines.by_ref() {
            let line =
                line.map_err(|error| Error::from(error).with_code(Code::ModelStreamError))?;
            for item in sniff(&line) {
                match item {
                    Line::Data(json) if matches!(json.first(), Some(b'{' | b'[')) => {
                        self.answer.json(json, out)?;
                    }
                    Line::Done => {
                        self.state = State::Done;
                        return self.answer.end(out);
                    }
                    Line::Data(words) | Line::Other(words) => self.answer.words(words),
                    Line::Comment | Line::Field { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let stepped = step(self);
        if stepped.is_err() {
            self.state = State::Failed;
        }
        stepped
    }
}

impl<R: Reader> Decoder for Stream<R> {
    fn push(&mut self, bytes: Bytes, out: &mut Vec<Event>) -> Result<()> {
        if self.state != State::Open {
            return Ok(());
        }
        self.lines.push(bytes);
        self.step(|stream| stream.take(out))
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<()> {
        match self.state {
            State::Done => return Ok(()),
            State::Failed => return Err(self.answer.incomplete()),
            State::Open => {}
        }
        self.lines.finish();
        self.step(|stream| {
            stream.take(out)?;
            if stream.state == State::Done { Ok(()) } else { stream.answer.end(out) }
        })?;
        self.state = State::Done;
        Ok(())
    }
}

/// Whole answers: one JSON body, which says the same as a stream.
pub(super) struct Unary<R> {
    body: Joined,
    answer: R,
}

impl<R: Reader> Unary<R> {
    pub(super) fn new(answer: R) -> Self {
        Self { body: Joined::default(), answer }
    }
}

impl<R: Reader> Decoder for Unary<R> {
    fn push(&mut self, bytes: Bytes, _out: &mut Vec<Event>) -> Result<()> {
        if self.body.len() + bytes.len() > LARGEST {
            return Err(Error::new(
                Code::ModelError,
                "The model returned an answer that is too long to be read.",
            ));
        }
        self.body.push(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let body = self.body.take();
        let body = body.trim_ascii();
        if matches!(body.first(), Some(b'{' | b'[')) {
            self.answer.json(body, out)?;
        } else if !body.is_empty() {
            self.answer.words(body);
            return Err(self.answer.incomplete());
        }
        self.answer.end(out)
    }
}
