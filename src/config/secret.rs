//! Text that must never be seen: secret access keys, session tokens, keys for other servers.

use std::fmt;

use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A piece of text that neither `Debug` nor any log can show, and whose memory is overwritten
/// when it is dropped. It has no `Display` and no `Serialize`: [`Secret::expose`] is the only way
/// to read it, so that a search for that word finds every place that does.
///
/// ```
/// use helan::config::Secret;
///
/// let secret = Secret::from("wJalrXUtnFEMI");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "wJalrXUtnFEMI");
/// ```
#[derive(Clone, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Keep it where it is used: never in a message, a log or a longer-lived copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        key: Secret,
    }

    #[test]
    fn nothing_that_holds_a_secret_shows_it() {
        let holder: Holder = toml::from_str("key = 'hunter2'").unwrap();
        assert_eq!(holder.key.expose(), "hunter2");
        assert_eq!(format!("{holder:?}"), "Holder { key: Secret(…) }");
        assert!(!format!("{holder:#?}").contains("hunter2"));
    }

    #[test]
    fn zeroizing_leaves_nothing_to_read() {
        let mut secret = Secret::from("hunter2");
        secret.zeroize();
        assert_eq!(secret.expose(), "");
    }
}
