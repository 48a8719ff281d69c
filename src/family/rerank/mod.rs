//! The native bodies of rerank models: a request → [`rerank::Ask`], [`rerank::Answer`] → a body.
//! Cohere's is the only one there is.

mod cohere;

pub use cohere::Cohere;

use crate::{Result, rerank};

/// One language of rerank requests. Its answers depend on nothing of the request.
pub trait Rerank: Send + Sync + std::fmt::Debug {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// Reads a native request, or says in Bedrock's words what is wrong with it.
    fn read(&self, body: &[u8]) -> Result<rerank::Ask>;

    /// The native body of an answer, as JSON.
    fn whole(&self, answer: &rerank::Answer) -> Result<Vec<u8>>;
}
