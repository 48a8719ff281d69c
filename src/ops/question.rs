//! From a request to the question: what the operations have in common.

use std::borrow::Cow;
use std::collections::HashMap;

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use serde_json::value::RawValue;

use super::Call;
use crate::converse::{Ask, Request};
use crate::transport::Hints;
use crate::{Error, Result};

/// Reads and validates the body of `Converse` or `ConverseStream`; refuses by name what is not built yet.
pub(super) fn read(call: &Call) -> Result<Ask> {
    refuse_compressed(&call.head.headers)?;
    let request = Request::parse(&call.body)?;
    refuse_guardrails(call, &request)?;
    if request.prompt_variables.is_some() {
        return Err(Error::not_supported("promptVariables"));
    }
    request.validate()?;
    if let Some(metadata) = &request.request_metadata {
        // Strings alone: writing them cannot fail, and if it did, a log without them would do.
        call.record.request_metadata(serde_json::to_string(metadata).unwrap_or_default());
    }
    Ok(Ask::from(request))
}

/// Refuses by name what no native body can be asked for yet.
pub(super) fn refuse_unbuilt(call: &Call) -> Result<()> {
    refuse_compressed(&call.head.headers)?;
    refuse_guardrail_header(&call.head.headers)?;
    refuse_guardrail_member(&call.body)
}

/// No SDK compresses the body of these operations; who does is told so, and not that it is no JSON.
pub(super) fn refuse_compressed(headers: &HeaderMap) -> Result<()> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Error::not_supported("Content-Encoding"))
        }
        _ => Ok(()),
    }
}

/// A guardrail may be asked for by a member, by a header, or by a key of the model's own fields.
/// Whoever asks for one must not be answered without it.
pub(super) fn refuse_guardrails(call: &Call, request: &Request) -> Result<()> {
    refuse_guardrail_header(&call.head.headers)?;
    let fields = request.additional_model_request_fields.as_ref();
    let asked = if request.guardrail_config.is_some() {
        "guardrailConfig"
    } else if fields.is_some_and(|fields| fields.get("amazon-bedrock-guardrailConfig").is_some()) {
        "amazon-bedrock-guardrailConfig"
    } else {
        return Ok(());
    };
    Err(Error::not_supported(asked))
}

/// The header that asks for a guardrail, of every operation that has one.
pub(super) fn refuse_guardrail_header(headers: &HeaderMap) -> Result<()> {
    if headers.contains_key("x-amzn-bedrock-guardrailidentifier") {
        return Err(Error::not_supported("X-Amzn-Bedrock-GuardrailIdentifier"));
    }
    Ok(())
}

/// Whoever asks for a guardrail in a native body must not be answered without it.
pub(super) fn refuse_guardrail_member(body: &[u8]) -> Result<()> {
    const MEMBER: &str = "amazon-bedrock-guardrailConfig";
    let is_member = || {
        serde_json::from_slice::<HashMap<Cow<'_, str>, &RawValue>>(body)
            .is_ok_and(|members| members.contains_key(MEMBER))
    };
    if memchr::memmem::find(body, MEMBER.as_bytes()).is_some() && is_member() {
        return Err(Error::not_supported(MEMBER));
    }
    Ok(())
}

/// What the call's headers tell endpoints, by the names that SageMaker itself reads. Each target
/// hears as much of it as the configuration lets callers tell it.
pub(super) fn hints(call: &Call) -> Hints {
    let header = |name: &str| {
        let value = call.head.headers.get(name)?.to_str().ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    Hints {
        inference_id: Some(call.record.id().to_owned()),
        session_id: header("x-amzn-sagemaker-session-id"),
        custom_attributes: header("x-amzn-sagemaker-custom-attributes"),
        prefix_aware_id: header("x-amzn-sagemaker-prefix-aware-id"),
    }
}
