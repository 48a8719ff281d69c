//! What `InvokeModel` answers in numbers: vectors of embedding models, scores of rerank models.

use http::Response;
use http::header::{HeaderName, HeaderValue};

use super::invocation;
use crate::Result;
use crate::catalog::Deployment;
use crate::family::embedding::{self, Embedding, Question};
use crate::family::rerank::{Cohere, Rerank as _};
use crate::family::schema;
use crate::ops::{Call, json_text, native, question};
use crate::relay::Relay;
use crate::wire::Body;

/// Asks an embedding model, in the language that the deployment, the model id or the body tells.
pub(super) async fn embed(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
) -> Result<Response<Body>> {
    question::refuse_guardrail_member(&call.body)?;
    let model_id = call.model_id.as_deref().unwrap_or_default();
    let ids = [model_id, &*deployment.model_id];
    let family: &dyn Embedding = embedding::choose(deployment.provider, ids, &call.body)
        .ok_or_else(|| schema::malformed("#: no known request format"))?;
    call.record.family(family.name());
    let invocation = native::invocation(relay.clock(), call, false);
    let Question { ask, voice } = family.read(&call.body, invocation)?;
    let hints = question::hints(call);
    let answer = relay.embed(deployment, &ask, &hints, &call.record).await?;
    let tokens = answer.tokens;
    Ok(at_once(call, voice.whole(answer)?, tokens))
}

/// Asks a rerank model.
pub(super) async fn rerank(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
) -> Result<Response<Body>> {
    question::refuse_guardrail_member(&call.body)?;
    call.record.family(Cohere.name());
    let ask = Cohere.read(&call.body)?;
    let hints = question::hints(call);
    let answer = relay.rerank(deployment, &ask, &hints, &call.record).await?;
    Ok(at_once(call, Cohere.whole(&answer)?, answer.tokens))
}

/// An answer that has no tokens of its own: of the counts only that of the input is told, and only
/// where the container counted.
fn at_once(call: &Call, body: Vec<u8>, tokens: Option<u32>) -> Response<Body> {
    let mut response = json_text(&call.record, body);
    let latency_ms = u64::try_from(call.record.elapsed().as_millis()).unwrap_or(u64::MAX);
    invocation::counted(&mut response, None, latency_ms);
    if let Some(tokens) = tokens {
        let name = HeaderName::from_static("x-amzn-bedrock-input-token-count");
        response.headers_mut().insert(name, HeaderValue::from(tokens));
    }
    response
}
