//! Identity: requests that real clients signed, and every way to spoil them.

#![cfg(test)] // what the lints let tests do, they let helpers beside them do only under this

mod recorded;
mod refusals;

use helan::auth::{AccessKey, Authenticator, BearerKey, Claim, Keyring, Principal};
use helan::{Code, Error};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use recorded::Recorded;
use sha2::{Digest, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

const SERVICES: &[&str] = &["bedrock", "bedrock-mantle"];

/// What the recordings were signed with.
const SECRET: &str = "SECRET";

fn access_key(id: &str, token: Option<&str>) -> AccessKey {
    AccessKey {
        id: id.into(),
        secret: SECRET.into(),
        session_token: token.map(Into::into),
        principal: format!("holder of {id}"),
    }
}

/// Knows the access key that signed `request`, and its session token if there is one.
fn authenticator(request: &Recorded) -> Authenticator {
    let token = request.has("x-amz-security-token").then(|| request.header("x-amz-security-token"));
    let key = access_key(request.credential()[0], token);
    Authenticator::new(Keyring::new([key], []).unwrap(), SERVICES)
}

/// When `request` was signed.
fn signed_at(request: &Recorded) -> OffsetDateTime {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(request.header("x-amz-date"), form).unwrap().assume_utc()
}

/// Both steps.
fn verify(
    authenticator: &Authenticator,
    head: &Parts,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<Principal, Error> {
    match authenticator.head(head, now)? {
        Claim::Known(principal) => Ok(principal),
        Claim::Signed(pending) => pending.verify(Sha256::digest(body).into()),
    }
}

/// All requests that carry a signature.
fn signed() -> Vec<Recorded> {
    recorded::all().into_iter().filter(Recorded::is_signed).collect()
}

/// Another byte of the same kind, allowed wherever the first was.
fn other(byte: u8) -> u8 {
    match byte {
        b'9' => b'0',
        b'0'..=b'8' => byte + 1,
        b'a' => b'b',
        _ => b'a',
    }
}

/// `text` with one byte changed, for every byte from `first` on.
fn spoiled(text: &[u8], first: usize) -> impl Iterator<Item = Vec<u8>> {
    (first..text.len()).map(|at| {
        let mut text = text.to_vec();
        text[at] = other(text[at]);
        text
    })
}

fn with_target(uri: &Uri, target: &[u8]) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.try_into().unwrap());
    Uri::from_parts(parts).unwrap()
}

fn with_header(head: &Parts, name: &str, value: &[u8]) -> Parts {
    let mut head = head.clone();
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    head.headers.insert(name, HeaderValue::from_bytes(value).unwrap());
    head
}

#[test]
fn every_recorded_signature_verifies() {
    let signed = signed();
    for request in &signed {
        let principal =
            verify(&authenticator(request), &request.head, &request.body, signed_at(request));
        let expected = format!("holder of {}", request.credential()[0]);
        assert_eq!(principal.unwrap().name(), expected, "{}", request.name);
    }
    assert_eq!(signed.len(), 67);
}

#[test]
fn a_signature_verifies_again_with_the_remembered_key() {
    for request in signed() {
        let authenticator = authenticator(&request);
        for _ in 0..3 {
            verify(&authenticator, &request.head, &request.body, signed_at(&request)).unwrap();
        }
    }
}

/// Both with the signing key derived and with it remembered.
fn assert_refused(request: &Recorded, spoiled: impl Iterator<Item = (Parts, Vec<u8>)>) -> usize {
    let now = signed_at(request);
    let authenticator = authenticator(request);
    let mut count = 0;
    for (head, body) in spoiled {
        let error = verify(&authenticator, &head, &body, now)
            .expect_err(&format!("{}: {head:?}", request.name));
        let expected = matches!(
            error.code(),
            Code::InvalidSignature | Code::IncompleteSignature | Code::UnrecognizedClient
        );
        assert!(expected, "{}: {error}", request.name);
        count += 1;
        if count == 1 {
            verify(&authenticator, &request.head, &request.body, now).unwrap();
        }
    }
    count
}

#[test]
fn a_changed_path_or_query_is_refused() {
    for request in signed() {
        let uri = &request.head.uri;
        let target = uri.path_and_query().unwrap().as_str().as_bytes();
        let spoiled = spoiled(target, 1).map(|target| {
            let mut head = request.head.clone();
            head.uri = with_target(uri, &target);
            (head, request.body.clone())
        });
        assert_eq!(assert_refused(&request, spoiled), target.len() - 1);
        let added = [&b"?x=1"[..], b"/", b"&x"].map(|tail| {
            let mut head = request.head.clone();
            head.uri = with_target(uri, &[target, tail].concat());
            (head, request.body.clone())
        });
        assert_refused(&request, added.into_iter());
    }
}

#[test]
fn a_changed_body_is_refused() {
    for request in signed() {
        let longer = [&request.body[..], b"\n"].concat();
        let shorter = request.body[..request.body.len().saturating_sub(1)].to_vec();
        let bodies = spoiled(&request.body, 0)
            .chain([longer])
            .chain((!request.body.is_empty()).then_some(shorter));
        assert_refused(&request, bodies.map(|body| (request.head.clone(), body)));
    }
}

#[test]
fn a_changed_signature_is_refused() {
    for request in signed() {
        let authorization = request.header("authorization").as_bytes();
        let spoiled = spoiled(authorization, authorization.len() - 64)
            .chain([
                authorization[..authorization.len() - 1].to_vec(),
                [authorization, b"0"].concat(),
                authorization[..authorization.len() - 64].to_vec(),
            ])
            .map(|value| {
                (with_header(&request.head, "authorization", &value), request.body.clone())
            });
        assert_eq!(assert_refused(&request, spoiled), 67);
    }
}

#[test]
fn a_changed_signed_header_is_refused() {
    for request in signed() {
        for name in request.signed_headers() {
            let value = match name {
                ":authority" => request.head.uri.authority().unwrap().as_str().as_bytes(),
                _ => request.header(name).as_bytes(),
            };
            let values = spoiled(value, 0).chain([[value, b"0"].concat()]);
            let spoiled = values.map(|value| {
                let head = if name == ":authority" {
                    let mut head = request.head.clone();
                    let mut parts = head.uri.into_parts();
                    parts.authority = Some(value.as_slice().try_into().unwrap());
                    head.uri = Uri::from_parts(parts).unwrap();
                    head
                } else {
                    with_header(&request.head, name, &value)
                };
                (head, request.body.clone())
            });
            assert_refused(&request, spoiled);

            let mut head = request.head.clone();
            if name == ":authority" {
                head.uri = head.uri.path_and_query().unwrap().clone().into();
            } else {
                head.headers.remove(name);
            }
            assert_refused(&request, std::iter::once((head, request.body.clone())));
        }
    }
}

#[test]
fn an_unsigned_header_may_say_what_it_likes() {
    let mut unsigned = 0;
    for request in signed() {
        let names: Vec<_> =
            request.head.headers.keys().map(|name| name.as_str().to_owned()).collect();
        let signed = request.signed_headers();
        let mut head = request.head.clone();
        for name in names {
            if name != "authorization" && !signed.contains(&name.as_str()) {
                head = with_header(&head, &name, b"changed");
                unsigned += 1;
            }
        }
        for name in ["x-forwarded-for", "x-amzn-trace-id", "x-amz-cf-id"] {
            head = with_header(&head, name, b"added");
        }
        verify(&authenticator(&request), &head, &request.body, signed_at(&request)).unwrap();
    }
    assert!(unsigned > 67, "{unsigned}");
}

#[test]
fn a_proxy_may_change_the_protocol() {
    for request in signed() {
        let mut head = request.head.clone();
        let target = head.uri.path_and_query().unwrap().as_str().to_owned();
        if let Some(authority) = request.head.uri.authority() {
            // HTTP/2 before the proxy, HTTP/1.1 behind it.
            let host = HeaderValue::from_str(authority.as_str()).unwrap();
            head.headers.insert("host", host);
            head.uri = target.parse().unwrap();
        } else {
            let host = head.headers.remove("host").unwrap();
            head.uri = format!("http://{}{target}", host.to_str().unwrap()).parse().unwrap();
        }
        verify(&authenticator(&request), &head, &request.body, signed_at(&request)).unwrap();
    }
}

#[test]
fn an_announced_hash_is_checked_before_the_body() {
    let request = recorded::one("js-v3/js-01-h2.txt");
    assert!(request.has("x-amz-content-sha256"));
    let mut spoiled = request.header("authorization").as_bytes().to_vec();
    *spoiled.last_mut().unwrap() = other(spoiled[spoiled.len() - 1]);
    let head = with_header(&request.head, "authorization", &spoiled);
    let error = authenticator(&request).head(&head, signed_at(&request)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidSignature);
}

#[test]
fn recorded_bearer_keys_are_looked_up() {
    let key = |key: &str, principal: &str| BearerKey {
        sha256: hex::encode(Sha256::digest(key)),
        principal: principal.into(),
    };
    let keys = [key("bedrock-api-key-ABC", "abc"), key("bedrock-api-key-XYZ", "xyz")];
    let authenticator = Authenticator::new(Keyring::new([], keys).unwrap(), SERVICES);
    let strict = Authenticator::new(Keyring::default(), SERVICES);
    let now = OffsetDateTime::UNIX_EPOCH;
    let mut seen = 0;
    for request in recorded::all().iter().filter(|request| !request.is_signed()) {
        let expected = request.header("authorization").rsplit('-').next().unwrap().to_lowercase();
        // Decided by the head: the body is not asked for.
        let claim = authenticator.head(&request.head, now).unwrap();
        assert!(matches!(claim, Claim::Known(p) if p.name() == expected), "{}", request.name);
        let error = strict.head(&request.head, now).unwrap_err();
        assert_eq!(error.code(), Code::InvalidApiKey, "{}", request.name);
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn a_short_term_key_is_checked_offline() {
    let text = std::fs::read_to_string(recorded::directory().join("short-term-api-key.txt"));
    let text = text.unwrap();
    let key = text.lines().find(|line| line.starts_with("bedrock-api-key-")).unwrap();
    let bearer = |key: &[u8]| {
        let head = http::Request::post("/model/m/converse").body(()).unwrap().into_parts().0;
        with_header(&head, "authorization", &[b"Bearer ", key].concat())
    };
    let with_token = |token| {
        let ring = Keyring::new([access_key("AKIDEXAMPLE", token)], []).unwrap();
        Authenticator::new(ring, SERVICES)
    };
    let ours = with_token(Some("TOK/EN=="));
    let made = time::macros::datetime!(2026-11-20 23:38:00 UTC);
    let tried = |authenticator: &Authenticator, now| {
        verify(authenticator, &bearer(key.as_bytes()), b"", now).map_err(|error| error.code())
    };

    for now in [made - Duration::minutes(5), made, made + Duration::hours(12) - Duration::SECOND] {
        assert_eq!(tried(&ours, now).unwrap().name(), "holder of AKIDEXAMPLE", "{now}");
    }
    for now in [made - Duration::seconds(301), made + Duration::hours(12)] {
        assert_eq!(tried(&ours, now), Err(Code::InvalidApiKey), "{now}");
    }
    for token in [None, Some("TOK/EN=")] {
        assert_eq!(tried(&with_token(token), made), Err(Code::InvalidApiKey), "{token:?}");
    }
    let head = bearer(b"bedrock-api-key-");
    assert_eq!(ours.head(&head, made).unwrap_err().code(), Code::InvalidApiKey);

    // Behind the signature stands `Version`, which is not signed; all before it is.
    let url = text.lines().last().unwrap();
    let signed = url.find("&Version").unwrap();
    let encode = |url: &[u8]| {
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, url);
        ["bedrock-api-key-", &encoded].concat()
    };
    assert_eq!(encode(url.as_bytes()), key);
    for spoiled in spoiled(&url.as_bytes()[..signed], 0) {
        let url = [&spoiled[..], &url.as_bytes()[signed..]].concat();
        let refused = ours.head(&bearer(encode(&url).as_bytes()), made);
        assert!(refused.is_err(), "{}", String::from_utf8_lossy(&url));
    }
}
