//! What kind of questions a container takes, and what it says to the others.

use std::sync::Arc;

use super::embedding::Embedder;
use super::faults::Fault;
use super::rerank::Reranker;
use super::{Container, Mode};
use crate::{Error, Result};

/// A container, by what it can be asked.
#[derive(Clone, Debug)]
pub enum Speaks {
    /// It generates text: conversations, prompts.
    Text(Arc<dyn Container>),
    /// It makes vectors.
    Embeddings(Arc<Embedder>),
    /// It puts documents in order.
    Rerank(Arc<Reranker>),
    /// It is called as it is: images, audio, models of one's own. Only `InvokeModel` and its stream
    /// reach it, past the hubs, their bytes untouched.
    Raw,
    /// It is Bedrock itself, in another region: every operation goes there as it came.
    Bedrock,
}

impl Speaks {
    /// The container, if it can be asked for text.
    ///
    /// # Errors
    /// A `ValidationException` in Bedrock's words where a model of another kind is asked for a
    /// conversation.
    pub fn text(&self) -> Result<&dyn Container> {
        match self {
            Self::Text(container) => Ok(&**container),
            _ => Err(Error::validation(
                "This action doesn't support the model that you provided. Try again with a \
                 supported text or chat model.",
            )),
        }
    }

    /// The container, if it makes vectors.
    pub fn embedder(&self) -> Result<&Embedder> {
        match self {
            Self::Embeddings(embedder) => Ok(embedder),
            _ => Err(Error::internal().because("a target that makes no vectors")),
        }
    }

    /// The container, if it puts documents in order.
    pub fn reranker(&self) -> Result<&Reranker> {
        match self {
            Self::Rerank(reranker) => Ok(reranker),
            _ => Err(Error::internal().because("a target that ranks no documents")),
        }
    }

    /// What an error that the container answered means to the caller. `status` is the container's
    /// own, where SageMaker told it; `body` may be cut (SageMaker keeps 2,048 characters).
    pub fn refusal(&self, status: Option<u16>, body: &str) -> Error {
        match self {
            Self::Text(container) => container.refusal(status, body),
            _ => Fault::of_refusal(status, body).into_error(Mode::Unary),
        }
    }
}

impl<C: Container + 'static> From<C> for Speaks {
    fn from(container: C) -> Self {
        Self::Text(Arc::new(container))
    }
}

/// Bedrock's words where a model that answers at once is asked for a stream.
pub fn no_stream() -> Error {
    Error::validation("The model is unsupported for streaming.")
}
