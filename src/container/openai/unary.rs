//! Whole answers: one JSON body, which says the same as a stream.

use super::answer::Answer;
use crate::container::Decoder;
use crate::converse::Event;
use crate::{Code, Error, Result};

/// How many bytes a body may have; SageMaker's own limit is below it.
const LARGEST: usize = 32 << 20;

pub(super) struct Unary {
    body: Vec<u8>,
    answer: Answer,
}

impl Unary {
    pub(super) fn new(answer: Answer) -> Self {
        Self { body: vec![], answer }
    }
}

impl Decoder for Unary {
    fn push(&mut self, bytes: &[u8], _out: &mut Vec<Event>) -> Result<()> {
        if self.body.len() + bytes.len() > LARGEST {
            return Err(Error::new(
                Code::ModelError,
                "The model returned an answer that is too long to be read.",
            ));
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let body = std::mem::take(&mut self.body);
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
