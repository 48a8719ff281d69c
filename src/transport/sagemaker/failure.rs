//! What SageMaker's errors mean to the caller, by table.
//!
//! Codes, statuses and texts: botocore `sagemaker-runtime` 2017-05-13 and field reports. Codes
//! are read by name, since `ModelNotReadyException` and `InternalDependencyException` are not
//! modelled on the stream operation, nor throttling on either.
//!
//! What goes to the log is written here, from codes and statuses, and never from a body: it may
//! hold what a container repeats of a prompt.

use super::super::{Failure, broken, throttled, unavailable};
use crate::error::Upstream;
use crate::{Code, Error};

/// What SageMaker answered in place of success, whoever read it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused<'a> {
    pub(super) status: u16,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    /// The container's status, of a `ModelError`.
    pub(super) original_status: Option<i32>,
    /// The first 2,048 characters of the container's body, of a `ModelError`.
    pub(super) original_message: Option<&'a str>,
}

/// What it means; `size` is that of the payload.
pub(super) fn refused(answer: &Refused<'_>, size: usize) -> Failure {
    let log = for_log(answer);
    if answer.code == Some("ModelError") {
        return container(answer, log);
    }
    let failed = by_code(answer.code, answer.message, answer.status, size).because(log);
    match failed.code() {
        // What SageMaker itself declines has not reached the container.
        Code::Throttling | Code::ModelNotReady | Code::ServiceUnavailable => {
            Failure::Declined(failed)
        }
        _ => Failure::Other(failed),
    }
}

/// No credentials, no region, a URL that cannot be called: the log says which.
pub(super) fn not_called() -> Error {
    Error::new(
        Code::InternalServer,
        "The gateway could not call the model's endpoint. Its log says why.",
    )
}

/// Code, status and request id of SageMaker's answer.
fn for_log(answer: &Refused<'_>) -> String {
    let code = answer.code.unwrap_or("an error without a code");
    let id = answer.request_id.unwrap_or("none");
    // In these words SageMaker quotes the container.
    let said = answer.message.filter(|_| code != "ModelError");
    format!(
        "SageMaker answered {code}, status {}, request id {id}{}{}",
        answer.status,
        if said.is_some() { ": " } else { "" },
        said.unwrap_or_default()
    )
}

/// `ModelError`: the container answered, and SageMaker hands on its status and the first 2,048
/// characters of its body; or it did not answer in time.
fn container(model: &Refused<'_>, log: String) -> Failure {
    let said = model.message.unwrap_or_default();
    let original = model.original_message.unwrap_or_default();
    let status = model.original_status.and_then(|status| u16::try_from(status).ok());
    let answered = status.filter(|status| (100..=599).contains(status));
    if answered.is_none() && is_timeout(&format!("{said} {original}")) {
        return Failure::Other(
            Error::new(
                Code::ModelTimeout,
                "The model did not answer within the time that SageMaker allows. Try your request again.",
            )
            .because(log),
        );
    }
    Failure::Container {
        status: answered,
        body: if original.is_empty() { said.to_owned() } else { original.to_owned() },
        source: Error::new(Code::ModelError, log),
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

fn not_ready() -> Error {
    Error::new(
        Code::ModelNotReady,
        "The model is not ready for inference requests. Wait and try your request again.",
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

/// An exception after the head: its name, the reason and the words that it gives.
pub(super) fn exception(name: &str, reason: Option<&str>, message: Option<&str>) -> Error {
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
    let message = message.filter(|said| !said.is_empty()).map(ToOwned::to_owned);
    refused.upstream(Upstream { message, ..Upstream::default() }).because(log.trim_end().to_owned())
}
