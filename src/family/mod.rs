//! The languages that clients speak: the native bodies of `InvokeModel`, one module for each.
//!
//! A family translates a native request into an [`Ask`], and Converse [`Event`]s into native
//! chunks or a native answer; it does no I/O and knows no container. What a request may hold is
//! written as JSON Schemas under `schemas/family/`, and what breaks them is told in Bedrock's
//! words ([`schema`]).

pub mod ai21;
pub mod anthropic;
pub mod cohere;
pub mod deepseek;
pub mod embedding;
pub mod import;
pub mod llama;
pub mod mistral;
pub mod nova;
pub mod openai;
pub mod qwen;
pub mod rerank;
pub mod schema;
pub mod titan;

mod choice;
mod chunks;
mod prompt;

use time::OffsetDateTime;

pub use choice::{choose, named};
pub use chunks::Chunks;

use crate::Result;
use crate::converse::{Adaptation, Ask, Event, Response};

/// One language. Stateless; what an answer remembers lives in its [`Voice`].
pub trait Family: Send + Sync + std::fmt::Debug {
    /// Its name in the configuration and in the log.
    fn name(&self) -> &'static str;

    /// Reads a native request, or says in Bedrock's words what is wrong with it.
    ///
    /// The limits and the sampling that the family's documentation calls defaults are filled in.
    /// A member that cannot be told to a model is refused by name.
    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question>;
}

/// What a family knows of a call beside its body.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The model id as the caller wrote it.
    pub model_id: &'a str,
    /// Whether the caller reads chunks: some bodies say so too, and must not contradict.
    pub streamed: bool,
    /// When the call arrived: some answers carry it.
    pub now: OffsetDateTime,
    /// Makes the ids of answers.
    pub random: fastrand::Rng,
}

/// A native request, understood.
pub struct Question {
    /// What it asks.
    pub ask: Ask,
    /// How the answer is said.
    pub voice: Box<dyn Voice>,
    /// What was changed on the way, for the log.
    pub adapted: Vec<Adaptation>,
}

impl Question {
    /// A question that was not changed.
    pub fn new(ask: Ask, voice: impl Voice + 'static) -> Self {
        Self { ask, voice: Box::new(voice), adapted: vec![] }
    }
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("adapted", &self.adapted).finish_non_exhaustive()
    }
}

/// Says one answer: either all of its events, in order, as [`chunks`](Self::chunks), or the
/// [`whole`](Self::whole) of it.
pub trait Voice: Send {
    /// Appends the chunks that `event` completes. [`Event::Metadata`] is the last, and always
    /// makes at least one chunk: Bedrock adds its metrics to it.
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()>;

    /// The native body of a whole answer, as JSON.
    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>>;
}
