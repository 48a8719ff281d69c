//! `POST /anthropic/v1/messages/count_tokens`: `{"input_tokens": n}` for a body of Messages.

use http::Response;
use serde::Serialize;

use crate::Result;
use crate::family::anthropic::Anthropic;
use crate::ops::{Call, count, json, native, question};
use crate::relay::Relay;
use crate::wire::Body;

#[derive(Serialize)]
struct Answer {
    input_tokens: u32,
}

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    question::refuse_unbuilt(&call)?;
    let ask = native::read(relay.clock(), &call, &Anthropic::COUNT, false)?.ask;
    let input_tokens = count::tokens(relay, &call, &deployment, ask).await?;
    json(&call.record, &Answer { input_tokens })
}
