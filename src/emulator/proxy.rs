//! A real container behind an endpoint.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::invoke::Answered;
use super::parts::Source;

/// Connections to containers.
pub(super) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(super) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// What is sent to a container.
pub(super) struct Sent<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// Whether the operation is the one that streams.
    pub(super) streams: bool,
    pub(super) body: Bytes,
}

/// Why a container did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the container's URL or a header cannot be sent: {0}")]
    Request(#[from] http::Error),
    #[error("the container could not be reached: {0}")]
    Connection(#[from] legacy::Error),
}

/// Headers that a container sees as they are. The streaming operation has a name of its own for
/// `Accept`.
const FORWARDED: [&str; 5] = [
    "content-type",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
    "x-amzn-sagemaker-session-id",
    "x-amzn-sagemaker-target-model",
];

/// Sends the call on, and gives what `SageMaker` passes of the answer: status, content type,
/// custom attributes, body.
pub(super) async fn send(client: &Client, sent: Sent<'_>) -> Result<Answered, Failed> {
    let accept = if sent.streams { "x-amzn-sagemaker-accept" } else { "accept" };
    let mut request = Request::post(sent.url);
    for name in FORWARDED {
        if let Some(value) = sent.headers.get(name) {
            request = request.header(name, value);
        }
    }
    if let Some(value) = sent.headers.get(accept) {
        request = request.header(header::ACCEPT, value);
    }
    let response = client.request(request.body(Full::from(sent.body))?).await?;
    let (parts, body) = response.into_parts();
    Ok(Answered {
        status: parts.status.as_u16(),
        content_type: parts
            .headers
            .get(header::CONTENT_TYPE)
            .cloned()
            .unwrap_or_else(|| HeaderValue::from_static("application/octet-stream")),
        custom_attributes: parts.headers.get("x-amzn-sagemaker-custom-attributes").cloned(),
        source: Source::Container(body),
        cut: Vec::new(),
    })
}
