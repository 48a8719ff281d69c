//! `Converse`: `POST /model/{modelId}/converse`.

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::converse::Fold;
use crate::ops::{Call, question};
use crate::relay::{Relay, Want};
use crate::wire::Body;
use crate::{Error, Result};

/// Answers one call. The upstream may stream all the same: its events are folded.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let ask = question::read(&call)?;
    let hints = question::hints(&call);
    let mut answer = relay.ask(&deployment, &ask, Want::Whole, &hints, &call.record).await?;

    let mut fold = Fold::new(deployment.block_order);
    let mut events = vec![];
    loop {
        let more = answer.next(&mut events).await?;
        events.drain(..).for_each(|event| fold.push(event));
        if !more {
            break;
        }
    }
    let body = serde_json::to_vec(&fold.finish()?).map_err(|e| Error::internal().because(e))?;
    call.record.events(1);

    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
