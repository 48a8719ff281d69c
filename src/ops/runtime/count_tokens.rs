//! `CountTokens`: `POST /model/{modelId}/count-tokens`, for a question of `Converse` or a body of
//! `InvokeModel`.

use http::Response;
use serde::{Deserialize, Serialize};

use super::invocation::{self, Asked};
use crate::converse::{self, Ask, Blob, Request};
use crate::ops::{Call, count, json, question};
use crate::relay::Relay;
use crate::wire::Body;
use crate::{Error, Result};

/// `CountTokensRequest`, whose `modelId` is in the path.
#[derive(Deserialize)]
struct Counted {
    input: Option<Input>,
}

/// `CountTokensInput`, a union: one of the two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    converse: Option<Box<Request>>,
    invoke_model: Option<Invoked>,
}

/// `InvokeModelTokensRequest`: a native body, in base64.
#[derive(Deserialize)]
struct Invoked {
    body: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    input_tokens: u32,
}

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, mut call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    question::refuse_compressed(&call.head.headers)?;
    let Counted { input } = converse::read(&call.body)?;
    let ask = match input {
        None => return Err(violation("input", "Member must not be null")),
        Some(Input { converse: Some(request), invoke_model: None }) => read(&call, *request)?,
        Some(Input { converse: None, invoke_model: Some(invoked) }) => {
            call.body = invoked.body.decode().into();
            let asked = Asked::default();
            invocation::read(&call, &deployment, asked, false, relay.clock())?.ask
        }
        Some(_) => {
            return Err(violation("input", "Member must have one of converse and invokeModel"));
        }
    };
    let input_tokens = count::tokens(relay, &call, &deployment, ask).await?;
    json(&call.record, &Answer { input_tokens })
}

/// `ConverseTokensRequest`: a request of `Converse` with four of its members. The others are
/// unknown here, and ignored as unknown members are.
fn read(call: &Call, request: Request) -> Result<Ask> {
    let request = Request {
        additional_model_request_fields: request.additional_model_request_fields,
        messages: request.messages,
        system: request.system,
        tool_config: request.tool_config,
        ..Request::default()
    };
    question::refuse_guardrails(call, &request)?;
    request.validate()?;
    Ok(Ask::from(request))
}

fn violation(member: &str, constraint: &str) -> Error {
    Error::validation(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
         {constraint}"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = converse::read::<Counted>(&body);
        }

        /// Whatever the members are: they are read, or refused in a caller's words.
        #[test]
        fn no_input_panics(
            converse in "null|\\{\\}|5|\\{\"messages\":(null|\\[\\]|\\[5\\]|\"x\")\\}",
            invoked in "null|\\{\\}|\\{\"body\":(null|\"e30=\"|\"e30\"|\"\"|[0-9])\\}",
        ) {
            let body = format!(r#"{{"input":{{"converse":{converse},"invokeModel":{invoked}}}}}"#);
            if let Err(error) = converse::read::<Counted>(body.as_bytes()) {
                prop_assert_eq!(error.code(), crate::Code::Validation);
            }
        }
    }
}
