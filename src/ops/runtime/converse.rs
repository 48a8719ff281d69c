//! `Converse`: `POST /model/{modelId}/converse`.

use http::Response;

use crate::Result;
use crate::ops::{Call, json, question};
use crate::relay::{Relay, Want};
use crate::wire::Body;

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let ask = question::read(&call)?;
    let hints = question::hints(&call);
    let answer = relay.ask(&deployment, &ask, Want::Whole, &hints, &call.record).await?;
    json(&call.record, &answer.whole(deployment.block_order).await?)
}
