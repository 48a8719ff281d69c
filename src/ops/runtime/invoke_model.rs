//! `InvokeModel`: `POST /model/{modelId}/invoke`, in the provider's own words.

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::invocation::{self, Asked};
use super::question;
use crate::Result;
use crate::catalog::Deployment;
use crate::container::Speaks;
use crate::container::embedding::Embedder;
use crate::container::rerank::Reranker;
use crate::converse::{BlockOrder, Fold};
use crate::family::{Question, embedding};
use crate::ops::Call;
use crate::relay::{Relay, Want};
use crate::wire::Body;

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let asked = Asked::read(&call)?;
    let mut response = match &deployment.target.speaks {
        Speaks::Text(_) => translated(relay, &call, &deployment, asked).await?,
        Speaks::Embeddings(embedder) => embed(relay, &call, &deployment, embedder).await?,
        Speaks::Rerank(reranker) => rerank(relay, &call, &deployment, reranker).await?,
        Speaks::Raw => raw(relay, &call, &deployment).await?,
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
    let Question { ask, voice, .. } =
        invocation::read(call, deployment, asked, false, relay.clock())?;
    let hints = question::hints(call, &deployment.target);
    let mut answer = relay.ask(deployment, &ask, Want::Whole, hints, &call.record).await?;

    // As generated: the families say themselves where reasoning belongs.
    let mut fold = Fold::new(BlockOrder::AsGenerated);
    let mut events = vec![];
    loop {
        let more = answer.next(&mut events).await?;
        events.drain(..).for_each(|event| fold.push(event));
        if !more {
            break;
        }
    }
    let answer = fold.finish()?;
    let (usage, latency_ms) = (answer.usage.clone(), answer.metrics.latency_ms);
    let body = voice.whole(answer)?;
    call.record.events(1);

    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    invocation::counted(&mut response, Some(&usage), latency_ms);
    Ok(response)
}

async fn embed(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    embedder: &Embedder,
) -> Result<Response<Body>> {
    let embedding::Question { ask, voice } =
        invocation::read_embedding(call, deployment, relay.clock())?;
    let hints = question::hints(call, &deployment.target);
    let answer = relay.embed(deployment, embedder, &ask, &hints, &call.record).await?;
    let tokens = answer.tokens;
    Ok(at_once(call, voice.whole(answer)?, tokens))
}

async fn rerank(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    reranker: &Reranker,
) -> Result<Response<Body>> {
    let (ask, family) = invocation::read_rerank(call)?;
    let hints = question::hints(call, &deployment.target);
    let answer = relay.rerank(deployment, reranker, &ask, &hints, &call.record).await?;
    Ok(at_once(call, family.whole(&answer)?, answer.tokens))
}

/// Vectors or scores: an answer that has no tokens of its own.
fn at_once(call: &Call, body: Vec<u8>, tokens: Option<u32>) -> Response<Body> {
    call.record.events(1);
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    invocation::counted_input(&mut response, tokens, invocation::latency(call));
    response
}

/// An endpoint that is called as it is: its answer's bytes are the caller's.
async fn raw(relay: &Relay, call: &Call, deployment: &Deployment) -> Result<Response<Body>> {
    let hints = question::hints(call, &deployment.target);
    let payload = invocation::raw(call, false);
    let (content_type, body) = relay.whole(deployment, payload, hints, &call.record).await?;
    call.record.events(1);
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, invocation::content_type(content_type));
    invocation::counted(&mut response, None, invocation::latency(call));
    Ok(response)
}
