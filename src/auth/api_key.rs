//! Short-term API keys: bearer keys that a caller makes from an access key, offline.
//!
//! `bedrock-api-key-` and the base64 of a presigned URL without its scheme, for
//! `POST /?Action=CallWithBearerToken` on Bedrock's host. `Version` is put behind the signature
//! and not signed. Whoever holds the secret can check it; nobody has to be asked.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::keyring::Keyring;
use super::{Principal, WINDOW};
use crate::sigv4::{self, ALGORITHM, AmzDate, Credential, SigningKey};

/// What the key starts with.
const PREFIX: &[u8] = b"bedrock-api-key-";

/// The longest that a key may be good for.
const LONGEST: Duration = Duration::hours(12);

/// Generators write under a kilobyte, beside the session token.
const LARGEST: usize = 16 * 1024;

/// Who made `key`, if it was made from a key of `ring` and is good at `now`.
pub(super) fn holder<'r>(
    ring: &'r Keyring,
    key: &[u8],
    now: OffsetDateTime,
) -> Option<&'r Principal> {
    let encoded = key.strip_prefix(PREFIX).filter(|encoded| encoded.len() <= LARGEST)?;
    let url = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (host, query) = url.split_once("/?")?;
    // The rest of the name is the partition's; no host but Bedrock's begins like this.
    if !host.starts_with("bedrock.") {
        return None;
    }
    let query = Query::parse(query)?;
    let is = |name, expected| query.get(name).is_some_and(|value| value == expected);
    if !is("Action", "CallWithBearerToken")
        || !is("X-Amz-Algorithm", ALGORITHM)
        || !is("X-Amz-SignedHeaders", "host")
    {
        return None;
    }

    let credential = query.get("X-Amz-Credential")?;
    let credential = Credential::parse(&credential)?;
    let date = AmzDate::parse(query.get("X-Amz-Date")?.as_bytes())?;
    let lifetime = Duration::seconds(query.get("X-Amz-Expires")?.parse::<u32>().ok()?.into());
    if credential.service != "bedrock"
        || credential.terminator != "aws4_request"
        || credential.date != date.text().day()
        || lifetime > LONGEST
        || date.at() - now > WINDOW
        || now - date.at() >= lifetime
    {
        return None;
    }

    let entry = ring.access(credential.access_key)?;
    let token = query.get("X-Amz-Security-Token");
    if !entry.has_token(token.as_deref().map(str::as_bytes)) {
        return None;
    }
    let signature = query.get("X-Amz-Signature")?;
    let key = SigningKey::derive(&entry.secret, date, credential.region, credential.service);
    key.signed(date, credential.scope, &query.canonical(host), &signature)
        .then_some(&entry.principal)
}

/// The parameters, encoded as they came; none is there twice.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut pairs: Vec<_> =
            text.split('&').map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
        pairs.sort_unstable();
        let twice = pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        (!twice).then_some(Self(pairs))
    }

    /// The value of a parameter, decoded.
    fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        percent_decode_str(value).decode_utf8().ok()
    }

    /// The hash of the canonical request that was signed.
    fn canonical(&self, host: &str) -> [u8; 32] {
        let mut canonical = Sha256::new();
        canonical.update(b"POST\n/\n");
        let signed =
            self.0.iter().filter(|(name, _)| !matches!(*name, "X-Amz-Signature" | "Version"));
        sigv4::query(signed.copied(), &mut canonical);
        canonical.update(b"\nhost:");
        canonical.update(host.as_bytes());
        canonical.update(b"\n\nhost\n");
        // No payload.
        sigv4::payload(&Sha256::digest(b"").into(), &mut canonical);
        canonical.finalize().into()
    }
}
