//! How a payload reaches a container: SageMaker today; plain HTTP and another region's Bedrock
//! are to follow behind the same trait.

pub mod sagemaker;

use futures_util::future::BoxFuture;

use crate::Error;
use crate::wire::{Payload, Reply};

/// What one call tells the endpoint beside its payload. All of it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Identifies the call in SageMaker's logs and captured data: our request id.
    pub inference_id: Option<String>,
    /// A stateful session of the container.
    pub session_id: Option<String>,
    /// Opaque to SageMaker, handed to the container.
    pub custom_attributes: Option<String>,
    /// Calls with the same id are routed to the same instance, whose prefix cache is warm.
    pub prefix_aware_id: Option<String>,
}

/// Why a call brought no answer.
#[derive(Debug)]
pub enum Failure {
    /// The container answered, and its answer is an error.
    Container {
        /// The container's status, where it is known.
        status: Option<u16>,
        /// The container's body, cut at 2,048 characters by SageMaker.
        body: String,
        /// What SageMaker said around it.
        source: Error,
    },
    /// The question cannot be told to this target; nothing was sent.
    Unasked(Error),
    /// The target could not be reached (name, connection, TLS): nothing was sent.
    Unreached(Error),
    /// The service between us and the container declined the call (throttling, not ready,
    /// unavailable): the container has not seen it.
    Declined(Error),
    /// Everything else, ready for the caller. The container may have worked on it.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// One way to one target. Dropping a returned future, or the reply's body, cancels the call.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends `payload` and waits for the whole answer.
    fn invoke<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>>;

    /// Sends `payload` and waits for the head of the answer; the body follows as it is generated.
    fn stream<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>>;
}
