//! What `InvokeModel` and `InvokeModelWithResponseStream` have in common: the request up to the
//! question, and the headers of the answer.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response};

use crate::catalog::Deployment;
use crate::clock::Clock;
use crate::converse::{PerformanceConfiguration, ServiceTier, TokenUsage};
use crate::family::{self, Family, Question};
use crate::ops::{Call, native, question};
use crate::wire::{Body, Payload};
use crate::{Error, Result};

const PERFORMANCE: HeaderName = HeaderName::from_static("x-amzn-bedrock-performanceconfig-latency");
const SERVICE_TIER: HeaderName = HeaderName::from_static("x-amzn-bedrock-service-tier");
const METADATA: HeaderName = HeaderName::from_static("x-amzn-bedrock-request-metadata");
/// `Accept` of the operation that streams: its own header is for the event stream.
const STREAM_ACCEPT: HeaderName = HeaderName::from_static("x-amzn-bedrock-accept");

/// The longest `X-Amzn-Bedrock-Request-Metadata`, in bytes, as in the service model.
const LONGEST_METADATA: usize = 8500;

/// What the headers of a call say, beside its body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    performance: Option<PerformanceConfiguration>,
    service_tier: Option<ServiceTier>,
}

impl Asked {
    /// Reads the headers; refuses by name what is not built yet.
    pub(super) fn read(call: &Call) -> Result<Self> {
        let headers = &call.head.headers;
        question::refuse_compressed(headers)?;
        question::refuse_guardrail_header(headers)?;
        if let Some(metadata) = headers.get(METADATA) {
            call.record.request_metadata(metadata_of(metadata)?);
        }
        let performance = word(headers, &PERFORMANCE)?
            .map(|latency| PerformanceConfiguration { latency: Some(latency) });
        let service_tier = word(headers, &SERVICE_TIER)?.map(|kind| ServiceTier { kind });
        Ok(Self { performance, service_tier })
    }

    /// Writes what Bedrock echoes.
    pub(super) fn echo(self, headers: &mut HeaderMap) {
        let latency = self.performance.and_then(|config| config.latency);
        if let Some(latency) = latency {
            headers.insert(PERFORMANCE, HeaderValue::from_static(latency.as_str()));
        }
        if let Some(tier) = self.service_tier {
            headers.insert(SERVICE_TIER, HeaderValue::from_static(tier.kind.as_str()));
        }
    }
}

/// A header's value as a word of the service model.
fn word<T: serde::de::DeserializeOwned>(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<T>> {
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    serde_json::from_value(value.into()).map(Some).map_err(|error| {
        Error::validation(format!(
            "1 validation error detected: Value at '{name}' failed to satisfy constraint: {error}"
        ))
    })
}

/// The caller's labels: a JSON object, kept for the log as it came.
fn metadata_of(value: &HeaderValue) -> Result<String> {
    let text = value.to_str().ok().filter(|text| text.len() <= LONGEST_METADATA);
    let is_object = |text: &&str| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    };
    text.filter(is_object).map(ToOwned::to_owned).ok_or_else(|| {
        Error::validation(format!(
            "1 validation error detected: Value at 'requestMetadata' failed to satisfy \
             constraint: Member must be a JSON object of at most {LONGEST_METADATA} bytes"
        ))
    })
}

/// Reads the body in the language that the deployment, the model id or the body itself tells.
pub(super) fn read(
    call: &Call,
    deployment: &Deployment,
    asked: Asked,
    streamed: bool,
    clock: &Clock,
) -> Result<Question> {
    question::refuse_guardrail_member(&call.body)?;
    let model_id = call.model_id.as_deref().unwrap_or_default();
    let family = family_of(deployment, model_id, &call.body)?;
    let mut question = native::read(clock, call, family, streamed)?;
    let fields = &mut question.ask.parameters;
    fields.performance = asked.performance;
    fields.service_tier = asked.service_tier;
    Ok(question)
}

fn family_of(deployment: &Deployment, model_id: &str, body: &[u8]) -> Result<&'static dyn Family> {
    deployment
        .family
        .or_else(|| family::choose([model_id, &*deployment.model_id], body))
        .ok_or_else(|| {
            Error::validation(
                "Malformed input request: #: no known request format, please reformat your input \
                 and try again.",
            )
        })
}

/// The body as it came, for an endpoint that is called as it is.
pub(super) fn raw(call: &Call, streamed: bool) -> Payload {
    let header = |name: &HeaderName| {
        let value = call.head.headers.get(name)?.to_str().ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let json = || "application/json".to_owned();
    let accept = if streamed { header(&STREAM_ACCEPT) } else { header(&ACCEPT) };
    Payload {
        content_type: header(&CONTENT_TYPE).unwrap_or_else(json).into(),
        accept: accept.unwrap_or_else(json).into(),
        body: call.body.clone(),
        sha256: Some(call.sha256),
        path: None,
        parts_matter: streamed,
        adapted: vec![],
    }
}

/// The content type of a raw answer.
pub(super) fn content_type(given: Option<String>) -> HeaderValue {
    given
        .and_then(|given| HeaderValue::try_from(given).ok())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Writes what was measured and counted, as Bedrock's headers do. What the container did not
/// count is left out: no prompt has no token.
pub(super) fn counted(response: &mut Response<Body>, usage: Option<&TokenUsage>, latency_ms: u64) {
    let headers = response.headers_mut();
    let mut insert = |name: &'static str, value: u64| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    };
    insert("x-amzn-bedrock-invocation-latency", latency_ms);
    let Some(usage) = usage else { return };
    let cached = [
        ("x-amzn-bedrock-cache-read-input-token-count", usage.cache_read_input_tokens),
        ("x-amzn-bedrock-cache-write-input-token-count", usage.cache_write_input_tokens),
    ];
    if usage.total_tokens > usage.output_tokens {
        insert("x-amzn-bedrock-input-token-count", usage.input_tokens.into());
    }
    if usage.total_tokens > 0 {
        insert("x-amzn-bedrock-output-token-count", usage.output_tokens.into());
    }
    for (name, count) in cached {
        if let Some(count) = count {
            insert(name, count.into());
        }
    }
}
