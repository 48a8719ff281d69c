//! `POST /anthropic/v1/messages/count_tokens`: `{"input_tokens": n}` for a body of Messages.

use http::Response;
use serde::Serialize;

use crate::Result;
use crate::family::anthropic::Anthropic;
use crate::family::{Family as _, Invocation};
use crate::ops::{Call, count, question};
use crate::relay::Relay;
use crate::wire::Body;

#[derive(Serialize)]
struct Answer {
    input_tokens: u32,
}

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    question::refuse_compressed(&call.head.headers)?;
    question::refuse_guardrail_header(&call.head.headers)?;
    question::refuse_guardrail_member(&call.body)?;
    let family = Anthropic::COUNT;
    call.record.family(family.name());
    let invocation = Invocation {
        model_id: call.model_id.as_deref().unwrap_or_default(),
        streamed: false,
        now: relay.clock().now(),
        random: relay.random(),
    };
    let ask = family.read(&call.body, invocation)?.ask;
    let input_tokens = count::tokens(relay, &call, &deployment, ask).await?;
    count::response(&call, &Answer { input_tokens })
}
