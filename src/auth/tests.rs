//! Against an independent signer, the official SDK's, and against nonsense.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderValue, Request};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use time::macros::datetime;

use super::*;
use crate::Code;

const NOW: OffsetDateTime = datetime!(2026-11-20 23:22:04 UTC);

fn authenticator() -> Authenticator {
    let key = AccessKey {
        id: "AKIDEXAMPLE".into(),
        secret: "SECRET".into(),
        session_token: None,
        principal: "p".into(),
    };
    Authenticator::new(Keyring::new([key], []).unwrap(), &["bedrock"])
}

fn digest(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// Signs as the SDK does, then gives what a server would read.
fn signed(region: &str, announce: bool, request: http::request::Builder, body: &[u8]) -> Parts {
    let identity = Credentials::new("AKIDEXAMPLE", "SECRET", None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    if announce {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("bedrock")
        .time(SystemTime::from(NOW))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let uri = format!("http://gateway:8080{}", head.uri);
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let signable =
        SignableRequest::new(head.method.as_str(), uri, headers, SignableBody::Bytes(body));
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    for (name, value) in instructions.into_parts().0.iter().map(|h| (h.name(), h.value())) {
        head.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    head.headers.insert(HOST, HeaderValue::from_static("gateway:8080"));
    head
}

fn verify(authenticator: &Authenticator, head: &Parts, body: &[u8]) -> Result<Principal> {
    match authenticator.head(head, NOW)? {
        Claim::Known(principal) => Ok(principal),
        Claim::Signed(pending) => pending.verify(digest(body)),
    }
}

fn derived(authenticator: &Authenticator) -> usize {
    authenticator.0.as_ref().unwrap().derived.len()
}

#[test]
fn a_key_is_remembered_once_its_signature_was_right() {
    let authenticator = authenticator();
    let head = |region| signed(region, false, Request::post("/x"), b"body");
    for region in ["r1", "r2", "r3"] {
        assert!(verify(&authenticator, &head(region), b"other").is_err());
        assert!(authenticator.head(&head(region), NOW).is_ok());
    }
    assert_eq!(derived(&authenticator), 0);
    for _ in 0..2 {
        verify(&authenticator, &head("r1"), b"body").unwrap();
    }
    assert_eq!(derived(&authenticator), 1);
    // Clones share what they remember.
    verify(&authenticator.clone(), &head("r2"), b"body").unwrap();
    assert_eq!(derived(&authenticator), 2);
    // A remembered key opens nothing else.
    assert!(verify(&authenticator, &head("r1"), b"other").is_err());
}

/// No SDK signs like this, so it is written out: neither date header has to be signed, since the
/// string to sign holds the date.
#[test]
fn the_date_header_will_do() {
    let empty = hex::encode(digest(b""));
    let canonical = format!("GET\n/x\n\nhost:h\n\nhost\n{empty}");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n20261120T232204Z\n20261120/r/bedrock/aws4_request\n{}",
        hex::encode(digest(canonical.as_bytes()))
    );
    let key = v4::generate_signing_key("SECRET", SystemTime::from(NOW), "r", "bedrock");
    let signature = v4::calculate_signature(key, to_sign.as_bytes());
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/r/bedrock/aws4_request, \
         SignedHeaders=host, Signature={signature}"
    );
    for (name, date, expected) in [
        ("date", "Fri, 20 Nov 2026 23:22:04 GMT", Ok("p")),
        ("date", "20261120T232204Z", Ok("p")),
        ("x-amz-date", "20261120T232204Z", Ok("p")),
        ("date", "Fri, 20 Nov 2026 23:22:05 GMT", Err(Code::InvalidSignature)),
        ("x-amz-date", "20261120T232205Z", Err(Code::InvalidSignature)),
        ("x-amz-date", "Fri, 20 Nov 2026 23:22:04 GMT", Err(Code::IncompleteSignature)),
    ] {
        let request = Request::get("/x").header("host", "h").header(name, date);
        let request = request.header(AUTHORIZATION, &value).body(()).unwrap();
        let outcome = verify(&authenticator(), &request.into_parts().0, b"");
        let outcome = outcome.as_ref().map(Principal::name).map_err(crate::Error::code);
        assert_eq!(outcome, expected, "{name}: {date}");
    }
}

/// A short-term key, rightly signed, whatever it says.
fn short_term(host: &str, action: &str, service: &str, seconds: &str, signed: &str) -> String {
    let scope = format!("20261120/r/{service}/aws4_request");
    let query = format!(
        "Action={action}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F{}\
         &X-Amz-Date=20261120T232204Z&X-Amz-Expires={seconds}&X-Amz-SignedHeaders={signed}",
        scope.replace('/', "%2F")
    );
    let canonical = format!("POST\n/\n{query}\nhost:{host}\n\nhost\n{}", hex::encode(digest(b"")));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n20261120T232204Z\n{scope}\n{}",
        hex::encode(digest(canonical.as_bytes()))
    );
    let key = v4::generate_signing_key("SECRET", SystemTime::from(NOW), "r", service);
    let signature = v4::calculate_signature(key, to_sign.as_bytes());
    let url = format!("{host}/?{query}&X-Amz-Signature={signature}&Version=1");
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, url);
    format!("Bearer bedrock-api-key-{encoded}")
}

#[test]
fn a_short_term_key_is_for_one_thing_and_for_twelve_hours() {
    let (host, action) = ("bedrock.example.com", "CallWithBearerToken");
    for (value, good) in [
        (short_term(host, action, "bedrock", "43200", "host"), true),
        (short_term(host, action, "bedrock", "60", "host"), true),
        (short_term(host, action, "bedrock", "43201", "host"), false),
        (short_term(host, action, "bedrock", "0", "host"), false),
        (short_term(host, action, "bedrock", "-60", "host"), false),
        (short_term(host, action, "sts", "60", "host"), false),
        (short_term(host, "GetCallerIdentity", "bedrock", "60", "host"), false),
        (short_term("sts.example.com", action, "bedrock", "60", "host"), false),
        (short_term(host, action, "bedrock", "60", "host%3Bx"), false),
    ] {
        let request = Request::post("/x").header(AUTHORIZATION, &value).body(()).unwrap();
        let outcome = verify(&authenticator(), &request.into_parts().0, b"");
        assert_eq!(outcome.is_ok(), good, "{value}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let authenticator = authenticator();
    let head = signed("r", false, Request::post("/x"), b"");
    let claim = authenticator.head(&head, NOW).unwrap();
    let authorization = head.headers[AUTHORIZATION].to_str().unwrap();
    let signature = authorization.rsplit('=').next().unwrap();
    for shown in [format!("{claim:?}"), format!("{authenticator:?}")] {
        assert!(!shown.contains("SECRET") && !shown.contains(signature), "{shown}");
    }
}

#[test]
fn principals_have_names() {
    assert_eq!(Principal::anonymous().to_string(), "anonymous");
    assert!(Principal::anonymous().is_anonymous());
    // One who is called so is still somebody.
    assert_ne!(Principal::named("anonymous"), Principal::anonymous());
}

/// A segment as clients send it: encoded, or with a bare `:`.
fn segment() -> impl Strategy<Value = String> {
    "([a-zA-Z0-9._~:-]|%3A|%2F|%E6%A8%A1){0,12}"
}

proptest! {
    #[test]
    fn what_the_sdk_signs_verifies(
        segments in prop::collection::vec(segment(), 1..5),
        query in prop::collection::btree_map("[a-z]{1,4}", "[a-zA-Z0-9]{0,4}", 0..4),
        value in "[a-z]{1,5}( {1,3}[a-z]{1,5}){0,2}",
        body in prop::collection::vec(any::<u8>(), 0..40),
        announce: bool,
    ) {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("/{}{mark}{}", segments.join("/"), query.join("&"));
        prop_assume!(!target.starts_with("//"));
        let request = Request::post(target.as_str()).header("x-custom", value);
        let head = signed("cn-northwest-1", announce, request, &body);
        let principal = verify(&authenticator(), &head, &body);
        prop_assert_eq!(principal.map(|p| p.name().to_owned()).unwrap(), "p");
        let error = verify(&authenticator(), &head, &[&body[..], b"x"].concat()).unwrap_err();
        prop_assert_eq!(error.code(), Code::InvalidSignature);
    }

    #[test]
    fn no_authorization_panics(
        value in prop::collection::vec(any::<u8>().prop_filter("allowed in a header", |b| *b >= 0x20 && *b != 0x7f), 0..200),
    ) {
        let (mut head, ()) = Request::post("/x").body(()).unwrap().into_parts();
        head.headers.insert(AUTHORIZATION, HeaderValue::from_bytes(&value).unwrap());
        prop_assert!(authenticator().head(&head, NOW).is_err());
    }

    #[test]
    fn no_near_miss_panics(
        scheme in "AWS4-HMAC-SHA256|AWS4-|Bearer|bearer bedrock-api-key-",
        parts in prop::collection::vec("Credential=|AKIDEXAMPLE|/|20261120/r/bedrock/aws4_request|,| |SignedHeaders=|:authority|host|;|x-amz-date|Signature=|[0-9a-f]{64}|=|é", 0..14),
        date in "20261120T232204Z|[0-9TZ]{0,16}",
        target in "/[a-z%/:é.]{0,12}(\\?[a-z=&%]{0,12})?",
    ) {
        let mut head = Request::post("/").header("host", "h").body(()).unwrap().into_parts().0;
        if let Ok(uri) = target.parse() {
            head.uri = uri;
        }
        let value = format!("{scheme} {}", parts.concat());
        head.headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        head.headers.insert("x-amz-date", HeaderValue::from_str(&date).unwrap());
        if let Ok(Claim::Signed(pending)) = authenticator().head(&head, NOW) {
            prop_assert!(pending.verify(digest(b"")).is_err());
        }
    }

    #[test]
    fn no_short_term_key_panics(url in "(bedrock\\.)?[a-z]{0,3}/?\\??([A-Za-z-]{0,8}=?[A-Za-z0-9%]{0,6}&?){0,6}") {
        let key = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, url);
        let value = format!("Bearer bedrock-api-key-{key}");
        let head = Request::post("/").header(AUTHORIZATION, value).body(()).unwrap().into_parts().0;
        prop_assert!(authenticator().head(&head, NOW).is_err());
    }
}
