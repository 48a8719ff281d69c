//! Who calls: `SigV4` signatures and bearer keys.
//!
//! A call is judged in two steps, so that nothing is spent on strangers.
//! [`Authenticator::head`] reads the head alone: is the authorization well-formed, is the key one
//! of ours, is the date inside the window, the scope right? Only for a caller who gets that far is
//! a body worth reading; [`Pending::verify`] then takes its hash. Where the head announces the
//! payload's hash (`x-amz-content-sha256`), the signature itself is checked before the body.
//!
//! The recipe follows what clients were seen to do, since each signs another set of headers:
//!
//! - The canonical URI is the raw path, encoded once more ([`http::Uri`] keeps it as it came).
//! - `host` or `:authority` must be signed; any other set of headers is the client's to choose.
//! - A header that is not signed may say what it likes.
//! - Nothing but a hash of the payload is taken for one, and no signature in a query string.
//!
//! Refusals are worded as AWS words them. Signatures, session tokens and hashes of bearer keys are
//! compared in constant time; whether an access key id exists is told, as AWS tells it.

mod api_key;
mod keyring;
mod refusal;
mod verify;

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::request::Parts;
use time::{Duration, OffsetDateTime};

pub use keyring::{AccessKey, BearerKey, Keyring, KeyringError};
pub use verify::Pending;

use crate::wire::Dialect;
use crate::{Result, sigv4};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How far a signature's date may be from now, either way.
pub const WINDOW: Duration = Duration::minutes(5);

/// Who calls. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Option<Arc<str>>);

impl Principal {
    /// Anybody: nobody asked who calls.
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// Whoever holds a key under this name. Outside of this module, for tests.
    pub(crate) fn named(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// The name that the operator gave to the key; `anonymous` where nobody asked.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("anonymous")
    }

    /// The name, shared; `None` where nobody asked.
    pub const fn shared_name(&self) -> Option<&Arc<str>> {
        self.0.as_ref()
    }

    /// Whether nobody asked who calls.
    pub fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the head of a request proved.
#[derive(Debug)]
pub enum Claim {
    /// Who calls, whatever the body says: a bearer key, or nobody asked.
    Known(Principal),
    /// Somebody whose access key is known. The hash of the body will tell whether it is them.
    Signed(Pending),
}

/// Finds out who calls. Cheap to clone; clones share their keys.
///
/// ```
/// use helan::auth::{AccessKey, Authenticator, Keyring};
/// use time::macros::datetime;
///
/// let ring = Keyring::new(
///     [AccessKey {
///         id: "AKIDEXAMPLE".into(),
///         secret: "SECRET".into(),
///         session_token: None,
///         principal: "billing-report".into(),
///     }],
///     [],
/// )?;
/// let authenticator = Authenticator::new(ring, &["bedrock"]);
///
/// let (head, ()) = http::Request::post("/model/deepseek.r1-v1%3A0/converse")
///     .header("host", "127.0.0.1:8080")
///     .body(())?
///     .into_parts();
/// let refused = authenticator.head(&head, datetime!(2026-11-20 23:22:04 UTC)).unwrap_err();
/// assert_eq!(refused.message(), "Missing Authentication Token");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Authenticator(Option<Arc<Keys>>);

/// What an authenticator with keys holds.
#[derive(Debug)]
struct Keys {
    ring: Keyring,
    services: Box<[Box<str>]>,
    derived: sigv4::SigningKeys,
}

impl Authenticator {
    /// Takes calls that are signed for one of `services` with an access key of `ring`, and calls
    /// with a bearer key of `ring`. The first service is the one that a refusal names: `bedrock`,
    /// or `sagemaker` in the emulator.
    pub fn new(ring: Keyring, services: &[&str]) -> Self {
        let services = services.iter().map(|service| Box::from(*service)).collect();
        Self(Some(Arc::new(Keys { ring, services, derived: sigv4::SigningKeys::default() })))
    }

    /// Asks nobody: every call is [anonymous](Principal::anonymous), whatever it carries.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Step one: what the head proves at `now`. Does not look at `Content-Length`.
    ///
    /// # Errors
    /// - `MissingAuthenticationToken`: no authorization at all.
    /// - `IncompleteSignature`: an authorization that cannot be checked.
    /// - `UnrecognizedClient`: another's access key or session token.
    /// - `InvalidSignature`: another scope, a date outside the [`WINDOW`], a payload that is not
    ///   signed, a signed header that is missing; the wrong signature, where the head announces
    ///   the payload's hash.
    /// - `InvalidApiKey`: another's bearer key.
    pub fn head(&self, head: &Parts, now: OffsetDateTime) -> Result<Claim> {
        let Some(keys) = &self.0 else {
            return Ok(Claim::Known(Principal::anonymous()));
        };
        if head.uri.query().is_some_and(has_signature) {
            return Err(refusal::query_string());
        }
        let mut values = head.headers.get_all(AUTHORIZATION).into_iter();
        let Some(value) = values.next() else {
            let key = anthropic_key(head).ok_or_else(refusal::missing)?;
            return keys.bearer(key, now).map(Claim::Known);
        };
        if values.next().is_some() {
            return Err(refusal::repeated("Authorization"));
        }
        let value = value.as_bytes().trim_ascii();
        if value.is_empty() {
            return Err(refusal::missing());
        }
        let blank = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let (scheme, parameters) = value.split_at(blank);
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            return keys.bearer(parameters.trim_ascii_start(), now).map(Claim::Known);
        }
        if head.headers.get_all(HOST).into_iter().nth(1).is_some() {
            return Err(refusal::repeated("Host"));
        }
        verify::head(keys, scheme, parameters, head, now).map(Claim::Signed)
    }
}

impl Keys {
    /// Who holds the bearer key `key`: one that is listed, or one made from an access key.
    fn bearer(&self, key: &[u8], now: OffsetDateTime) -> Result<Principal> {
        self.ring
            .bearer(key)
            .or_else(|| api_key::holder(&self.ring, key, now))
            .cloned()
            .ok_or_else(refusal::api_key)
    }
}

/// The bearer key of a call to Anthropic's API, whose clients send it in a header of their own.
fn anthropic_key(head: &Parts) -> Option<&[u8]> {
    let is_anthropic = Dialect::of_path(head.uri.path()) == Dialect::Anthropic;
    let mut keys = head.headers.get_all(API_KEY).into_iter().filter(|_| is_anthropic);
    let key = keys.next()?;
    keys.next().is_none().then(|| key.as_bytes().trim_ascii()).filter(|key| !key.is_empty())
}

/// Whether a query string has a parameter of a presigned URL.
fn has_signature(query: &str) -> bool {
    query.split('&').any(|parameter| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        name.eq_ignore_ascii_case("X-Amz-Signature") || name.eq_ignore_ascii_case("X-Amz-Algorithm")
    })
}

#[cfg(test)]
mod tests;
