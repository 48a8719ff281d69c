//! Errors as `SageMaker` words them.

use bytes::BytesMut;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::wire::frame;

/// The account that all endpoints belong to.
pub(super) const ACCOUNT: &str = "123456789012";

/// The longest `OriginalMessage`, in characters.
const ORIGINAL: usize = 2048;

/// An error before the first byte of an answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    body: Map<String, Value>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("Message".to_owned(), Value::String(message.into()));
        Self { status, code, body }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn no_endpoint(name: &str) -> Self {
        Self::validation(format!("Endpoint {name} of account {ACCOUNT} not found."))
    }

    pub(super) fn component_missing() -> Self {
        Self::validation(
            "Inference Component Name header is required for endpoints to which you plan to \
             deploy inference components. Please include Inference Component Name header or \
             consider using SageMaker models.",
        )
        .with("ErrorCode", "INFERENCE_COMPONENT_NAME_MISSING")
    }

    pub(super) fn component_not_allowed() -> Self {
        Self::validation(
            "Inference Component Name header is not allowed for endpoints to which you dont plan \
             to deploy inference components. Please remove the Inference Component Name header \
             and try again.",
        )
    }

    pub(super) fn no_component(name: &str) -> Self {
        Self::validation(format!("Inference Component {name} of account {ACCOUNT} not found."))
    }

    /// The front end's, which has no exception's name.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::outside(413, "", &format!("HTTP content length exceeded {limit} bytes."))
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailure", message)
    }

    /// What stands before the service refuses: an unknown signature, an unknown path.
    pub(super) fn front_end(error: &crate::Error) -> Self {
        Self::outside(error.code().status().as_u16(), error.code().name(), error.message())
    }

    /// An error that the service's model does not know: its message has a small letter.
    fn outside(status: u16, code: &'static str, message: &str) -> Self {
        let mut body = Map::new();
        body.insert("message".to_owned(), message.into());
        Self { status, code, body }
    }

    /// The container answered `status`, and this.
    pub(super) fn model(endpoint: &str, region: &str, status: u16, original: &str) -> Self {
        let original: String = original.chars().take(ORIGINAL).collect();
        let side = if (400..500).contains(&status) { "client" } else { "server" };
        let group = format!("/aws/sagemaker/Endpoints/{endpoint}");
        let partition = if region.starts_with("cn-") { "aws-cn" } else { "aws" };
        let message = format!(
            "Received {side} error ({status}) from primary with message \"{original}\". See \
             {group} in account {ACCOUNT} for more information."
        );
        Self::new(424, "ModelError", message)
            .with("OriginalStatusCode", status)
            .with("OriginalMessage", original)
            .with(
                "LogStreamArn",
                format!("arn:{partition}:logs:{region}:{ACCOUNT}:log-group:{group}"),
            )
    }

    /// The container did not answer in time.
    pub(super) fn timed_out(endpoint: &str, region: &str) -> Self {
        let original = "Your invocation timed out while waiting for a response from container \
                        primary. Review the latency metrics for each container in Amazon \
                        CloudWatch, resolve the issue, and try again.";
        Self::model(endpoint, region, 0, original)
    }

    pub(super) fn response(&self) -> Response<Full<bytes::Bytes>> {
        let mut response = Response::new(Full::from(Value::Object(self.body.clone()).to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !self.code.is_empty() {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(self.code));
        }
        response
    }
}

/// An exception that ends a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamFailure {
    /// `ModelStreamError`.
    Model { message: String, code: String },
    /// `InternalStreamFailure`.
    Internal { message: String },
}

impl StreamFailure {
    /// The container's stream broke off.
    pub(super) fn broken() -> Self {
        Self::Model {
            message: "Your model primary closed the connection before the response was complete."
                .to_owned(),
            code: "StreamBroken".to_owned(),
        }
    }

    /// The frame.
    pub(super) fn frame(&self) -> BytesMut {
        let (name, payload) = match self {
            Self::Model { message, code } => {
                ("ModelStreamError", json!({"Message": message, "ErrorCode": code}))
            }
            Self::Internal { message } => ("InternalStreamFailure", json!({"Message": message})),
        };
        let mut out = BytesMut::new();
        // Only a message of megabytes could be refused, and then the stream ends without it.
        let _ = frame::exception(&mut out, name, payload.to_string().as_bytes());
        out
    }

    /// The same failure of a call that has no stream.
    pub(super) fn refusal(&self, endpoint: &str, region: &str) -> Refusal {
        match self {
            Self::Model { message, .. } => Refusal::model(endpoint, region, 0, message),
            Self::Internal { message } => Refusal::internal(message.clone()),
        }
    }
}
