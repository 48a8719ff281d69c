//! The one operation of SageMaker's own API that is here: `DescribeEndpoint`.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;

use super::refusal::{ACCOUNT, Refusal};
use super::rules::Rules;

/// Whether a request is for this API: all of its operations have one path.
pub(super) fn is_for(parts: &Parts) -> bool {
    parts.uri.path() == "/" && parts.headers.contains_key("x-amz-target")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    endpoint_name: String,
}

/// Answers a request whose signature is in order.
pub(super) fn answer(
    parts: &Parts,
    body: &[u8],
    rules: &Rules,
    region: &str,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let target = parts.headers.get("x-amz-target").map(HeaderValue::as_bytes);
    if target != Some(b"SageMaker.DescribeEndpoint") {
        return Err(Refusal::new(400, "UnknownOperationException", "Not here."));
    }
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))?;
    let name = asked.endpoint_name;
    let arn = format!("arn:aws-cn:sagemaker:{region}:{ACCOUNT}:endpoint/{name}");
    let endpoint = rules.endpoint(&name).ok_or_else(|| {
        Refusal::new(400, "ValidationException", format!("Could not find endpoint \"{arn}\"."))
    })?;
    let said = json!({
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointStatus": endpoint.status,
        "ProductionVariants": [{
            "VariantName": endpoint.variant,
            "CurrentInstanceCount": endpoint.instances,
        }],
    });
    let mut response = Response::new(Full::from(said.to_string()));
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
