//! How many tokens a question has: what `CountTokens` and Anthropic's route of the same purpose
//! have in common.

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::{Call, question};
use crate::catalog::Deployment;
use crate::container::{Counting, Speaks, not_countable};
use crate::converse::{Ask, Event, Input};
use crate::relay::{Relay, Want};
use crate::wire::Body;
use crate::{Error, Result};

/// Counts the tokens of `ask` in the way that the deployment has, or says in Bedrock's words that
/// it has none.
pub(super) async fn tokens(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    ask: Ask,
) -> Result<u32> {
    let Speaks::Text(container) = deployment.speaks()? else { return Err(not_countable()) };
    match container.counting() {
        Counting::Off => Err(not_countable()),
        Counting::Tokenizer(counter) => {
            let passage = counter.passage(&ask)?;
            drop(ask);
            relay.count(counter.tokenizer(), passage).await
        }
        Counting::Endpoint => by_endpoint(relay, call, deployment, ask).await,
    }
}

/// Asks the container for one token, and throws it away.
async fn by_endpoint(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    mut ask: Ask,
) -> Result<u32> {
    let parameters = &mut ask.parameters;
    parameters.inference.max_tokens = Some(1);
    parameters.additional_response_field_paths.clear();
    // A call that must be made cannot be made in one token; the prompt is the same without.
    if let Input::Conversation(conversation) = &mut ask.input
        && let Some(tools) = &mut conversation.tools
    {
        tools.tool_choice = None;
    }
    let hints = question::hints(call);
    let mut answer = relay.ask(deployment, &ask, Want::Whole, &hints, &call.record).await?;
    let (mut events, mut counted) = (vec![], 0);
    loop {
        let more = answer.next(&mut events).await?;
        for event in events.drain(..) {
            if let Event::Metadata(metadata) = event {
                // What was read from a cache or written to it was part of the question too.
                counted = metadata.usage.total_tokens.saturating_sub(metadata.usage.output_tokens);
            }
        }
        if !more {
            break;
        }
    }
    // No question has no token: the container did not count.
    if counted == 0 { Err(not_countable()) } else { Ok(counted) }
}

/// An answer of one JSON object.
pub(super) fn response(call: &Call, answer: &impl Serialize) -> Result<Response<Body>> {
    let body = serde_json::to_vec(answer).map_err(|error| Error::internal().because(error))?;
    call.record.events(1);
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
