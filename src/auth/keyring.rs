//! Who may call: access keys and bearer keys, as the operator listed them.

use std::collections::HashMap;
use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Principal;
use crate::config::Secret;

/// A pair of keys that signs requests.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The access key id, which travels in the clear.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// What temporary credentials must send beside their signature. `None` for long-term ones,
    /// which must send nothing.
    pub session_token: Option<Secret>,
    /// The name of who holds the pair.
    pub principal: String,
}

/// A key that is sent as it is (`Authorization: Bearer …`), known by its hash only.
#[derive(Clone, Debug)]
pub struct BearerKey {
    /// The SHA-256 of the key: 64 hexadecimal digits.
    pub sha256: String,
    /// The name of who holds the key.
    pub principal: String,
}

/// Why keys do not make a ring. Names keys by what is no secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyringError {
    /// The id is empty, or holds a character that no `Authorization` header could carry.
    #[error("access key id {0:?} must be letters, digits, '-', '_' or '.'")]
    Id(String),
    /// The secret access key is empty.
    #[error("the secret of access key {0} is empty")]
    Secret(String),
    /// The session token is empty.
    #[error("the session token of access key {0} is empty")]
    SessionToken(String),
    /// Two access keys have the same id.
    #[error("access key {0} is listed twice")]
    IdTwice(String),
    /// The hash of a bearer key is not 64 hexadecimal digits.
    #[error("the SHA-256 of the bearer key of {0} must be 64 hexadecimal digits")]
    Sha256(String),
    /// Two bearer keys have the same hash.
    #[error("the bearer key of {0} is listed twice")]
    BearerTwice(String),
    /// A key is nobody's.
    #[error("a key has no principal")]
    Principal,
}

/// All keys of this gateway.
#[derive(Default)]
pub struct Keyring {
    access: HashMap<Box<str>, Entry>,
    /// By the first bytes of the hash, so that the rest can be compared in constant time.
    bearer: HashMap<[u8; 8], Vec<([u8; 32], Principal)>>,
}

/// What is known of one access key id.
pub(super) struct Entry {
    pub(super) secret: Secret,
    session_token: Option<Secret>,
    pub(super) principal: Principal,
}

impl Entry {
    /// Whether `sent` is the session token of this key: none where it has none.
    pub(super) fn has_token(&self, sent: Option<&[u8]>) -> bool {
        match (&self.session_token, sent) {
            (None, None) => true,
            (Some(token), Some(sent)) => token.expose().as_bytes().ct_eq(sent).into(),
            _ => false,
        }
    }
}

impl Keyring {
    /// Puts the keys on a ring.
    ///
    /// ```
    /// use helan::auth::{AccessKey, Keyring};
    ///
    /// let key = AccessKey {
    ///     id: "AKIDEXAMPLE".into(),
    ///     secret: "SECRET".into(),
    ///     session_token: None,
    ///     principal: "billing-report".into(),
    /// };
    /// assert!(Keyring::new([key.clone()], []).is_ok());
    /// let twice = Keyring::new([key.clone(), key], []).unwrap_err();
    /// assert_eq!(twice.to_string(), "access key AKIDEXAMPLE is listed twice");
    /// ```
    ///
    /// # Errors
    /// The first key that could never be used, or is there twice.
    pub fn new(
        access: impl IntoIterator<Item = AccessKey>,
        bearer: impl IntoIterator<Item = BearerKey>,
    ) -> Result<Self, KeyringError> {
        let mut ring = Self::default();
        for key in access {
            ring.add_access(key)?;
        }
        for key in bearer {
            ring.add_bearer(&key)?;
        }
        Ok(ring)
    }

    fn add_access(&mut self, key: AccessKey) -> Result<(), KeyringError> {
        let AccessKey { id, secret, session_token, principal } = key;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if id.is_empty() || !id.bytes().all(allowed) {
            return Err(KeyringError::Id(id));
        }
        if secret.expose().is_empty() {
            return Err(KeyringError::Secret(id));
        }
        if session_token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            return Err(KeyringError::SessionToken(id));
        }
        if self.access.contains_key(id.as_str()) {
            return Err(KeyringError::IdTwice(id));
        }
        let principal = named(&principal)?;
        self.access.insert(id.into(), Entry { secret, session_token, principal });
        Ok(())
    }

    fn add_bearer(&mut self, key: &BearerKey) -> Result<(), KeyringError> {
        let principal = named(&key.principal)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&key.sha256, &mut digest)
            .map_err(|_| KeyringError::Sha256(key.principal.clone()))?;
        let same_prefix = self.bearer.entry(prefix(&digest)).or_default();
        if same_prefix.iter().any(|(other, _)| *other == digest) {
            return Err(KeyringError::BearerTwice(key.principal.clone()));
        }
        same_prefix.push((digest, principal));
        Ok(())
    }

    /// What is known of the access key `id`.
    pub(super) fn access(&self, id: &str) -> Option<&Entry> {
        self.access.get(id)
    }

    /// Who holds the bearer key `key`.
    pub(super) fn bearer(&self, key: &[u8]) -> Option<&Principal> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let (_, principal) = self
            .bearer
            .get(&prefix(&digest))?
            .iter()
            .find(|(known, _)| bool::from(known.ct_eq(&digest)))?;
        Some(principal)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bearer: usize = self.bearer.values().map(Vec::len).sum();
        f.debug_struct("Keyring")
            .field("access_keys", &self.access.len())
            .field("bearer_keys", &bearer)
            .finish()
    }
}

fn named(principal: &str) -> Result<Principal, KeyringError> {
    if principal.is_empty() {
        Err(KeyringError::Principal)
    } else {
        Ok(Principal::named(principal))
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&digest[..8]);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(id: &str, secret: &str, token: Option<&str>) -> AccessKey {
        AccessKey {
            id: id.into(),
            secret: secret.into(),
            session_token: token.map(Into::into),
            principal: "p".into(),
        }
    }

    fn bearer(key: &str, principal: &str) -> BearerKey {
        BearerKey { sha256: hex::encode(Sha256::digest(key)), principal: principal.into() }
    }

    #[test]
    fn keys_that_could_never_be_used_are_refused() {
        let refused = |key| Keyring::new([key], []).unwrap_err();
        for id in ["", "AK/ID", "AK ID", "AK,ID", "AKÍD"] {
            assert_eq!(refused(access(id, "s", None)), KeyringError::Id(id.into()));
        }
        assert_eq!(refused(access("A", "", None)), KeyringError::Secret("A".into()));
        assert_eq!(refused(access("A", "s", Some(""))), KeyringError::SessionToken("A".into()));
        let nobody = AccessKey { principal: String::new(), ..access("A", "s", None) };
        assert_eq!(refused(nobody), KeyringError::Principal);
        for sha256 in ["", "abc", &"g".repeat(64), &"0".repeat(66)] {
            let key = BearerKey { sha256: sha256.into(), principal: "p".into() };
            let error = Keyring::new([], [key]).unwrap_err();
            assert_eq!(error, KeyringError::Sha256("p".into()), "{sha256}");
        }
        let twice = Keyring::new([], [bearer("k", "p"), bearer("k", "q")]).unwrap_err();
        assert_eq!(twice, KeyringError::BearerTwice("q".into()));
    }

    #[test]
    fn a_bearer_key_is_found_by_its_hash() {
        let ring = Keyring::new([], [bearer("one", "p"), bearer("two", "q")]).unwrap();
        assert_eq!(ring.bearer(b"two").map(Principal::name), Some("q"));
        assert_eq!(ring.bearer(b"twO"), None);
        assert_eq!(ring.bearer(b""), None);
        let hash = hex::encode(Sha256::digest("one"));
        assert_eq!(ring.bearer(hash.as_bytes()), None);
    }

    #[test]
    fn debugging_shows_no_key() {
        let ring = Keyring::new([access("AKID", "s3cret", Some("t0ken"))], [bearer("one", "p")]);
        assert_eq!(format!("{:?}", ring.unwrap()), "Keyring { access_keys: 1, bearer_keys: 1 }");
        let shown = format!("{:?}", access("AKID", "s3cret", Some("t0ken")));
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }
}
