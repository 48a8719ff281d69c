//! The operations of the API and of the others on its host, one file each, and the table that
//! names them.

pub mod anthropic;
pub mod openai;
pub mod runtime;

mod count;
mod native;
mod operation;
mod passed;
mod question;
mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use serde::Serialize;

pub use operation::{Envelope, Operation, Route};

use crate::auth::Principal;
use crate::catalog::Deployment;
use crate::meter::Record;
use crate::relay::Relay;
use crate::wire::Body;
use crate::{Error, Result};

/// A request whose sender and purpose are known.
#[derive(Debug)]
pub struct Call {
    /// What is known about the call so far.
    pub record: Arc<Record>,
    /// Who calls.
    pub principal: Principal,
    /// What is asked.
    pub operation: Operation,
    /// Which model is asked. `None` for operations that name none.
    pub deployment: Option<Arc<Deployment>>,
    /// The model's id as the caller wrote it, decoded.
    pub model_id: Option<String>,
    /// Whether the body asks for a stream, in APIs where the path does not.
    pub streamed: bool,
    /// The request's head.
    pub head: Parts,
    /// The request's body, whole.
    pub body: Bytes,
    /// The body's SHA-256.
    pub sha256: [u8; 32],
}

impl Call {
    /// The deployment, for operations that have a model in their path.
    fn deployment(&self) -> Result<Arc<Deployment>> {
        self.deployment.clone().ok_or_else(Error::internal)
    }
}

/// A whole answer: one JSON value.
fn json(record: &Record, answer: &impl Serialize) -> Result<Response<Body>> {
    let body = serde_json::to_vec(answer).map_err(|error| Error::internal().because(error))?;
    Ok(json_text(record, body))
}

/// A whole answer that is JSON already.
fn json_text(record: &Record, body: Vec<u8>) -> Response<Body> {
    record.events(1);
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The innermost service: hands each call to its operation.
#[derive(Clone, Debug)]
pub struct Dispatch {
    relay: Relay,
}

impl Dispatch {
    /// Operations that ask through `relay`.
    pub fn new(relay: Relay) -> Self {
        Self { relay }
    }
}

impl tower::Service<Call> for Dispatch {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let relay = self.relay.clone();
        Box::pin(async move {
            if call.deployment.as_ref().is_some_and(|deployment| deployment.is_bedrock()) {
                return passed::answer(&relay, call).await;
            }
            match call.operation {
                Operation::Converse => runtime::converse::answer(&relay, call).await,
                Operation::ConverseStream => runtime::converse_stream::answer(&relay, call).await,
                Operation::InvokeModel => runtime::invoke_model::answer(&relay, call).await,
                Operation::InvokeModelWithResponseStream => {
                    runtime::invoke_model_with_response_stream::answer(&relay, call).await
                }
                Operation::ChatCompletions => openai::chat_completions::answer(&relay, call).await,
                Operation::Completions => openai::completions::answer(&relay, call).await,
                Operation::Messages => anthropic::messages::answer(&relay, call).await,
                Operation::Responses => Err(Error::not_supported("The route /openai/v1/responses")),
                Operation::CountTokens => runtime::count_tokens::answer(&relay, call).await,
                Operation::MessagesCountTokens => {
                    anthropic::count_tokens::answer(&relay, call).await
                }
                other => Err(Error::not_supported(format_args!("The operation {}", other.name()))),
            }
        })
    }
}
