//! How a payload reaches a container: through SageMaker, or over plain HTTP; and how a request
//! reaches Bedrock in another region.

pub mod bedrock;
pub mod http;
pub mod sagemaker;

mod client;
mod identity;
mod parts;

pub use client::Client;

use ::http::HeaderMap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::wire::{Payload, Reply};
use crate::{Code, Error, Result};

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

    /// Sends a request of Bedrock's own on to another Bedrock, and waits for the head of its
    /// answer. Whatever is no Bedrock takes none.
    fn pass(&self, _: Verbatim) -> BoxFuture<'_, Result<Passed, Failure>> {
        let refused = Error::internal().because("a request for Bedrock, to a target that is none");
        Box::pin(std::future::ready(Err(Failure::Unasked(refused))))
    }
}

/// A request of Bedrock's API, as its caller wrote it.
#[derive(Clone, Debug)]
pub struct Verbatim {
    /// The path, percent-encoded, from its slash on.
    pub path: String,
    /// What the other Bedrock is to know of the head; never the caller's signature.
    pub headers: HeaderMap,
    /// The caller's bytes.
    pub body: Bytes,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// Whether the answer is read as it is generated; else its head comes when all of it is there.
    pub streamed: bool,
}

/// The answer to a [`Verbatim`] request that succeeded.
pub struct Passed {
    /// All of its headers.
    pub headers: HeaderMap,
    /// Its bytes as they come.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passed").field("headers", &self.headers).finish_non_exhaustive()
    }
}

fn throttled() -> Error {
    Error::new(Code::Throttling, "Too many requests, please wait before trying again.")
}

fn unavailable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint is unavailable. Try your request again.",
    )
}

fn unreachable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint could not be reached. Try your request again.",
    )
}

fn unreadable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint sent an answer that could not be read. Try your request again.",
    )
}

fn too_slow(what: &str) -> Error {
    Error::new(
        Code::ModelTimeout,
        format!("The model did not {what} within the time allowed. Try your request again."),
    )
}

/// An answer that ended in the middle.
pub(crate) fn broken() -> Error {
    Error::new(
        Code::ModelStreamError,
        "The connection to the model broke before its answer was complete. Try your request again.",
    )
}

/// An error and its causes, for the log. For errors that hold no answer.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
