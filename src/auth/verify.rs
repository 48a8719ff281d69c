//! The two steps of a signed call.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::keyring::Entry;
use super::refusal::{self, ScopeFaults};
use super::{Keys, Principal, WINDOW};
use crate::sigv4::{
    self, ALGORITHM, AmzDate, Authorization, Credential, Malformed, SignedHeaders, SigningKey,
};
use crate::{Error, Result};

/// A call whose head is in order, and whose body has not been read.
pub struct Pending(Box<Step>);

enum Step {
    /// The signature is right, for a payload with this hash.
    Announced { sha256: [u8; 32], principal: Principal },
    /// The signature covers a hash that is not known yet.
    Open { canonical: Sha256, proof: Proof },
}

impl Pending {
    /// Step two: who calls, given the SHA-256 of the whole body.
    ///
    /// # Errors
    /// `InvalidSignature`: another secret signed, or something else was signed.
    pub fn verify(self, body_sha256: [u8; 32]) -> Result<Principal> {
        match *self.0 {
            Step::Announced { sha256, principal } => {
                if bool::from(sha256.ct_eq(&body_sha256)) {
                    Ok(principal)
                } else {
                    Err(refusal::mismatch())
                }
            }
            Step::Open { canonical, proof } => proof.check(canonical, &body_sha256),
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// A signature, and what it takes to check it.
struct Proof {
    keys: Arc<Keys>,
    principal: Principal,
    credential: Box<str>,
    /// Where the scope begins in `credential`.
    scope: usize,
    date: AmzDate,
    key: SigningKey,
    /// Whether `key` had to be derived.
    fresh: bool,
    signature: Box<str>,
}

impl Proof {
    /// Ends the canonical request with the hash of the payload, and checks the signature.
    fn check(self, mut canonical: Sha256, payload_sha256: &[u8; 32]) -> Result<Principal> {
        sigv4::payload(payload_sha256, &mut canonical);
        let scope = self.credential.get(self.scope..).unwrap_or_default();
        let canonical = canonical.finalize().into();
        if !self.key.signed(self.date, scope, &canonical, &self.signature) {
            return Err(refusal::mismatch());
        }
        if self.fresh {
            self.keys.derived.remember(self.credential, self.key);
        }
        Ok(self.principal)
    }
}

/// Step one: everything that the head can tell. `scheme` and `parameters` are `Authorization`'s.
pub(super) fn head(
    keys: &Arc<Keys>,
    scheme: &[u8],
    parameters: &[u8],
    head: &Parts,
    now: OffsetDateTime,
) -> Result<Pending> {
    let Fields { credential, signed, signature, date } = fields(scheme, parameters, &head.headers)?;
    check_scope(&keys.services, &credential, date)?;
    let entry = known(keys, &credential, &head.headers)?;
    check_window(date, now)?;
    let announced = announced_sha256(&head.headers)?;

    let mut canonical = Sha256::new();
    sigv4::head(&head.method, &head.uri, &head.headers, signed, &mut canonical)
        .map_err(|_| refusal::mismatch())?;
    let remembered = keys.derived.get(credential.text);
    let fresh = remembered.is_none();
    let key = remembered.unwrap_or_else(|| {
        SigningKey::derive(&entry.secret, date, credential.region, credential.service)
    });
    let proof = Proof {
        keys: Arc::clone(keys),
        principal: entry.principal.clone(),
        credential: credential.text.into(),
        scope: credential.text.len() - credential.scope.len(),
        date,
        key,
        fresh,
        signature: signature.into(),
    };
    let step = match announced {
        Some(sha256) => Step::Announced { sha256, principal: proof.check(canonical, &sha256)? },
        None => Step::Open { canonical, proof },
    };
    Ok(Pending(Box::new(step)))
}

/// What a signed head says of its signature.
struct Fields<'a> {
    credential: Credential<'a>,
    signed: SignedHeaders<'a>,
    signature: &'a str,
    date: AmzDate,
}

/// Reads the authorization and the date. A refusal lists everything that lacks.
fn fields<'a>(scheme: &[u8], parameters: &'a [u8], headers: &HeaderMap) -> Result<Fields<'a>> {
    let parameters = std::str::from_utf8(parameters)
        .map_err(|_| refusal::incomplete("The Authorization header must be ASCII text."))?;
    if scheme != ALGORITHM.as_bytes() && scheme.starts_with(b"AWS4-") {
        return Err(refusal::incomplete("Unsupported AWS 'algorithm': use AWS4-HMAC-SHA256."));
    }
    let read = Authorization::parse(parameters).map_err(|malformed| {
        refusal::incomplete(match malformed {
            Malformed::NoEqualSign => {
                "Invalid key=value pair (missing equal-sign) in Authorization header."
            }
            Malformed::Repeated => "A parameter is repeated in Authorization header.",
        })
    })?;
    single(headers, "x-amz-date")?;
    let has_date = headers.contains_key("x-amz-date") || headers.contains_key(header::DATE);
    let (Some(credential), Some(signature), Some(signed), true) =
        (read.credential, read.signature, read.signed_headers, has_date)
    else {
        return Err(lacking(&read, has_date));
    };
    if scheme != ALGORITHM.as_bytes() {
        return Err(refusal::incomplete("Authorization header requires AWS4-HMAC-SHA256."));
    }
    let date = AmzDate::of(headers).ok_or_else(|| {
        refusal::incomplete(
            "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601",
        )
    })?;
    let credential = Credential::parse(credential).ok_or_else(|| {
        refusal::incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term.",
        )
    })?;
    let signed = SignedHeaders::parse(signed).ok_or_else(|| {
        refusal::incomplete("SignedHeaders must be in lower case, sorted, and none of them twice.")
    })?;
    if !signed.bind_host() {
        return Err(refusal::incomplete(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    Ok(Fields { credential, signed, signature, date })
}

/// The refusal of an authorization without some of its parts, in AWS's order.
fn lacking(read: &Authorization<'_>, has_date: bool) -> Error {
    let parts = [
        (read.credential.is_some(), "Authorization header requires 'Credential' parameter."),
        (read.signature.is_some(), "Authorization header requires 'Signature' parameter."),
        (read.signed_headers.is_some(), "Authorization header requires 'SignedHeaders' parameter."),
        (
            has_date,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
    ];
    let lacking: Vec<_> = parts.iter().filter(|(there, _)| !there).map(|(_, text)| *text).collect();
    refusal::incomplete(lacking.join(" "))
}

/// Service, terminator and date of the scope; the region may be any, since clients hard-code one.
fn check_scope(services: &[Box<str>], credential: &Credential<'_>, date: AmzDate) -> Result<()> {
    let mut faults = ScopeFaults::default();
    if !services.iter().any(|service| **service == *credential.service) {
        faults.service(services.first().map_or("", |service| service));
    }
    if credential.terminator != "aws4_request" {
        faults.terminator();
    }
    if credential.date != date.text().day() {
        faults.date(credential.date, date);
    }
    faults.into_result()
}

/// The access key, if it is ours and the session token is the one that belongs to it.
fn known<'a>(
    keys: &'a Keys,
    credential: &Credential<'_>,
    headers: &HeaderMap,
) -> Result<&'a Entry> {
    let token = single(headers, "x-amz-security-token")?;
    keys.ring
        .access(credential.access_key)
        .filter(|entry| entry.has_token(token))
        .ok_or_else(refusal::unrecognized)
}

fn check_window(date: AmzDate, now: OffsetDateTime) -> Result<()> {
    let now = AmzDate::from(now).at();
    if (date.at() - now).abs() > WINDOW { Err(refusal::skewed(date, now)) } else { Ok(()) }
}

/// The hash of the payload, if the head announces one.
fn announced_sha256(headers: &HeaderMap) -> Result<Option<[u8; 32]>> {
    let Some(text) = single(headers, "x-amz-content-sha256")? else { return Ok(None) };
    let mut sha256 = [0; 32];
    if text.iter().any(u8::is_ascii_uppercase) || hex::decode_to_slice(text, &mut sha256).is_err() {
        return Err(refusal::unsigned_payload());
    }
    Ok(Some(sha256))
}

/// The value of a header that may be there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(refusal::repeated(name));
    }
    Ok(first.map(|value| value.as_bytes().trim_ascii()))
}
