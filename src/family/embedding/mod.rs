//! The native bodies of embedding models: a request → [`embed::Ask`], [`embed::Answer`] → a body.
//!
//! As a [`Family`](super::Family), but what comes back is vectors at once, never a stream.

mod choice;
mod cohere;
mod titan;

pub use choice::choose;
pub use cohere::{CohereV3, CohereV4};
pub use titan::{TitanImage, TitanV1, TitanV2};

use super::Invocation;
use crate::{Result, embed};

/// One language of embedding requests. Stateless.
pub trait Embedding: Send + Sync + std::fmt::Debug {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// Reads a native request, or says in Bedrock's words what is wrong with it. Documented
    /// defaults are filled in; what cannot be told to a model is refused by name.
    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question>;
}

/// A native request, understood.
pub struct Question {
    /// What it asks.
    pub ask: embed::Ask,
    /// How the answer is said.
    pub voice: Box<dyn Voice>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}

/// Says one answer.
pub trait Voice: Send {
    /// The native body of an answer that [fits](embed::fit) the question, as JSON.
    fn whole(self: Box<Self>, answer: embed::Answer) -> Result<Vec<u8>>;
}
