//! What `Converse` and `ConverseStream` have in common: the request, up to the question.

use http::HeaderMap;

use crate::catalog::Target;
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
    request.validate()?;
    Ok(Ask::from(request))
}

/// What the call's headers tell the endpoint: the names that SageMaker itself reads.
pub(super) fn hints(call: &Call, target: &Target) -> Hints {
    let header = |name: &str| text(&call.head.headers, name);
    Hints {
        inference_id: Some(call.record.id().to_owned()),
        session_id: target
            .forward_session_id
            .then(|| header("x-amzn-sagemaker-session-id"))
            .flatten(),
        custom_attributes: target
            .forward_custom_attributes
            .then(|| header("x-amzn-sagemaker-custom-attributes"))
            .flatten(),
        prefix_aware_id: header("x-amzn-sagemaker-prefix-aware-id"),
        target_variant: header("x-amzn-sagemaker-target-variant"),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned()).filter(|value| !value.is_empty())
}
