//! The key file: whom the gateway knows.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;

use super::Secret;
use super::environment::Surroundings;
use super::problem::{Origin, Problem, Severity, Source};
use super::raw;
use super::reader::{Reader, Set};

/// The keys that were given out.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// For SigV4. Their ids differ.
    pub access_keys: Vec<AccessKey>,
    /// For bearer authorization. Their digests differ.
    pub bearer_keys: Vec<BearerKey>,
}

impl Keys {
    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.access_keys.is_empty() && self.bearer_keys.is_empty()
    }

    /// Who holds them; one who has several is there several times.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        let access = self.access_keys.iter().map(|key| key.principal.as_str());
        access.chain(self.bearer_keys.iter().map(|key| key.principal.as_str()))
    }
}

/// A key pair, long-lived or of a session.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The public half: what stands in a signature's scope.
    pub id: String,
    /// The secret half.
    pub secret: Secret,
    /// The token that calls with this key must carry.
    pub session_token: Option<Secret>,
    /// Who calls with it.
    pub principal: String,
}

/// A bearer key, of which only the digest is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerKey {
    /// SHA-256 of the key's bytes: 64 hexadecimal digits, lower case.
    pub sha256: String,
    /// Who calls with it.
    pub principal: String,
}

/// Reads the key file that `named` names; `path` is where it is.
pub(super) fn load(named: &Origin, path: &Path, problems: &mut Vec<Problem>) -> Keys {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(named.error(
                format!("the key file {} cannot be read: {error}", path.display()),
                "write a file with `[[access_key]]` or `[[bearer_key]]` entries there",
            ));
            return Keys::default();
        }
    };
    if let Ok(metadata) = std::fs::metadata(path)
        && readable_by_everyone(&metadata)
    {
        problems.push(Problem {
            severity: Severity::Warning,
            file: Some(path.to_owned()),
            position: None,
            path: named.path.clone(),
            message: "every user of this machine can read or change the key file".to_owned(),
            help: Some(format!("take the others' rights away: chmod o-rwx {}", path.display())),
        });
    }
    read(path, text, problems)
}

#[cfg(unix)]
fn readable_by_everyone(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o006 != 0
}

#[cfg(not(unix))]
fn readable_by_everyone(_: &Metadata) -> bool {
    false
}

pub(super) fn read(path: &Path, text: String, problems: &mut Vec<Problem>) -> Keys {
    let mut reader = Reader::new(Source { file: path.to_owned(), text, quotable: false });
    let file: raw::KeyFile = reader.document().unwrap_or_default();
    problems.append(&mut reader.problems);
    let mut keys = Keys::default();
    let mut ids = HashMap::new();
    for key in file.access_key.unwrap_or_default() {
        let id = required(key.id, "id", key.at.as_ref(), problems);
        let secret = required(key.secret, "secret", key.at.as_ref(), problems);
        let principal = required(key.principal, "principal", key.at.as_ref(), problems);
        if let Some(id) = &id {
            check_id(id, problems);
            once(&mut ids, &id.value, &id.origin, "access key id", problems);
        }
        let (Some(id), Some(secret), Some(principal)) = (id, secret, principal) else { continue };
        keys.access_keys.push(AccessKey {
            id: id.value,
            secret: secret.value,
            session_token: key.session_token.map(|token| token.value),
            principal: principal.value,
        });
    }
    let mut digests = HashMap::new();
    for key in file.bearer_key.unwrap_or_default() {
        let digest = required(key.sha256, "sha256", key.at.as_ref(), problems);
        let principal = required(key.principal, "principal", key.at.as_ref(), problems);
        let (Some(digest), Some(principal)) = (digest, principal) else { continue };
        let hexadecimal = digest.value.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digest.value.len() != 64 || !hexadecimal {
            problems.push(digest.origin.error(
                "expected a SHA-256 digest: 64 hexadecimal digits",
                "write what `printf %s \"$KEY\" | sha256sum` prints, never the key itself",
            ));
            continue;
        }
        let sha256 = digest.value.to_ascii_lowercase();
        once(&mut digests, &sha256, &digest.origin, "bearer key", problems);
        keys.bearer_keys.push(BearerKey { sha256, principal: principal.value });
    }
    keys
}

/// A key that every entry must have. One whose value was refused already is not missed again.
fn required<T>(
    value: Option<Set<T>>,
    key: &str,
    entry: Option<&Origin>,
    problems: &mut Vec<Problem>,
) -> Option<Set<T>> {
    if let (None, Some(entry)) = (&value, entry) {
        let help = match key {
            "id" => "write `id = \"AKIDTEAMA\"`: the access key id that callers sign with",
            "secret" => "write `secret = \"…\"`: the secret access key",
            "sha256" => "write `sha256 = \"…\"`: the digest of the key, 64 hexadecimal digits",
            _ => "write `principal = \"team-a\"`: who calls with this key, for the log",
        };
        super::check::missing(entry, key, help, problems);
    }
    value
}

fn once(
    seen: &mut HashMap<String, Option<usize>>,
    name: &str,
    origin: &Origin,
    what: &str,
    problems: &mut Vec<Problem>,
) {
    let line = origin.problem(Severity::Error, String::new(), None).line();
    if let Some(first) = seen.get(name) {
        let at = first.map_or_else(String::new, |line| format!(", first on line {line}"));
        problems.push(origin.error(
            format!("this {what} is listed twice{at}"),
            "keep one of the entries; one key belongs to one principal",
        ));
    } else {
        seen.insert(name.to_owned(), line);
    }
}

/// Adds the one key that a sidecar's environment gives.
pub(super) fn add_from_environment(
    around: &Surroundings,
    keys: &mut Keys,
    problems: &mut Vec<Problem>,
) {
    let key = &around.access_key;
    match (&key.id, &key.secret) {
        (Some(id), Some(secret)) => {
            if keys.access_keys.iter().any(|known| known.id == id.value) {
                problems.push(
                    id.origin
                        .error("the key file has this access key id too", "keep one of the two"),
                );
            }
            check_id(id, problems);
            keys.access_keys.push(AccessKey {
                id: id.value.clone(),
                secret: secret.value.clone(),
                session_token: key.session_token.as_ref().map(|token| token.value.clone()),
                principal: key
                    .principal
                    .as_ref()
                    .map_or_else(|| "sidecar".to_owned(), |principal| principal.value.clone()),
            });
        }
        (Some(id), None) => problems.push(
            id.origin
                .error("an access key id without its secret", "set HELAN_SECRET_ACCESS_KEY too"),
        ),
        (None, Some(secret)) => problems.push(
            secret
                .origin
                .error("a secret without its access key id", "set HELAN_ACCESS_KEY_ID too"),
        ),
        (None, None) => {}
    }
    let alone = key.session_token.as_ref().map(|token| &token.origin);
    let alone = alone.or(key.principal.as_ref().map(|principal| &principal.origin));
    if let (None, None, Some(origin)) = (&key.id, &key.secret, alone) {
        problems.push(origin.error(
            "there is no access key that this could belong to",
            "set HELAN_ACCESS_KEY_ID and HELAN_SECRET_ACCESS_KEY too",
        ));
    }
}

/// What an access key id may look like: it stands between slashes in a signature's scope.
fn check_id(id: &Set<String>, problems: &mut Vec<Problem>) {
    if !id.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
        problems.push(id.origin.error(
            "an access key id has letters, digits, `_`, `-` and `.` only",
            "write one such as \"AKIDTEAMA\"",
        ));
    }
}
