//! What goes wrong, on purpose.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::model::Event;
use super::refusal::{Refusal, StreamFailure};

/// What goes wrong with a call. What happens `after` a number of events is counted in the
/// container's events (SSE events or lines), the role event included.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fault {
    /// `SageMaker` itself refuses.
    pub(super) service: Option<Service>,
    /// The container answers with an error.
    pub(super) http: Option<Http>,
    /// Milliseconds before the head of the answer.
    pub(super) delay_ms: u64,
    /// The container answers 200 and nothing.
    pub(super) empty: bool,
    /// Silence in the middle of a stream, which then goes on.
    stall: Option<Stall>,
    /// The container's own error in a stream that began well.
    error_event: Option<ErrorEvent>,
    /// The stream ends well, but too early: there is no finish reason.
    truncate: Option<Truncate>,
    /// The container's stream broke, or took too long: the exception `ModelStreamError`.
    model_stream_error: Option<ModelStreamError>,
    /// The exception `InternalStreamFailure`.
    internal_stream_failure: Option<InternalStreamFailure>,
    /// The connection is cut in the middle of a frame.
    cut: Option<After>,
}

/// A refusal of `SageMaker`'s own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    code: ServiceCode,
    message: Option<String>,
}

/// The exceptions of the service, and of what stands before it.
#[derive(Clone, Copy, Debug, Deserialize)]
enum ServiceCode {
    #[serde(rename = "ThrottlingException")]
    Throttling,
    #[serde(rename = "ModelNotReadyException")]
    ModelNotReady,
    ServiceUnavailable,
    InternalFailure,
    #[serde(rename = "InternalDependencyException")]
    InternalDependency,
    ValidationError,
    #[serde(rename = "AccessDeniedException")]
    AccessDenied,
    #[serde(rename = "ExpiredTokenException")]
    ExpiredToken,
}

impl Service {
    pub(super) fn refusal(&self) -> Refusal {
        let (status, code, message) = match self.code {
            ServiceCode::Throttling => (429, "ThrottlingException", "Rate exceeded"),
            ServiceCode::ModelNotReady => {
                (429, "ModelNotReadyException", "The model is not ready for inference.")
            }
            ServiceCode::ServiceUnavailable => {
                (503, "ServiceUnavailable", "The service is unavailable. Try your call again.")
            }
            ServiceCode::InternalFailure => {
                (500, "InternalFailure", "An internal failure occurred.")
            }
            ServiceCode::InternalDependency => (
                530,
                "InternalDependencyException",
                "Your request caused an exception with an internal dependency.",
            ),
            ServiceCode::ValidationError => (400, "ValidationError", "Validation failed."),
            ServiceCode::AccessDenied => (
                403,
                "AccessDeniedException",
                "User is not authorized to perform: sagemaker:InvokeEndpoint",
            ),
            ServiceCode::ExpiredToken => (
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
        };
        Refusal::new(status, code, self.message.as_deref().unwrap_or(message))
    }
}

/// An error of the container's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) status: Spanned<u16>,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default = "json")]
    pub(super) content_type: String,
}

fn json() -> String {
    "application/json".to_owned()
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct After {
    after: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Truncate {
    /// As a rule everything but the finish reason comes.
    after: usize,
}

impl Default for Truncate {
    fn default() -> Self {
        Self { after: usize::MAX }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stall {
    #[serde(default)]
    after: usize,
    ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ErrorEvent {
    after: usize,
    status: u16,
    kind: String,
    message: String,
}

impl Default for ErrorEvent {
    fn default() -> Self {
        Self {
            after: 0,
            status: 500,
            kind: "InternalServerError".to_owned(),
            message: "EngineCore encountered an issue. See stack trace (above) for the root cause."
                .to_owned(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ModelStreamError {
    after: usize,
    error_code: String,
    message: String,
}

impl Default for ModelStreamError {
    fn default() -> Self {
        Self {
            after: 0,
            error_code: "ModelInvocationTimeExceeded".to_owned(),
            message: "Your model primary did not complete sending the inference response in the \
                      allotted time."
                .to_owned(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct InternalStreamFailure {
    after: usize,
    message: String,
}

impl Default for InternalStreamFailure {
    fn default() -> Self {
        Self { after: 0, message: "The stream processing failed.".to_owned() }
    }
}

impl Fault {
    /// The container's status, where one is written.
    pub(super) fn status(&self) -> Option<&Spanned<u16>> {
        self.http.as_ref().map(|http| &http.status)
    }

    /// Silence before the head of the answer.
    pub(super) fn delay(&self) -> Option<Duration> {
        (self.delay_ms > 0).then(|| Duration::from_millis(self.delay_ms))
    }

    /// Puts what goes wrong into the events of a stream.
    pub(super) fn apply(&self, events: &mut Vec<Event>) {
        if self.empty {
            events.clear();
            return;
        }
        let ends = [
            self.error_event.as_ref().map(|fault| {
                let (message, kind) = (fault.message.clone(), fault.kind.clone());
                (fault.after, Event::Error { message, kind, status: fault.status }, true)
            }),
            self.truncate.map(|fault| (fault.after, Event::Done, false)),
            self.model_stream_error.as_ref().map(|fault| {
                let (message, code) = (fault.message.clone(), fault.error_code.clone());
                (fault.after, Event::Throw(StreamFailure::Model { message, code }), false)
            }),
            self.internal_stream_failure.as_ref().map(|fault| {
                let message = fault.message.clone();
                (fault.after, Event::Throw(StreamFailure::Internal { message }), false)
            }),
            self.cut.map(|fault| (fault.after, Event::Cut, false)),
        ];
        // The stall first: what ends the stream may come after it.
        if let Some(stall) = self.stall {
            let at = place(events, stall.after);
            events.insert(at, Event::Stall(Duration::from_millis(stall.ms)));
        }
        for (after, event, done) in ends.into_iter().flatten() {
            let at = place(events, after);
            events.truncate(at);
            events.push(event);
            if done {
                events.push(Event::Done);
            }
        }
    }
}

/// Where the first `after` events of the container end, but never behind its finish reason.
fn place(events: &[Event], after: usize) -> usize {
    let mut seen = 0;
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Data { finish, .. } => {
                if seen == after || *finish {
                    return at;
                }
                seen += 1;
            }
            Event::Pause(_) | Event::Stall(_) => {}
            _ => return at,
        }
    }
    events.len()
}
