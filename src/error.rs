//! The one error that leaves the gateway.
//!
//! A [`Code`] for each exception a caller can meet; what the caller may read
//! ([`Error::message`]) is apart from what only the log may ([`std::error::Error::source`]).
//! Imports nothing of this crate: lower errors write their own `From` beside themselves.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// What every fallible step below the `respond` layer gives back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync>;

/// The kind of a failure: one for each exception of the Bedrock runtime API, and those of the
/// front end that stands before every AWS API (signing, unknown operations, sizes).
///
/// Names and statuses are the service model's (botocore `bedrock-runtime` 2023-09-30); those of
/// the front end are as AWS clients have reported them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The caller is known, but may not do this.
    AccessDenied,
    /// A bearer key that nobody was given.
    InvalidApiKey,
    /// The session's credentials are past their end.
    ExpiredToken,
    /// The `Authorization` header lacks a part.
    IncompleteSignature,
    /// The signature does not match, or its date is outside the window.
    InvalidSignature,
    /// No `Authorization` at all.
    MissingAuthenticationToken,
    /// An access key or session token that nobody was given.
    UnrecognizedClient,
    /// No operation has this path.
    UnknownOperation,
    /// The path has an operation, but not under this method.
    WrongMethod,
    /// The body is over the limit.
    TooLarge,
    /// The head is over the limit.
    HeadTooLarge,
    /// Something that is wrong here, not with the caller.
    InternalServer,
    /// The model, or the container that runs it, failed.
    ModelError,
    /// The model is being loaded.
    ModelNotReady,
    /// The model failed while its answer was streamed.
    ModelStreamError,
    /// The model took too long.
    ModelTimeout,
    /// What the call names does not exist.
    ResourceNotFound,
    /// A quota of the account is used up.
    ServiceQuotaExceeded,
    /// Full, or shutting down.
    ServiceUnavailable,
    /// Too many calls or tokens.
    Throttling,
    /// The request is not one that the API allows.
    Validation,
}

impl Code {
    /// The exception's shape name, as in `x-amzn-ErrorType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied | Self::InvalidApiKey => "AccessDeniedException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::UnknownOperation | Self::WrongMethod => "UnknownOperationException",
            Self::InternalServer => "InternalServerException",
            Self::ModelError => "ModelErrorException",
            Self::ModelNotReady => "ModelNotReadyException",
            Self::ModelStreamError => "ModelStreamErrorException",
            Self::ModelTimeout => "ModelTimeoutException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ServiceQuotaExceeded => "ServiceQuotaExceededException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
            Self::Throttling => "ThrottlingException",
            Self::Validation | Self::TooLarge | Self::HeadTooLarge => "ValidationException",
        }
    }

    /// The HTTP status of the exception.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::IncompleteSignature | Self::ServiceQuotaExceeded | Self::Validation => {
                StatusCode::BAD_REQUEST
            }
            Self::AccessDenied
            | Self::InvalidApiKey
            | Self::ExpiredToken
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::UnrecognizedClient => StatusCode::FORBIDDEN,
            Self::UnknownOperation | Self::ResourceNotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::ModelTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ModelError | Self::ModelStreamError => StatusCode::FAILED_DEPENDENCY,
            Self::ModelNotReady | Self::Throttling => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalServer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the front end before the service refused, rather than the service: its errors
    /// carry another namespace in `x-amzn-ErrorType`.
    pub const fn is_front_end(self) -> bool {
        matches!(
            self,
            Self::InvalidApiKey
                | Self::ExpiredToken
                | Self::IncompleteSignature
                | Self::InvalidSignature
                | Self::MissingAuthenticationToken
                | Self::UnrecognizedClient
                | Self::UnknownOperation
                | Self::WrongMethod
        )
    }
}

/// What the container answered, where it is known: members of `ModelErrorException` and
/// `ModelStreamErrorException`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// The container's HTTP status, 100..=599.
    pub status: Option<u16>,
    /// The container's own words.
    pub message: Option<String>,
    /// What answered: the endpoint's name.
    pub resource: Option<String>,
}

/// Why a call failed. One pointer wide.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: Cow<'static, str>,
    upstream: Upstream,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

impl Error {
    /// A failure whose `message` the caller will read. Never put a secret or a body into it.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            upstream: Upstream::default(),
            retry_after: None,
            source: None,
        }))
    }

    /// A `ValidationException`.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Validation, message)
    }

    /// An `InternalServerException`. Its message says nothing; what went wrong belongs in
    /// [`Error::because`].
    pub fn internal() -> Self {
        Self::new(
            Code::InternalServer,
            "The system encountered an unexpected error during processing. Try your request again.",
        )
    }

    /// The refusal of a feature by its name: nothing asked for is ever dropped silently.
    pub fn not_supported(feature: impl fmt::Display) -> Self {
        Self::validation(format!("{feature} is not supported by this gateway yet."))
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what the container answered.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.0.upstream = upstream;
        self
    }

    /// Adds when to try again: the `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same failure under another code.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// The kind of failure.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the caller reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the container answered.
    pub fn from_upstream(&self) -> &Upstream {
        &self.0.upstream
    }

    /// When to try again.
    pub fn retry_at(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("upstream", &self.0.upstream)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_source_is_kept_from_the_caller() {
        let error = Error::internal().because("the disk is full");
        assert!(!error.to_string().contains("disk"));
        assert_eq!(
            StdError::source(&error).map(ToString::to_string).as_deref(),
            Some("the disk is full")
        );
    }
}
