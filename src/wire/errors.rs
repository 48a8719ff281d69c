//! Errors in each API's own shape.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::Body;
use crate::{Code, Error};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Whose error shape a caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// bedrock-runtime's: rest-json.
    RestJson,
    /// `/openai/…`: `{"error": {"message", "type", "param", "code"}}`.
    OpenAi,
    /// `/anthropic/…`: `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
}

impl Dialect {
    /// The dialect of a raw request path.
    ///
    /// ```
    /// use helan::wire::Dialect;
    /// assert_eq!(Dialect::of_path("/openai/v1/chat/completions"), Dialect::OpenAi);
    /// assert_eq!(Dialect::of_path("/model/deepseek.r1-v1%3A0/converse"), Dialect::RestJson);
    /// ```
    pub fn of_path(path: &str) -> Self {
        if path.contains("/openai/v1/") {
            Self::OpenAi
        } else if path.contains("/anthropic/v1/") {
            Self::Anthropic
        } else {
            Self::RestJson
        }
    }
}

/// `error` in the shape of a dialect: the body of an answer, or what ends a stream of server-sent
/// events.
pub fn error_body(error: &Error, dialect: Dialect, request_id: &str) -> Value {
    match dialect {
        Dialect::RestJson => rest_json(error),
        Dialect::OpenAi => json!({ "error": {
            "message": error.message(),
            "type": openai_type(error.code()),
            "param": null,
            "code": error.code().name(),
        }}),
        Dialect::Anthropic => json!({
            "type": "error",
            "error": { "type": anthropic_type(error.code()), "message": error.message() },
            "request_id": request_id,
        }),
    }
}

/// Renders `error` as an HTTP answer.
pub fn error_response(error: &Error, dialect: Dialect, request_id: &str) -> Response<Body> {
    let body = error_body(error, dialect, request_id);
    let mut response = Response::new(Body::full(Bytes::from(body.to_string())));
    *response.status_mut() = error.code().status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ERROR_TYPE, error_type(error.code()));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(after) = error.retry_at() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if error.code() == Code::WrongMethod {
        headers.insert(http::header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn rest_json(error: &Error) -> Value {
    let mut body = Map::new();
    // Bedrock's bearer check answers with a capital M, alone among its errors.
    let member = if error.code() == Code::InvalidApiKey { "Message" } else { "message" };
    body.insert(member.to_owned(), error.message().into());
    upstream_members(error, &mut body);
    Value::Object(body)
}

/// `ModelErrorException` and `ModelStreamErrorException` say what the container answered.
fn upstream_members(error: &Error, body: &mut Map<String, Value>) {
    let upstream = error.from_upstream();
    if !matches!(error.code(), Code::ModelError | Code::ModelStreamError) {
        return;
    }
    if let Some(status) = upstream.status.filter(|status| (100..=599).contains(status)) {
        body.insert("originalStatusCode".to_owned(), status.into());
    }
    match error.code() {
        Code::ModelError => {
            if let Some(resource) = &upstream.resource {
                body.insert("resourceName".to_owned(), resource.as_str().into());
            }
        }
        _ => {
            if let Some(message) = &upstream.message {
                body.insert("originalMessage".to_owned(), message.as_str().into());
            }
        }
    }
}

/// As Bedrock writes it: name and namespace. SDKs cut at the first `:`.
fn error_type(code: Code) -> HeaderValue {
    let namespace = if code.is_front_end() {
        "http://internal.amazon.com/coral/com.amazon.coral.service/"
    } else {
        "http://internal.amazon.com/coral/com.amazon.bedrock/"
    };
    HeaderValue::from_str(&format!("{}:{namespace}", code.name()))
        .unwrap_or(HeaderValue::from_static("InternalServerException"))
}

fn openai_type(code: Code) -> &'static str {
    match code.status() {
        StatusCode::FORBIDDEN => "authentication_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(code: Code) -> &'static str {
    match code {
        Code::AccessDenied => "permission_error",
        Code::TooLarge => "request_too_large",
        Code::HeadTooLarge => "invalid_request_error",
        Code::ServiceUnavailable => "overloaded_error",
        Code::ModelTimeout => "timeout_error",
        _ => match code.status() {
            StatusCode::FORBIDDEN => "authentication_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::BAD_REQUEST => "invalid_request_error",
            _ => "api_error",
        },
    }
}

/// Which exceptions a stream has, in the service model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceptions {
    /// `ConverseStreamOutput`: five, none of them a timeout.
    ConverseStream,
    /// `ResponseStream`, of `InvokeModelWithResponseStream`: a timeout too.
    ResponseStream,
}

/// The frame that ends a stream which failed after its head: `:exception-type` and payload. What
/// has no member of its own becomes the nearest that has.
pub fn exception(error: &Error, exceptions: Exceptions) -> (&'static str, Vec<u8>) {
    let (name, code) = match error.code() {
        Code::Validation | Code::TooLarge | Code::HeadTooLarge => {
            ("validationException", Code::Validation)
        }
        Code::Throttling => ("throttlingException", Code::Throttling),
        Code::ServiceUnavailable | Code::ModelNotReady => {
            ("serviceUnavailableException", Code::ServiceUnavailable)
        }
        Code::ModelTimeout if exceptions == Exceptions::ResponseStream => {
            ("modelTimeoutException", Code::ModelTimeout)
        }
        Code::ModelError | Code::ModelStreamError | Code::ModelTimeout => {
            ("modelStreamErrorException", Code::ModelStreamError)
        }
        _ => ("internalServerException", Code::InternalServer),
    };
    let mut body = Map::new();
    body.insert("message".to_owned(), error.message().into());
    if code == Code::ModelStreamError {
        let upstream = error.from_upstream();
        if let Some(message) = &upstream.message {
            body.insert("originalMessage".to_owned(), message.as_str().into());
        }
        if let Some(status) = upstream.status.filter(|status| (100..=599).contains(status)) {
            body.insert("originalStatusCode".to_owned(), status.into());
        }
    }
    (name, Value::Object(body).to_string().into_bytes())
}
