//! Requests of real clients, as they were recorded: `tests/fixtures/requests`.
//!
//! HTTP/1.1 is kept as it arrived (a few files with bare line feeds), HTTP/2 as its header list
//! below `#` comments.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};

/// One recorded request.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) head: Parts,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    /// The value of a header that is there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.head.headers.get(name).unwrap_or_else(|| panic!("{}: {name}", self.name));
        value.to_str().unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.head.headers.contains_key(name)
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.header("authorization").starts_with("AWS4-HMAC-SHA256 ")
    }

    /// The names in `SignedHeaders`.
    pub(crate) fn signed_headers(&self) -> Vec<&str> {
        let (_, rest) = self.header("authorization").split_once("SignedHeaders=").unwrap();
        rest.split_once(',').unwrap().0.split(';').collect()
    }

    /// The elements of the credential: access key id, date, region, service, terminator.
    pub(crate) fn credential(&self) -> Vec<&str> {
        let (_, rest) = self.header("authorization").split_once("Credential=").unwrap();
        rest.split_once(',').unwrap().0.split('/').collect()
    }
}

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/requests")
}

/// Every recorded request, in the order of their names.
pub(crate) fn all() -> Vec<Recorded> {
    let mut files = Vec::new();
    let mut directories = vec![directory()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "txt")
                && !path.ends_with("short-term-api-key.txt")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

/// One recorded request, by its path below the directory.
pub(crate) fn one(path: &str) -> Recorded {
    read(&directory().join(path))
}

fn read(path: &Path) -> Recorded {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut lines = Vec::new();
    loop {
        let end = rest.iter().position(|b| *b == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap().trim_end_matches('\r');
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        if !line.starts_with('#') {
            lines.push(line);
        }
    }

    let mut head = Request::new(()).into_parts().0;
    let (mut method, mut target, mut authority) = ("", String::new(), None);
    for line in lines {
        // A pseudo-header begins with the colon that ends the others.
        let colon = line.get(1..).and_then(|tail| tail.find(": ")).map(|at| at + 1);
        match colon.map(|at| (&line[..at], &line[at + 2..])) {
            Some((":authority", value)) => authority = Some(value),
            Some((":path", value)) => value.clone_into(&mut target),
            Some((":method", value)) => method = value,
            Some((":scheme", _)) => {}
            Some((name, value)) => {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                head.headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            None => {
                let mut words = line.split(' ');
                method = words.next().unwrap();
                words.next().unwrap().clone_into(&mut target);
                assert_eq!(words.next(), Some("HTTP/1.1"), "{}", path.display());
            }
        }
    }
    head.method = Method::from_bytes(method.as_bytes()).unwrap();
    head.uri = match authority {
        // As hyper makes it from the pseudo-headers.
        Some(authority) => Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query(target)
            .build()
            .unwrap(),
        None => target.parse().unwrap(),
    };
    let name = path.strip_prefix(directory()).unwrap().display().to_string();
    let length = head.headers.get("content-length").map(|v| v.to_str().unwrap().parse().unwrap());
    let body = rest[..length.unwrap_or(rest.len())].to_vec();
    Recorded { name, head, body }
}
