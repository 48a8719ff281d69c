//! The languages that model containers speak: payload schemas.
//!
//! One module for each. A container translates an [`Ask`] into a [`Payload`] and the bytes of the
//! answer into Converse [`Event`]s; it does no I/O and knows no family. Containers of embeddings
//! and of reranking do the same with hubs of their own; [`Speaks`] tells which one it is.

pub mod embedding;
pub mod openai;
pub mod rerank;
pub mod text;

mod blocks;
mod counting;
mod decoder;
mod ending;
mod faults;
mod generated;
mod json;
mod pointers;
mod speaks;
mod usage;

pub use counting::{Counted, Counter, Counting, not_countable};
pub use speaks::{Speaks, no_stream};

use bytes::Bytes;

use crate::converse::{Ask, Event};
use crate::wire::Payload;
use crate::{Error, Result};

/// Which of SageMaker's two operations carries the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One whole body (`InvokeEndpoint`).
    Unary,
    /// Bytes as they are generated (`InvokeEndpointWithResponseStream`).
    Stream,
}

/// One language. Stateless; what an answer remembers lives in its [`Decoder`].
pub trait Container: Send + Sync + std::fmt::Debug {
    /// The payload for `ask`, or a `ValidationException` that names what this container cannot be
    /// asked.
    fn encode(&self, ask: &Ask, mode: Mode) -> Result<Payload>;

    /// A decoder for one answer to `ask`. `random` makes the ids that the container leaves out.
    fn decoder(&self, ask: &Ask, mode: Mode, random: fastrand::Rng) -> Box<dyn Decoder>;

    /// Payload and decoder of one question at once, for containers that would render a prompt
    /// twice otherwise.
    fn begin(
        &self,
        ask: &Ask,
        mode: Mode,
        random: fastrand::Rng,
    ) -> Result<(Payload, Box<dyn Decoder>)> {
        Ok((self.encode(ask, mode)?, self.decoder(ask, mode, random)))
    }

    /// What an error that the container answered means to the caller. `status` is the container's
    /// own, where SageMaker told it; `body` may be cut (SageMaker keeps 2,048 characters).
    fn refusal(&self, status: Option<u16>, body: &str) -> Error;

    /// How the tokens of a question are counted, where no answer is wanted.
    fn counting(&self) -> &Counting {
        &Counting::Off
    }

    /// Whether an answer in this mode tells how many tokens the question had.
    fn counts_input(&self, _: Mode) -> bool {
        true
    }
}

/// Bytes in, events out, wherever the bytes are cut. Does no I/O.
///
/// The first event is never [`Event::MessageStart`]: whoever drives the decoder has sent it as
/// soon as the head of the answer said success. A complete answer ends with
/// [`Event::MessageStop`] and [`Event::Metadata`] (whose `metrics`, and the latency and tier that are
/// echoed, the driver fills in); an answer that lacks its end makes [`finish`](Self::finish) fail, so that a cut stream never looks
/// complete.
pub trait Decoder: Send {
    /// Takes the next bytes and appends the events they complete.
    fn push(&mut self, bytes: Bytes, out: &mut Vec<Event>) -> Result<()>;

    /// Takes the end of the bytes.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<()>;
}
