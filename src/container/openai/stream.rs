//! Streamed answers: server-sent events or JSON lines, told apart line by line.

use bytes::Bytes;

use super::answer::Answer;
use crate::container::Decoder;
use crate::converse::Event;
use crate::wire::lines::{Line, Lines, sniff};
use crate::{Code, Result};

/// How many bytes one line may have. No chunk comes near; an answer that was not streamed at all
/// is one line.
const LONGEST_LINE: usize = 16 << 20;

pub(super) struct Stream {
    lines: Lines,
    answer: Answer,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The end was told; what follows means nothing.
    Done,
    Failed,
}

impl Stream {
    pub(super) fn new(answer: Answer) -> Self {
        Self { lines: Lines::new(LONGEST_LINE), answer, state: State::Open }
    }

    fn take(&mut self, out: &mut Vec<Event>) -> Result<()> {
        for line in self.lines.by_ref() {
            let line =
                line.map_err(|error| crate::Error::from(error).with_code(Code::ModelStreamError))?;
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

impl Decoder for Stream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<()> {
        if self.state != State::Open {
            return Ok(());
        }
        self.lines.push(Bytes::copy_from_slice(bytes));
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
