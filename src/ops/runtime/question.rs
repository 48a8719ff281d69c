//! What `Converse` and `ConverseStream` have in common: the request, up to the question.

use http::HeaderMap;

use crate::converse::{Ask, Request};
use crate::ops::Call;
use crate::transport::Hints;
use crate::{Error, Result};

/// Reads and validates the body; refuses by name what is not built yet.
pub(super) fn read(call: &Call) -> Result<Ask> {
    let request = serde_json::from_slice::<Request>(&call.body)
        .map_err(|e| Error::validation(e.to_string()))?;
    if request.guardrail_config.is_some() {
        return Err(Error::not_supported("guardrailConfig"));
    }
    if request.prompt_variables.is_some() {
        return Err(Error::not_supported("promptVariables"));
    }
    Ok(Ask::from(request))
}

/// What the call's headers tell the endpoint: the names that SageMaker itself reads.
pub(super) fn hints(call: &Call) -> Hints {
    let header = |name: &str| text(&call.head.headers, name);
    Hints {
        inference_id: Some(call.record.id().to_owned()),
        session_id: header("x-amzn-sagemaker-session-id"),
        custom_attributes: header("x-amzn-sagemaker-custom-attributes"),
        prefix_aware_id: header("x-amzn-sagemaker-prefix-aware-id"),
        target_variant: header("x-amzn-sagemaker-target-variant"),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned()).filter(|value| !value.is_empty())
}
