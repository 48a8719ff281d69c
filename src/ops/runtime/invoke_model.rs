//! `InvokeModel`: `POST /model/{modelId}/invoke`, in the provider's own words.

use http::Response;
use http::header::CONTENT_TYPE;

use super::invocation::{self, Asked};
use super::vectors;
use crate::catalog::Deployment;
use crate::container::Speaks;
use crate::ops::native::{self, Whole};
use crate::ops::{Call, question};
use crate::relay::Relay;
use crate::wire::Body;
use crate::{Error, Result};

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let asked = Asked::read(&call)?;
    let mut response = match deployment.speaks()? {
        Speaks::Text(_) => translated(relay, &call, &deployment, asked).await?,
        Speaks::Embeddings(_) => vectors::embed(relay, &call, &deployment).await?,
        Speaks::Rerank(_) => vectors::rerank(relay, &call, &deployment).await?,
        Speaks::Raw => raw(relay, &call, &deployment).await?,
        Speaks::Bedrock => return Err(Error::internal()), // `ops` has passed it on
    };
    asked.echo(response.headers_mut());
    Ok(response)
}

async fn translated(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    asked: Asked,
) -> Result<Response<Body>> {
    let question = invocation::read(call, deployment, asked, false, relay.clock())?;
    let hints = question::hints(call);
    let Whole { mut response, usage, latency_ms } =
        native::whole(relay, deployment, question, &hints, &call.record).await?;
    invocation::counted(&mut response, Some(&usage), latency_ms);
    Ok(response)
}

/// An endpoint that is called as it is: its answer's bytes are the caller's.
async fn raw(relay: &Relay, call: &Call, deployment: &Deployment) -> Result<Response<Body>> {
    let hints = question::hints(call);
    let payload = invocation::raw(call, false);
    let (content_type, body) = relay.whole(deployment, payload, &hints, &call.record).await?;
    call.record.events(1);
    let latency_ms = u64::try_from(call.record.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, invocation::content_type(content_type));
    invocation::counted(&mut response, None, latency_ms);
    Ok(response)
}
