//! A container that is called as it is: images, audio, models of one's own.
//!
//! Only `InvokeModel` and its stream reach it, past the hub, their bytes untouched; whoever asks
//! it anything else is told that it cannot be asked.

use super::faults::Fault;
use super::{Container, Decoder, Mode};
use crate::converse::{Ask, Event};
use crate::wire::Payload;
use crate::{Error, Result};

/// A container whose language is its callers' business.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Container for Raw {
    fn encode(&self, _: &Ask, _: Mode) -> Result<Payload> {
        Err(not_a_chat())
    }

    fn decoder(&self, _: &Ask, _: Mode, _: fastrand::Rng) -> Box<dyn Decoder> {
        Box::new(Nothing)
    }

    fn refusal(&self, status: Option<u16>, body: &str) -> Error {
        Fault::of_refusal(status, body).into_error(Mode::Unary)
    }
}

/// Bedrock's words where a model of images is asked as a chat.
fn not_a_chat() -> Error {
    Error::validation(
        "This action doesn't support the model that you provided. Try again with a supported text \
         or chat model.",
    )
}

/// No question was sent, so no answer is read.
#[derive(Debug)]
struct Nothing;

impl Decoder for Nothing {
    fn push(&mut self, _: &[u8], _: &mut Vec<Event>) -> Result<()> {
        Err(not_a_chat())
    }

    fn finish(&mut self, _: &mut Vec<Event>) -> Result<()> {
        Err(not_a_chat())
    }
}
