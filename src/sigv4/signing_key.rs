//! Signing keys: derived from a secret for one day, region and service, and remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ALGORITHM, AmzDate};
use crate::config::Secret;

/// The key that signs for one day, region and service.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// Derives the key: four HMACs.
    pub(crate) fn derive(secret: &Secret, date: AmzDate, region: &str, service: &str) -> Self {
        let derived =
            generate_signing_key(secret.expose(), SystemTime::from(date.at()), region, service);
        let mut key = Zeroizing::new([0; 32]);
        // A SHA-256 HMAC is 32 bytes long.
        for (to, from) in key.iter_mut().zip(derived.as_ref()) {
            *to = *from;
        }
        Self(key)
    }

    /// The signature of a request whose canonical form has the hash `canonical`: 64 hexadecimal
    /// digits.
    pub(crate) fn sign(&self, date: AmzDate, scope: &str, canonical: &[u8; 32]) -> String {
        let (mut digits, date) = ([0; 64], date.text());
        // 32 bytes fit into 64 digits.
        let _ = hex::encode_to_slice(canonical, &mut digits);
        let parts = [ALGORITHM.as_bytes(), date.as_str().as_bytes(), scope.as_bytes(), &digits];
        calculate_signature(&self.0[..], &parts.join(&b'\n'))
    }

    /// Whether `signature` is this key's, for the request whose canonical form has the hash
    /// `canonical`. Takes the same time wherever they differ.
    pub(crate) fn signed(
        &self,
        date: AmzDate,
        scope: &str,
        canonical: &[u8; 32],
        signature: &str,
    ) -> bool {
        let expected = self.sign(date, scope, canonical);
        expected.as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Signing keys by the credential they were derived for, as written: access key, day, region and
/// service. Regions are the callers' to choose, so only the credential of a signature that was
/// right is ever put in, and there is room for [`SigningKeys::CAPACITY`].
#[derive(Debug, Default)]
pub(crate) struct SigningKeys(RwLock<HashMap<Box<str>, SigningKey>>);

impl SigningKeys {
    /// How many keys are remembered; when one more comes, all are forgotten. They fall due every
    /// midnight anyway, and deriving one again takes microseconds.
    pub(crate) const CAPACITY: usize = 1024;

    /// Credentials that are longer are derived each time: no region has a name of this length.
    const LONGEST: usize = 256;

    pub(crate) fn get(&self, credential: &str) -> Option<SigningKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(credential).cloned()
    }

    pub(crate) fn remember(&self, credential: Box<str>, key: SigningKey) {
        if credential.len() > Self::LONGEST {
            return;
        }
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= Self::CAPACITY && !keys.contains_key(&credential) {
            keys.clear();
        }
        keys.insert(credential, key);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date() -> AmzDate {
        AmzDate::parse(b"20150830T123600Z").unwrap()
    }

    /// The example of AWS's documentation of the derivation.
    #[test]
    fn derives_the_documented_key() {
        let secret = Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let key = SigningKey::derive(&secret, date(), "us-east-1", "iam");
        assert_eq!(
            hex::encode(&key.0[..]),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }

    #[test]
    fn never_remembers_more_than_there_is_room_for() {
        let keys = SigningKeys::default();
        let key = SigningKey::derive(&Secret::from("s"), date(), "r", "s");
        for region in 0..3 * SigningKeys::CAPACITY {
            keys.remember(format!("AKID/20150830/{region}/s/t").into(), key.clone());
            assert!(keys.len() <= SigningKeys::CAPACITY);
        }
        let last = format!("AKID/20150830/{}/s/t", 3 * SigningKeys::CAPACITY - 1);
        assert!(keys.get(&last).is_some());
        assert!(keys.get("AKID/20150830/0/s/t").is_none());
        let before = keys.len();
        keys.remember("r".repeat(300).into(), key);
        assert_eq!(keys.len(), before);
    }
}
