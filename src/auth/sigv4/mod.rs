//! `SigV4`, the parts of its grammar: one file each, all of them pure functions of the request's
//! head. What to do with them is in [`super::verify`].

mod amz_date;
mod authorization;
mod canonical;
mod scope;
mod signing_key;

pub(super) use amz_date::AmzDate;
pub(super) use authorization::{Authorization, Malformed};
pub(super) use canonical::{SignedHeaders, head, query};
pub(super) use scope::Credential;
pub(super) use signing_key::{SigningKey, SigningKeys};

/// The only algorithm: the scheme of `Authorization`, and the first line of the string to sign.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
