//! The canonical request: what was signed, written again from what arrived.
//!
//! It goes straight into a hasher; only tests ever see it as text.

use http::{HeaderMap, Method, Uri};
use sha2::digest::Update;

/// The names in `SignedHeaders`: lower case, ascending, none twice.
///
/// The order is what the signing process asks of clients. Held here, it also means that a header
/// is hashed once at most, however long the list: the work stays linear in the size of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedHeaders<'a>(&'a str);

impl<'a> SignedHeaders<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut last = "";
        for name in text.split(';') {
            if name <= last || name.bytes().any(|b| b.is_ascii_uppercase()) {
                return None;
            }
            last = name;
        }
        Some(Self(text))
    }

    /// Those of all of `headers`, written into `names`.
    pub(crate) fn all(headers: &HeaderMap, names: &'a mut String) -> Self {
        let mut sorted: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        sorted.sort_unstable();
        for (at, name) in sorted.into_iter().enumerate() {
            if at > 0 {
                names.push(';');
            }
            names.push_str(name);
        }
        Self(names)
    }

    /// As `SignedHeaders=` has them.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.split(';')
    }

    /// Whether the signature holds for one host only: over HTTP/2 some clients sign `:authority`.
    pub(crate) fn bind_host(self) -> bool {
        self.names().any(|name| name == "host" || name == ":authority")
    }
}

/// A header that is signed, but is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderMissing;

/// Writes everything but the last line, which is [`payload`]'s.
pub(crate) fn head(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    signed: SignedHeaders<'_>,
    into: &mut impl Update,
) -> Result<(), HeaderMissing> {
    into.update(method.as_str().as_bytes());
    into.update(b"\n");
    path(uri.path(), into);
    into.update(b"\n");
    query(pairs(uri.query().unwrap_or_default()), into);
    into.update(b"\n");
    for name in signed.names() {
        into.update(name.as_bytes());
        into.update(b":");
        match name {
            ":authority" => authority(uri, headers, into)?,
            "host" => host(uri, headers, into)?,
            _ => values(headers, name, into)?,
        }
        into.update(b"\n");
    }
    into.update(b"\n");
    into.update(signed.0.as_bytes());
    into.update(b"\n");
    Ok(())
}

/// Writes the last line: the hash of the payload.
pub(crate) fn payload(sha256: &[u8; 32], into: &mut impl Update) {
    let mut digits = [0; 64];
    // 32 bytes fit into 64 digits.
    let _ = hex::encode_to_slice(sha256, &mut digits);
    into.update(&digits);
}

/// Every byte of the path as it arrived, encoded once more: `%3A` becomes `%253A`, a bare `:`
/// becomes `%3A`. Nothing is decoded or put in order first, because clients do not do that either.
fn path(path: &str, into: &mut impl Update) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let kept = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|b| !kept(*b)) {
        let (plain, tail) = rest.split_at(at);
        into.update(plain);
        if let Some((&byte, tail)) = tail.split_first() {
            let digit = |nibble: u8| HEX[usize::from(nibble & 0x0f)];
            into.update(&[b'%', digit(byte >> 4), digit(byte)]);
            rest = tail;
        }
    }
    into.update(rest);
}

/// The parameters of a query string, encoded as they arrived; a name alone has no value.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
}

/// Parameters by name, then by value.
pub(crate) fn query<'a>(
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
    into: &mut impl Update,
) {
    let mut pairs: Vec<_> = parameters.collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            into.update(b"&");
        }
        into.update(name.as_bytes());
        into.update(b"=");
        into.update(value.as_bytes());
    }
}

/// `:authority` of an HTTP/2 request. A proxy that goes on with HTTP/1.1 leaves it in `Host`.
fn authority(uri: &Uri, headers: &HeaderMap, into: &mut impl Update) -> Result<(), HeaderMissing> {
    match uri.authority() {
        Some(authority) => into.update(authority.as_str().as_bytes()),
        None => values(headers, "host", into)?,
    }
    Ok(())
}

/// `Host`, or `:authority` where the client or a proxy sent that in its place.
fn host(uri: &Uri, headers: &HeaderMap, into: &mut impl Update) -> Result<(), HeaderMissing> {
    match (values(headers, "host", into), uri.authority()) {
        (Err(HeaderMissing), Some(authority)) => {
            into.update(authority.as_str().as_bytes());
            Ok(())
        }
        (written, _) => written,
    }
}

/// All values of a header, joined by commas. Writes nothing if there is none.
fn values(headers: &HeaderMap, name: &str, into: &mut impl Update) -> Result<(), HeaderMissing> {
    let mut values = headers.get_all(name).into_iter();
    collapsed(values.next().ok_or(HeaderMissing)?.as_bytes(), into);
    for value in values {
        into.update(b",");
        collapsed(value.as_bytes(), into);
    }
    Ok(())
}

/// A value without blanks at its ends, and with one space for each run of blanks inside.
fn collapsed(value: &[u8], into: &mut impl Update) {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            into.update(b" ");
        }
        into.update(word);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;
    use proptest::prelude::*;

    use super::*;

    /// The canonical request as text.
    struct Text(Vec<u8>);

    impl Update for Text {
        fn update(&mut self, data: &[u8]) {
            self.0.extend_from_slice(data);
        }
    }

    fn written(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text(Vec::new());
        write(&mut text);
        String::from_utf8(text.0).unwrap()
    }

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_whole_of_it() {
        let head = parts(
            Request::post("/base/model/a.b-v1%3A0/converse?b=2&a=%2F&b=1&c")
                .header("Host", "127.0.0.1:8080")
                .header("X-Amz-Date", "20261120T232204Z")
                .header("X-Many", " one  two ")
                .header("X-Many", "three\t four"),
        );
        let signed = SignedHeaders::parse("host;x-amz-date;x-many").unwrap();
        let text = written(|into| {
            super::head(&head.method, &head.uri, &head.headers, signed, into).unwrap();
        });
        assert_eq!(
            text,
            "POST\n/base/model/a.b-v1%253A0/converse\na=%2F&b=1&b=2&c=\nhost:127.0.0.1:8080\n\
             x-amz-date:20261120T232204Z\nx-many:one two,three four\n\nhost;x-amz-date;x-many\n"
        );
    }

    #[test]
    fn a_path_is_encoded_once_more_and_never_put_in_order() {
        for (raw, expected) in [
            ("/model/deepseek.r1-v1%3A0/converse", "/model/deepseek.r1-v1%253A0/converse"),
            ("/model/deepseek.r1-v1:0/converse", "/model/deepseek.r1-v1%3A0/converse"),
            ("/model/arn:aws:x%2Fy/invoke", "/model/arn%3Aaws%3Ax%252Fy/invoke"),
            ("//a/./b/../c//", "//a/./b/../c//"),
            ("/a%2fb~_-.+*", "/a%252fb~_-.%2B%2A"),
            ("/模", "/%E6%A8%A1"),
            ("/", "/"),
        ] {
            assert_eq!(written(|into| path(raw, into)), expected, "{raw}");
        }
    }

    #[test]
    fn a_query_is_sorted_by_name_before_value() {
        for (raw, expected) in [
            ("", ""),
            ("&&", ""),
            ("flag", "flag="),
            ("a-b=1&a=2", "a=2&a-b=1"),
            ("b=&a=2&a=1", "a=1&a=2&b="),
            ("a=x=y", "a=x=y"),
            ("=v&", "=v"),
        ] {
            assert_eq!(written(|into| query(pairs(raw), into)), expected, "{raw}");
        }
    }

    #[test]
    fn the_host_is_found_on_both_protocols() {
        let name = |text| SignedHeaders::parse(text).unwrap();
        let line = |head: &Parts, signed| {
            let mut text = Text(Vec::new());
            super::head(&head.method, &head.uri, &head.headers, name(signed), &mut text)
                .map(|()| String::from_utf8(text.0).unwrap().lines().nth(3).unwrap().to_owned())
        };
        let h2 = parts(Request::post("http://gateway:8080/x"));
        assert_eq!(line(&h2, ":authority").unwrap(), ":authority:gateway:8080");
        assert_eq!(line(&h2, "host").unwrap(), "host:gateway:8080");
        let h1 = parts(Request::post("/x").header("host", "gateway:8080"));
        assert_eq!(line(&h1, ":authority").unwrap(), ":authority:gateway:8080");
        assert_eq!(line(&h1, "host").unwrap(), "host:gateway:8080");
        // Where both are there, each stands for itself.
        let both = parts(Request::post("http://a/x").header("host", "b"));
        assert_eq!(line(&both, ":authority").unwrap(), ":authority:a");
        assert_eq!(line(&both, "host").unwrap(), "host:b");
        let none = parts(Request::post("/x"));
        assert_eq!(line(&none, "host"), Err(HeaderMissing));
        assert_eq!(line(&none, ":authority"), Err(HeaderMissing));
        assert_eq!(line(&h1, "host;x-amz-date"), Err(HeaderMissing));
    }

    #[test]
    fn signed_headers_are_lower_case_and_ascending() {
        assert!(SignedHeaders::parse(":authority;host;x-amz-date").unwrap().bind_host());
        assert!(!SignedHeaders::parse("x-amz-date").unwrap().bind_host());
        for text in ["", ";", "host;", ";host", "x;host", "host;host", "Host", "host;;x"] {
            assert_eq!(SignedHeaders::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_path_keeps_its_bytes(raw in "/\\PC{0,40}") {
            let encoded = written(|into| path(&raw, into));
            let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
            prop_assert_eq!(decoded, raw);
            prop_assert!(encoded.is_ascii());
        }

        #[test]
        fn the_order_of_parameters_does_not_matter(mut raw in prop::collection::vec("[a-c=%]{0,4}", 0..6)) {
            let one = written(|into| query(pairs(&raw.join("&")), into));
            raw.reverse();
            let other = written(|into| query(pairs(&raw.join("&")), into));
            prop_assert_eq!(one, other);
        }
    }
}
