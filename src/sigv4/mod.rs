//! `SigV4`, the parts of its grammar: one file each, all of them pure functions of the request's
//! head. `auth` verifies callers with them, `transport` signs its own calls: what one writes the
//! other reads, and tests hold both to the SDK's signer.

mod amz_date;
mod authorization;
mod canonical;
mod scope;
mod sign;
mod signing_key;

pub(crate) use amz_date::AmzDate;
pub(crate) use authorization::{Authorization, Malformed};
pub(crate) use canonical::{SignedHeaders, head, payload, query};
pub(crate) use scope::Credential;
pub(crate) use sign::Signing;
pub(crate) use signing_key::{SigningKey, SigningKeys};

/// The only algorithm: the scheme of `Authorization`, and the first line of the string to sign.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
