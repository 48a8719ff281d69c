//! The SDK's errors, read for what SageMaker answered, or why it did not.
//!
//! The SDK's own rendering of an error holds the answer's body, and is kept from the log.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sagemakerruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint_with_response_stream::InvokeEndpointWithResponseStreamError;
use aws_sdk_sagemakerruntime::types::error::{ModelError, ResponseStreamError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::event_stream::RawMessage;
use aws_smithy_types::str_bytes::StrBytes;

use super::super::super::{Failure, broken, chain, unreachable, unreadable};
use super::super::failure::{Refused, exception, not_called, refused};
use crate::Error;

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
    let failed = match error {
        SdkError::ServiceError(service) => {
            let answer = Refused {
                status: service.raw().status().as_u16(),
                code: if model.is_some() { Some("ModelError") } else { service.err().code() },
                message: service.err().message(),
                request_id: service.raw().headers().get("x-amzn-requestid"),
                original_status: model.and_then(ModelError::original_status_code),
                original_message: model.and_then(ModelError::original_message),
            };
            return refused(&answer, size);
        }
        SdkError::TimeoutError(_) => unreachable(),
        // Other, but transient: a connection that was closed before the answer's head.
        SdkError::DispatchFailure(failure)
            if failure.is_timeout()
                || failure.is_io()
                || failure.as_connector_error().is_some_and(|e| e.as_other().is_some())
                || has_cause(error, is_tls) =>
        {
            unreachable()
        }
        SdkError::ResponseError(_) => unreadable(),
        SdkError::DispatchFailure(_) if has_cause(error, is_parse) => unreadable(),
        _ => not_called(),
    };
    let failed = failed.because(chain(error));
    match error {
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

type Cause = dyn std::error::Error + 'static;

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
    exception(name, reason, said)
}

fn exception_name(raw: &RawMessage) -> Option<&str> {
    let RawMessage::Decoded(message) = raw else { return None };
    let name = message.headers().iter().find(|header| header.name().as_str() == ":exception-type");
    name?.value().as_string().ok().map(StrBytes::as_str)
}
