//! Why a caller is refused, in the words that AWS uses.
//!
//! Nothing that the caller sent is repeated in a message, except dates and names of services: a
//! message is logged, and people do paste secrets into the wrong field.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::WINDOW;
use crate::sigv4::AmzDate;
use crate::{Code, Error};

/// Nothing says who calls.
pub(super) fn missing() -> Error {
    Error::new(Code::MissingAuthenticationToken, "Missing Authentication Token")
}

/// The access key is unknown, or the session token is not the one that belongs to it.
pub(super) fn unrecognized() -> Error {
    Error::new(Code::UnrecognizedClient, "The security token included in the request is invalid.")
}

/// A bearer key that nobody was given.
pub(super) fn api_key() -> Error {
    Error::new(
        Code::InvalidApiKey,
        "Authentication failed: Please make sure your API Key is valid.",
    )
}

/// What was signed is not what arrived, or another secret signed it.
pub(super) fn mismatch() -> Error {
    Error::new(
        Code::InvalidSignature,
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details.",
    )
}

/// The payload's hash is announced as something that is not a hash.
pub(super) fn unsigned_payload() -> Error {
    Error::new(
        Code::InvalidSignature,
        "The payload must be signed: x-amz-content-sha256 must be the SHA-256 of the payload in \
         lower-case hexadecimal, not UNSIGNED-PAYLOAD or STREAMING-….",
    )
}

/// The signature is in the query string, as in a presigned URL.
pub(super) fn query_string() -> Error {
    incomplete(
        "Query string authentication is not supported. Sign the request with the Authorization \
         header.",
    )
}

/// The signature is not one that could be checked.
pub(super) fn incomplete(message: impl Into<String>) -> Error {
    Error::new(Code::IncompleteSignature, message.into())
}

/// A header that may be there once only.
pub(super) fn repeated(header: &str) -> Error {
    incomplete(format!("The request has more than one '{header}' header."))
}

/// The date is outside the window around `now`, on the side that `date` is on.
pub(super) fn skewed(date: AmzDate, now: OffsetDateTime) -> Error {
    let minutes = WINDOW.whole_minutes();
    let message = if date.at() < now {
        let earliest = AmzDate::from(now.saturating_sub(WINDOW));
        format!(
            "Signature expired: {date} is now earlier than {earliest} ({now} - {minutes} min.)",
            now = AmzDate::from(now),
        )
    } else {
        let latest = AmzDate::from(now.saturating_add(WINDOW));
        format!(
            "Signature not yet current: {date} is still later than {latest} ({now} + {minutes} min.)",
            now = AmzDate::from(now),
        )
    };
    Error::new(Code::InvalidSignature, message)
}

/// All that is wrong with a credential scope. The trailing space is AWS's.
#[derive(Default)]
pub(super) struct ScopeFaults(String);

impl ScopeFaults {
    pub(super) fn service(&mut self, expected: &str) {
        let _ = write!(self.0, "Credential should be scoped to correct service: '{expected}'. ");
    }

    pub(super) fn terminator(&mut self) {
        self.0.push_str("Credential should be scoped with a valid terminator: 'aws4_request'. ");
    }

    pub(super) fn date(&mut self, scope: &str, date: AmzDate) {
        self.0.push_str(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP",
        );
        if scope.len() == 8 && scope.bytes().all(|b| b.is_ascii_digit()) {
            let _ = write!(self.0, ": '{scope}' != '{}', from '{date}'", date.text().day());
        }
        self.0.push_str(". ");
    }

    pub(super) fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::new(Code::InvalidSignature, self.0)) }
    }
}
