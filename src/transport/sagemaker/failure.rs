//! What SageMaker's errors mean to the caller, by table.
//!
//! Codes, statuses and texts: botocore `sagemaker-runtime` 2017-05-13 and field reports. Codes
//! are read by name, since `ModelNotReadyException` and `InternalDependencyException` are not
//! modelled on the stream operation, nor throttling on either.
//!
//! What goes to the log is written here, from codes and statuses: the SDK's own rendering of an
//! error holds the answer's body, and with it what a container repeats of a prompt.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sagemakerruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint_with_response_stream::InvokeEndpointWithResponseStreamError;
use aws_sdk_sagemakerruntime::types::error::{ModelError, ResponseStreamError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::event_stream::RawMessage;
use aws_smithy_types::str_bytes::StrBytes;

use super::super::Failure;
use crate::error::Upstream;
use crate::{Code, Error};

pub(super) fn invoke(error: &SdkError<InvokeEndpointError, HttpResponse>, size: usize) -> Failure {
    let model = match error.as_service_error() {
        Some(InvokeEndpointError::ModelError(model)) => Some(model),
        _ => None,
    };
    call(error, model, size)
}

pub(super) fn stream(
    error: &SdkError<InvokeEndpointWithResponseStreamError, HttpResponse>,
    size: usize,
) -> Failure {
    let model = match error.as_service_error() {
        Some(InvokeEndpointWithResponseStreamError::ModelError(model)) => Some(model),
        _ => None,
    };
    call(error, model, size)
}

fn call<E>(error: &SdkError<E, HttpResponse>, model: Option<&ModelError>, size: usize) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if let Some(model) = model {
        return container(model, error);
    }
    let refused = match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            by_code(service.err().code(), service.err().message(), status, size)
        }
        SdkError::TimeoutError(_) => unreachable_endpoint(),
        // Other, but transient: a connection that was closed before the answer's head.
        SdkError::DispatchFailure(failure)
            if failure.is_timeout()
                || failure.is_io()
                || failure.as_connector_error().is_some_and(|e| e.as_other().is_some())
                || has_cause(error, is_tls) =>
        {
            unreachable_endpoint()
        }
        SdkError::ResponseError(_) => unreadable(),
        SdkError::DispatchFailure(_) if has_cause(error, is_parse) => unreadable(),
        // No credentials, no region, a URL that cannot be called: the log says which.
        _ => Error::new(
            Code::InternalServer,
            "The gateway could not call the model's endpoint. Its log says why.",
        ),
    };
    let failed = refused.because(for_log(error));
    match error {
        // What SageMaker itself declines has not reached the container.
        SdkError::ServiceError(_)
            if matches!(
                failed.code(),
                Code::Throttling | Code::ModelNotReady | Code::ServiceUnavailable
            ) =>
        {
            Failure::Declined(failed)
        }
        // A connection that was never made: the name, the address or the TLS handshake failed.
        // Whatever dies later dies in hyper's hands, and may have been written.
        SdkError::DispatchFailure(failure)
            if (failure.is_timeout() || failure.is_io() || has_cause(error, is_tls))
                && !has_cause(error, <Cause>::is::<hyper::Error>)
                && !has_cause(error, <Cause>::is::<CredentialsError>) =>
        {
            Failure::Unreached(failed)
        }
        _ => Failure::Other(failed),
    }
}

/// Code, status and request id of SageMaker's answer, or why there was none.
fn for_log<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let SdkError::ServiceError(service) = error else { return chain(error) };
    let code = service.err().code().unwrap_or("an error without a code");
    let status = service.raw().status().as_u16();
    let id = service.raw().headers().get("x-amzn-requestid").unwrap_or("none");
    // In these words SageMaker quotes the container.
    let said = service.err().message().filter(|_| code != "ModelError");
    format!(
        "SageMaker answered {code}, status {status}, request id {id}{}{}",
        if said.is_some() { ": " } else { "" },
        said.unwrap_or_default()
    )
}

type Cause = dyn std::error::Error + 'static;

/// An error and its causes. For errors that hold no answer.
fn chain(error: &Cause) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether one of the causes is of this kind, those that I/O errors wrap among them.
fn has_cause(error: &Cause, is: fn(&Cause) -> bool) -> bool {
    fn next(cause: &Cause) -> Option<&Cause> {
        match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        }
    }
    std::iter::successors(error.source(), |cause| next(*cause)).any(is)
}

/// A TLS handshake that failed. The SDK gives it no kind of its own.
fn is_tls(cause: &Cause) -> bool {
    cause.is::<rustls::Error>()
}

/// A head that is no HTTP. The SDK gives it no kind of its own.
fn is_parse(cause: &Cause) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

fn unreadable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint sent an answer that could not be read. Try your request again.",
    )
}

fn unreachable_endpoint() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint could not be reached. Try your request again.",
    )
}

/// `ModelError`: the container answered, and SageMaker hands on its status and the first 2,048
/// characters of its body; or it did not answer in time.
fn container<E>(model: &ModelError, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let said = model.message().unwrap_or_default();
    let original = model.original_message().unwrap_or_default();
    let status = model.original_status_code().and_then(|status| u16::try_from(status).ok());
    let answered = status.filter(|status| (100..=599).contains(status));
    let source = for_log(error);
    if answered.is_none() && is_timeout(&format!("{said} {original}")) {
        return Failure::Other(
            Error::new(
                Code::ModelTimeout,
                "The model did not answer within the time that SageMaker allows. Try your request again.",
            )
            .because(source),
        );
    }
    Failure::Container {
        status: answered,
        body: if original.is_empty() { said.to_owned() } else { original.to_owned() },
        source: Error::new(Code::ModelError, source),
    }
}

fn is_timeout(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["timed out", "timeout", "did not respond", "within 60", "allotted time"]
        .iter()
        .any(|words| text.contains(words))
}

fn by_code(code: Option<&str>, message: Option<&str>, status: u16, size: usize) -> Error {
    let message = message.unwrap_or_default();
    match code.unwrap_or_default() {
        "ModelNotReadyException" => not_ready(),
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ThrottledException"
        | "SlowDown" => throttled(),
        "ServiceUnavailable" | "ServiceUnavailableException" => unavailable(),
        "InternalDependencyException" | "InternalFailure" | "InternalStreamFailure" => {
            Error::internal()
        }
        "ValidationError" | "ValidationException" => invalid(message, status, size),
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken" => Error::new(
            Code::InternalServer,
            "The gateway's own credentials were refused by SageMaker. Its log says why.",
        ),
        _ => match status {
            413 => too_large(size),
            429 => throttled(),
            502..=504 => unavailable(),
            _ => Error::internal(),
        },
    }
}

fn throttled() -> Error {
    Error::new(Code::Throttling, "Too many requests, please wait before trying again.")
}

fn not_ready() -> Error {
    Error::new(
        Code::ModelNotReady,
        "The model is not ready for inference requests. Wait and try your request again.",
    )
}

fn unavailable() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model's endpoint is unavailable. Try your request again.",
    )
}

fn invalid(message: &str, status: u16, size: usize) -> Error {
    let text = message.to_ascii_lowercase();
    if status == 413
        || text.contains("too large")
        || (text.contains("body") && (text.contains("length less than") || text.contains("exceed")))
    {
        return too_large(size);
    }
    if text.contains("not found") || text.contains("could not find") {
        return Error::new(Code::ResourceNotFound, "The endpoint behind this model was not found.");
    }
    // An inference component that was scaled to zero: this call has woken it.
    if text.contains("no capacity to process") {
        return not_ready();
    }
    Error::validation(format!("The model's endpoint refused the request: {message}"))
}

fn too_large(size: usize) -> Error {
    Error::validation(format!(
        "The request became a payload of {size} bytes for the model's endpoint, which is more than it accepts. Send less text or fewer or smaller images."
    ))
}

/// An error after the head: an exception frame, or a connection that broke.
pub(super) fn part(error: &SdkError<ResponseStreamError, RawMessage>) -> Error {
    let SdkError::ServiceError(service) = error else {
        return broken().because(chain(error));
    };
    let (said, reason) = match service.err() {
        ResponseStreamError::ModelStreamError(model) => (model.message(), model.error_code()),
        other => (other.message(), None),
    };
    // The name is in the frame's head alone: the SDK gives modelled exceptions no code.
    let name = exception_name(service.raw()).or(service.err().code()).unwrap_or_default();
    let refused = match (name, reason) {
        (_, Some("ModelInvocationTimeExceeded")) => Error::new(
            Code::ModelTimeout,
            "The model did not finish its answer within the time that SageMaker allows.",
        ),
        ("InternalStreamFailure" | "InternalFailure" | "InternalDependencyException", _) => {
            Error::internal()
        }
        ("ThrottlingException", _) => throttled(),
        ("ServiceUnavailable" | "ServiceUnavailableException", _) => unavailable(),
        _ => broken(),
    };
    let log = format!("SageMaker sent {name} {}", reason.unwrap_or_default());
    let message = said.filter(|said| !said.is_empty()).map(ToOwned::to_owned);
    refused.upstream(Upstream { message, ..Upstream::default() }).because(log.trim_end().to_owned())
}

fn broken() -> Error {
    Error::new(
        Code::ModelStreamError,
        "The connection to the model broke before its answer was complete. Try your request again.",
    )
}

fn exception_name(raw: &RawMessage) -> Option<&str> {
    let RawMessage::Decoded(message) = raw else { return None };
    let name = message.headers().iter().find(|header| header.name().as_str() == ":exception-type");
    name?.value().as_string().ok().map(StrBytes::as_str)
}
